// Runs another program as a child, in a process group of its own, so that it and what it starts can be ended together.
//
// A child is told to end (SIGTERM) by the kernel when the thread that started it ends, so start long-lived children from a thread that
// lives as long as they should. What a killed agent left behind is found by the record that each child leaves in a file: group, start
// time and program; a process is only ever ended if all of them fit.
//
//   RETURN_IF_ERROR(EndLeftover(run_dir + "/nginx.child"));
//   ASSIGN_OR_RETURN(auto nginx, ChildProcess::Start({.argv = {"/usr/sbin/nginx", "-c", conf}, .record = run_dir + "/nginx.child"}));
//   nginx->Stop(SIGQUIT, absl::Seconds(3));
#ifndef FAIRLEAD_SERVICES_AGENT_CHILD_PROCESS_H_
#define FAIRLEAD_SERVICES_AGENT_CHILD_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace fairlead::agent {

struct ChildOptions {
  std::vector<std::string> argv;  // argv[0] is an absolute path.
  std::string output = {};        // Where standard output and error are appended; empty = nowhere.
  std::string record = {};        // Where the record is kept; empty = none.
};

// Not thread-safe.
class ChildProcess {
 public:
  // NOT_FOUND naming the program if it can't be run.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(const ChildOptions& options);
  // Kills the group if it still runs.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  // Collects the exit status when the child has ended.
  bool Running();
  // "exit status 1", "signal 9"; empty while it runs.
  const std::string& end_reason() const { return end_reason_; }
  // To the child alone.
  void Signal(int signal);
  // Sends `gentle`, waits up to `grace`, then kills the whole group.
  void Stop(int gentle, absl::Duration grace);
  // Kills what is left of the group, after the child itself has ended too.
  void KillGroup();

 private:
  ChildProcess(pid_t pid, std::string record) : pid_(pid), record_(std::move(record)) {}

  const pid_t pid_;
  const std::string record_;
  std::string end_reason_;
};

struct CommandResult {
  int exit_status = -1;  // -1: ended by a signal or timed out.
  std::string output;    // Standard output and error, at most 64 KiB.
};

// Runs a command to its end; DEADLINE_EXCEEDED, and the command is killed, after `timeout`.
absl::StatusOr<CommandResult> RunCommand(const std::vector<std::string>& argv, absl::Duration timeout);

// Ends what an earlier agent's child left running, by its record; OK if there is nothing.
absl::Status EndLeftover(const std::string& record);

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_CHILD_PROCESS_H_
