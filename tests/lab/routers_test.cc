// The lab's routers against a collector made by hand: what the edge router passes on must be every partner's every path, with the
// neighbour as next hop.
#include "tests/lab/routers.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lab/text_file.h"
#include "tests/testing/eventually.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;

std::vector<Prefix> SmallTable() {
  std::vector<Prefix> prefixes;
  for (uint32_t i = 0; i < 90; ++i) {
    for (const int length : {16, 20, 24}) prefixes.push_back(Prefix::Of(IpAddress::V4((45u << 24) | (i << 16)), length));
    for (const int length : {32, 40, 48})
      prefixes.push_back(Prefix::Of(IpAddress::V6((uint64_t{0x2a02} << 48) | (uint64_t{i} << 32), 0), length));
  }
  return prefixes;
}

std::string RenderListener(const std::string& address, const std::string& peer, uint32_t asn, uint32_t peer_asn) {
  return absl::StrCat("log stderr all;\nrouter id ", address, ";\nprotocol device {}\nprotocol bgp peer {\n  local ", address, " port ",
                      kBgpPort, " as ", asn, ";\n  strict bind yes;\n  passive;\n  multihop;\n  neighbor ", peer, " port ", kBgpPort,
                      " as ", peer_asn,
                      ";\n  ipv4 { import all; export none; add paths rx; };\n  ipv6 { import all; export none; add paths rx; };\n}\n");
}

class RoutersTest : public ::testing::Test {
 protected:
  RoutersTest() {
    std::string path = "/tmp/lab-bgp-XXXXXX";
    path_ = mkdtemp(path.data());
    folder_ = RunFolder::Acquire(path_).value();
    supervisor_ = std::make_unique<Supervisor>(*folder_);
  }
  ~RoutersTest() override {
    supervisor_.reset();
    std::filesystem::remove_all(path_);
  }

  void StartListener(const std::string& name, const std::string& config) {
    std::ofstream(absl::StrCat(path_, "/", name, ".conf")) << config;
    const std::string base = absl::StrCat(path_, "/", name);
    ASSERT_TRUE(
        supervisor_->Start({.name = name, .argv = {"/usr/sbin/bird", "-f", "-c", base + ".conf", "-s", base + ".ctl", "-P", base + ".pid"}})
            .ok());
  }
  std::string Ask(const std::string& name, const std::string& question) {
    const std::string log = supervisor_->LogPath("birdc");
    std::filesystem::remove(log);
    const absl::Status asked = supervisor_->Run(
        {.name = "birdc", .argv = {"/bin/sh", "-c", absl::StrCat("exec /usr/sbin/birdc -s ", path_, "/", name, ".ctl ", question)}},
        absl::Seconds(10));
    return ReadText(log);
  }

  std::string path_;
  std::unique_ptr<RunFolder> folder_;
  std::unique_ptr<Supervisor> supervisor_;
};

TEST_F(RoutersTest, TheEdgeRouterPassesOnEveryPathOfEveryPartnerWithTheNeighbourAsNextHop) {
  const absl::StatusOr<Layout> layout = MakeLayout({.run_dir = path_, .bin_dir = "", .src_dir = ""});
  ASSERT_TRUE(layout.ok()) << layout.status();
  const absl::StatusOr<RoutePlan> plan = PlanRoutes(SmallTable(), layout->partners, 1);
  ASSERT_TRUE(plan.ok()) << plan.status();
  const LabBox* collector = nullptr;
  const LabBox* box = nullptr;
  for (const LabBox& candidate : layout->boxes) {
    if (candidate.kind == ApplianceKind::kCollector) collector = &candidate;
    if (candidate.site == "north-1") box = &candidate;
  }
  ASSERT_TRUE(collector != nullptr && box != nullptr);
  StartListener("collector", RenderListener(collector->address, layout->edge_router, kEdgeAsn, kEdgeAsn));
  StartListener("box", RenderListener(box->address, layout->RouterOf(layout->partners[0]), kApplianceAsn, layout->partners[0].asn));
  ASSERT_TRUE(StartRouters(*supervisor_, *layout, *plan).ok());

  // Every planned route arrives, the inadmissible ones too: judging them is not BIRD's job.
  size_t planned = 0, inside = 0;
  for (const PartnerRoutes& partner : plan->partners) planned += partner.routes.size();
  for (const PlannedRoute& route : plan->partners[0].routes) inside += route.peering_only ? 0 : 1;
  std::string answer;
  EXPECT_TRUE(Eventually([&] {
    answer = Ask("collector", "show route count");
    return answer.find(absl::StrCat("Total: ", planned, " of ")) != std::string::npos;
  })) << answer
      << "\nwanted " << planned;
  EXPECT_TRUE(Eventually([&] {
    answer = Ask("box", "show route count");
    return answer.find(absl::StrCat("Total: ", inside, " of ")) != std::string::npos;
  })) << answer
      << "\nwanted " << inside;
  // MED and path arrive as planned.
  for (const PlannedRoute& route : plan->partners[0].routes) {
    if (!route.med.has_value() || route.path.empty() || route.peering_only) continue;
    const std::string one = Ask("box", absl::StrCat("'show route ", route.prefix.ToString(), " all'"));
    EXPECT_THAT(one, HasSubstr(absl::StrCat("BGP.med: ", *route.med, "\n")));
    EXPECT_THAT(one, HasSubstr(absl::StrCat("BGP.as_path: ", layout->partners[0].asn, " ", absl::StrJoin(route.path, " "), "\n")));
    break;
  }
  // All partners announce the same default route: a path each, with its own neighbour.
  const std::string paths = Ask("collector", "'show route 0.0.0.0/0 all'");
  for (const LabPartner& partner : layout->partners)
    EXPECT_THAT(paths, HasSubstr(absl::StrCat("BGP.next_hop: ", layout->RouterOf(partner)))) << paths;
  const std::string paths6 = Ask("collector", "'show route ::/0 all'");
  for (const LabPartner& partner : layout->partners) EXPECT_THAT(paths6, HasSubstr(layout->RouterV6Of(partner))) << paths6;
}

}  // namespace
}  // namespace fairlead
