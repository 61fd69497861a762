#include "libs/steering/guard.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/steering/guard_fixture.h"

namespace fairlead {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

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
  Step();
  Step(policy_.answering_lease - absl::Nanoseconds(1));
  EXPECT_THAT(Gone(), IsEmpty());
  EXPECT_THAT(Word("a-1").sentence, HasSubstr("its data port answers"));
  Box("a-1").data_port = DataPort::kRefuses;
  Step();
  EXPECT_EQ(Word("a-1").verdict, GuardVerdict::kCorroborated);
}

TEST_F(GuardTest, WhenItsLeaseIsOverAnAnsweringBoxIsSilentLikeAnyOther) {
  AddSite("a", 4), AddSite("b", 16);
  for (GuardedBox& box : in_.boxes) box.data_port = DataPort::kAnswers;
  Step();
  Silence("a", 1, 2);
  Step();
  Step(policy_.answering_lease);
  EXPECT_THAT(Gone(), ElementsAre("a-1"));  // By the limit, which is 1.
  EXPECT_EQ(Word("a-1").verdict, GuardVerdict::kBelieved);
  EXPECT_EQ(Word("a-2").verdict, GuardVerdict::kHeldByLimit);
  Step(policy_.window);
  EXPECT_THAT(Gone(), ElementsAre("a-1", "a-2"));
  Speak(Box("a-1"));  // A new lease begins with a new silence.
  Step(policy_.window);
  EXPECT_THAT(Gone(), ElementsAre("a-2"));
  Silence("a", 1, 1);
  Step();
  EXPECT_EQ(Word("a-1").verdict, GuardVerdict::kHeldAnswering);
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
  Step();
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

TEST_F(GuardTest, WhoWasGoneBeforeARestartStaysGoneAndStartsNoWave) {
  AddSite("a", 4), AddSite("b", 4), AddSite("c", 4);
  Step();
  for (const char* id : {"a-1", "b-1", "c-1"}) {
    FallSilent(Box(id));
    Step(absl::Minutes(1));
  }
  Box("a-2").serves = false;
  FallSilent(Box("a-2"));
  Step();
  EXPECT_THAT(GoneBoxes(state_), ElementsAre(ApplianceId("a-1"), ApplianceId("b-1"), ApplianceId("c-1")));
  state_ = RestoreGone(GoneBoxes(state_));
  Box("a-2").serves = true;  // Was no loss of silence's.
  in_.stale_cells[CellId("c1")] = "has not confirmed the copy on disk";
  Step();
  EXPECT_THAT(Gone(), ElementsAre("a-1", "b-1", "c-1"));
  in_.stale_cells.clear();
  Step();
  EXPECT_THAT(Gone(), ElementsAre("a-1", "a-2", "b-1", "c-1"));
  EXPECT_EQ(last_.taken, 1u);
  EXPECT_THAT(last_.began, IsEmpty());
  EXPECT_EQ(GoneBoxes(state_).size(), 4u);
  Speak(Box("a-1"));
  Step();
  EXPECT_EQ(Word("a-1").believed.health, HealthState::kOk);
}

TEST_F(GuardTest, ABoxThatWasGoneBeforeARestartAndThatNoCellKnowsIsGone) {
  AddSite("a", 4);
  state_ = RestoreGone({ApplianceId("a-1")});
  Box("a-1").heard = false;
  Step();
  EXPECT_THAT(Gone(), ElementsAre("a-1"));
  EXPECT_EQ(Word("a-1").verdict, GuardVerdict::kBelieved);
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
