#include "libs/clock/listening_clock.h"

#include "gtest/gtest.h"
#include "libs/clock/fake_clock.h"

namespace fairlead {
namespace {

TEST(ListeningClockTest, WhileItsOwnerTicksItIsTheMachinesClock) {
  FakeClock machine;
  ListeningClock clock(machine, absl::Seconds(1));
  const absl::Duration start = clock.Monotonic();
  EXPECT_EQ(start, machine.Monotonic());
  for (int i = 0; i < 100; ++i) {
    machine.Advance(absl::Milliseconds(100));
    EXPECT_EQ(clock.Monotonic(), machine.Monotonic());
    clock.Tick();
  }
  EXPECT_EQ(clock.Monotonic() - start, absl::Seconds(10));
  EXPECT_EQ(clock.missed(), absl::ZeroDuration());
  EXPECT_EQ(clock.Now(), machine.Now());
}

TEST(ListeningClockTest, TimeInWhichNobodyListenedPassesAsOneTickAtMost) {
  FakeClock machine;
  ListeningClock clock(machine, absl::Seconds(1));
  const absl::Duration start = clock.Monotonic();
  machine.Advance(absl::Seconds(20));
  EXPECT_EQ(clock.Monotonic() - start, absl::Seconds(1));  // Also for whoever asks before the first tick.
  clock.Tick();
  EXPECT_EQ(clock.Monotonic() - start, absl::Seconds(1));
  EXPECT_EQ(clock.missed(), absl::Seconds(19));
  machine.Advance(absl::Milliseconds(300));
  EXPECT_EQ(clock.Monotonic() - start, absl::Milliseconds(1300));
}

}  // namespace
}  // namespace fairlead
