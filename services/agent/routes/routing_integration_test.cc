// Real BIRDs: the box's own, kept by the loop under test, and two neighbours that announce to it over 127.x addresses.
#include <signal.h>
#include <stdlib.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/clock/system_clock.h"
#include "services/agent/routes/routing_loop.h"
#include "services/agent/test_support.h"

namespace fairlead::agent {
namespace {

using ::testing::HasSubstr;

constexpr char kNeighbour[] = R"(
log "@DIR@/@NAME@.log" all;
router id @SELF@;
protocol device { }
protocol static { ipv4; @V4@ }
protocol static { ipv6; @V6@ }
protocol bgp box {
  local @SELF@ port @PORT@ as @AS@;
  neighbor @BOX@ port @BOXPORT@ as @BOXAS@;
  strict bind yes; multihop; connect delay time 1; connect retry time 1; error wait time 1, 1; @OPTIONS@
  ipv4 { import none; export filter { bgp_med = 50; bgp_community.add((@AS16@, 7)); bgp_large_community.add((4195819181, 1, 1)); accept; }; next hop self; @CHANNEL@ };
  ipv6 { import none; export all; next hop address fd00::1; @CHANNEL@ };
}
)";

class Neighbour {
 public:
  Neighbour(const TempFolder& temp, std::string name, std::string address, int port, uint32_t asn, const BirdConfigInput& box,
            std::string v4, std::string v6)
      : dir_(temp.path()), name_(std::move(name)), address_(std::move(address)) {
    replacements_ = {{"@DIR@", dir_},
                     {"@NAME@", name_},
                     {"@SELF@", address_},
                     {"@PORT@", absl::StrCat(port)},
                     {"@AS@", absl::StrCat(asn)},
                     {"@AS16@", absl::StrCat(asn)},
                     {"@BOX@", box.address.ToString()},
                     {"@BOXPORT@", absl::StrCat(box.port)},
                     {"@BOXAS@", absl::StrCat(box.asn)},
                     {"@OPTIONS@", ""},
                     {"@CHANNEL@", ""}};
    Write(v4, v6);
  }
  void Write(const std::string& v4, const std::string& v6) {
    auto replacements = replacements_;
    replacements["@V4@"] = v4;
    replacements["@V6@"] = v6;
    std::string text = kNeighbour;
    for (const auto& [from, to] : replacements) text = absl::StrReplaceAll(text, {{from, to}});
    ASSERT_TRUE(WriteFileAtomically(dir_ + "/" + name_ + ".conf", text).ok());
  }
  void Start() {
    auto child = ChildProcess::Start(
        {.argv = {"/usr/sbin/bird", "-f", "-c", dir_ + "/" + name_ + ".conf", "-s", socket(), "-P", dir_ + "/" + name_ + ".pid"},
         .output = dir_ + "/" + name_ + ".out"});
    ASSERT_TRUE(child.ok()) << child.status();
    child_ = *std::move(child);
  }
  void Ask(const std::string& command) {
    ASSERT_TRUE(WaitFor([&] { return AskBird(socket(), command, absl::Seconds(2)).ok(); })) << name_ << ": " << command;
  }
  void Reload() { Ask(absl::StrCat("configure \"", dir_, "/", name_, ".conf\"")); }
  void Kill() { child_.reset(); }

 private:
  std::string socket() const { return dir_ + "/" + name_ + ".ctl"; }
  const std::string dir_, name_, address_;
  std::map<std::string, std::string> replacements_;
  std::unique_ptr<ChildProcess> child_;
};

// What a receiver that follows the reports knows.
struct Heard {
  std::map<RouteKey, bgp::PathAttributes> routes;
  bool whole = false;
  int restarts = 0;
  int withdrawals = 0;
  SessionChange change{SessionChange::Kind::kLost, "never told"};
  std::string history;  // Of changes, for when a test fails.
};

class RoutingIntegrationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // Addresses of this process, so that tests may run side by side.
    const int base = getpid() % 60000;
    box_.address = IpAddress::V4(0x7f400000 + base * 4);
    box_.port = FreePort(box_.address.ToString());
    box_.asn = 40027;
    for (int i = 0; i < 2; ++i) {
      addresses_[i] = IpAddress::V4(0x7f400000 + base * 4 + 1 + i).ToString();
      ports_[i] = FreePort(addresses_[i]);
      box_.sessions.push_back({BgpSessionId(absl::StrCat("isp-", i + 1)), false, true, true, IpAddress::Parse(addresses_[i]).value(),
                               ports_[i], static_cast<uint32_t>(64500 + i)});
    }
    for (int i = 0; i < 2; ++i) {
      neighbours_[i] =
          std::make_unique<Neighbour>(temp_, absl::StrCat("n", i + 1), addresses_[i], ports_[i], 64500 + i, box_,
                                      absl::StrFormat("route 198.51.100.0/24 unreachable; route 203.0.113.%d/25 unreachable;", i * 128),
                                      absl::StrFormat("route 2001:db8:%d::/48 unreachable;", i + 1));
    }
    loop_ = std::make_unique<RoutingLoop>(BirdDaemonOptions{.work_folder = temp_.path() + "/bird", .run_folder = temp_.path() + "/run"},
                                          clock_, [this](SessionReport report) { Take(std::move(report)); });
    const absl::Status started = loop_->Start();
    ASSERT_TRUE(started.ok()) << started;
    loop_->SetConfig(box_);
  }
  void Take(SessionReport report) {
    absl::MutexLock lock(&mu_);
    Heard& heard = heard_[report.session.value()];
    if (report.restart) {
      heard.routes.clear();
      ++heard.restarts;
    }
    for (const ReportedRoute& route : report.announced) heard.routes[route.key] = *route.attributes;
    for (const RouteKey& key : report.withdrawn) heard.routes.erase(key);
    heard.withdrawals += report.withdrawn.size();
    if (report.end_of_rib.size() == 2) heard.whole = true;
    if (!report.change) return;
    heard.change = *report.change;
    absl::StrAppend(&heard.history, absl::FormatTime(absl::Now()), " ", heard.change.reason, "\n");
  }
  Heard Of(const std::string& session) {
    absl::MutexLock lock(&mu_);
    return heard_[session];
  }
  ::testing::AssertionResult Up(const std::string& session, size_t routes) {
    const bool up = WaitFor([&] {
      const Heard heard = Of(session);
      return heard.change.kind == SessionChange::Kind::kUp && heard.whole && heard.routes.size() == routes;
    });
    if (up) return ::testing::AssertionSuccess();
    const Heard heard = Of(session);
    return ::testing::AssertionFailure() << session << " has " << heard.routes.size() << " routes, " << heard.change.reason << "; "
                                         << loop_->Status().refused << heard.history << BirdLog();
  }
  std::string BirdLog() const { return ReadFile(temp_.path() + "/bird/bird.log").value_or("no log"); }
  const bgp::PathAttributes* Find(const Heard& heard, const char* prefix) {
    for (const auto& [key, attributes] : heard.routes) {
      if (key.prefix == Prefix::Parse(prefix).value()) return &attributes;
    }
    return nullptr;
  }

  TempFolder temp_;
  SystemClock clock_;
  BirdConfigInput box_;
  std::string addresses_[2];
  int ports_[2];
  std::unique_ptr<Neighbour> neighbours_[2];
  absl::Mutex mu_;
  std::map<std::string, Heard> heard_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<RoutingLoop> loop_;
};

TEST_F(RoutingIntegrationTest, BothNeighboursPathsOfBothFamiliesArriveUnderTheirOwnSessions) {
  for (auto& neighbour : neighbours_) neighbour->Start();
  ASSERT_TRUE(Up("isp-1", 3));
  ASSERT_TRUE(Up("isp-2", 3));
  for (int i = 0; i < 2; ++i) {
    const Heard heard = Of(absl::StrCat("isp-", i + 1));
    const bgp::PathAttributes* shared = Find(heard, "198.51.100.0/24");
    ASSERT_NE(shared, nullptr) << "both paths of one prefix are passed on";
    EXPECT_EQ(shared->as_path, SequencePath({64500u + i}));
    EXPECT_EQ(shared->med, 50u);
    EXPECT_THAT(shared->communities, ::testing::ElementsAre(Community(64500 + i, 7)));
    EXPECT_EQ(shared->next_hop, IpAddress::Parse(addresses_[i])->ToBytes());
    const bgp::PathAttributes* v6 = Find(heard, i == 0 ? "2001:db8:1::/48" : "2001:db8:2::/48");
    ASSERT_NE(v6, nullptr);
    EXPECT_EQ(v6->next_hop, IpAddress::Parse("fd00::1")->ToBytes());
  }
  const RoutingStatus status = loop_->Status();
  EXPECT_TRUE(status.tap_established);
  EXPECT_EQ(status.paths, 6u);
  ASSERT_EQ(status.sessions.size(), 2u);
  EXPECT_TRUE(status.sessions[0].protocol.established());
  EXPECT_EQ(status.sessions[0].protocol.imported_v4, 2);

  neighbours_[0]->Write("route 198.51.100.0/24 unreachable; route 192.0.2.0/24 unreachable;", "");
  neighbours_[0]->Reload();
  ASSERT_TRUE(Up("isp-1", 2));
  const Heard heard = Of("isp-1");
  EXPECT_EQ(heard.withdrawals, 2);
  EXPECT_EQ(heard.restarts, 1) << "changes are told as changes";
  EXPECT_NE(Find(heard, "192.0.2.0/24"), nullptr);
  EXPECT_EQ(Of("isp-2").withdrawals, 0);
}

TEST_F(RoutingIntegrationTest, ALossAShutdownAndAReturnAreToldApart) {
  for (auto& neighbour : neighbours_) neighbour->Start();
  ASSERT_TRUE(Up("isp-1", 3));
  ASSERT_TRUE(Up("isp-2", 3));
  neighbours_[0]->Kill();
  neighbours_[1]->Ask("disable box");
  ASSERT_TRUE(WaitFor([&] {
    return Of("isp-1").change.kind == SessionChange::Kind::kLost && Of("isp-2").change.kind == SessionChange::Kind::kClosed;
  })) << Of("isp-1").change.reason
      << " / " << Of("isp-2").change.reason;
  EXPECT_THAT(Of("isp-2").change.reason, HasSubstr("Administrative shutdown"));
  for (const char* session : {"isp-1", "isp-2"}) {
    EXPECT_EQ(Of(session).withdrawals, 0) << "the end of a session is no withdrawal";
    EXPECT_EQ(Of(session).routes.size(), 3u);
  }
  neighbours_[0]->Start();
  neighbours_[1]->Ask("enable box");
  ASSERT_TRUE(Up("isp-1", 3));
  ASSERT_TRUE(Up("isp-2", 3));
  EXPECT_EQ(Of("isp-1").restarts, 2);
}

TEST_F(RoutingIntegrationTest, AKilledBirdIsALossOfAllSessionsAndComesBack) {
  for (auto& neighbour : neighbours_) neighbour->Start();
  ASSERT_TRUE(Up("isp-1", 3));
  const pid_t bird = atoi(ReadFile(temp_.path() + "/run/bird.pid")->c_str());
  ASSERT_GT(bird, 1);
  kill(bird, SIGKILL);
  ASSERT_TRUE(WaitFor([&] { return Of("isp-1").change.kind == SessionChange::Kind::kLost; }));
  ASSERT_TRUE(Up("isp-1", 3));
  ASSERT_TRUE(Up("isp-2", 3));
  EXPECT_EQ(loop_->Status().bird_restarts, 1);
  EXPECT_EQ(Of("isp-1").withdrawals, 0);
}

TEST_F(RoutingIntegrationTest, SessionsComeAndGoByConfigurationWithoutTouchingOthers) {
  for (auto& neighbour : neighbours_) neighbour->Start();
  ASSERT_TRUE(Up("isp-1", 3));
  ASSERT_TRUE(Up("isp-2", 3));
  BirdConfigInput less = box_;
  less.sessions.erase(less.sessions.begin());
  loop_->SetConfig(less);
  ASSERT_TRUE(WaitFor([&] { return Of("isp-1").change.kind == SessionChange::Kind::kClosed; }));
  BirdConfigInput refused = less;
  refused.sessions[0].peer_asn = 0;
  loop_->SetConfig(refused);
  ASSERT_TRUE(WaitFor([&] { return !loop_->Status().refused.empty(); }));
  EXPECT_THAT(loop_->Status().refused, HasSubstr("bgp_sessions['isp-2'].peer_asn"));
  loop_->SetConfig(box_);
  ASSERT_TRUE(Up("isp-1", 3));
  EXPECT_EQ(Of("isp-2").restarts, 1);
  EXPECT_EQ(Of("isp-2").withdrawals, 0);
  loop_->ReportAll();
  ASSERT_TRUE(WaitFor([&] { return Of("isp-2").restarts == 2; }));
  EXPECT_EQ(Of("isp-2").routes.size(), 3u);
}

TEST_F(RoutingIntegrationTest, ARouterFeedKeepsEveryPathAndItsNextHop) {
  // The two neighbours become edge routers of our own ASN with one shared prefix; iBGP paths pass to the tap unchanged.
  BirdConfigInput collector = box_;
  for (int i = 0; i < 2; ++i) {
    collector.sessions[i].router_feed = true;
    collector.sessions[i].peer_asn = collector.asn;
    neighbours_[i] = std::make_unique<Neighbour>(temp_, absl::StrCat("r", i + 1), addresses_[i], ports_[i], collector.asn, collector,
                                                 "route 198.51.100.0/24 unreachable;", "");
  }
  loop_->SetConfig(collector);
  for (auto& neighbour : neighbours_) neighbour->Start();
  ASSERT_TRUE(Up("isp-1", 1));
  ASSERT_TRUE(Up("isp-2", 1));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Of(absl::StrCat("isp-", i + 1)).routes.begin()->second.next_hop, IpAddress::Parse(addresses_[i])->ToBytes());
  }
}

TEST_F(RoutingIntegrationTest, ALargeTableArrivesWholeAndAChangeInItAlone) {
  constexpr int kRoutes = 50'000;
  std::string routes;
  for (int i = 0; i < kRoutes; ++i)
    absl::StrAppend(&routes, "route ", IpAddress::V4(0x0b000000 + (i << 8)).ToString(), "/24 unreachable;\n");
  neighbours_[0]->Write(routes, "");
  neighbours_[0]->Start();
  ASSERT_TRUE(Up("isp-1", kRoutes));
  EXPECT_EQ(Of("isp-1").restarts, 1);
  neighbours_[0]->Write(routes.substr(0, routes.rfind("route ")), "");
  neighbours_[0]->Reload();
  ASSERT_TRUE(Up("isp-1", kRoutes - 1));
  EXPECT_EQ(Of("isp-1").withdrawals, 1) << Of("isp-1").history << BirdLog();
  EXPECT_EQ(Of("isp-1").restarts, 1) << Of("isp-1").history << BirdLog();
}

TEST(BirdDaemonTest, AMissingBinaryIsNamed) {
  TempFolder temp;
  SystemClock clock;
  RoutingLoop loop({.binary = "/usr/sbin/no-bird", .work_folder = temp.path(), .run_folder = temp.path()}, clock, [](SessionReport) {});
  EXPECT_THAT(loop.Start().message(), HasSubstr("/usr/sbin/no-bird"));
}

}  // namespace
}  // namespace fairlead::agent
