#include "libs/contentsteering/priority.h"

#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using Condition = PathwayCondition;

// A player with the pathways near (rank 0), mid (1) and far (2), and what becomes of them.
class PriorityTest : public testing::Test {
 protected:
  PriorityTest() { session_.pathways = {{.id = "near"}, {.id = "mid"}, {.id = "far"}}; }

  static uint32_t RankOf(const std::string& id) { return id == "near" ? 0 : id == "mid" ? 1 : 2; }

  // One more answer; the listed pathways, joined. `reports`: where the player says it is, empty: nothing.
  std::string Ask(const std::string& reports) {
    std::vector<PathwayStanding> standings;
    for (const SessionPathway& pathway : session_.pathways) {
      const uint32_t rank = RankOf(pathway.id);
      standings.push_back({now_[rank], rank});
    }
    PlayerReport report;
    if (!reports.empty()) report.pathways = {reports};
    last_ = OrderPathways(session_, standings, report);
    session_ = last_.next;
    std::vector<std::string> listed;
    for (const SessionPathway& pathway : session_.pathways) {
      if (pathway.listed) listed.push_back(pathway.id);
    }
    return absl::StrJoin(listed, " ");
  }

  std::vector<Condition> now_ = {Condition::kGood, Condition::kGood, Condition::kGood};  // By rank.
  SteeringSession session_;
  SteeringOrder last_;
};

TEST_F(PriorityTest, WhileAllIsWellNothingMoves) {
  for (uint32_t i = 0; i < 30; ++i) {
    EXPECT_EQ(Ask("near"), "near mid far");
    EXPECT_EQ(last_.moved, MoveReason::kNone);
  }
  EXPECT_EQ(session_.round, 30u);
}

TEST_F(PriorityTest, AnEvacuatedPathwayComesLastAtOnceAndNoSessionComesBackWhileItLeaves) {
  now_[0] = Condition::kLeaving;
  EXPECT_EQ(Ask("near"), "mid far near");
  EXPECT_EQ(last_.moved, MoveReason::kEvacuated);
  for (int i = 0; i < 30; ++i) EXPECT_EQ(Ask("mid"), "mid far near");
  now_[0] = Condition::kOut;  // It refuses now: not listed while two others are.
  EXPECT_EQ(Ask("mid"), "mid far");
  now_[0] = Condition::kGood;
  EXPECT_EQ(Ask("mid"), "near mid far");  // Long after its move: back to the nearer one.
  EXPECT_EQ(last_.moved, MoveReason::kNearer);
}

TEST_F(PriorityTest, ANearerPathwayDrawsAPlayerBackOnlySomeAnswersAfterItsMove) {
  now_[0] = Condition::kSick;
  EXPECT_EQ(Ask("near"), "mid far near");
  EXPECT_EQ(last_.moved, MoveReason::kUnfit);
  now_[0] = Condition::kGood;
  for (uint32_t i = 0; i < PriorityPolicy().stay_answers; ++i) EXPECT_EQ(Ask("mid"), "mid near far") << i;
  EXPECT_EQ(Ask("mid"), "near mid far");
}

TEST_F(PriorityTest, ToldAButOnBSpeaksAgainstAForAWhile) {
  EXPECT_EQ(Ask("mid"), "mid far near");
  EXPECT_TRUE(last_.evidence);
  for (uint32_t i = 1; i < PriorityPolicy().avoid_answers; ++i) EXPECT_EQ(Ask("mid"), "mid far near") << i;
  EXPECT_FALSE(last_.evidence);
  EXPECT_EQ(Ask("mid"), "mid near far");  // Forgiven, but nothing draws it back yet.
  EXPECT_EQ(Ask("mid"), "near mid far");
}

TEST_F(PriorityTest, APlayerThatWentFarByItselfIsNotFetchedBackByTheNextNearestAtOnce) {
  for (uint32_t i = 0; i < PriorityPolicy().stay_answers; ++i) EXPECT_EQ(Ask("far"), "far mid near") << i;
}

TEST_F(PriorityTest, APathwayThatFailedThePlayerIsStillBetterThanOneThatRefusesEverybody) {
  EXPECT_EQ(Ask("mid"), "mid far near");  // near failed it.
  now_[1] = now_[2] = Condition::kOut;
  EXPECT_EQ(Ask("mid"), "near mid far");
  EXPECT_EQ(last_.moved, MoveReason::kOut);
}

TEST_F(PriorityTest, APlayerStaysOnALeavingPathwayRatherThanGoToOneThatFailedIt) {
  now_[2] = Condition::kOut;
  EXPECT_EQ(Ask("mid"), "mid near");
  now_[1] = Condition::kLeaving;
  EXPECT_EQ(Ask("mid"), "mid near");
  now_[1] = Condition::kOut;  // Nothing else is left, so nothing is left out either.
  EXPECT_EQ(Ask("mid"), "near mid far");
}

TEST_F(PriorityTest, AReportThatSaysNothingOrSomethingUnknownIsNoEvidence) {
  for (const std::string report : {"", "elsewhere", "near"}) {
    EXPECT_EQ(Ask(report), "near mid far") << report;
    EXPECT_FALSE(last_.evidence) << report;
  }
  // A DASH player that uses both, as it may between two periods.
  const std::vector<PathwayStanding> good = {{Condition::kGood, 0}, {Condition::kGood, 1}, {Condition::kGood, 2}};
  EXPECT_FALSE(OrderPathways(session_, good, {.pathways = {"mid", "near"}}).evidence);
}

TEST_F(PriorityTest, AFullPathwayIsLeftByAFewSessionsAtATimeAndForAGoodOneOnly) {
  const std::vector<PathwayStanding> full = {{Condition::kFull, 0}, {Condition::kGood, 1}, {Condition::kGood, 2}};
  int left = 0;
  for (session_.seed = 0; session_.seed < 4000; ++session_.seed) {
    left += OrderPathways(session_, full, {.pathways = {"near"}}).moved == MoveReason::kFull ? 1 : 0;
  }
  EXPECT_NEAR(left, 1000, 150);
  const std::vector<PathwayStanding> all_full = {{Condition::kFull, 0}, {Condition::kFull, 1}, {Condition::kSilent, 2}};
  for (session_.seed = 0; session_.seed < 100; ++session_.seed) {
    EXPECT_EQ(OrderPathways(session_, all_full, {.pathways = {"near"}}).moved, MoveReason::kNone);
  }
}

TEST_F(PriorityTest, SilentAndSickPathwaysAreLeftForBetterOnesAndNotForEqualOnes) {
  now_ = {Condition::kSilent, Condition::kSilent, Condition::kSick};
  EXPECT_EQ(Ask("mid"), "mid far near");  // Evidence against near; mid is no worse than it was.
  now_[2] = Condition::kFull;
  EXPECT_EQ(Ask("mid"), "far mid near");
  EXPECT_EQ(last_.moved, MoveReason::kUnfit);
}

TEST_F(PriorityTest, TwoPathwaysAreAlwaysListedWhereTwoAreDeclared) {
  now_ = {Condition::kOut, Condition::kGood, Condition::kOut};
  EXPECT_EQ(Ask("near"), "mid near far");
  now_[1] = Condition::kOut;
  EXPECT_EQ(Ask("mid"), "mid near far");
  session_.pathways = {{.id = "near"}};
  EXPECT_EQ(Ask("near"), "near");
}

}  // namespace
}  // namespace fairlead
