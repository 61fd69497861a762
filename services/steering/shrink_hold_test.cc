#include "services/steering/shrink_hold.h"

#include "gtest/gtest.h"

namespace fairlead {
namespace {

constexpr absl::Duration kHold = absl::Hours(1);
constexpr absl::Duration kStart = absl::Hours(5);

TEST(ShrinkHold, TheFirstSetAndWhatIsHalfAsLargeIsBelieved) {
  ShrinkHold hold(kHold);
  EXPECT_TRUE(hold.Allows(100, false, kStart));
  EXPECT_TRUE(hold.Allows(50, false, kStart));
  EXPECT_FALSE(hold.Allows(49, false, kStart));
  EXPECT_TRUE(hold.holding());
  EXPECT_EQ(hold.largest(), 100u);
  EXPECT_TRUE(hold.Allows(51, false, kStart));  // It came back.
  EXPECT_FALSE(hold.holding());
}

TEST(ShrinkHold, OneThatStoodForLongIsHeldAsWell) {
  ShrinkHold hold(kHold);
  ASSERT_TRUE(hold.Allows(100, false, kStart));
  EXPECT_FALSE(hold.Allows(0, false, kStart + 30 * kHold));
  EXPECT_FALSE(hold.Allows(10, false, kStart + 30 * kHold + kHold / 2));
}

TEST(ShrinkHold, WhoInsistsForLongEnoughIsBelieved) {
  ShrinkHold hold(kHold);
  ASSERT_TRUE(hold.Allows(100, false, kStart));
  EXPECT_FALSE(hold.Allows(10, false, kStart));
  EXPECT_FALSE(hold.Allows(5, false, kStart + kHold - absl::Seconds(1)));
  EXPECT_TRUE(hold.Allows(5, false, kStart + kHold));
  EXPECT_FALSE(hold.holding());
  EXPECT_TRUE(hold.Allows(4, false, kStart + kHold));  // The new measure; so few are held for nothing but emptiness.
  EXPECT_FALSE(hold.Allows(0, false, kStart + kHold));
}

TEST(ShrinkHold, ASetThatComesBackMeanwhileBeginsItsHoldAnew) {
  ShrinkHold hold(kHold);
  ASSERT_TRUE(hold.Allows(100, false, kStart));
  EXPECT_FALSE(hold.Allows(10, false, kStart));
  ASSERT_TRUE(hold.Allows(100, false, kStart + kHold / 2));
  EXPECT_FALSE(hold.Allows(10, false, kStart + kHold));
  EXPECT_FALSE(hold.Allows(10, false, kStart + 2 * kHold - absl::Seconds(1)));
  EXPECT_TRUE(hold.Allows(10, false, kStart + 2 * kHold));
}

TEST(ShrinkHold, EmptyingItSlowlyIsSeen) {
  ShrinkHold hold(kHold);
  absl::Duration now = kStart;
  size_t last = 1'000;
  ASSERT_TRUE(hold.Allows(last, false, now));
  for (size_t size = 999; size > 0; --size, now += absl::Seconds(1)) {
    if (hold.Allows(size, false, now)) last = size;
  }
  EXPECT_EQ(last, 500u);
  // Slower than a half in the time that counts is no accident.
  ShrinkHold patient(kHold);
  ASSERT_TRUE(patient.Allows(1'000, false, now));
  for (size_t size = 900; size > 0; size -= 100) EXPECT_TRUE(patient.Allows(size, false, now += kHold)) << size;
}

TEST(ShrinkHold, SomebodyWhoKnowsBetterIsBelievedAtOnce) {
  ShrinkHold hold(kHold);
  ASSERT_TRUE(hold.Allows(100, false, kStart));
  EXPECT_FALSE(hold.Allows(0, false, kStart));
  EXPECT_TRUE(hold.Allows(0, true, kStart));
  EXPECT_FALSE(hold.holding());
  EXPECT_EQ(hold.largest(), 0u);
  EXPECT_TRUE(hold.Allows(7, false, kStart));
}

TEST(ShrinkHold, WithoutATimeNothingIsHeld) {
  ShrinkHold hold(absl::ZeroDuration());
  ASSERT_TRUE(hold.Allows(100, false, kStart));
  EXPECT_TRUE(hold.Allows(0, false, kStart));
}

}  // namespace
}  // namespace fairlead
