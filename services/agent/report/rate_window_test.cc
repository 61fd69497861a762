#include "services/agent/report/rate_window.h"

#include "gtest/gtest.h"

namespace fairlead::agent {
namespace {

constexpr int64_t kGbit = 1'000'000'000;

TEST(RateWindowTest, ALongResponseThatIsCountedAtItsEndIsNoSpike) {
  absl::Duration now = absl::Seconds(1000);
  RateWindow window(now);
  for (int i = 0; i < 60; ++i) EXPECT_EQ(window.Add(now += absl::Seconds(2), 0, 0), 0);
  // 5 GB that took 40 s: 1 Gbit/s, and not the 20 Gbit/s of the heartbeat in which it ended.
  int64_t rate = window.Add(now += absl::Seconds(2), 5'000'000'000, 0);
  EXPECT_NEAR(static_cast<double>(rate), 40e9 / 60, 1e7);
  for (int i = 0; i < 29; ++i) rate = window.Add(now += absl::Seconds(2), 5'000'000'000, 0);
  EXPECT_GT(rate, 0);
  EXPECT_EQ(window.Add(now += absl::Seconds(2), 5'000'000'000, 0), 0) << "a minute later it is over";
}

TEST(RateWindowTest, ASteadyRateIsThatRateFromTheStart) {
  absl::Duration now = absl::ZeroDuration();
  RateWindow window(now);
  EXPECT_EQ(window.Add(now, 0, 0), 0);
  for (int64_t total = 250'000'000; total < 50'000'000'000; total += 250'000'000)
    EXPECT_NEAR(static_cast<double>(window.Add(now += absl::Seconds(2), total, 0)), 1e9, 1e3);
}

TEST(RateWindowTest, NoBoxServesMoreThanItsCapacity) {
  RateWindow window(absl::ZeroDuration());
  EXPECT_EQ(window.Add(absl::Seconds(1), 5'000'000'000, 10 * kGbit), 10 * kGbit);
  EXPECT_EQ(window.Add(absl::Seconds(2), 5'000'000'000, 0), 20 * kGbit) << "an unknown capacity is no limit";
}

}  // namespace
}  // namespace fairlead::agent
