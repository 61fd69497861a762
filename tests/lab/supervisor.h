// Starts processes, watches them, restarts them with back-off, and leaves none behind.
//
// Every process leads a session and group of its own, and this process is a subreaper: whatever a child forks and forgets comes
// back here when its parent dies. When a leader ends, for whatever reason, the rest of its group is killed before it is started
// again: a killed NGINX master leaves workers that hold its port. One thread of the supervisor's own reaps, restarts and writes the
// state file of the run folder, so nothing else in the program may call waitpid or fork: short commands go through Run().
//
// Thread-safe. At most one Supervisor a program.
//
//   Supervisor supervisor(*folder);
//   RETURN_IF_ERROR(supervisor.Start({.name = "registryd", .argv = {bin + "/registryd", "--listen=127.0.0.1:7001"}}));
//   RETURN_IF_ERROR(supervisor.Run({.name = "migrate", .argv = {"/usr/bin/sqitch", "deploy"}}, absl::Seconds(60)));
//   supervisor.StopAll();
#ifndef FAIRLEAD_TESTS_LAB_SUPERVISOR_H_
#define FAIRLEAD_TESTS_LAB_SUPERVISOR_H_

#include <signal.h>
#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/base/backoff.h"
#include "tests/lab/run_folder.h"

namespace fairlead {

struct ProcessSpec {
  // Unique; also the name of the log file.
  std::string name;
  // argv[0] is an absolute path.
  std::vector<std::string> argv;
  // Added to a small fixed environment (PATH, HOME, LANG, TZ).
  std::vector<std::pair<std::string, std::string>> environment = {};
  // Default: the run folder.
  std::string directory = {};
  // Asks for an orderly end.
  int stop_signal = SIGTERM;
  // After which the whole group is killed.
  absl::Duration stop_patience = absl::Seconds(8);
  // StopAll stops higher stages before lower ones, and all processes of one stage together.
  int stage = 0;
};

struct ProcessStatus {
  std::string name;
  pid_t pid = 0;  // 0 while it waits to be restarted.
  int restarts = 0;
  std::string last_exit;  // "exit 1", "signal 9"; empty before the first.
  bool held = false;
};

class Supervisor {
 public:
  // `folder` must outlive the supervisor.
  explicit Supervisor(RunFolder& folder);
  // Stops everything.
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Starts a process and keeps it running until it is stopped. ALREADY_EXISTS for a name in use; NOT_FOUND if the program is missing.
  absl::Status Start(ProcessSpec spec) ABSL_LOCKS_EXCLUDED(mu_);
  // Runs a command to its end. INTERNAL with the end of its log if it fails, DEADLINE_EXCEEDED (and it is killed) if it takes longer.
  absl::Status Run(ProcessSpec spec, absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mu_);
  // Sends a signal to what `target` names, as a fault would: "ocad-x" that process alone (not its group), "ocad-x/nginx" its children that
  // run nginx, "ocad-x/nginx/nginx" their workers, "ocad-x/**" it and everything below. Returns to how many. NOT_FOUND if there is none.
  absl::StatusOr<int> Signal(const std::string& target, int signal) ABSL_LOCKS_EXCLUDED(mu_);
  // Asks a process to end in its orderly way; it is started again as after any end. NOT_FOUND if it doesn't run.
  absl::Status Restart(const std::string& name) ABSL_LOCKS_EXCLUDED(mu_);
  // From now on it isn't started again when it ends, until Release, which starts it at once. NOT_FOUND if there is none of that name.
  absl::Status Hold(const std::string& name) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status Release(const std::string& name) ABSL_LOCKS_EXCLUDED(mu_);
  // Stops one process and forgets it. NOT_FOUND if there is none of that name.
  absl::Status Stop(const std::string& name) ABSL_LOCKS_EXCLUDED(mu_);
  // Stops all, stage by stage; returns when none is left. Nothing can be started afterwards (CANCELLED).
  void StopAll() ABSL_LOCKS_EXCLUDED(mu_);
  // In order of start.
  std::vector<ProcessStatus> List() const ABSL_LOCKS_EXCLUDED(mu_);

  std::string LogPath(const std::string& name) const;

 private:
  struct Child {
    explicit Child(Backoff delays) : backoff(delays) {}

    ProcessSpec spec;
    int order = 0;
    bool keep_running = true;  // False for Run and once it is to stop.
    bool waited_for = false;   // By a Run().
    bool held = false;         // Not to be started again for now.
    pid_t pid = 0;
    uint64_t start_time = 0;
    absl::Time started;
    int restarts = 0;
    std::string last_exit;
    std::optional<int> wait_status;                // Of its latest end.
    absl::Time start_at = absl::InfiniteFuture();  // When to start it again.
    absl::Time kill_at = absl::InfiniteFuture();   // When patience ends.
    Backoff backoff;
  };

  absl::StatusOr<Child*> Add(ProcessSpec spec, bool keep_running) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<Child*> FindChild(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status Spawn(Child& child) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The state file must know a process before anything else can happen to us.
  void Record() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AskToStop(Child& child) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Loop() ABSL_LOCKS_EXCLUDED(mu_);
  void Reap() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Ended(Child& child, int wait_status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void KillAndRestart(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void KillOrphans() ABSL_LOCKS_EXCLUDED(mu_);

  RunFolder& folder_;
  mutable absl::Mutex mu_;
  std::map<std::string, Child> children_ ABSL_GUARDED_BY(mu_);
  int next_order_ ABSL_GUARDED_BY(mu_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool quit_ ABSL_GUARDED_BY(mu_) = false;
  ProcessRecord self_;
  std::thread thread_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_SUPERVISOR_H_
