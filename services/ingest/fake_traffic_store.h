// TrafficStore in memory, for tests.
#ifndef FAIRLEAD_SERVICES_INGEST_FAKE_TRAFFIC_STORE_H_
#define FAIRLEAD_SERVICES_INGEST_FAKE_TRAFFIC_STORE_H_

#include <limits>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/ingest/traffic_store.h"

namespace fairlead::ingest {

// Thread-safe.
class FakeTrafficStore final : public TrafficStore {
 public:
  using Key = std::tuple<std::string, absl::Time, TrafficKey>;  // Appliance, hour, key.

  absl::Status Add(const TrafficBatch& batch) override ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    if (!failure_.ok()) return failure_;
    std::pair<uint64_t, uint64_t>& last = last_[batch.writer];
    if (std::pair(batch.epoch, batch.number) <= last) return absl::OkStatus();
    last = {batch.epoch, batch.number};
    for (const TrafficSum& sum : batch.sums) {
      TrafficCounts& counts = sums_[{sum.appliance.value(), sum.hour, sum.key}];
      counts.requests = Plus(counts.requests, sum.counts.requests);
      counts.bytes = Plus(counts.bytes, sum.counts.bytes);
      counts.refused_requests = Plus(counts.refused_requests, sum.counts.refused_requests);
    }
    return absl::OkStatus();
  }
  absl::StatusOr<int64_t> Prune(absl::Time before, int64_t most) override ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    if (!failure_.ok()) return failure_;
    int64_t pruned = 0;
    for (auto at = sums_.begin(); at != sums_.end() && pruned < most;) {
      if (std::get<1>(at->first) < before) {
        at = sums_.erase(at);
        ++pruned;
      } else {
        ++at;
      }
    }
    return pruned;
  }

  // Every later call fails with this; OK: works again.
  void Fail(absl::Status failure) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    failure_ = std::move(failure);
  }
  std::map<Key, TrafficCounts> sums() const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return sums_;
  }

 private:
  static int64_t Plus(int64_t a, int64_t b) {
    int64_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<int64_t>::max() : sum;
  }

  mutable absl::Mutex mu_;
  absl::Status failure_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, std::pair<uint64_t, uint64_t>> last_ ABSL_GUARDED_BY(mu_);
  std::map<Key, TrafficCounts> sums_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fairlead::ingest

#endif  // FAIRLEAD_SERVICES_INGEST_FAKE_TRAFFIC_STORE_H_
