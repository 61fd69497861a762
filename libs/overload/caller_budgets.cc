#include "libs/overload/caller_budgets.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"

namespace fairlead {
namespace {

constexpr double kMaxRate = 1e7;
constexpr double kNanos = 1e9;

}  // namespace

absl::Status CallerBudgetOptions::Validate() const {
  if (!(rate >= 0 && rate <= kMaxRate)) return InvalidField("rate", absl::StrCat(rate), "must be in [0, 10000000] requests a second");
  if (!(burst >= 0 && burst <= kMaxRate)) return InvalidField("burst", absl::StrCat(burst), "must be in [0, 10000000] requests");
  return absl::OkStatus();
}

CallerBudgets::CallerBudgets(const CallerBudgetOptions& options) {
  if (!(options.rate > 0)) return;
  nanos_each_ = std::max<int64_t>(1, static_cast<int64_t>(kNanos / options.rate));
  const double burst = options.burst > 0 ? std::max(options.burst, 1.0) : std::max(2 * options.rate, 1.0);
  nanos_burst_ = static_cast<int64_t>(burst * static_cast<double>(nanos_each_));
  buckets_ = std::vector<Bucket>(kKeys);
}

CallerBudgets::Bucket& CallerBudgets::BucketOf(uint64_t key, int64_t now) {
  Bucket* const set = &buckets_[(key % (kKeys / kWays)) * kWays];
  for (size_t way = 0; way < kWays; ++way) {
    if (set[way].key.load(std::memory_order_relaxed) == key) return set[way];
  }
  for (size_t way = 0; way < kWays; ++way) {
    uint64_t held = set[way].key.load(std::memory_order_relaxed);
    if (set[way].full_at.load(std::memory_order_relaxed) > now) continue;
    if (set[way].key.compare_exchange_strong(held, key, std::memory_order_relaxed) || held == key) return set[way];
  }
  return set[key / (kKeys / kWays) % kWays];
}

absl::Duration CallerBudgets::Take(uint64_t key, uint32_t cost, absl::Duration now_time) {
  if (!enabled()) return absl::ZeroDuration();
  const int64_t now = absl::ToInt64Nanoseconds(now_time);
  std::atomic<int64_t>& full_at = BucketOf(key, now).full_at;
  int64_t seen = full_at.load(std::memory_order_relaxed);
  while (true) {
    const int64_t next = std::max(seen, now) + nanos_each_ * cost;
    if (next - now > nanos_burst_) return absl::Nanoseconds(next - now - nanos_burst_);
    if (full_at.compare_exchange_weak(seen, next, std::memory_order_relaxed)) return absl::ZeroDuration();
  }
}

}  // namespace fairlead
