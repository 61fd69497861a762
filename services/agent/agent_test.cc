// The whole agent with real NGINX and BIRD against a control plane inside the test.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/agent/agent_fixture.h"
#include "services/agent/small_disk.h"

namespace fairlead::agent {
namespace {

using ::testing::HasSubstr;

TEST_F(AgentTest, ABoxBindsFillsServesAndReports) {
  StartNeighbour();
  StartAgent(Options());
  ASSERT_TRUE(HoldsTheFile());
  ASSERT_TRUE(Serves());
  ASSERT_TRUE(WaitFor([this] { return plane_.Get(&FakeControlPlane::routes_)["bgpSessions/isp-1"].size() == 2; }));
  EXPECT_EQ(plane_.Get(&FakeControlPlane::change_)["bgpSessions/isp-1"].kind(), ingest::v1::SessionChange::KIND_UP);
  ASSERT_TRUE(WaitFor([this] {
    const ingest::v1::Heartbeat heartbeat = plane_.Get(&FakeControlPlane::heartbeat_);
    return heartbeat.manifest_generation() == "m1" && heartbeat.fill().files_held() == 1 && heartbeat.bgp_sessions_size() == 1 &&
           heartbeat.bgp_sessions(0).routes_v4() == 2;
  }));
  const ingest::v1::Heartbeat heartbeat = plane_.Get(&FakeControlPlane::heartbeat_);
  EXPECT_EQ(heartbeat.config_generation(), "c1");
  EXPECT_EQ(heartbeat.nginx().state(), ingest::v1::NginxStatus::STATE_RUNNING);
  EXPECT_GT(heartbeat.nginx().requests_total(), 0);
  EXPECT_GT(heartbeat.memory().total_bytes(), 0);
  EXPECT_GT(heartbeat.cpu().cores(), 0);
  EXPECT_TRUE(heartbeat.bgp_sessions(0).established());
  ASSERT_EQ(heartbeat.tiers_size(), 1);
  EXPECT_EQ(heartbeat.tiers(0).used_bytes(), static_cast<int64_t>(kSize + 8));
  EXPECT_EQ(heartbeat.tiers(0).capacity_bytes(), 10'000'000);
  EXPECT_EQ(heartbeat.network().capacity_bps(), 1'000'000);
  ASSERT_TRUE(WaitFor([this] { return !plane_.Get(&FakeControlPlane::traffic_).empty(); }));
  const ingest::v1::TrafficRow row = plane_.Get(&FakeControlPlane::traffic_)[0];
  EXPECT_EQ(row.title(), "titles/big-film");
  EXPECT_GE(row.bytes(), static_cast<int64_t>(kSize));
  EXPECT_EQ(plane_.Get(&FakeControlPlane::out_of_order_), 0);
  EXPECT_EQ(plane_.Get(&FakeControlPlane::hellos_)[0].appliance(), "appliances/box-1");
}

// Where nothing can be mounted, a file that no disk has room for shows the same, but not that filling goes on.
TEST_F(AgentTest, AFullDiskStopsFillingAndNothingElse) {
  constexpr int64_t kReserve = 64 << 20;  // What a filler leaves free.
  SmallDisk disk(temp_.path() + "/disk", "66m");
  StartAgent(Options());
  ASSERT_TRUE(HoldsTheFile());
  ASSERT_TRUE(Serves());
  const std::string more = RandomBytes(kSize, 6);
  temp_.Write("origin/disk/big-film/v1/audio/media.mp4", more);
  if (disk.mounted()) disk.Fill(kReserve + static_cast<int64_t>(kSize) / 2);
  {
    absl::MutexLock lock(&plane_.mu_);
    plane_.config_.mutable_appliance()->mutable_tiers(0)->set_capacity_bytes(int64_t{1} << 61);
    plane_.config_.set_generation("c2");
    fill::v1::ManifestEntry& entry = *plane_.manifest_.add_entries();
    entry.set_tier(common::v1::TIER_DISK);
    entry.mutable_file()->set_file_number(43);
    entry.mutable_file()->set_path("big-film/v1/audio/media.mp4");
    entry.mutable_file()->set_size_bytes(disk.mounted() ? static_cast<int64_t>(kSize) : int64_t{1} << 60);
    entry.mutable_file()->set_sha256(Sha256(more));
    plane_.manifest_.set_generation("m2");
  }
  ingest::v1::Instruction told;
  told.mutable_config_generation()->set_generation("c2");
  plane_.Instruct(told);
  told.mutable_manifest_generation()->set_generation("m2");
  plane_.Instruct(told);
  ASSERT_TRUE(WaitFor([this] { return plane_.Get(&FakeControlPlane::heartbeat_).fill().disk_full(); }));
  EXPECT_THAT(plane_.Get(&FakeControlPlane::heartbeat_).fill().detail(), HasSubstr("big-film/v1/audio/media.mp4: disk full"));
  const int heartbeats = plane_.Get(&FakeControlPlane::heartbeats_);
  EXPECT_TRUE(WaitFor([&] { return plane_.Get(&FakeControlPlane::heartbeats_) > heartbeats + 3; })) << "it reports on";
  EXPECT_EQ(Play().body, content_) << "and serves on";
  EXPECT_EQ(plane_.Get(&FakeControlPlane::heartbeat_).nginx().state(), ingest::v1::NginxStatus::STATE_RUNNING);
  if (!disk.mounted()) return;
  disk.Free();
  EXPECT_TRUE(WaitFor([this] { return plane_.Get(&FakeControlPlane::holdings_).contains(43); })) << "and goes on when there is room";
  EXPECT_TRUE(WaitFor([this] { return !plane_.Get(&FakeControlPlane::heartbeat_).fill().disk_full(); }));
}

TEST_F(AgentTest, WithTheControlPlaneGoneARestartedBoxServesAndItsIncarnationRises) {
  StartAgent(Options());
  ASSERT_TRUE(HoldsTheFile());
  ASSERT_TRUE(Serves());
  const uint64_t before = agent_->incarnation();
  server_->Shutdown(absl::ZeroDuration());
  agent_.reset();
  EXPECT_EQ(Play().status, 0) << "a stopped agent leaves no NGINX behind";
  AgentOptions options = Options();
  options.enrollment_token.clear();
  StartAgent(options);
  EXPECT_GT(agent_->incarnation(), before);
  EXPECT_TRUE(Serves());
}

TEST_F(AgentTest, WhatTheReceiverLacksIsSentAgain) {
  StartNeighbour();
  StartAgent(Options());
  ASSERT_TRUE(HoldsTheFile());
  ASSERT_TRUE(WaitFor([this] { return plane_.Get(&FakeControlPlane::routes_)["bgpSessions/isp-1"].size() == 2; }));
  {
    absl::MutexLock lock(&plane_.mu_);
    plane_.routes_.clear();
    plane_.holdings_ = Roaring();
  }
  ingest::v1::Instruction instruction;
  instruction.mutable_resend()->set_routes(true);
  instruction.mutable_resend()->set_holdings(true);
  plane_.Instruct(instruction);
  EXPECT_TRUE(HoldsTheFile());
  EXPECT_TRUE(WaitFor([this] { return plane_.Get(&FakeControlPlane::routes_)["bgpSessions/isp-1"].size() == 2; }));
  EXPECT_EQ(plane_.Get(&FakeControlPlane::out_of_order_), 0);
}

TEST_F(AgentTest, ANewConfigurationIsTakenUpAndARefusedOneReportedWhileTheOldServes) {
  StartAgent(Options());
  ASSERT_TRUE(HoldsTheFile());
  ASSERT_TRUE(Serves());
  SetConfig([](registry::v1::ApplianceConfig& config) { config.mutable_appliance()->mutable_endpoints(0)->set_host("192.0.2.1"); }, "c2");
  ASSERT_TRUE(WaitFor(
      [this] { return plane_.Get(&FakeControlPlane::heartbeat_).nginx().state() == ingest::v1::NginxStatus::STATE_CONFIG_REFUSED; }));
  EXPECT_THAT(plane_.Get(&FakeControlPlane::heartbeat_).nginx().detail(), HasSubstr("192.0.2.1"));
  EXPECT_EQ(plane_.Get(&FakeControlPlane::heartbeat_).config_generation(), "c1") << "what is in force";
  EXPECT_EQ(Play().status, 200);
  port_ = FreePort(box_);
  SetConfig(
      [this](registry::v1::ApplianceConfig& config) {
        config.mutable_appliance()->mutable_endpoints(0)->set_host(box_);
        config.mutable_appliance()->mutable_endpoints(0)->set_port(port_);
      },
      "c3");
  EXPECT_TRUE(Serves());
  EXPECT_TRUE(WaitFor([this] {
    const ingest::v1::Heartbeat heartbeat = plane_.Get(&FakeControlPlane::heartbeat_);
    return heartbeat.config_generation() == "c3" && heartbeat.nginx().state() == ingest::v1::NginxStatus::STATE_RUNNING;
  }));
}

TEST_F(AgentTest, ARefusedConfigurationIsTriedAgainUntilItIsTaken) {
  StartAgent(Options());
  ASSERT_TRUE(HoldsTheFile());
  ASSERT_TRUE(Serves());
  Fd taken(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  ASSERT_EQ(inet_pton(AF_INET, box_.c_str(), &address.sin_addr), 1);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(taken.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(taken.get(), 1), 0);
  ASSERT_EQ(getsockname(taken.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  port_ = ntohs(address.sin_port);
  SetConfig([this](registry::v1::ApplianceConfig& config) { config.mutable_appliance()->mutable_endpoints(0)->set_port(port_); }, "c2");
  ASSERT_TRUE(WaitFor(
      [this] { return plane_.Get(&FakeControlPlane::heartbeat_).nginx().state() == ingest::v1::NginxStatus::STATE_CONFIG_REFUSED; }));
  EXPECT_EQ(plane_.Get(&FakeControlPlane::heartbeat_).config_generation(), "c1");
  taken.Reset();
  EXPECT_TRUE(Serves());
  EXPECT_TRUE(WaitFor([this] { return plane_.Get(&FakeControlPlane::heartbeat_).config_generation() == "c2"; }));
}

TEST_F(AgentTest, ABoxThatWasUnboundBindsAnewAndKnowsItsNewName) {
  AgentOptions options = Options();
  options.config_poll = absl::Milliseconds(200);
  StartAgent(options);
  ASSERT_TRUE(WaitFor([this] { return !plane_.Get(&FakeControlPlane::hellos_).empty(); }));
  plane_.Rebind("appliances/box-2", "credential-2");
  EXPECT_TRUE(WaitFor([this] { return plane_.Get(&FakeControlPlane::hellos_).back().appliance() == "appliances/box-2"; }));
}

TEST_F(AgentTest, ARefusedBindingIsFatalAndSaysWhy) {
  AgentOptions options = Options();
  options.enrollment_token = "wrong";
  absl::Mutex mu;
  absl::Status fatal;
  options.on_fatal = [&](const absl::Status& status) {
    absl::MutexLock lock(&mu);
    fatal = status;
  };
  StartAgent(options);
  EXPECT_TRUE(WaitFor([&] {
    absl::MutexLock lock(&mu);
    return !fatal.ok();
  }));
  agent_.reset();
  EXPECT_THAT(std::string(fatal.message()), HasSubstr("not the one that was issued"));
}

TEST_F(AgentTest, MissingProgramsAndTwoAgentsInOneFolderAreRefusedByName) {
  AgentOptions options = Options();
  options.nginx = "/usr/sbin/no-nginx";
  EXPECT_THAT(std::string(Agent::Start(options, clock_, metrics_).status().message()), HasSubstr("/usr/sbin/no-nginx"));
  StartAgent(Options());
  EXPECT_THAT(std::string(Agent::Start(Options(), clock_, metrics_).status().message()), HasSubstr("in use by another ocad"));
}

TEST_F(AgentTest, AnOriginServesFillTokensAloneAndReportsNoHoldings) {
  AgentOptions options = Options();
  options.role = AgentRole::kOrigin;
  options.disk_dir = temp_.path() + "/origin/disk";
  StartAgent(options);
  ASSERT_TRUE(
      WaitFor([this] { return plane_.Get(&FakeControlPlane::heartbeat_).nginx().state() == ingest::v1::NginxStatus::STATE_RUNNING; }));
  EXPECT_EQ(Play().status, 403);
  const HttpAnswer answer =
      Fetch({.url = absl::StrCat("http://", box_, ":", port_, MakeSignedPath(Token(TokenScope::kFill), "big-film/v1/video/media.mp4"))});
  EXPECT_EQ(answer.body, content_);
  EXPECT_EQ(plane_.Get(&FakeControlPlane::full_holdings_), 0);
}

TEST_F(AgentTest, ACollectorTapsRoutesAndServesNothing) {
  StartNeighbour();
  AgentOptions options = Options();
  options.role = AgentRole::kCollector;
  options.disk_dir.clear();
  StartAgent(options);
  ASSERT_TRUE(WaitFor([this] { return plane_.Get(&FakeControlPlane::routes_)["bgpSessions/isp-1"].size() == 2; }));
  EXPECT_FALSE(plane_.Get(&FakeControlPlane::heartbeat_).has_nginx());
  EXPECT_EQ(Play().status, 0);
}

// Processes whose command line names the state folder.
int ProcessesOf(const std::string& folder) {
  const auto found = RunCommand({"/usr/bin/pgrep", "-c", "-f", folder + "/state"}, absl::Seconds(5));
  return found.ok() ? atoi(found->output.c_str()) : -1;
}

TEST_F(AgentTest, AKilledAgentLeavesNothingRunningAndATerminatedOneEndsSoon) {
  ChildOptions options{.argv = {"services/agent/ocad", "--state_dir=" + temp_.path() + "/state", "--registry=" + target_, "--serial=SN-1",
                                "--enrollment_token_file=" + temp_.Write("token", "token-1\n"), "--disk_dir=" + temp_.path() + "/disk"},
                       .output = temp_.path() + "/ocad.log"};
  auto ocad = ChildProcess::Start(options);
  ASSERT_TRUE(ocad.ok()) << ocad.status();
  ASSERT_TRUE(Serves()) << ReadFile(temp_.path() + "/ocad.log").value_or("")
                        << ReadFile(temp_.path() + "/state/nginx/logs/error.log").value_or("")
                        << ReadFile(temp_.path() + "/state/bird/bird.log").value_or("");
  kill((*ocad)->pid(), SIGKILL);
  EXPECT_TRUE(WaitFor([this] { return ProcessesOf(temp_.path()) == 0; }));
  EXPECT_EQ(Play().status, 0);

  ocad = ChildProcess::Start(options);
  ASSERT_TRUE(ocad.ok()) << ocad.status();
  ASSERT_TRUE(Serves()) << ReadFile(temp_.path() + "/ocad.log").value_or("");
  const absl::Time start = absl::Now();
  (*ocad)->Signal(SIGTERM);
  ASSERT_TRUE(WaitFor([&] { return !(*ocad)->Running(); }));
  EXPECT_LT(absl::Now() - start, absl::Seconds(6));
  EXPECT_EQ((*ocad)->end_reason(), "exit status 0");
  EXPECT_TRUE(WaitFor([this] { return ProcessesOf(temp_.path()) == 0; }));
}

TEST(AgentStateTest, IncarnationsRiseThoughTheClockGoesBack) {
  EXPECT_EQ(NextIncarnation(0, absl::FromUnixMillis(5000)), 5000u);
  EXPECT_EQ(NextIncarnation(9000, absl::FromUnixMillis(5000)), 9001u);
}

TEST(AgentStateTest, ALongStateFolderStillHasAShortRunFolder) {
  TempFolder temp;
  const std::string folder = temp.path() + "/" + std::string(150, 'x');
  auto state = AgentState::Open(folder, absl::Now());
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_LT((*state)->run_folder().size(), 90u);
  const std::string id = (*state)->installation_id();
  const std::string run = (*state)->run_folder();
  state->reset();
  EXPECT_EQ(AgentState::Open(folder, absl::Now()).value()->installation_id(), id);
  rmdir(run.c_str());
}

}  // namespace
}  // namespace fairlead::agent
