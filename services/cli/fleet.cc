#include "services/cli/fleet.h"

#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "fairlead/ingest/v1/fleet_service.grpc.pb.h"
#include "libs/base/status_macros.h"
#include "libs/net/ip_address.h"
#include "services/cli/exit_code.h"

namespace fairlead::cli {
namespace {

using ingest::v1::ApplianceState;
using ingest::v1::FleetQueryService;
using Stub = FleetQueryService::StubInterface;

bool Newer(const ApplianceState& a, const ApplianceState& b) {
  return std::pair(a.incarnation(), a.sequence()) > std::pair(b.incarnation(), b.sequence());
}

// Asks every cell; OK if one answered, else the first error.
template <typename Ask>
absl::Status AskCells(Context& context, const Ask& ask) {
  std::vector<absl::Status> errors;
  bool answered = false;
  for (const Server& cell : context.ingest()) {
    const absl::Status asked = ask(cell);
    answered = answered || asked.ok();
    if (!asked.ok()) errors.push_back(asked);
  }
  if (!answered) return errors.front();
  for (const absl::Status& error : errors) {
    context.Note(absl::StrCat("incomplete: ", std::vector<std::string>(absl::StrSplit(error.message(), '\n')).front()));
  }
  return absl::OkStatus();
}

struct Found {
  ApplianceState state;
  const Server* cell = nullptr;
};

absl::StatusOr<Found> FindNewest(Context& context, const std::string& appliance) {
  ingest::v1::GetApplianceStateRequest request;
  request.set_name(appliance);
  Found found;
  absl::Status unknown = absl::OkStatus();
  RETURN_IF_ERROR(AskCells(context, [&](const Server& cell) -> absl::Status {
    absl::StatusOr<ApplianceState> state = context.Call<FleetQueryService>(cell, &Stub::GetApplianceState, request);
    if (absl::IsNotFound(state.status())) {
      unknown = state.status();
      return absl::OkStatus();
    }
    if (!state.ok()) return state.status();
    if (found.cell == nullptr || Newer(*state, found.state)) found = {*std::move(state), &cell};
    return absl::OkStatus();
  }));
  if (found.cell == nullptr) return unknown;
  return found;
}

}  // namespace

absl::StatusOr<ingest::v1::ListApplianceStatesResponse> ListStates(Context& context, int64_t limit) {
  std::map<std::string, ApplianceState> newest;
  std::string more;
  RETURN_IF_ERROR(AskCells(context, [&](const Server& cell) -> absl::Status {
    ASSIGN_OR_RETURN(ingest::v1::ListApplianceStatesResponse response,
                     context.ListAll<FleetQueryService>(cell, &Stub::ListApplianceStates, ingest::v1::ListApplianceStatesRequest(), limit));
    if (!response.next_page_token().empty()) more = response.next_page_token();
    for (ApplianceState& state : *response.mutable_appliance_states()) {
      const auto [known, is_new] = newest.try_emplace(state.appliance(), state);
      if (!is_new && Newer(state, known->second)) known->second = std::move(state);
    }
    return absl::OkStatus();
  }));
  ingest::v1::ListApplianceStatesResponse all;
  for (auto& [name, state] : newest) *all.add_appliance_states() = std::move(state);
  if (limit > 0 && static_cast<int64_t>(newest.size()) > limit && more.empty()) more = "more";
  KeepFirst(all, limit);
  all.set_next_page_token(more);
  return all;
}

absl::StatusOr<ApplianceState> GetState(Context& context, const std::string& appliance) {
  ASSIGN_OR_RETURN(Found found, FindNewest(context, appliance));
  return std::move(found.state);
}

absl::StatusOr<ingest::v1::ListRoutesResponse> ListRoutes(Context& context, const std::string& appliance,
                                                          ingest::v1::ListRoutesRequest::Filter filter, int64_t limit) {
  const Server* cell = &context.ingest().front();
  if (context.ingest().size() > 1) {
    ASSIGN_OR_RETURN(const Found found, FindNewest(context, appliance));
    cell = found.cell;
  }
  ingest::v1::ListRoutesRequest request;
  request.set_appliance(appliance);
  request.set_filter(filter);
  return context.ListAll<FleetQueryService>(*cell, &Stub::ListRoutes, request, limit);
}

std::string SessionsText(const ApplianceState& state) {
  int established = 0;
  for (const ingest::v1::BgpSessionStatus& session : state.last_heartbeat().bgp_sessions()) established += session.established() ? 1 : 0;
  return absl::StrCat(established, "/", state.last_heartbeat().bgp_sessions_size());
}

std::string PrefixText(const common::v1::Prefix& prefix) {
  const absl::StatusOr<IpAddress> address = IpAddress::FromBytes(prefix.address());
  return absl::StrCat(address.ok() ? address->ToString() : "?", "/", prefix.length());
}

}  // namespace fairlead::cli
