// What a box does in a drain, phase by phase.
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/agent/agent_fixture.h"

namespace fairlead::agent {
namespace {

TEST_F(AgentTest, ADrainedBoxEvacuatesRefusesSaysForHowLongItIsQuietAndComesBack) {
  AgentOptions options = Options();
  options.drain_report = absl::Milliseconds(50);
  StartAgent(options);
  ASSERT_TRUE(HoldsTheFile());
  ASSERT_TRUE(Serves());
  const auto set_phase = [this](registry::v1::Drain::Phase phase, const std::string& generation) {
    SetConfig(
        [phase](registry::v1::ApplianceConfig& config) {
          config.mutable_appliance()->clear_drain();
          if (phase == registry::v1::Drain::PHASE_UNSPECIFIED) return;
          config.mutable_appliance()->mutable_drain()->set_drain("drains/d-1");
          config.mutable_appliance()->mutable_drain()->set_phase(phase);
        },
        generation);
  };
  set_phase(registry::v1::Drain::PHASE_EVACUATING, "c2");
  ASSERT_TRUE(WaitFor([this] { return Play().headers["connection"] == "close"; }));
  EXPECT_EQ(Play().body, content_);
  EXPECT_TRUE(plane_.Get(&FakeControlPlane::drain_reports_).empty()) << "nobody asked";
  set_phase(registry::v1::Drain::PHASE_LAME_DUCK, "c3");
  ASSERT_TRUE(WaitFor([this] { return Play().status == 410; }));
  ASSERT_TRUE(WaitFor([this] {
    Play();
    Fetch({.url = absl::StrCat("http://", box_, ":", port_, "/"), .method = "OPTIONS"});
    const auto reports = plane_.Get(&FakeControlPlane::drain_reports_);
    return !reports.empty() && reports.back().quiet_for().nanos() + reports.back().quiet_for().seconds() * 1e9 > 5e8;
  })) << "neither refusals nor preflights are content";
  const registry::v1::ReportDrainRequest first = plane_.Get(&FakeControlPlane::drain_reports_).front();
  EXPECT_EQ(first.appliance(), "appliances/box-1");
  EXPECT_EQ(first.drain(), "drains/d-1");
  EXPECT_EQ(first.quiet_for().seconds(), 0) << "quiet since it refuses, not since the last viewer";
  set_phase(registry::v1::Drain::PHASE_DRAINED, "c4");
  ASSERT_TRUE(WaitFor([this] { return plane_.Get(&FakeControlPlane::heartbeat_).config_generation() == "c4"; }));
  EXPECT_EQ(Play().status, 410);
  agent_.reset();
  StartAgent(options);
  EXPECT_TRUE(WaitFor([this] { return Play().status == 410; })) << "it is still drained after a restart";
  set_phase(registry::v1::Drain::PHASE_UNSPECIFIED, "c5");
  EXPECT_TRUE(Serves());
}

TEST_F(AgentTest, ABoxThatAnOperatorSetDrainedRefusesToo) {
  StartAgent(Options());
  ASSERT_TRUE(HoldsTheFile());
  ASSERT_TRUE(Serves());
  SetConfig([](registry::v1::ApplianceConfig& config) { config.mutable_appliance()->set_admin_state(common::v1::ADMIN_STATE_DRAINED); },
            "c2");
  EXPECT_TRUE(WaitFor([this] { return Play().status == 410; }));
}

TEST_F(AgentTest, ADisabledBoxRefusesAndServesAgainWhenItIsLive) {
  StartAgent(Options());
  ASSERT_TRUE(HoldsTheFile());
  ASSERT_TRUE(Serves());
  const auto set = [this](common::v1::AdminState state, const std::string& generation) {
    SetConfig([state](registry::v1::ApplianceConfig& config) { config.mutable_appliance()->set_admin_state(state); }, generation);
  };
  const auto says = [this](ingest::v1::NginxStatus::State state) {
    return WaitFor([this, state] { return plane_.Get(&FakeControlPlane::heartbeat_).nginx().state() == state; });
  };
  EXPECT_TRUE(says(ingest::v1::NginxStatus::STATE_RUNNING));
  set(common::v1::ADMIN_STATE_DISABLED, "c2");
  EXPECT_TRUE(WaitFor([this] { return Play().status == 410; }));
  EXPECT_TRUE(says(ingest::v1::NginxStatus::STATE_REFUSING)) << "so that it isn't named before it serves again";
  set(common::v1::ADMIN_STATE_LIVE, "c3");
  EXPECT_TRUE(Serves());
  EXPECT_TRUE(says(ingest::v1::NginxStatus::STATE_RUNNING));
}

}  // namespace
}  // namespace fairlead::agent
