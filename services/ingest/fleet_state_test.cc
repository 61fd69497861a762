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
  absl::Status Hello() {
    v1::Report report;
    report.set_incarnation(++incarnation_);
    report.set_sequence(1);
    report.mutable_hello()->set_appliance("appliances/oca-1");
    return fleet_.Hello(report, "secret", link_).status();
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

}  // namespace
}  // namespace fairlead::ingest
