// A keyed state on disk that follows one in memory: a base, and a log of what changed since, for states too large to be written anew at
// each step.
//
// One process has it at a time ("<name>.lock"). Files, by serial number s: "<name>.base.<s>" holds every key in order; "<name>.log.<s>" the
// changes since, a group a call of Append, which counts whole or not at all (record_file.h). Logs are chained: each says how long the one
// before it was. Compact() merges base and logs, reading files only, into the base of the next number while Append goes on into the next
// log; the base and the logs before are kept until the next time, so there is always one to fall back to that leads to the same state. The
// first base may be absent: empty.
//
// After a crash: a cut end of a log is normal, and is cut off. A base that can't be used is put aside as "<name>.base.refused", and the one
// before is used with all logs. What stands behind a fault within the logs is not used: the state is then an older one, never a mixture.
//
// Costs: Append writes and syncs what changed. Disk: at most about 3 times the state and 4 times `most_log_bytes`. Compact holds the
// logs' changes in memory. Append and Compact may run at once, each once; the rest is not thread-safe.
//
//   ASSIGN_OR_RETURN(auto checkpoint, Checkpoint::Open({.folder = "/var/lib/x", .name = "fleet"}));
//   RETURN_IF_ERROR(checkpoint->ForEach([&](absl::string_view key, absl::string_view value) { … }));
//   RETURN_IF_ERROR(checkpoint->Append(batch));
//   if (checkpoint->wants_compaction()) RETURN_IF_ERROR(checkpoint->Compact());
#ifndef FAIRLEAD_LIBS_CHECKPOINT_CHECKPOINT_H_
#define FAIRLEAD_LIBS_CHECKPOINT_CHECKPOINT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "libs/checkpoint/change_batch.h"
#include "libs/checkpoint/file.h"

namespace fairlead {

struct CheckpointOptions {
  std::string folder;  // Must exist.
  std::string name;    // Of the files; letters.
  // The log may grow to the size of the base, but to no less and no more than these, before it should be compacted.
  size_t least_log_bytes = size_t{64} << 20;
  size_t most_log_bytes = size_t{512} << 20;
};

class Checkpoint {
 public:
  // Beyond so many times `most_log_bytes` nothing is appended until a compaction succeeds.
  static constexpr size_t kMostLogs = 2;

  // UNAVAILABLE if the folder or the disk fails, FAILED_PRECONDITION if another process has it. What is found broken is no error: see
  // faults().
  static absl::StatusOr<std::unique_ptr<Checkpoint>> Open(CheckpointOptions options);

  // What Open refused or left out, to be told once.
  const std::vector<absl::Status>& faults() const { return faults_; }
  // What Open cut off the end of the log, as is normal after a crash; OK: nothing.
  const absl::Status& cut() const { return cut_; }
  // Every key once, in order. Errors only if the disk fails or the files change meanwhile.
  absl::Status ForEach(absl::FunctionRef<void(absl::string_view key, absl::string_view value)> visit) const ABSL_LOCKS_EXCLUDED(mu_);

  // On disk when this returns. On an error nothing has changed, and the same may be tried again: UNAVAILABLE (disk full, folder gone),
  // RESOURCE_EXHAUSTED (the log is full).
  absl::Status Append(const ChangeBatch& batch) ABSL_LOCKS_EXCLUDED(mu_);

  bool wants_compaction() const ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status Compact() ABSL_LOCKS_EXCLUDED(mu_);
  // A running Compact returns CANCELLED soon, and later ones at once.
  void Cancel() { cancelled_ = true; }

  // Of the base and the logs in use.
  uint64_t bytes() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Log {
    uint64_t serial = 0;
    uint64_t line = 0;   // Bytes of its first line.
    uint64_t bytes = 0;  // Up to the end of the last whole group that counts.
  };
  // Which files make up the state.
  struct Files {
    uint64_t base = 0;  // 0: none, empty.
    uint64_t base_bytes = 0;
    std::vector<Log> logs;  // Of serial base, base + 1, …

    uint64_t log_bytes() const;
  };
  struct Serials {
    std::vector<uint64_t> bases;  // Falling.
    std::vector<uint64_t> logs;   // Rising.
  };

  explicit Checkpoint(CheckpointOptions options) : options_(std::move(options)) {}

  std::string BasePath(uint64_t serial) const;
  std::string LogPath(uint64_t serial) const;
  std::string BaseLine(uint64_t serial) const;
  std::string LogLine(uint64_t serial, uint64_t before) const;

  absl::Status Find() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<Serials> ListFiles() const;
  // Whether there is a base to begin with.
  bool FindBase(const Serials& serials) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ChainLogs(const Serials& serials) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<uint64_t> CheckBase(uint64_t serial) const;
  // The whole groups of a log; `fault` says what stands behind them. An error if its first line isn't that of the log behind `before`
  // bytes or more; then `before` is what it says.
  absl::StatusOr<Log> ScanLog(uint64_t serial, uint64_t& before, absl::Status& fault) const;
  absl::Status NextLog() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Where the log then ends.
  absl::StatusOr<uint64_t> WriteGroup(const ChangeBatch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RemoveOlderThan(uint64_t serial) const;

  absl::Status Merge(const Files& files, absl::FunctionRef<absl::Status(absl::string_view, absl::string_view)> visit) const;
  // Its size.
  absl::StatusOr<uint64_t> WriteBase(const Files& from, uint64_t serial) const;

  const CheckpointOptions options_;
  OpenFile lock_;
  std::vector<absl::Status> faults_;
  absl::Status cut_;
  std::atomic<bool> cancelled_ = false;
  mutable absl::Mutex mu_;
  Files files_ ABSL_GUARDED_BY(mu_);
  OpenFile log_ ABSL_GUARDED_BY(mu_);  // The last of files_.logs; closed after a fault: the next Append begins another.
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_CHECKPOINT_CHECKPOINT_H_
