// A token bucket for each caller key, in fixed memory.
//
// The bucket is kept as one number, the time at which it would be full again (the generic cell rate algorithm, ITU-T I.371). A bucket whose
// time has come is full, so forgetting it loses nothing: its place may go to another key. Where all four places of a set belong to busy
// keys, a newcomer shares one of them.
//
// Thread-safe without locks (a key's bucket is one atomic word). Pure: `now` is monotonic time.
//
//   CallerBudgets budgets({.rate = 1'000, .burst = 2'000});
//   const absl::Duration wait = budgets.Take(HashOf(caller), cost, now);
//   if (wait > absl::ZeroDuration()) …refuse, retry after `wait`…
#ifndef FAIRLEAD_LIBS_OVERLOAD_CALLER_BUDGETS_H_
#define FAIRLEAD_LIBS_OVERLOAD_CALLER_BUDGETS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace fairlead {

struct CallerBudgetOptions {
  double rate = 0;   // Requests a second and key; 0: no budgets.
  double burst = 0;  // Requests at once; 0: those of two seconds. A larger message than this is never let in.

  // INVALID_ARGUMENT naming the option.
  absl::Status Validate() const;
};

class CallerBudgets {
 public:
  static constexpr size_t kWays = 4;
  static constexpr size_t kKeys = 1 << 14;  // Busy at a time.

  explicit CallerBudgets(const CallerBudgetOptions& options);

  bool enabled() const { return nanos_each_ > 0; }
  // Takes `cost` requests of the key's budget and returns 0, or takes nothing and returns after how long there would be enough.
  absl::Duration Take(uint64_t key, uint32_t cost, absl::Duration now);

 private:
  struct Bucket {
    std::atomic<uint64_t> key{0};
    std::atomic<int64_t> full_at{0};  // Nanoseconds.
  };
  Bucket& BucketOf(uint64_t key, int64_t now);

  int64_t nanos_each_ = 0;
  int64_t nanos_burst_ = 0;
  std::vector<Bucket> buckets_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_OVERLOAD_CALLER_BUDGETS_H_
