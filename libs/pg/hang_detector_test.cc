#include "libs/pg/hang_detector.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead::pg {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr HangLimits kLimits = {.hang_timeout = absl::Seconds(4), .transaction_timeout = absl::Seconds(60)};

class HangDetectorTest : public ::testing::Test {
 protected:
  HangDetector::Todo At(double seconds) { return detector_.Step(absl::Seconds(seconds)); }
  HangDetector detector_{kLimits};
};

TEST_F(HangDetectorTest, AsksAfterHalfTheTimeoutAndOnlyOnce) {
  detector_.Begin(7, absl::Seconds(0));
  EXPECT_FALSE(At(1.9).ask_for.has_value());
  EXPECT_EQ(At(2).ask_for, 7);
  EXPECT_FALSE(At(3.9).ask_for.has_value());
  EXPECT_FALSE(detector_.silent());
}

TEST_F(HangDetectorTest, WithoutAnAnswerAllThatHaveWaitedTheWholeTimeoutAreCut) {
  detector_.Begin(7, absl::Seconds(0));
  detector_.Begin(8, absl::Seconds(1));
  At(2);
  EXPECT_THAT(At(3.9).cut, IsEmpty());
  EXPECT_THAT(At(4).cut, ElementsAre(7));
  EXPECT_TRUE(detector_.silent());
  EXPECT_THAT(At(4.5).cut, IsEmpty()) << "named once";
  EXPECT_THAT(At(5).cut, ElementsAre(8));
  EXPECT_EQ(detector_.End(7), Cut::kSilent);
  EXPECT_EQ(detector_.End(8), Cut::kSilent);
  detector_.Answered(absl::Seconds(6));
  EXPECT_FALSE(detector_.silent());
}

TEST_F(HangDetectorTest, ASlowOperationOnAServerThatAnswersIsLeftToItsDeadline) {
  detector_.Begin(7, absl::Seconds(0));
  for (double second = 2; second < 60; second += 2) {
    const HangDetector::Todo todo = At(second);
    EXPECT_EQ(todo.ask_for, 7);
    EXPECT_THAT(todo.cut, IsEmpty());
    detector_.Answered(absl::Seconds(second));
  }
  EXPECT_THAT(At(60).cut, ElementsAre(7));
  EXPECT_EQ(detector_.End(7), Cut::kOverdue);
  EXPECT_FALSE(detector_.silent());
}

TEST_F(HangDetectorTest, AServerThatHangsInTheMiddleIsFoundWithinTheTimeoutToo) {
  detector_.Begin(7, absl::Seconds(0));
  At(2);
  detector_.Answered(absl::Seconds(2.5));
  EXPECT_FALSE(At(4).ask_for.has_value());
  EXPECT_TRUE(At(4.5).ask_for.has_value());
  EXPECT_THAT(At(6.5).cut, ElementsAre(7));
}

TEST_F(HangDetectorTest, AQuestionThatIsAskedLateHasItsTime) {
  detector_.Begin(7, absl::Seconds(0));
  const HangDetector::Todo late = At(10);  // We had stood still.
  EXPECT_EQ(late.ask_for, 7);
  EXPECT_THAT(late.cut, IsEmpty());
  EXPECT_THAT(At(11.9).cut, IsEmpty());
  EXPECT_THAT(At(12).cut, ElementsAre(7));
}

TEST_F(HangDetectorTest, ASuspectedServerIsAskedAlthoughNothingRuns) {
  EXPECT_FALSE(At(1).ask_for.has_value());
  detector_.SuspectServer();
  EXPECT_TRUE(detector_.silent());
  EXPECT_EQ(At(2).ask_for, -1);
  detector_.Answered(absl::Seconds(3));
  EXPECT_FALSE(detector_.silent());
  EXPECT_FALSE(At(4).ask_for.has_value());
}

TEST_F(HangDetectorTest, WhatHasEndedIsForgotten) {
  detector_.Begin(7, absl::Seconds(0));
  EXPECT_EQ(detector_.End(7), Cut::kNot);
  EXPECT_EQ(detector_.End(7), Cut::kNot);
  EXPECT_FALSE(At(100).ask_for.has_value());
}

}  // namespace
}  // namespace fairlead::pg
