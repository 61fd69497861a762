#include "tests/lab/routers.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status_macros.h"
#include "tests/generator/routes.h"

namespace fairlead {
namespace {

// Sessions on one machine come up within a second or two instead of BIRD's minutes.
constexpr char kTimers[] = "  connect delay time 1;\n  connect retry time 2;\n  error wait time 1, 3;\n";

std::string Head(const std::string& address) {
  return absl::StrCat("log stderr all;\nrouter id ", address, ";\nprotocol device {}\n");
}

std::string Local(const std::string& address, uint32_t asn) {
  return absl::StrCat("  local ", address, " port ", kBgpPort, " as ", asn, ";\n  strict bind yes;\n  multihop;\n", kTimers);
}

std::string Neighbor(const std::string& address, uint32_t asn) {
  return absl::StrCat("  neighbor ", address, " port ", kBgpPort, " as ", asn, ";\n");
}

// BIRD's names are letters, digits and underscores.
std::string Name(std::string text) {
  for (char& c : text) {
    if (c == '-') c = '_';
  }
  return text;
}

// The routes themselves and the filter "routes_export", by which they go to the edge router.
std::string RenderStatic(const LabPartner& partner, const PartnerRoutes& routes) {
  std::vector<GeneratedRoute> announced;
  for (const PlannedRoute& route : routes.routes) {
    GeneratedRoute with_origin = {.prefix = route.prefix, .as_path = {partner.asn}, .med = route.med};
    with_origin.as_path.insert(with_origin.as_path.end(), route.path.begin(), route.path.end());
    announced.push_back(std::move(with_origin));
  }
  return BirdStaticConfig(announced, "routes");
}

// What goes to the boxes inside the partner's network.
std::string RenderBoxFilter(const PartnerRoutes& routes) {
  std::vector<std::string> only4, only6;
  for (const PlannedRoute& route : routes.routes) {
    if (route.peering_only) (route.prefix.address().is_v4() ? only4 : only6).push_back(route.prefix.ToString());
  }
  std::string text = "filter to_boxes {\n";
  if (!only4.empty()) absl::StrAppend(&text, "  if net.type = NET_IP4 then if net ~ [ ", absl::StrJoin(only4, ", "), " ] then reject;\n");
  if (!only6.empty()) absl::StrAppend(&text, "  if net.type = NET_IP6 then if net ~ [ ", absl::StrJoin(only6, ", "), " ] then reject;\n");
  // BIRD strips a MED on eBGP export unless the filter sets it.
  return text + "  if source != RTS_STATIC then reject;\n  if defined(bgp_med) then bgp_med = bgp_med;\n  accept;\n}\n";
}

std::string RenderAnnouncing(const Layout& layout, const LabPartner& partner, absl::string_view name, absl::string_view filter,
                             const std::string& neighbor) {
  return absl::StrCat("protocol bgp ", name, " {\n", Local(layout.RouterOf(partner), partner.asn), neighbor,
                      "  ipv4 { import none; export filter ", filter, "; next hop self; };\n", "  ipv6 { import none; export filter ",
                      filter, "; next hop address ", layout.RouterV6Of(partner), "; };\n}\n");
}

// Where the router's files are, without their endings.
std::string Base(const Layout& layout, const std::string& name) {
  return layout.Run(absl::StrCat("routers/", name));
}

absl::Status WriteConfig(const std::string& base, const std::string& config) {
  std::ofstream file(base + ".conf", std::ios::trunc);
  file << config;
  file.close();
  if (!file) return absl::InternalError(absl::StrCat("can't write '", base, ".conf'"));
  return absl::OkStatus();
}

absl::Status StartBird(Supervisor& supervisor, const Layout& layout, const std::string& name, const std::string& config) {
  const std::string base = Base(layout, name);
  std::error_code error;
  std::filesystem::create_directories(layout.Run("routers"), error);
  RETURN_IF_ERROR(WriteConfig(base, config));
  return supervisor.Start({.name = absl::StrCat("router-", name),
                           .argv = {"/usr/sbin/bird", "-f", "-c", base + ".conf", "-s", base + ".ctl", "-P", base + ".pid"},
                           .stage = 1});
}

}  // namespace

std::string RenderPartnerRouter(const Layout& layout, const LabPartner& partner, const PartnerRoutes& routes) {
  std::string text = absl::StrCat(Head(layout.RouterOf(partner)), RenderStatic(partner, routes), RenderBoxFilter(routes));
  absl::StrAppend(&text, RenderAnnouncing(layout, partner, "edge", "routes_export", Neighbor(layout.edge_router, kEdgeAsn)));
  for (const LabBox& box : layout.boxes) {
    if (partner.embedded_site.empty() || box.site != partner.embedded_site) continue;
    absl::StrAppend(&text, RenderAnnouncing(layout, partner, Name(box.id), "to_boxes", Neighbor(box.address, kApplianceAsn)));
  }
  return text;
}

std::string RenderEdgeRouter(const Layout& layout) {
  std::string text = Head(layout.edge_router);
  for (const LabPartner& partner : layout.partners) {
    absl::StrAppend(&text, "protocol bgp ", Name(partner.id), " {\n", Local(layout.edge_router, kEdgeAsn),
                    Neighbor(layout.RouterOf(partner), partner.asn),
                    "  ipv4 { import all; export none; };\n  ipv6 { import all; export none; };\n}\n");
  }
  for (const LabBox& box : layout.boxes) {
    if (box.kind != ApplianceKind::kCollector) continue;
    absl::StrAppend(&text, "protocol bgp ", Name(box.id), " {\n", Local(layout.edge_router, kEdgeAsn), Neighbor(box.address, kEdgeAsn),
                    "  ipv4 { import none; export all; add paths tx; next hop keep; };\n",
                    "  ipv6 { import none; export all; add paths tx; next hop keep; };\n}\n");
  }
  return text;
}

absl::Status StartRouters(Supervisor& supervisor, const Layout& layout, const RoutePlan& plan) {
  for (size_t i = 0; i < layout.partners.size(); ++i) {
    const LabPartner& partner = layout.partners[i];
    RETURN_IF_ERROR(StartBird(supervisor, layout, partner.id, RenderPartnerRouter(layout, partner, plan.partners[i])));
  }
  return StartBird(supervisor, layout, "edge", RenderEdgeRouter(layout));
}

absl::Status Announce(Supervisor& supervisor, const Layout& layout, const LabPartner& partner, const PartnerRoutes& routes) {
  const std::string base = Base(layout, partner.id);
  RETURN_IF_ERROR(WriteConfig(base, RenderPartnerRouter(layout, partner, routes)));
  return supervisor.Run({.name = absl::StrCat("birdc-", partner.id), .argv = {"/usr/sbin/birdc", "-s", base + ".ctl", "configure"}},
                        absl::Seconds(10));
}

}  // namespace fairlead
