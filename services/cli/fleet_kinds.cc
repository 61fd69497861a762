// The kinds that the cells (ingestd) own: how the boxes are, and what routes they hear.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status_macros.h"
#include "services/cli/describe_text.h"
#include "services/cli/exit_code.h"
#include "services/cli/fleet.h"
#include "services/cli/kinds.h"
#include "services/cli/units.h"

namespace fairlead::cli {
namespace {

constexpr Align kRight = Align::kRight;

Row StateRow(const ingest::v1::ApplianceState& state) {
  const ingest::v1::Heartbeat& heartbeat = state.last_heartbeat();
  const ingest::v1::NetworkStatus& network = heartbeat.network();
  int64_t dropped = 0;
  for (const ingest::v1::DropCount& drop : state.dropped_routes()) dropped += drop.count();
  return {ShortName(state.appliance()),
          ShortName(state.cell()),
          Word(state.health()),
          HumanShare(state.weight()),
          HumanAge(state.report_age()),
          HumanBits(network.throughput_bps()),
          network.capacity_bps() == 0
              ? ""
              : HumanShare(static_cast<double>(network.throughput_bps()) / static_cast<double>(network.capacity_bps())),
          Word(heartbeat.nginx().state()),
          SessionsText(state),
          absl::StrCat(heartbeat.fill().files_held(), "/", heartbeat.fill().files_wanted()),
          absl::StrCat(dropped),
          state.health_reason()};
}

Row RouteRow(const ingest::v1::ReportedRoute& reported) {
  const ingest::v1::AdmittedRoute& route = reported.route();
  const std::string path = absl::StrJoin(route.as_path(), " ");
  return {PrefixText(route.prefix()),
          ShortName(route.session()),
          path.empty() ? absl::StrCat("(", route.as_path_length(), " hops)") : path,
          route.has_med() ? absl::StrCat(route.med()) : "",
          reported.admitted() ? (route.demoted() ? "admitted, demoted" : "admitted") : absl::StrCat("dropped: ", reported.drop_reason()),
          reported.drop_detail()};
}

}  // namespace

std::vector<Kind> FleetKinds() {
  std::vector<Kind> kinds;
  kinds.push_back({.plural = "states",
                   .singular = "state",
                   .collection = "appliances",
                   .summary = "how each box is, as it reports",
                   .list = [](Context& context, const ListOptions& options) -> absl::StatusOr<MessagePtr> {
                     ASSIGN_OR_RETURN(auto response, ListStates(context, options.limit));
                     return std::make_unique<ingest::v1::ListApplianceStatesResponse>(std::move(response));
                   },
                   .get = [](Context& context, const std::string& name) -> absl::StatusOr<MessagePtr> {
                     ASSIGN_OR_RETURN(auto state, GetState(context, name));
                     return std::make_unique<ingest::v1::ApplianceState>(std::move(state));
                   },
                   .columns = {{"APPLIANCE"},
                               {"CELL"},
                               {"HEALTH"},
                               {"WEIGHT", kRight},
                               {"AGE", kRight},
                               {"SERVES", kRight},
                               {"USE", kRight},
                               {"NGINX"},
                               {"BGP", kRight},
                               {"FILES", kRight},
                               {"DROPPED", kRight},
                               {"WHY"}},
                   .row = RowOf(StateRow)});
  kinds.push_back({.plural = "routes",
                   .singular = "route",
                   .collection = "appliances",
                   .summary = "routes that a box hears; --dropped for those that were refused, and why",
                   .filter = Filter::kAppliance,
                   .default_limit = 1'000,
                   .list = [](Context& context, const ListOptions& options) -> absl::StatusOr<MessagePtr> {
                     if (options.appliance.empty()) {
                       return UsageError("routes are listed by box: fairlead get routes APPLIANCE [--dropped]");
                     }
                     const auto filter = options.dropped ? ingest::v1::ListRoutesRequest::FILTER_DROPPED
                                                         : ingest::v1::ListRoutesRequest::FILTER_UNSPECIFIED;
                     ASSIGN_OR_RETURN(auto response, ListRoutes(context, options.appliance, filter, options.limit));
                     return std::make_unique<ingest::v1::ListRoutesResponse>(std::move(response));
                   },
                   .columns = {{"PREFIX"}, {"SESSION"}, {"AS PATH"}, {"MED", kRight}, {"STATUS"}, {"DETAIL"}},
                   .row = RowOf(RouteRow)});
  return kinds;
}

}  // namespace fairlead::cli
