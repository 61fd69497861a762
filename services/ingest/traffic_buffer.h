// Traffic on its way to the store: summed per hour and key, so that what waits while the store is down stays small.
//
// Bounded: once `most_rows` sums wait, traffic of titles that have none yet is added to the sum of "the rest" (empty title) of its box and
// hour; if there is no room for that either, it is dropped and counted.
// Thread-safe. Add costs O(rows).
//
//   buffer.Add(ApplianceId("oca-1"), report, now);
//   TrafficBatch batch = buffer.Take(5'000);   // The writer's thread.
#ifndef FAIRLEAD_SERVICES_INGEST_TRAFFIC_BUFFER_H_
#define FAIRLEAD_SERVICES_INGEST_TRAFFIC_BUFFER_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/base/ids.h"
#include "libs/base/vocabulary.h"

namespace fairlead::ingest {

struct TrafficKey {
  std::string title;  // Empty: the sum of the rest.
  std::string version;
  int rank = 0;
  int position = 0;
  MissCause cause = MissCause::kUnspecified;
  AddressFamily family = AddressFamily::kUnspecified;
  bool fill = false;

  friend auto operator<=>(const TrafficKey&, const TrafficKey&) = default;
  friend bool operator==(const TrafficKey&, const TrafficKey&) = default;
};

struct TrafficCounts {
  int64_t requests = 0;
  int64_t bytes = 0;
  int64_t refused_requests = 0;

  friend bool operator==(const TrafficCounts&, const TrafficCounts&) = default;
};

struct TrafficRow {
  TrafficKey key;
  TrafficCounts counts;
};

// What one summary says.
struct TrafficReport {
  absl::Time start;
  std::vector<TrafficRow> rows;
};

// A sum to be added to the store: of one box in one hour.
struct TrafficSum {
  ApplianceId appliance;
  absl::Time hour;
  TrafficKey key;
  TrafficCounts counts;
};

class TrafficBuffer {
 public:
  // About 150 bytes a sum.
  static constexpr size_t kMostRows = 500'000;
  // A box with a wrong clock must not fill the store with other times: summaries beyond are dropped and counted.
  static constexpr absl::Duration kOldest = absl::Hours(24 * 7);
  static constexpr absl::Duration kNewest = absl::Hours(1);

  explicit TrafficBuffer(size_t most_rows = kMostRows) : most_rows_(most_rows) {}

  // `now` is wall time.
  void Add(const ApplianceId& appliance, const TrafficReport& report, absl::Time now) ABSL_LOCKS_EXCLUDED(mu_);
  // Removes and returns up to `most` sums.
  std::vector<TrafficSum> Take(size_t most) ABSL_LOCKS_EXCLUDED(mu_);

  size_t size() const ABSL_LOCKS_EXCLUDED(mu_);
  // Rows that went into "the rest", and that were dropped, because of the bound; and rows of an unbelievable time.
  int64_t folded() const ABSL_LOCKS_EXCLUDED(mu_);
  int64_t dropped() const ABSL_LOCKS_EXCLUDED(mu_);
  int64_t mistimed() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Key {
    ApplianceId appliance;
    absl::Time hour;
    TrafficKey key;
    friend bool operator<(const Key& a, const Key& b) {
      if (a.appliance != b.appliance) return a.appliance < b.appliance;
      return a.hour != b.hour ? a.hour < b.hour : a.key < b.key;
    }
  };
  // Null if there is no room.
  TrafficCounts* Slot(Key key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const size_t most_rows_;
  mutable absl::Mutex mu_;
  absl::btree_map<Key, TrafficCounts> sums_ ABSL_GUARDED_BY(mu_);
  int64_t folded_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t dropped_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t mistimed_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace fairlead::ingest

#endif  // FAIRLEAD_SERVICES_INGEST_TRAFFIC_BUFFER_H_
