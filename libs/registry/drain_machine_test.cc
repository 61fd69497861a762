#include "libs/registry/drain_machine.h"

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead::registry {
namespace {

using ::testing::HasSubstr;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);
constexpr absl::Duration kTick = absl::Milliseconds(1);

class DrainMachineTest : public ::testing::Test {
 protected:
  DrainMachineTest() {
    drain_.id = DrainId("d-1");
    drain_.target = "appliances/oca-1";
    drain_.start_time = kNow;
  }
  static DrainBox Box(DrainPhase phase) { return {.appliance = ApplianceId("oca-1"), .phase = phase, .phase_time = kNow}; }
  BoxSeen Held(AdminState admin = AdminState::kDraining) const { return {.exists = true, .admin = admin, .held_by = drain_.id}; }
  static BoxSeen Live() { return {.exists = true, .admin = AdminState::kLive}; }
  BoxStep At(DrainPhase phase, absl::Duration after, const BoxSeen& seen) const {
    return StepBox(drain_, Box(phase), seen, policy_, kNow + after);
  }

  Drain drain_;
  const DrainPolicy policy_ = WithDefaults({});
};

TEST_F(DrainMachineTest, TheDefaultsKeepWithinTwoHours) {
  EXPECT_EQ(policy_.draining_for, absl::Hours(1));
  EXPECT_EQ(policy_.evacuating_for, absl::Minutes(30));
  EXPECT_EQ(policy_.quiet_for, absl::Minutes(5));
  EXPECT_LE(policy_.draining_for + policy_.evacuating_for + policy_.overdue_after, absl::Hours(2));
}

TEST_F(DrainMachineTest, AScheduledBoxIsTakenOutExactlyAtTheStart) {
  const BoxStep before = At(DrainPhase::kScheduled, -kTick, Live());
  EXPECT_EQ(before.box.phase, DrainPhase::kScheduled);
  EXPECT_EQ(before.move, std::nullopt);
  EXPECT_EQ(before.look_again, kNow);
  const BoxStep at = At(DrainPhase::kScheduled, absl::ZeroDuration(), Live());
  EXPECT_EQ(at.box.phase, DrainPhase::kDraining);
  EXPECT_EQ(at.move, AdminState::kDraining);
  EXPECT_EQ(at.look_again, kNow + policy_.draining_for);
}

TEST_F(DrainMachineTest, DrainingLastsAsLongAsThePolicySays) {
  EXPECT_EQ(At(DrainPhase::kDraining, policy_.draining_for - kTick, Held()).box.phase, DrainPhase::kDraining);
  const BoxStep at = At(DrainPhase::kDraining, policy_.draining_for, Held());
  EXPECT_EQ(at.box.phase, DrainPhase::kEvacuating);
  EXPECT_EQ(at.box.phase_time, kNow + policy_.draining_for);
  EXPECT_EQ(at.move, std::nullopt) << "the box stays DRAINING";
}

TEST_F(DrainMachineTest, EvacuatingLastsAsLongAsThePolicySays) {
  EXPECT_EQ(At(DrainPhase::kEvacuating, policy_.evacuating_for - kTick, Held()).box.phase, DrainPhase::kEvacuating);
  const BoxStep at = At(DrainPhase::kEvacuating, policy_.evacuating_for, Held());
  EXPECT_EQ(at.box.phase, DrainPhase::kLameDuck);
  EXPECT_EQ(at.look_again, kNow + policy_.evacuating_for + policy_.overdue_after);
  EXPECT_THAT(at.box.detail, HasSubstr("sent nothing for 5m"));
}

// An hour without registryd: what a phase does to viewers happens only while it lasts.
TEST_F(DrainMachineTest, WhoLooksLateTakesOneStepAndGivesTheNextPhaseItsFullTime) {
  const absl::Duration late = absl::Hours(10);
  const BoxStep step = At(DrainPhase::kDraining, late, Held());
  EXPECT_EQ(step.box.phase, DrainPhase::kEvacuating);
  EXPECT_EQ(step.box.phase_time, kNow + late);
  EXPECT_EQ(step.look_again, kNow + late + policy_.evacuating_for);
}

TEST_F(DrainMachineTest, AClockThatWentBackChangesNothing) {
  EXPECT_EQ(At(DrainPhase::kDraining, -absl::Hours(3), Held()).box.phase, DrainPhase::kDraining);
  EXPECT_EQ(HearBox(Box(DrainPhase::kLameDuck), absl::Hours(9), policy_, kNow - absl::Hours(1)).box.phase, DrainPhase::kLameDuck);
}

TEST_F(DrainMachineTest, ALameDuckIsDrainedByItsOwnWordExactlyWhenItHasBeenQuietLongEnough) {
  const DrainBox box = Box(DrainPhase::kLameDuck);
  const absl::Time later = kNow + absl::Minutes(30);
  const BoxStep not_yet = HearBox(box, policy_.quiet_for - kTick, policy_, later);
  EXPECT_EQ(not_yet.box.phase, DrainPhase::kLameDuck);
  EXPECT_EQ(not_yet.box.report_time, later);
  EXPECT_EQ(not_yet.move, std::nullopt);
  const BoxStep quiet = HearBox(box, policy_.quiet_for, policy_, later);
  EXPECT_EQ(quiet.box.phase, DrainPhase::kDrained);
  EXPECT_EQ(quiet.box.phase_time, later);
  EXPECT_EQ(quiet.move, AdminState::kDrained);
  EXPECT_EQ(quiet.look_again, absl::InfiniteFuture());
}

TEST_F(DrainMachineTest, QuietBeforeItRefusedAnybodyProvesNothing) {
  const DrainBox box = Box(DrainPhase::kLameDuck);
  EXPECT_EQ(HearBox(box, absl::Hours(9), policy_, kNow + policy_.quiet_for - kTick).box.phase, DrainPhase::kLameDuck);
  EXPECT_EQ(HearBox(box, absl::Hours(9), policy_, kNow + policy_.quiet_for).box.phase, DrainPhase::kDrained);
  for (const DrainPhase phase : {DrainPhase::kScheduled, DrainPhase::kDraining, DrainPhase::kEvacuating, DrainPhase::kDrained}) {
    EXPECT_EQ(HearBox(Box(phase), absl::Hours(9), policy_, kNow + absl::Hours(9)), (BoxStep{.box = Box(phase)}));
  }
}

TEST_F(DrainMachineTest, TheSecondWordOfALameDuckChangesNothing) {
  const DrainBox once = HearBox(Box(DrainPhase::kLameDuck), absl::Seconds(1), policy_, kNow + absl::Seconds(1)).box;
  EXPECT_EQ(HearBox(once, absl::Seconds(2), policy_, kNow + absl::Seconds(2)).box, once) << "a write for every report";
}

TEST_F(DrainMachineTest, ALameDuckWithoutAWordIsOverdueExactlyAfterTheTimeOfThePolicyAndStaysSo) {
  EXPECT_THAT(At(DrainPhase::kLameDuck, policy_.overdue_after - kTick, Held()).box.detail, Not(HasSubstr("overdue")));
  const BoxStep overdue = At(DrainPhase::kLameDuck, policy_.overdue_after, Held());
  EXPECT_EQ(overdue.box.phase, DrainPhase::kLameDuck) << "silence is no proof that nobody is served";
  EXPECT_THAT(overdue.box.detail, HasSubstr("overdue: no word from the box in 15m"));
  EXPECT_EQ(overdue.look_again, absl::InfiniteFuture());
  EXPECT_EQ(StepBox(drain_, overdue.box, Held(), policy_, kNow + absl::Hours(9)).box, overdue.box) << "a write for every look";
  EXPECT_EQ(HearBox(overdue.box, policy_.quiet_for, policy_, kNow + absl::Hours(9)).box.phase, DrainPhase::kDrained);
}

TEST_F(DrainMachineTest, ABoxThatSpokeButIsNotQuietIsOverdueInOtherWords) {
  DrainBox box = Box(DrainPhase::kLameDuck);
  box.report_time = kNow + absl::Seconds(3);
  EXPECT_THAT(StepBox(drain_, box, Held(), policy_, kNow + absl::Hours(1)).box.detail, HasSubstr("overdue: the box refuses viewers"));
}

TEST_F(DrainMachineTest, WhatAnOperatorMovedIsLeftAlone) {
  for (const DrainPhase phase : {DrainPhase::kDraining, DrainPhase::kEvacuating, DrainPhase::kLameDuck, DrainPhase::kDrained}) {
    const BoxStep step = At(phase, absl::Hours(9), Live());
    EXPECT_EQ(step.box.phase, DrainPhase::kReleased);
    EXPECT_EQ(step.box.detail, "was moved by an operator, to LIVE");
    EXPECT_EQ(step.move, std::nullopt);
    EXPECT_EQ(StopBox(drain_, Box(phase), Live(), DrainPhase::kEnded, kNow).move, std::nullopt);
    EXPECT_EQ(At(phase, absl::ZeroDuration(), {}).box.detail, "was deleted");
  }
  EXPECT_EQ(At(DrainPhase::kLameDuck, kTick, {.exists = true, .admin = AdminState::kDraining}).box.phase, DrainPhase::kReleased)
      << "moved away and back by hand";
}

TEST_F(DrainMachineTest, ABoxThatIsNotLiveAtTheStartIsLeftAlone) {
  const BoxStep step = At(DrainPhase::kScheduled, absl::ZeroDuration(), {.exists = true, .admin = AdminState::kDisabled});
  EXPECT_EQ(step.box.phase, DrainPhase::kReleased);
  EXPECT_EQ(step.box.detail, "was DISABLED when the drain began: left alone");
  EXPECT_EQ(step.move, std::nullopt);
}

TEST_F(DrainMachineTest, TheEndGivesBackWhatTheDrainHasAndNothingElse) {
  for (const DrainPhase end : {DrainPhase::kEnded, DrainPhase::kCancelled}) {
    for (const DrainPhase phase : {DrainPhase::kDraining, DrainPhase::kEvacuating, DrainPhase::kLameDuck}) {
      const BoxStep step = StopBox(drain_, Box(phase), Held(), end, kNow);
      EXPECT_EQ(step.box.phase, end);
      EXPECT_EQ(step.move, AdminState::kLive);
    }
    EXPECT_EQ(StopBox(drain_, Box(DrainPhase::kDrained), Held(AdminState::kDrained), end, kNow).move, AdminState::kLive);
    const BoxStep never = StopBox(drain_, Box(DrainPhase::kScheduled), Live(), end, kNow);
    EXPECT_EQ(never.box.phase, end);
    EXPECT_EQ(never.move, std::nullopt);
  }
}

TEST_F(DrainMachineTest, WhatIsOverStaysAsItIs) {
  for (const DrainPhase phase : {DrainPhase::kCancelled, DrainPhase::kEnded, DrainPhase::kReleased}) {
    EXPECT_EQ(At(phase, absl::Hours(99), Held()), (BoxStep{.box = Box(phase)}));
    EXPECT_EQ(StopBox(drain_, Box(phase), Held(), DrainPhase::kEnded, kNow), (BoxStep{.box = Box(phase)}));
  }
}

}  // namespace
}  // namespace fairlead::registry
