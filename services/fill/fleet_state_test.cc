#include "services/fill/fleet_state.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/fill/test_fleet.h"

namespace fairlead::fill {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

class FleetStateTest : public ::testing::Test {
 protected:
  FleetStateTest() {
    Config({SiteEntry("isp", common::v1::SITE_KIND_EMBEDDED), ClusterEntry("c1", "isp", 2), ApplianceEntry("a", "isp", "c1")}, true);
  }

  void Config(std::vector<registry::v1::ConfigEntry> entries, bool snapshot = false) {
    ASSERT_TRUE(state_.ApplyConfig({.snapshot = snapshot, .base = {}, .position = {1, 1}, .entries = std::move(entries)}).ok());
    state_.Rebuild();
  }
  void Fleet(const std::string& cell, std::vector<ingest::v1::FleetEntry> entries, bool snapshot = false) {
    ASSERT_TRUE(state_.ApplyFleet(cell, {.snapshot = snapshot, .base = {}, .position = {1, 1}, .entries = std::move(entries)}).ok());
    state_.Rebuild();
  }
  const FleetBox& Box(const std::string& id = "a") {
    snapshot_ = state_.Get();
    const FleetBox* box = snapshot_->FindBox(ApplianceId(id));
    EXPECT_NE(box, nullptr) << id;
    static const FleetBox* const kNone = new FleetBox();
    return box == nullptr ? *kNone : *box;
  }

  FleetState state_;
  std::shared_ptr<const FleetSnapshot> snapshot_;
};

TEST_F(FleetStateTest, ABoxIsItsConfigurationUntilItReports) {
  EXPECT_EQ(Box().source.cluster, ClusterId("c1"));
  EXPECT_EQ(Box().source.site_kind, SiteKind::kEmbedded);
  EXPECT_EQ(Box().source.health, HealthState::kUnspecified);
  EXPECT_EQ(Box().held, nullptr);
  ASSERT_EQ(state_.Get()->plan_boxes.size(), 1u);
  EXPECT_EQ(state_.Get()->plan_boxes[0].disk_bytes, 1'000'000);
  EXPECT_EQ(state_.Get()->plan_clusters[0].copies, 2);
}

TEST_F(FleetStateTest, ABoxIsALameDuckInThatPhaseOfItsDrainOnly) {
  for (const auto& [phase, lame] :
       {std::pair(registry::v1::Drain::PHASE_EVACUATING, false), std::pair(registry::v1::Drain::PHASE_LAME_DUCK, true),
        std::pair(registry::v1::Drain::PHASE_UNSPECIFIED, false)}) {
    registry::v1::ConfigEntry entry = ApplianceEntry("a", "isp", "c1");
    entry.mutable_appliance()->mutable_drain()->set_phase(phase);
    Config({entry});
    EXPECT_EQ(Box().source.lame_duck, lame) << phase;
  }
}

TEST_F(FleetStateTest, TheNewestReportCountsWhicheverCellHeardIt) {
  Fleet("x", {StateEntry("a", 5, 9, common::v1::HEALTH_STATE_SICK), HoldingsEntry("a", {1}, 5, 8)});
  Fleet("y", {StateEntry("a", 6, 1), HoldingsEntry("a", {2, 3}, 6, 2)});
  EXPECT_EQ(Box().source.health, HealthState::kOk);
  EXPECT_TRUE(Box().held->Contains(2));
  EXPECT_FALSE(Box().held->Contains(1));
  Fleet("x", {StateEntry("a", 6, 2, common::v1::HEALTH_STATE_SILENT)});
  EXPECT_EQ(Box().source.health, HealthState::kSilent);
}

TEST_F(FleetStateTest, RoutesAreThoseOfTheCellWithTheNewestReport) {
  Fleet("x", {StateEntry("a", 1, 1), RouteEntry("a", "198.51.100.0/24")});
  ASSERT_NE(Box().routes, nullptr);
  EXPECT_TRUE(Box().routes->LongestMatch(IpAddress::Parse("198.51.100.7").value()).has_value());
  Fleet("y", {StateEntry("a", 2, 1), RouteEntry("a", "203.0.113.0/24")});
  EXPECT_FALSE(Box().routes->LongestMatch(IpAddress::Parse("198.51.100.7").value()).has_value());
  Fleet("y", {Removal<ingest::v1::FleetEntry>(RouteEntry("a", "203.0.113.0/24").key())});
  EXPECT_FALSE(Box().routes->LongestMatch(IpAddress::Parse("203.0.113.7").value()).has_value());
}

TEST_F(FleetStateTest, DemotedRoutesAreNotUsedForFilling) {
  ingest::v1::FleetEntry route = RouteEntry("a", "198.51.100.0/24");
  Fleet("x", {StateEntry("a"), route});
  route.mutable_route()->set_demoted(true);
  Fleet("x", {route});
  EXPECT_FALSE(Box().routes->LongestMatch(IpAddress::Parse("198.51.100.7").value()).has_value());
}

TEST_F(FleetStateTest, ACollectorHasNoTableUntilItIsAnotherBox) {
  Config({SiteEntry("ix", common::v1::SITE_KIND_IX), ApplianceEntry("rc", "ix", "", common::v1::APPLIANCE_KIND_COLLECTOR)});
  Fleet("x", {StateEntry("rc"), RouteEntry("rc", "203.0.113.0/24"), StateEntry("a"), RouteEntry("a", "198.51.100.0/24")});
  EXPECT_EQ(Box("rc").routes, nullptr);
  EXPECT_EQ(Box("rc").source.health, HealthState::kOk);
  ASSERT_NE(Box("a").routes, nullptr);
  EXPECT_TRUE(Box("a").routes->LongestMatch(IpAddress::Parse("198.51.100.7").value()).has_value());
  // What it hears is known all the same.
  Config({ApplianceEntry("rc", "ix", "", common::v1::APPLIANCE_KIND_STORAGE)});
  ASSERT_NE(Box("rc").routes, nullptr);
  EXPECT_TRUE(Box("rc").routes->LongestMatch(IpAddress::Parse("203.0.113.7").value()).has_value());
}

TEST_F(FleetStateTest, ASnapshotReplacesAllThatACellSaid) {
  Fleet("x", {StateEntry("a"), HoldingsEntry("a", {1})});
  Fleet("x", {StateEntry("b")}, /*snapshot=*/true);
  EXPECT_EQ(Box().source.health, HealthState::kUnspecified);
  EXPECT_EQ(Box().held, nullptr);
}

TEST_F(FleetStateTest, AForgottenCellTakesItsReportsAlong) {
  Fleet("x", {StateEntry("a")});
  state_.ForgetCell("x");
  state_.Rebuild();
  EXPECT_EQ(Box().source.health, HealthState::kUnspecified);
}

TEST_F(FleetStateTest, RecordsThatMakeNoSenseAreLeftOutAndCounted) {
  ingest::v1::FleetEntry holdings = HoldingsEntry("a", {1});
  holdings.mutable_holdings()->set_bitmap("not a bitmap");
  ingest::v1::FleetEntry route = RouteEntry("a", "198.51.100.0/24");
  route.mutable_route()->mutable_prefix()->set_length(77);
  Fleet("x", {StateEntry("a"), holdings, route});
  EXPECT_EQ(Box().held, nullptr);
  EXPECT_EQ(Box().source.health, HealthState::kOk);
  EXPECT_EQ(state_.bad_records(), 2);
  Config({ApplianceEntry("b", "nowhere", "c1")});
  EXPECT_EQ(state_.Get()->FindBox(ApplianceId("b")), nullptr);
}

TEST_F(FleetStateTest, ActiveKeysComeNewestFirst) {
  Config({KeyEntry("k-old", registry::v1::SigningKey::STATE_ACTIVE, 1), KeyEntry("k-new", registry::v1::SigningKey::STATE_ACTIVE, 2),
          KeyEntry("k-next", registry::v1::SigningKey::STATE_VERIFY_ONLY, 3),
          KeyEntry("k-bad", registry::v1::SigningKey::STATE_REVOKED, 4)});
  EXPECT_THAT(state_.Get()->active_keys, ElementsAre("k-new", "k-old"));
}

TEST_F(FleetStateTest, CellsAndTheirAddressesComeFromTheConfiguration) {
  Config({CellEntry("c-1", "127.0.0.1:1"), CellEntry("c-2", "127.0.0.1:2")});
  Config({Removal<registry::v1::ConfigEntry>("cells/c-1")});
  EXPECT_THAT(state_.Get()->cells, ElementsAre(Pair("c-2", "127.0.0.1:2")));
}

TEST_F(FleetStateTest, OnlyWhatPlansDependOnCountsAsAChange) {
  const uint64_t before = state_.Get()->config_changes;
  Config({KeyEntry("k", registry::v1::SigningKey::STATE_ACTIVE)});
  Fleet("x", {StateEntry("a")});
  EXPECT_EQ(state_.Get()->config_changes, before);
  Config({ApplianceEntry("b", "isp", "c1")});
  EXPECT_GT(state_.Get()->config_changes, before);
}

TEST_F(FleetStateTest, NothingNewMeansNoNewSnapshot) {
  EXPECT_FALSE(state_.Rebuild());
  Fleet("x", {StateEntry("a")});
  EXPECT_FALSE(state_.Rebuild()) << "Fleet rebuilt it";
}

}  // namespace
}  // namespace fairlead::fill
