#include "libs/steering/guard.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

// A fleet that reports each time it is looked at, except for those that are told to fall silent.
class GuardTest : public testing::Test {
 protected:
  // `count` boxes "<site>-1", "<site>-2", … that report to `cell`.
  void AddSite(const std::string& site, int count, const std::string& cell = "c1", const std::string& path = "") {
    for (int i = 1; i <= count; ++i) {
      GuardedBox box = {.id = ApplianceId(absl::StrCat(site, "-", i)), .site = SiteId(site), .path = path, .cell = CellId(cell)};
      Speak(box);
      in_.boxes.push_back(std::move(box));
    }
  }
  GuardedBox& Box(const std::string& id) {
    return *std::find_if(in_.boxes.begin(), in_.boxes.end(), [&](const GuardedBox& box) { return box.id.value() == id; });
  }
  static void Speak(GuardedBox& box, HealthState health = HealthState::kOk, uint32_t weight = 1000) {
    box.heard = true;
    ++box.sequence;
    box.report_age = absl::ZeroDuration();
    box.reported = {.health = health, .weight_permille = weight, .use_bps = 7, .capacity_bps = 9};
  }
  // As its cell says it once no report came for lost_after.
  static void FallSilent(GuardedBox& box) {
    box.report_age = absl::Seconds(10);
    box.reported.health = HealthState::kSilent;
    box.reported.weight_permille = 0;
  }
  void Silence(const std::string& site, int from, int to) {
    for (int i = from; i <= to; ++i) FallSilent(Box(absl::StrCat(site, "-", i)));
  }
  void SilenceSite(const std::string& site) {
    for (GuardedBox& box : in_.boxes) {
      if (box.site.value() == site) FallSilent(box);
    }
  }

  const GuardOutcome& Step(absl::Duration after = absl::Seconds(1)) {
    now_ += after;
    last_ = GuardSilence(in_, policy_, now_, state_);
    state_ = last_.state;
    return last_;
  }
  const GuardWord& Word(const std::string& id) { return last_.words[static_cast<size_t>(&Box(id) - in_.boxes.data())]; }
  std::vector<std::string> Gone() const {
    std::vector<std::string> gone;
    for (size_t i = 0; i < in_.boxes.size(); ++i) {
      if (last_.words[i].believed.health == HealthState::kSilent) gone.push_back(in_.boxes[i].id.value());
    }
    return gone;
  }

  GuardInput in_;
  GuardPolicy policy_;
  GuardState state_;
  GuardOutcome last_;
  absl::Duration now_ = absl::Hours(1);
};

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

// ---- A site, corroborated ----

TEST_F(GuardTest, ASiteWhoseRouterSessionsWentDownWithItIsBelievedInFull) {
  AddSite("a", 10), AddSite("b", 10);
  for (GuardedBox& box : in_.boxes) box.routers = RouterSessions::kUp;
  Step();
  for (int i = 1; i <= 10; ++i) Box(absl::StrCat("a-", i)).routers = RouterSessions::kDown;
  SilenceSite("a");
  Step();
  EXPECT_THAT(Gone(), SizeIs(10));
  EXPECT_EQ(last_.taken_corroborated, 10u);
  EXPECT_EQ(Word("a-1").verdict, GuardVerdict::kCorroborated);
  EXPECT_THAT(Word("a-1").sentence, HasSubstr("its router sessions went down with it"));
  FallSilent(Box("b-1"));  // The limit is still whole.
  Step();
  EXPECT_EQ(Word("b-1").verdict, GuardVerdict::kBelieved);
}

TEST_F(GuardTest, EvidenceOfOneBoxCountsForItsSiteOnlyIfTheWholeSiteIsSilent) {
  AddSite("a", 4), AddSite("b", 16);
  Step();
  Box("a-1").data_port = DataPort::kRefuses;
  Silence("a", 1, 3);
  Step();
  EXPECT_EQ(Word("a-1").verdict, GuardVerdict::kCorroborated);
  EXPECT_EQ(Word("a-2").verdict, GuardVerdict::kBelieved);  // By the limit, which is 1.
  EXPECT_EQ(Word("a-3").verdict, GuardVerdict::kHeldByLimit);
  Silence("a", 4, 4);
  Step();
  EXPECT_THAT(Gone(), ElementsAre("a-1", "a-2", "a-3", "a-4"));
  EXPECT_THAT(Word("a-4").sentence, HasSubstr("the same is known of other boxes of its site"));
}

TEST_F(GuardTest, ARefusedDataPortIsEvidenceAndAnAnsweringOneHolds) {
  AddSite("a", 20);
  Step();
  Box("a-1").data_port = DataPort::kAnswers;
  Silence("a", 1, 1);
  Step(absl::Hours(1));
  EXPECT_THAT(Gone(), IsEmpty());
  EXPECT_THAT(Word("a-1").sentence, HasSubstr("its data port answers"));
  Box("a-1").data_port = DataPort::kRefuses;
  Step();
  EXPECT_EQ(Word("a-1").verdict, GuardVerdict::kCorroborated);
}

TEST_F(GuardTest, EvidenceThatIsOlderThanTheSilenceByMoreThanAWindowCorroboratesNothing) {
  for (const absl::Duration early : {absl::Minutes(1), absl::Minutes(1) + absl::Nanoseconds(1)}) {
    in_ = {}, state_ = {};
    AddSite("a", 20);
    for (GuardedBox& box : in_.boxes) box.routers = RouterSessions::kUp;
    Step();
    for (GuardedBox& box : in_.boxes) box.routers = RouterSessions::kDown;
    Step();
    SilenceSite("a");
    Step(early);
    EXPECT_THAT(Gone(), SizeIs(early == absl::Minutes(1) ? 20 : 1));
  }
}

TEST_F(GuardTest, WhatWasSoWhenTheGuardStartedCorroboratesNothing) {
  AddSite("a", 20);
  for (GuardedBox& box : in_.boxes) {
    box.routers = RouterSessions::kDown;
    box.client_errors = true;
    FallSilent(box);
  }
  Step();
  EXPECT_THAT(Gone(), SizeIs(1));
  Step();
  EXPECT_THAT(Gone(), SizeIs(1));
}

TEST_F(GuardTest, ACorroboratedSiteIsTakenOutOfAFrozenCell) {
  AddSite("a", 4), AddSite("b", 4), AddSite("c", 4);
  for (GuardedBox& box : in_.boxes) box.routers = RouterSessions::kUp;
  Step();
  for (const char* site : {"a", "b", "c"}) SilenceSite(site);
  Step();
  EXPECT_THAT(Gone(), IsEmpty());
  for (int i = 1; i <= 4; ++i) Box(absl::StrCat("a-", i)).routers = RouterSessions::kDown;
  Step();
  EXPECT_THAT(Gone(), ElementsAre("a-1", "a-2", "a-3", "a-4"));
  EXPECT_THAT(Word("b-1").sentence, HasSubstr("8 of 8 boxes at 2 sites"));
}

TEST_F(GuardTest, EvidenceAgainstTooManySitesIsSuspectItself) {
  for (const char* site : {"a", "b", "c", "d"}) AddSite(site, 2);
  AddSite("rest", 32);
  Step();
  for (const char* site : {"a", "b", "c", "d"}) {
    SilenceSite(site);
    for (int i = 1; i <= 2; ++i) Box(absl::StrCat(site, "-", i)).client_errors = true;
  }
  Step();
  EXPECT_THAT(Gone(), SizeIs(8));  // Three sites in full, and of the fourth what the limit of 2 allows.
  EXPECT_EQ(last_.taken_corroborated, 6u);
  EXPECT_EQ(last_.taken, 2u);
  EXPECT_EQ(Word("d-1").verdict, GuardVerdict::kBelieved);
}

// ---- Stale cells and restarts ----

TEST_F(GuardTest, AStaleCellTakesNobody) {
  AddSite("a", 4), AddSite("b", 4, "c2");
  Step();
  FallSilent(Box("a-1"));
  in_.stale_cells[CellId("c1")] = "was last heard 11s ago";
  Step(absl::Hours(1));
  EXPECT_THAT(Gone(), IsEmpty());
  EXPECT_EQ(Word("a-1").verdict, GuardVerdict::kHeldUnconfirmed);
  EXPECT_EQ(Word("a-1").sentence, "held OK by the guard: its cell cells/c1 was last heard 11s ago");
  FallSilent(Box("b-1"));  // The other cell is as good as before.
  Step();
  EXPECT_THAT(Gone(), ElementsAre("b-1"));
  in_.stale_cells.clear();
  Step(absl::Minutes(1));
  EXPECT_THAT(Gone(), ElementsAre("a-1", "b-1"));
}

TEST_F(GuardTest, ABoxThatIsGoneStaysGoneWhileItsCellIsStale) {
  AddSite("a", 4);
  Step();
  FallSilent(Box("a-1"));
  Step();
  in_.stale_cells[CellId("c1")] = "was last heard 11s ago";
  Step();
  EXPECT_THAT(Gone(), ElementsAre("a-1"));
}

TEST_F(GuardTest, AFreezeOutlivesItsCellsSilence) {
  AddSite("a", 4), AddSite("b", 4);
  Step();
  SilenceSite("a"), SilenceSite("b");
  Step();
  in_.stale_cells[CellId("c1")] = "was last heard 11s ago";
  Step(absl::Hours(1));
  EXPECT_THAT(last_.ended, IsEmpty());
  in_.stale_cells.clear();
  Step();
  EXPECT_THAT(Gone(), IsEmpty());
  EXPECT_THAT(last_.state.frozen, SizeIs(1));
}

TEST_F(GuardTest, AfterARestartABoxWhoseCellHasNotConfirmedTheCopyIsNotSilent) {
  AddSite("a", 4);
  SilenceSite("a");
  in_.stale_cells[CellId("c1")] = "is known from the copy on disk only";
  Step();
  EXPECT_THAT(Gone(), IsEmpty());
  EXPECT_EQ(Word("a-1").believed, (BoxCondition{.health = HealthState::kOk, .weight_permille = 1000, .use_bps = 7, .capacity_bps = 9}));
  in_.stale_cells.clear();
  Step();
  EXPECT_THAT(Gone(), ElementsAre("a-1"));
}

TEST_F(GuardTest, ARestartInTheMiddleOfACellsSilenceFreezesItAnew) {
  AddSite("a", 4), AddSite("b", 4);
  SilenceSite("a"), SilenceSite("b");
  Step();
  EXPECT_THAT(Gone(), IsEmpty());
  EXPECT_THAT(last_.began, SizeIs(1));
}

TEST_F(GuardTest, OfABoxThatIsNoLongerConfiguredNothingIsRemembered) {
  AddSite("a", 2), AddSite("b", 2);
  Step();
  SilenceSite("a"), SilenceSite("b");
  Step();
  EXPECT_THAT(state_.frozen, SizeIs(1));
  in_.boxes.clear();
  Step();
  EXPECT_THAT(state_.boxes, IsEmpty());
  EXPECT_THAT(state_.frozen, IsEmpty());
}

// ---- The policy ----

TEST(GuardPolicy, BadFiguresAreNamedAndQuoted) {
  const auto refused = [](auto change) {
    SteeringPolicy policy;
    change(policy.guard);
    return std::string(ValidatePolicy(policy).message());
  };
  EXPECT_EQ(refused([](GuardPolicy&) {}), "");
  EXPECT_EQ(refused([](GuardPolicy& guard) { guard.removable_permille = 1001; }), "guard.removable_permille: '1001' must be in [1, 1000]");
  EXPECT_EQ(refused([](GuardPolicy& guard) { guard.removable_permille = 0; }), "guard.removable_permille: '0' must be in [1, 1000]");
  EXPECT_EQ(refused([](GuardPolicy& guard) { guard.removable_boxes = 0; }), "guard.removable_boxes: '0' must be at least 1");
  EXPECT_EQ(refused([](GuardPolicy& guard) { guard.window = absl::ZeroDuration(); }), "guard.window: '0' must be above 0");
  EXPECT_EQ(refused([](GuardPolicy& guard) { guard.wave_sites = 1; }), "guard.wave_sites: '1' must be at least 2");
  EXPECT_EQ(refused([](GuardPolicy& guard) { guard.thaw_after = -absl::Seconds(1); }), "guard.thaw_after: '-1s' must be at least 0");
  EXPECT_EQ(refused([](GuardPolicy& guard) { guard.cell_stale_after = absl::ZeroDuration(); }),
            "guard.cell_stale_after: '0' must be above 0");
  EXPECT_EQ(refused([](GuardPolicy& guard) { guard.corroborated_sites = 0; }), "guard.corroborated_sites: '0' must be at least 1");
  EXPECT_EQ(refused([](GuardPolicy& guard) { guard.mode = GuardMode(9); }), "guard.mode: '9' must be a mode of the guard");
}

}  // namespace
}  // namespace fairlead
