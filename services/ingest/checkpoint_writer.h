// CheckpointWriter: keeps the checkpoint on disk close behind the fleet, and starts the fleet from it.
//
// Every `interval` one thread appends what has changed (boxes in turns of kMostStepBytes, each a write and an fsync); another compacts the
// log now and then. Nothing here stops ingestd: a disk that is full or gone is logged, counted and tried again, and what changes meanwhile
// is remembered in the boxes, key by key, so that no queue grows. Thread-safe. `fleet` and the others must outlive it.
//
//   CheckpointWriter writer({.folder = "/var/lib/fairlead/ingest"}, fleet, clock, metrics);
//   const auto restored = writer.Restore();            // First.
//   writer.Start();
//   writer.Stop();                                     // Saves once more.
#ifndef FAIRLEAD_SERVICES_INGEST_CHECKPOINT_WRITER_H_
#define FAIRLEAD_SERVICES_INGEST_CHECKPOINT_WRITER_H_

#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/checkpoint/change_batch.h"
#include "libs/checkpoint/checkpoint.h"
#include "services/ingest/fleet_state.h"
#include "services/ingest/metrics.h"

namespace fairlead::ingest {

struct CheckpointWriterOptions {
  std::string folder;
  absl::Duration interval = absl::Seconds(3);
  size_t least_log_bytes = CheckpointOptions().least_log_bytes;
};

class CheckpointWriter {
 public:
  static constexpr size_t kMostStepBytes = size_t{64} << 20;
  // After one that failed.
  static constexpr absl::Duration kCompactionPause = absl::Seconds(30);

  CheckpointWriter(CheckpointWriterOptions options, FleetState& fleet, const Clock& clock, IngestMetrics& metrics)
      : options_(std::move(options)), fleet_(fleet), clock_(clock), metrics_(metrics) {}
  ~CheckpointWriter() { Stop(); }

  // Empty if there is no checkpoint, or none that can be used. FAILED_PRECONDITION if another process has it: then this one must not go on.
  absl::StatusOr<RestoredFleet> Restore() ABSL_LOCKS_EXCLUDED(save_mu_);
  void Start();
  // Without Start it saves nothing.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_, save_mu_);

  absl::Status SaveNow() ABSL_LOCKS_EXCLUDED(save_mu_);
  // Sets the gauges.
  void Measure() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  absl::StatusOr<RestoredFleet> OpenAndRestore() ABSL_EXCLUSIVE_LOCKS_REQUIRED(save_mu_);
  std::shared_ptr<Checkpoint> OpenCheckpoint() ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status Open() ABSL_EXCLUSIVE_LOCKS_REQUIRED(save_mu_);
  absl::Status Save() ABSL_EXCLUSIVE_LOCKS_REQUIRED(save_mu_);
  absl::Status Append() ABSL_EXCLUSIVE_LOCKS_REQUIRED(save_mu_);
  void Note(const absl::Status& saved) ABSL_LOCKS_EXCLUDED(mu_);
  void SaveLoop();
  void CompactLoop();
  // False once it is to stop.
  bool Wait(absl::Duration time) ABSL_LOCKS_EXCLUDED(mu_);

  const CheckpointWriterOptions options_;
  FleetState& fleet_;
  const Clock& clock_;
  IngestMetrics& metrics_;

  absl::Mutex save_mu_;
  ChangeBatch pending_ ABSL_GUARDED_BY(save_mu_);        // Taken from the fleet, not yet on disk.
  bool void_on_disk_ ABSL_GUARDED_BY(save_mu_) = false;  // What is on disk isn't what the fleet started from.

  absl::Mutex mu_ ABSL_ACQUIRED_AFTER(save_mu_);
  std::shared_ptr<Checkpoint> checkpoint_ ABSL_GUARDED_BY(mu_);  // Null: it couldn't be opened yet.
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool failing_ ABSL_GUARDED_BY(mu_) = false;
  absl::Duration saved_at_ ABSL_GUARDED_BY(mu_) = -absl::InfiniteDuration();
  std::thread saver_;
  std::thread compactor_;
};

}  // namespace fairlead::ingest

#endif  // FAIRLEAD_SERVICES_INGEST_CHECKPOINT_WRITER_H_
