#include "libs/steering/guard.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/steering/guard_fixture.h"

namespace fairlead {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

// ---- One box, or a few ----

TEST_F(GuardTest, OneSilentBoxIsBelievedAtOnce) {
  AddSite("a", 4);
  EXPECT_THAT(Step().words[0].sentence, "");
  FallSilent(Box("a-1"));
  const GuardOutcome& out = Step();
  EXPECT_EQ(Word("a-1").verdict, GuardVerdict::kBelieved);
  EXPECT_EQ(Word("a-1").believed, (BoxCondition{.health = HealthState::kSilent, .use_bps = 7, .capacity_bps = 9}));
  EXPECT_THAT(Word("a-1").sentence, HasSubstr("silent for at least 10s, believed"));
  EXPECT_TRUE(out.changed);
  EXPECT_EQ(out.taken, 1u);
  EXPECT_FALSE(Step().changed);
  EXPECT_EQ(last_.taken, 0u);
  EXPECT_THAT(Gone(), ElementsAre("a-1"));
}

TEST_F(GuardTest, TheLimitIsOneBoxOrFivePercentWhicheverIsMore) {
  EXPECT_EQ(RemovalLimit(policy_, 1), 1u);
  EXPECT_EQ(RemovalLimit(policy_, 39), 1u);
  EXPECT_EQ(RemovalLimit(policy_, 40), 2u);
  EXPECT_EQ(RemovalLimit(policy_, 20'000), 1'000u);
  policy_.removable_boxes = 3;
  EXPECT_EQ(RemovalLimit(policy_, 40), 3u);
}

TEST_F(GuardTest, TheNextOneIsBelievedExactlyAMinuteAfterTheOneBefore) {
  AddSite("a", 20);
  Step();
  Silence("a", 1, 3);
  Step();
  EXPECT_THAT(Gone(), ElementsAre("a-1"));
  EXPECT_EQ(Word("a-2").verdict, GuardVerdict::kHeldByLimit);
  EXPECT_TRUE(Word("a-2").held);
  EXPECT_EQ(Word("a-2").sentence, "silent for at least 10s, held OK by the guard: the limit of 1 box in 1m is reached");
  EXPECT_EQ(last_.held, 2u);
  Step(absl::Minutes(1) - absl::Nanoseconds(1));
  EXPECT_THAT(Gone(), ElementsAre("a-1"));
  Step(absl::Nanoseconds(1));
  EXPECT_THAT(Gone(), ElementsAre("a-1", "a-2"));
  Step(absl::Minutes(1));
  EXPECT_THAT(Gone(), ElementsAre("a-1", "a-2", "a-3"));
}

TEST_F(GuardTest, WhoFellSilentFirstComesFirst) {
  AddSite("a", 20);
  Step();
  FallSilent(Box("a-5"));
  Step();
  FallSilent(Box("a-4"));
  Step();
  FallSilent(Box("a-3"));
  Step(absl::Minutes(1));
  EXPECT_THAT(Gone(), UnorderedElementsAre("a-5", "a-4"));
}

TEST_F(GuardTest, AHeldBoxKeepsTheStateItHad) {
  AddSite("a", 20);
  Speak(Box("a-2"), HealthState::kDegraded, 400);
  Speak(Box("a-3"), HealthState::kOverloaded, 0);
  Step();
  Silence("a", 1, 3);
  Step();
  EXPECT_EQ(Word("a-2").believed,
            (BoxCondition{.health = HealthState::kDegraded, .weight_permille = 400, .use_bps = 7, .capacity_bps = 9}));
  EXPECT_EQ(Word("a-3").believed.health, HealthState::kOverloaded);
  EXPECT_THAT(Word("a-2").sentence, HasSubstr("held DEGRADED"));
}

TEST_F(GuardTest, ABoxThatReportsIsBelievedAtOnce) {
  AddSite("a", 20);
  Step();
  Silence("a", 1, 2);
  Step();
  Speak(Box("a-1"), HealthState::kDegraded, 100);
  Speak(Box("a-2"), HealthState::kSick, 0);
  Step();
  EXPECT_EQ(Word("a-1").believed, Box("a-1").reported);
  EXPECT_EQ(Word("a-2").believed.health, HealthState::kSick);
  EXPECT_EQ(Word("a-1").verdict, GuardVerdict::kReports);
  EXPECT_EQ(last_.held, 0u);
}

// libs/health goes on calling a box SILENT for some seconds after it speaks again.
TEST_F(GuardTest, ABoxThatSpeaksAgainIsNotTakenWhileItsCellWaits) {
  AddSite("a", 20);
  Step();
  Silence("a", 1, 2);
  Step();
  for (const char* id : {"a-1", "a-2"}) {
    ++Box(id).sequence;
    Box(id).report_age = absl::ZeroDuration();
  }
  Step(absl::Minutes(1));
  EXPECT_THAT(Gone(), ElementsAre("a-1"));
  EXPECT_EQ(Word("a-1").verdict, GuardVerdict::kRecent);
  EXPECT_EQ(Word("a-2").verdict, GuardVerdict::kRecent);
  EXPECT_TRUE(Word("a-2").held);
  EXPECT_THAT(Word("a-2").sentence, HasSubstr("its cell waits before calling it better; held OK"));
  Step(absl::Seconds(10) - absl::Nanoseconds(1));
  EXPECT_EQ(Word("a-2").verdict, GuardVerdict::kRecent);
  Step(absl::Nanoseconds(1));  // Without another report it is silent again.
  EXPECT_EQ(Word("a-2").verdict, GuardVerdict::kBelieved);
}

TEST_F(GuardTest, TheAgeOfASilenceIsThatOfTheLastReportAsFarAsItIsKnown) {
  AddSite("a", 4);
  Box("a-1").report_age = absl::InfiniteDuration();
  Step();
  FallSilent(Box("a-1"));
  Box("a-1").report_age = absl::InfiniteDuration();
  Step();
  EXPECT_THAT(Word("a-1").sentence, HasSubstr("silent for at least 0s"));
  Step(absl::Milliseconds(2'999));
  EXPECT_THAT(Word("a-1").sentence, HasSubstr("silent for at least 2s"));
  Box("a-1").report_age = absl::Minutes(3);  // Its cell says so in the end.
  Step();
  EXPECT_THAT(Word("a-1").sentence, HasSubstr("silent for at least 3m"));
  Step(absl::Seconds(5));
  EXPECT_THAT(Word("a-1").sentence, HasSubstr("silent for at least 3m5s"));
}

TEST_F(GuardTest, OnlyLiveServersAreGuardedAndCounted) {
  AddSite("a", 39);
  AddSite("b", 2);
  for (const char* id : {"b-1", "b-2"}) Box(id).serves = false;
  Step();
  EXPECT_EQ(last_.fleet, 39u);
  EXPECT_EQ(last_.limit, 1u);
  SilenceSite("b");
  Silence("a", 1, 1);
  Step();
  EXPECT_THAT(Gone(), ElementsAre("a-1", "b-1", "b-2"));
  EXPECT_EQ(last_.taken, 1u);
  EXPECT_EQ(Word("b-1").verdict, GuardVerdict::kNotGuarded);
}

TEST_F(GuardTest, ABoxThatNobodyHasHeardIsSilentAndTakesNoPlace) {
  AddSite("a", 5);
  Box("a-1").heard = Box("a-2").heard = false;
  Step();
  EXPECT_THAT(Gone(), ElementsAre("a-1", "a-2"));
  EXPECT_EQ(Word("a-1").verdict, GuardVerdict::kNeverHeard);
  EXPECT_EQ(last_.gone, 0u);
  FallSilent(Box("a-3"));
  Step();
  EXPECT_THAT(Gone(), ElementsAre("a-1", "a-2", "a-3"));
}

TEST_F(GuardTest, ABoxThatItsCellForgotIsSilentOnlyOnceItsLastReportIsOldEnough) {
  AddSite("a", 5);
  Step();
  Box("a-1").heard = false;
  Step(absl::Seconds(10) - absl::Nanoseconds(1));
  EXPECT_EQ(Word("a-1").verdict, GuardVerdict::kRecent);
  EXPECT_EQ(Word("a-1").believed.health, HealthState::kOk);
  EXPECT_EQ(Word("a-1").believed.use_bps, 7u);
  Step(absl::Nanoseconds(1));
  EXPECT_EQ(Word("a-1").verdict, GuardVerdict::kBelieved);
}

// ---- Sites that share only a cell or a path ----

TEST_F(GuardTest, ACellThatFallsSilentIsFrozenAndNobodyIsTaken) {
  AddSite("a", 4);
  AddSite("b", 4);
  AddSite("c", 4, "c2");
  Step();
  SilenceSite("a"), SilenceSite("b");
  Step();
  EXPECT_THAT(Gone(), IsEmpty());
  ASSERT_THAT(last_.began, SizeIs(1));
  EXPECT_EQ(last_.began[0].shared, "cells/c1");
  EXPECT_EQ(Word("a-1").verdict, GuardVerdict::kHeldFrozen);
  Step(absl::Seconds(12));
  EXPECT_EQ(Word("b-4").sentence,
            "silent for at least 22s, held OK by the guard: 8 of 8 boxes at 2 sites fell silent together and share only cells/c1, frozen "
            "for 12s");
  EXPECT_THAT(last_.began, IsEmpty());  // Told once.
  Step(absl::Hours(5));
  EXPECT_THAT(Gone(), IsEmpty());
  EXPECT_EQ(last_.held, 8u);
  EXPECT_EQ(last_.state.frozen.begin()->second.since, absl::Hours(1) + absl::Seconds(2));
}

TEST_F(GuardTest, AFrozenCellDoesNotHoldUpTheOthers) {
  AddSite("a", 4), AddSite("b", 4), AddSite("c", 4, "c2");
  Step();
  SilenceSite("a"), SilenceSite("b"), FallSilent(Box("c-1"));
  Step();
  EXPECT_THAT(Gone(), ElementsAre("c-1"));
}

TEST_F(GuardTest, WhoWasBelievedBeforeTheWaveShowedGetsItsStateBack) {
  AddSite("a", 4), AddSite("b", 4);
  Step();
  FallSilent(Box("a-1"));
  Step();
  EXPECT_THAT(Gone(), ElementsAre("a-1"));
  Silence("a", 2, 4), SilenceSite("b");
  Step(absl::Minutes(1) - absl::Nanoseconds(1));
  EXPECT_THAT(Gone(), IsEmpty());
  EXPECT_EQ(Word("a-1").believed.health, HealthState::kOk);
}

TEST_F(GuardTest, WhoWasGoneLongBeforeStaysGone) {
  AddSite("a", 4), AddSite("b", 4);
  Step();
  FallSilent(Box("a-1"));
  Step();
  Silence("a", 2, 4), SilenceSite("b");
  Step(absl::Minutes(1));
  EXPECT_THAT(Gone(), ElementsAre("a-1"));
  EXPECT_EQ(last_.began[0].silent, 7u);
  EXPECT_EQ(last_.began[0].boxes, 7u);
}

TEST_F(GuardTest, AsManyAsTheLimitBesidesTheSiteThatLostMostAreNoWave) {
  AddSite("a", 20), AddSite("b", 10), AddSite("c", 10);  // The limit of the cell is 2.
  Step();
  Silence("a", 1, 10), Silence("b", 1, 1), Silence("c", 1, 1);
  Step();
  EXPECT_THAT(last_.began, IsEmpty());
  EXPECT_THAT(Gone(), SizeIs(2));
  FallSilent(Box("c-2"));
  Step();
  EXPECT_THAT(last_.began, SizeIs(1));
  EXPECT_THAT(Gone(), IsEmpty());
}

TEST_F(GuardTest, OneSiteAloneIsNoWaveHoweverManyBoxesItHas) {
  AddSite("a", 20);
  Step();
  SilenceSite("a");
  Step();
  EXPECT_THAT(last_.began, IsEmpty());
  EXPECT_THAT(Gone(), SizeIs(1));
}

TEST_F(GuardTest, SilencesAMinuteApartAreNoWave) {
  AddSite("a", 4), AddSite("b", 4);
  Step();
  Silence("a", 1, 2);
  Step();
  Silence("b", 1, 2);
  Step(absl::Minutes(1));
  EXPECT_THAT(last_.began, IsEmpty());
}

TEST_F(GuardTest, AWholeCellThatFallsSilentIsAWaveHoweverSmall) {
  AddSite("a", 1), AddSite("b", 1), AddSite("c", 30, "c2");
  Step();
  SilenceSite("a"), SilenceSite("b");
  Step();
  EXPECT_THAT(last_.began, SizeIs(1));
  EXPECT_THAT(Gone(), IsEmpty());
}

TEST_F(GuardTest, SitesThatShareAPathAreFrozenThoughTheirCellIsLarge) {
  AddSite("a", 2, "c1", "partners/isp"), AddSite("b", 2, "c1", "partners/isp"), AddSite("rest", 196);
  Step();
  EXPECT_EQ(last_.limit, 10u);
  SilenceSite("a"), SilenceSite("b"), FallSilent(Box("rest-1"));
  Step();
  EXPECT_THAT(Gone(), ElementsAre("rest-1"));
  EXPECT_THAT(Word("a-1").sentence, HasSubstr("share only partners/isp"));
}

TEST_F(GuardTest, AFreezeEndsWhenTheReportsAreBackForLongEnough) {
  AddSite("a", 4), AddSite("b", 4);
  Step();
  SilenceSite("a"), SilenceSite("b");
  Step();
  for (GuardedBox& box : in_.boxes) {
    if (box.id.value() != "b-4") Speak(box);
  }
  Step();
  EXPECT_EQ(Word("a-1").verdict, GuardVerdict::kReports);  // Believed at once.
  EXPECT_EQ(Word("b-4").verdict, GuardVerdict::kHeldFrozen);
  Step(absl::Seconds(10) - absl::Nanoseconds(1));
  EXPECT_THAT(last_.ended, IsEmpty());
  Step(absl::Nanoseconds(1));
  ASSERT_THAT(last_.ended, SizeIs(1));
  EXPECT_THAT(last_.state.frozen, IsEmpty());
  EXPECT_EQ(Word("b-4").verdict, GuardVerdict::kBelieved);  // It has really gone.
}

TEST_F(GuardTest, ReportsThatComeAndGoDoNotEndAFreeze) {
  AddSite("a", 4), AddSite("b", 4);
  Step();
  SilenceSite("a"), SilenceSite("b");
  Step();
  for (int i = 0; i < 5; ++i) {
    for (GuardedBox& box : in_.boxes) Speak(box);
    Step(absl::Seconds(6));
    SilenceSite("a"), SilenceSite("b");
    Step(absl::Seconds(12));
    EXPECT_THAT(last_.ended, IsEmpty());
    EXPECT_THAT(Gone(), IsEmpty());
  }
}

TEST_F(GuardTest, AnOperatorsOverrideEndsAFreezeAndBelievesEverySilence) {
  AddSite("a", 4), AddSite("b", 4);
  Step();
  SilenceSite("a"), SilenceSite("b");
  Step();
  policy_.mode = GuardMode::kBelieveAll;
  Step();
  EXPECT_THAT(Gone(), SizeIs(8));
  EXPECT_THAT(last_.ended, SizeIs(1));
  EXPECT_EQ(Word("a-1").sentence, "silent for at least 11s, believed by policy: the guard's mode is BELIEVE_ALL");
  policy_.mode = GuardMode::kGuard;  // What was believed stays so.
  Step();
  EXPECT_THAT(Gone(), SizeIs(8));
  EXPECT_THAT(last_.state.frozen, IsEmpty());
}

TEST_F(GuardTest, ModeBelieveNoneHoldsEverybody) {
  AddSite("a", 4);
  policy_.mode = GuardMode::kBelieveNone;
  Step();
  SilenceSite("a");
  Step();
  EXPECT_THAT(Gone(), IsEmpty());
  EXPECT_EQ(Word("a-1").verdict, GuardVerdict::kHeldByPolicy);
}

}  // namespace
}  // namespace fairlead
