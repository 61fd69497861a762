// TrafficWriter: carries traffic from the buffer to the store, on a thread of its own, so that a store that is slow or down holds up
// nothing else. While it is down one batch is held here and the buffer keeps the rest, up to its bound.
//
//   TrafficWriter writer(buffer, store, {.writer = "lhr", .epoch = epoch}, metrics);
//   writer.Start();
#ifndef FAIRLEAD_SERVICES_INGEST_TRAFFIC_WRITER_H_
#define FAIRLEAD_SERVICES_INGEST_TRAFFIC_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/base/backoff.h"
#include "libs/base/clock.h"
#include "services/ingest/metrics.h"
#include "services/ingest/traffic_buffer.h"
#include "services/ingest/traffic_store.h"

namespace fairlead::ingest {

struct TrafficWriterOptions {
  std::string writer;
  uint64_t epoch = 0;
  size_t batch_rows = 5'000;
  absl::Duration interval = absl::Seconds(5);
  // Hours older than this are forgotten.
  absl::Duration retention = absl::Hours(24 * 35);
  BackoffPolicy backoff = {.first = absl::Milliseconds(500), .most = absl::Seconds(30)};
};

class TrafficWriter {
 public:
  // Tries of a batch that the store refuses for a reason of its own (not because it is down) before the batch is dropped and counted.
  static constexpr int kMostRefusals = 3;
  static constexpr int64_t kPruneRows = 10'000;

  // All must outlive it.
  TrafficWriter(TrafficBuffer& buffer, TrafficStore& store, const Clock& clock, TrafficWriterOptions options, IngestMetrics& metrics);
  ~TrafficWriter();

  void Start();
  // Tries once more to write what waits, then ends the thread.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

  // Writes until the buffer is empty or the store fails; false then. For the thread and for tests without one.
  bool Tick();

 private:
  void Run();
  bool WriteBatch();
  void PruneNow();

  TrafficBuffer& buffer_;
  TrafficStore& store_;
  const Clock& clock_;
  const TrafficWriterOptions options_;
  IngestMetrics& metrics_;
  Backoff backoff_;
  TrafficBatch batch_;  // Being written; empty: none.
  int refusals_ = 0;
  bool down_ = false;
  absl::Duration next_prune_ = -absl::InfiniteDuration();

  absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace fairlead::ingest

#endif  // FAIRLEAD_SERVICES_INGEST_TRAFFIC_WRITER_H_
