#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/clock/fake_clock.h"
#include "services/agent/fill/rate_limiter.h"

namespace fairlead::agent {
namespace {

TEST(TokenBucketTest, OverTimeTheRateIsKeptWhateverTheSizes) {
  TokenBucket bucket(8'000'000);  // 1 MB/s
  absl::Duration now = absl::Seconds(50);
  bucket.Take(0, now);
  const absl::Duration start = now;
  int64_t taken = 0;
  for (int i = 0; i < 1000; ++i) {
    const int64_t bytes = 1000 + 97 * (i % 100);
    taken += bytes;
    now += bucket.Take(bytes, now);
  }
  const double seconds = absl::ToDoubleSeconds(now - start);
  EXPECT_NEAR(static_cast<double>(taken) / seconds, 1e6, 5e4);
}

TEST(TokenBucketTest, IdleTimeIsNotSavedUpBeyondATenthOfASecond) {
  TokenBucket bucket(8'000'000);
  bucket.Take(0, absl::Seconds(1));
  EXPECT_EQ(bucket.Take(100'000, absl::Seconds(1000)), absl::ZeroDuration());
  EXPECT_EQ(bucket.Take(500'000, absl::Seconds(1000)), absl::Milliseconds(500));
}

TEST(TokenBucketTest, ZeroIsUnlimited) {
  TokenBucket bucket(0);
  EXPECT_EQ(bucket.Take(int64_t{1} << 40, absl::Seconds(1)), absl::ZeroDuration());
}

TEST(RateLimiterTest, ANewRateRulesFromNowOn) {
  FakeClock clock;
  RateLimiter limiter(clock, 8'000'000);
  limiter.SetRate(8'000);
  limiter.Take(100);
  clock.Advance(absl::Seconds(1));
  EXPECT_EQ(limiter.Take(1100), absl::Seconds(1));
  EXPECT_EQ(limiter.taken(), 1200);
}

}  // namespace
}  // namespace fairlead::agent
