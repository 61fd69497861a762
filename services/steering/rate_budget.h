// How much may be done in a second: the generic cell rate algorithm (ITU-T I.371), a token bucket in one number. Thread-safe, no lock.
//
//   RateBudget budget(10'000, absl::Milliseconds(200));  // 10,000 a second; 2,000 at once.
//   if (!budget.Take(clock.Monotonic())) …               // Too many.
#ifndef FAIRLEAD_SERVICES_STEERING_RATE_BUDGET_H_
#define FAIRLEAD_SERVICES_STEERING_RATE_BUDGET_H_

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "absl/time/time.h"

namespace fairlead {

class RateBudget {
 public:
  // `per_second` of at least 1; `burst` is the time whose share may be taken at once.
  RateBudget(int64_t per_second, absl::Duration burst)
      : cost_(1'000'000'000 / std::max<int64_t>(1, per_second)), burst_(absl::ToInt64Nanoseconds(burst)) {}

  bool Take(absl::Duration now) {
    const int64_t at = absl::ToInt64Nanoseconds(now);
    int64_t paid_until = paid_until_.load(std::memory_order_relaxed);
    int64_t next = 0;
    do {
      next = std::max(paid_until, at) + cost_;
      if (next - at > burst_) return false;
    } while (!paid_until_.compare_exchange_weak(paid_until, next, std::memory_order_relaxed));
    return true;
  }

 private:
  const int64_t cost_;
  const int64_t burst_;
  std::atomic<int64_t> paid_until_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_RATE_BUDGET_H_
