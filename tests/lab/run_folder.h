// The folder of one running lab: who owns it now, what it started, and what an earlier owner that was killed left behind.
//
//   run/lock             held (flock) by the lab that owns the folder; the kernel lets go of it however that lab ends
//   run/processes.json   pid and start time of the lab and of every process it started, kept true at each change
//   run/logs/NAME.log    what each process printed
//
// Errors: FAILED_PRECONDITION when another lab holds the folder or it belongs to somebody else; else those of the file system.
// Not thread-safe but for WriteState, which the supervisor calls from its own thread only.
//
//   ASSIGN_OR_RETURN(const std::unique_ptr<RunFolder> folder, RunFolder::Acquire("/tmp/fairlead-1000"));
//   RETURN_IF_ERROR(folder->KillLeftovers());
#ifndef FAIRLEAD_TESTS_LAB_RUN_FOLDER_H_
#define FAIRLEAD_TESTS_LAB_RUN_FOLDER_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace fairlead {

// The environment variable by which a process is known to belong to the lab in this folder.
inline constexpr char kRunFolderVariable[] = "FAIRLEAD_LAB_RUN";

struct ProcessRecord {
  std::string name;
  pid_t pid = 0;
  uint64_t start_time = 0;
  int restarts = 0;
};

struct RunState {
  ProcessRecord lab;
  std::vector<ProcessRecord> processes;  // In order of start.
};

class RunFolder {
 public:
  // Makes the folder if need be and takes its lock.
  static absl::StatusOr<std::unique_ptr<RunFolder>> Acquire(const std::string& path);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::string& path() const { return path_; }

  // Ends every process that an earlier owner started and that still runs: asked first, killed after `patience`.
  // Returns how many there were; DEADLINE_EXCEEDED if some survive even that.
  absl::StatusOr<int> KillLeftovers(absl::Duration patience = absl::Seconds(5));
  // Deletes everything in the folder but the lock. Only with no process left.
  absl::Status Clear();
  // Replaces the state file in one step.
  absl::Status WriteState(const RunState& state);

 private:
  RunFolder(std::string path, int lock_fd) : path_(std::move(path)), lock_fd_(lock_fd) {}

  const std::string path_;
  const int lock_fd_;
};

// The state in the folder; NOT_FOUND if there is none.
absl::StatusOr<RunState> ReadState(const std::string& path);
// The record of the lab that owns the folder now; nothing if none runs.
std::optional<ProcessRecord> RunningLab(const std::string& path);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_RUN_FOLDER_H_
