#include "services/ingest/fleet_state.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/metrics/metrics.h"
#include "libs/signing/digest.h"

namespace fairlead::ingest {
namespace {

// Lets a test act in the middle of a call: whenever the fleet reads the clock.
class MeddlingClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::FromUnixSeconds(1'800'000'000); }
  absl::Duration Monotonic() const override {
    const std::function<void()> act = std::exchange(meddle, nullptr);
    if (act != nullptr) act();
    return absl::Seconds(1000);
  }
  mutable std::function<void()> meddle;
};

class NotedLink final : public Link {
 public:
  void Send(const Outgoing& outgoing) override { sent.Merge(outgoing); }
  void Close(const absl::Status& why) override { closed = why; }
  Outgoing sent;
  absl::Status closed;
};

class FleetStateTest : public ::testing::Test {
 protected:
  FleetStateTest() : metrics_(registry_), fleet_({.cell = "cells/lhr"}, clock_, nullptr, metrics_) { SetBox("secret"); }

  void Apply(registry::v1::ConfigEntry entry) {
    FeedChange<registry::v1::ConfigEntry> change;
    change.position = {1, ++version_};
    change.entries = {std::move(entry)};
    ASSERT_TRUE(fleet_.ApplyConfig(change).ok());
  }
  void SetBox(const std::string& credential, common::v1::AdminState state = common::v1::ADMIN_STATE_LIVE) {
    registry::v1::ConfigEntry entry;
    entry.set_key("appliances/oca-1");
    entry.mutable_appliance()->set_name(entry.key());
    entry.mutable_appliance()->set_kind(common::v1::APPLIANCE_KIND_STORAGE);
    entry.mutable_appliance()->set_admin_state(state);
    entry.mutable_appliance()->set_credential_sha256(Sha256Hex(credential));
    Apply(entry);
  }
  void RemoveBox() {
    registry::v1::ConfigEntry entry;
    entry.set_key("appliances/oca-1");
    Apply(entry);
  }
  void SetManifest(const std::string& generation) {
    FeedChange<content::v1::CatalogEntry> change;
    change.position = {1, ++version_};
    change.entries.emplace_back().set_key("manifests/oca-1");
    change.entries.back().set_manifest_generation(generation);
    ASSERT_TRUE(fleet_.ApplyCatalog(change).ok());
  }
  absl::Status Hello() { return HelloForLease().status(); }
  absl::StatusOr<FleetState::Lease> HelloForLease() {
    v1::Report report;
    report.set_incarnation(++incarnation_);
    report.set_sequence(1);
    report.mutable_hello()->set_appliance("appliances/oca-1");
    return fleet_.Hello(report, "secret", link_);
  }

  absl::Status Beat(const FleetState::Lease& lease, uint64_t sequence, v1::NginxStatus::State state) {
    v1::Report report;
    report.set_incarnation(incarnation_);
    report.set_sequence(sequence);
    report.mutable_heartbeat()->mutable_network()->set_capacity_bps(1'000'000);
    report.mutable_heartbeat()->mutable_nginx()->set_state(state);
    return fleet_.Take(lease, report);
  }
  static std::vector<std::string> KeysOf(const std::vector<EncodedEntry>& entries) {
    std::vector<std::string> keys;
    for (const EncodedEntry& entry : entries) keys.emplace_back(entry.key());
    return keys;
  }

  MeddlingClock clock_;
  Metrics registry_;
  IngestMetrics metrics_;
  FleetState fleet_;
  std::shared_ptr<NotedLink> link_ = std::make_shared<NotedLink>();
  uint64_t version_ = 0;
  uint64_t incarnation_ = 0;
};

TEST_F(FleetStateTest, ABoxRemovedWhileItSaysHelloIsRefusedAndLeavesNothing) {
  clock_.meddle = [this] { RemoveBox(); };
  EXPECT_EQ(Hello().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(fleet_.ListStates("", 10), ::testing::IsEmpty());
}

TEST_F(FleetStateTest, ABoxRetiredOrUnboundWhileItSaysHelloIsRefused) {
  clock_.meddle = [this] { SetBox("secret", common::v1::ADMIN_STATE_RETIRED); };
  EXPECT_EQ(Hello().code(), absl::StatusCode::kPermissionDenied);
  SetBox("secret");
  clock_.meddle = [this] { SetBox("another secret"); };
  EXPECT_EQ(Hello().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(fleet_.ListStates("", 10), ::testing::IsEmpty());
  SetBox("secret");
  EXPECT_TRUE(Hello().ok());
  EXPECT_THAT(fleet_.ListStates("", 10), ::testing::SizeIs(1));
}

TEST_F(FleetStateTest, AManifestMadeWhileABoxSaysHelloIsTold) {
  SetManifest("old");
  clock_.meddle = [this] { SetManifest("new"); };
  ASSERT_TRUE(Hello().ok());
  EXPECT_EQ(link_->sent.manifest_generation, "new");
}

TEST_F(FleetStateTest, OnlyWhatAnswersWaitForIsUrgent) {
  const absl::StatusOr<FleetState::Lease> lease = HelloForLease();
  ASSERT_TRUE(lease.ok());
  EXPECT_THAT(KeysOf(fleet_.TakeChanges()), ::testing::ElementsAre("state/oca-1"));
  // As well as before: worth telling, not worth a hurry.
  ASSERT_TRUE(Beat(*lease, 2, v1::NginxStatus::STATE_RUNNING).ok());
  EXPECT_FALSE(fleet_.AwaitUrgent(absl::ZeroDuration()));
  EXPECT_THAT(fleet_.TakeUrgent(), ::testing::IsEmpty());

  ASSERT_TRUE(Beat(*lease, 3, v1::NginxStatus::STATE_STOPPED).ok());
  EXPECT_TRUE(fleet_.AwaitUrgent(absl::ZeroDuration()));
  EXPECT_THAT(KeysOf(fleet_.TakeUrgent()), ::testing::ElementsAre("state/oca-1"));
  EXPECT_FALSE(fleet_.AwaitUrgent(absl::ZeroDuration()));
  EXPECT_THAT(fleet_.TakeChanges(), ::testing::IsEmpty()) << "it is told once";
}

TEST_F(FleetStateTest, WhatIsUrgentGoesWithALookAtEverythingToo) {
  const absl::StatusOr<FleetState::Lease> lease = HelloForLease();
  ASSERT_TRUE(lease.ok());
  v1::Report report;
  report.set_incarnation(incarnation_);
  report.set_sequence(2);
  report.mutable_holdings_update()->set_full(true);
  ASSERT_TRUE(fleet_.Take(*lease, report).ok());
  EXPECT_THAT(KeysOf(fleet_.TakeChanges()), ::testing::ElementsAre("holdings/oca-1", "state/oca-1"));
  EXPECT_FALSE(fleet_.AwaitUrgent(absl::ZeroDuration()));
  EXPECT_THAT(fleet_.TakeUrgent(), ::testing::IsEmpty());
  // And the box can be urgent again.
  report.set_sequence(3);
  report.mutable_holdings_update()->set_bitmap(std::string());
  report.mutable_holdings_update()->set_full(false);
  ASSERT_TRUE(fleet_.Take(*lease, report).ok());
  EXPECT_THAT(KeysOf(fleet_.TakeUrgent()), ::testing::ElementsAre("holdings/oca-1"));
}

}  // namespace
}  // namespace fairlead::ingest
