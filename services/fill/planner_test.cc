#include "services/fill/planner.h"

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/clock/fake_clock.h"
#include "libs/metrics/metrics.h"
#include "services/fill/fake_store.h"
#include "services/fill/test_fleet.h"
#include "services/fill/test_values.h"

namespace fairlead::fill {
namespace {

using ::testing::HasSubstr;

class PlannerTest : public ::testing::Test {
 protected:
  PlannerTest() : metrics_(registry_), catalogue_(store_, metrics_) { MakePlanner({}); }

  void MakePlanner(PlannerOptions options) { planner_ = std::make_unique<Planner>(store_, catalogue_, fleet_, clock_, metrics_, options); }
  void Import(const std::string& title) {
    ASSERT_TRUE(store_.Import(MakeImport(title, "v1", 2), {}, clock_.Now()).ok());
    ASSERT_TRUE(catalogue_.Refresh().ok());
  }
  void Configure(const std::vector<std::string>& boxes) {
    std::vector<registry::v1::ConfigEntry> entries = {SiteEntry("isp", common::v1::SITE_KIND_EMBEDDED), ClusterEntry("c1", "isp", 1)};
    for (const std::string& box : boxes) entries.push_back(ApplianceEntry(box, "isp", "c1"));
    ASSERT_TRUE(fleet_.ApplyConfig({.snapshot = true, .base = {}, .position = {1, 1}, .entries = entries}).ok());
    fleet_.Rebuild();
  }
  // The number of the plan in force after `seconds` of ticks, one a second.
  uint64_t After(int seconds) {
    for (int i = 0; i < seconds; ++i) {
      clock_.Advance(absl::Seconds(1));
      planner_->Tick(clock_.Monotonic());
    }
    return catalogue_.View()->plan() == nullptr ? 0 : catalogue_.View()->plan()->plan().number;
  }

  Metrics registry_;
  FillMetrics metrics_;
  FakeStore store_;
  FakeClock clock_;
  Catalogue catalogue_;
  FleetState fleet_;
  std::unique_ptr<Planner> planner_;
};

TEST_F(PlannerTest, NothingIsPlannedBeforeCatalogueAndConfigurationAreKnown) {
  EXPECT_EQ(planner_->Create(false, {}).status().code(), absl::StatusCode::kUnavailable);
  Import("a");
  EXPECT_EQ(After(100), 0u);
  const absl::Status status = planner_->Create(false, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("registryd"));
}

TEST_F(PlannerTest, AChangeIsPlannedForOnceItIsQuiet) {
  Import("a");
  Configure({"box-1"});
  EXPECT_EQ(After(2), 0u) << "seen at the first tick, quiet for one second";
  EXPECT_EQ(After(1), 1u);
  Import("b");
  EXPECT_EQ(After(3), 2u);
  Configure({"box-1", "box-2"});
  EXPECT_EQ(After(3), 3u);
}

TEST_F(PlannerTest, AnUnchangedPlanIsNoNewPlan) {
  Import("a");
  Configure({"box-1"});
  EXPECT_EQ(After(200), 1u);
  EXPECT_EQ(planner_->Create(false, {})->number, 1u);
  EXPECT_GE(metrics_.plans_unchanged.Value(), 5);
}

TEST_F(PlannerTest, ALateRetryOfARequestThatChangedNothingMakesNoPlan) {
  MakePlanner({.interval = absl::ZeroDuration()});
  Import("a");
  Configure({"box-1"});
  ASSERT_EQ(planner_->Create(false, {})->number, 1u);
  ASSERT_EQ(planner_->Create(/*validate_only=*/true, {"trial", "plan"})->number, 1u);
  ASSERT_EQ(planner_->Create(false, {"unchanged", "plan"})->number, 1u);
  Import("b");
  EXPECT_EQ(planner_->Create(false, {"unchanged", "plan"})->number, 1u);
  EXPECT_EQ(planner_->Create(false, {"trial", "plan"})->number, 2u) << "a trial uses up no request id";
}

TEST_F(PlannerTest, ChangesWithoutEndAreWaitedForNoLongerThanTheInterval) {
  MakePlanner({.interval = absl::Seconds(10)});
  Configure({"box-1"});
  for (int i = 0; i < 13; ++i) {
    Import(absl::StrCat("t-", i));
    After(1);
  }
  EXPECT_EQ(After(0), 1u);
}

TEST_F(PlannerTest, WithIntervalZeroOnlyACallMakesAPlan) {
  MakePlanner({.interval = absl::ZeroDuration()});
  Import("a");
  Configure({"box-1"});
  EXPECT_EQ(After(100), 0u);
  EXPECT_EQ(planner_->Create(false, {})->number, 1u);
}

TEST_F(PlannerTest, ValidateOnlyShowsThePlanAndStoresNothing) {
  Import("a");
  Configure({"box-1"});
  const absl::StatusOr<PlanSummary> plan = planner_->Create(/*validate_only=*/true, {});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->number, 0u);
  EXPECT_EQ(plan->clusters[0].boxes[0].files, 2);
  EXPECT_EQ(plan->clusters[0].boxes[0].files_added, 2);
  EXPECT_EQ(After(0), 0u);
}

TEST_F(PlannerTest, AFailedStoreIsTriedAgain) {
  Import("a");
  Configure({"box-1"});
  store_.Fail(absl::UnavailableError("down"));
  EXPECT_EQ(After(20), 0u);
  EXPECT_GE(metrics_.plans_failed.Value(), 2);
  store_.Fail(absl::OkStatus());
  EXPECT_EQ(After(4), 1u);
}

TEST_F(PlannerTest, APlanThatSomebodyElseMadeIsReadAndPlannedOn) {
  Import("a");
  Configure({"box-1"});
  ASSERT_TRUE(store_.SavePlan(MakeFillPlan(1), 0, {}, clock_.Now()).ok());
  const absl::Status late = planner_->Create(false, {}).status();
  EXPECT_EQ(late.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(planner_->Create(false, {})->number, 2u);
}

}  // namespace
}  // namespace fairlead::fill
