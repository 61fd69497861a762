// One rate for all downloads of a box: a token bucket. TokenBucket is pure; RateLimiter shares one between threads.
//
//   RateLimiter limiter(clock, 400'000'000);      // bit/s
//   const absl::Duration wait = limiter.Take(16384);   // Sleep that long before taking in more.
#ifndef FAIRLEAD_SERVICES_AGENT_FILL_RATE_LIMITER_H_
#define FAIRLEAD_SERVICES_AGENT_FILL_RATE_LIMITER_H_

#include <algorithm>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"

namespace fairlead::agent {

// Debt is allowed: what was taken beyond the bucket is paid by waiting, so any size may be taken at once.
class TokenBucket {
 public:
  // 0 = unlimited. A burst is a tenth of a second's worth.
  explicit TokenBucket(int64_t bits_per_second) : rate_(bits_per_second) {}

  void SetRate(int64_t bits_per_second) { rate_ = bits_per_second; }
  int64_t rate() const { return rate_; }
  // Takes `bytes` at time `now`; how long to wait until they are paid for.
  absl::Duration Take(int64_t bytes, absl::Duration now) {
    if (rate_ <= 0) return absl::ZeroDuration();
    const double burst = static_cast<double>(rate_) / 10;
    bits_ = std::min(burst, bits_ + absl::ToDoubleSeconds(now - last_) * static_cast<double>(rate_)) - static_cast<double>(bytes) * 8;
    last_ = now;
    return bits_ >= 0 ? absl::ZeroDuration() : absl::Seconds(-bits_ / static_cast<double>(rate_));
  }

 private:
  int64_t rate_;
  double bits_ = 0;
  absl::Duration last_ = absl::ZeroDuration();
};

// Thread-safe.
class RateLimiter {
 public:
  RateLimiter(const Clock& clock, int64_t bits_per_second) : clock_(clock), bucket_(bits_per_second) {}

  void SetRate(int64_t bits_per_second) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    bucket_.SetRate(bits_per_second);
  }
  int64_t rate() const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return bucket_.rate();
  }
  absl::Duration Take(int64_t bytes) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    taken_ += bytes;
    return bucket_.Take(bytes, clock_.Monotonic());
  }
  // Bytes since the start.
  int64_t taken() const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return taken_;
  }

 private:
  const Clock& clock_;
  mutable absl::Mutex mu_;
  TokenBucket bucket_ ABSL_GUARDED_BY(mu_);
  int64_t taken_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_FILL_RATE_LIMITER_H_
