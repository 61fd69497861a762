// Keeps one NGINX running with the newest configuration that it accepts.
//
// A candidate is tested (`nginx -t`) before it replaces the one in force; a refused one changes nothing and its message is reported.
// It is reloaded only when its text changed, and is in force only when no worker of the one before takes connections any more. A dead
// NGINX is restarted with back-off, after what is left of its process group was ended.
// Not thread-safe: one thread calls everything but Status(), which any thread may call.
//
//   NginxDaemon nginx({.binary = "/usr/sbin/nginx", .work_folder = state + "/nginx", .run_folder = run});
//   RETURN_IF_ERROR(nginx.Open());
//   nginx.Apply(input);         // Errors are kept for Status().
//   nginx.Tick(clock.Monotonic());
//   nginx.Stop(absl::Seconds(3));
#ifndef FAIRLEAD_SERVICES_AGENT_NGINX_DAEMON_H_
#define FAIRLEAD_SERVICES_AGENT_NGINX_DAEMON_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/base/backoff.h"
#include "services/agent/child_process.h"
#include "services/agent/nginx/config.h"
#include "services/agent/nginx/status.h"

namespace fairlead::agent {

struct NginxDaemonOptions {
  std::string binary = "/usr/sbin/nginx";
  std::string work_folder = {};
  std::string run_folder = {};
};

struct NginxReport {
  enum class State { kRunning, kStopped, kConfigRefused, kUnresponsive, kRefusing };
  State state = State::kStopped;
  NginxCounters counters;
  std::string detail;
  int restarts = 0;
  int reloads = 0;
};

class NginxDaemon {
 public:
  explicit NginxDaemon(NginxDaemonOptions options);
  ~NginxDaemon();

  // Makes the folders, ends what an earlier agent left running and finds the modules. NOT_FOUND or FAILED_PRECONDITION naming the
  // binary if it can't be used.
  absl::Status Open();
  // Fills in the folders and the modules of `input`, renders, tests and puts it in force. A failure keeps what was in force.
  absl::Status Apply(NginxConfigInput input);
  // Starts or restarts as needed.
  void Tick(absl::Duration now);
  void Stop(absl::Duration grace);
  // Whether workers of a configuration that was replaced are still ending what they send.
  bool old_workers_left() const { return !old_workers_.empty(); }

  // Asks the running instance too; at most half a second.
  NginxReport Report() const ABSL_LOCKS_EXCLUDED(mu_);
  // The fingerprint in force; empty = none yet.
  std::string fingerprint() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  absl::Status TryApply(NginxConfigInput input);
  absl::Status Test(const NginxConfig& config, const std::string& candidate_folder);
  absl::Status Reload(const std::string& fingerprint);
  absl::Status Start();
  std::string LastErrorLine() const;
  void RemoveSockets() const;
  std::string conf_path() const { return options_.work_folder + "/nginx.conf"; }

  const NginxDaemonOptions options_;
  std::string modules_folder_;
  std::unique_ptr<ChildProcess> child_;
  Backoff backoff_;
  absl::Duration next_start_ = absl::ZeroDuration();
  absl::Duration started_at_ = absl::ZeroDuration();
  std::vector<pid_t> old_workers_;

  mutable absl::Mutex mu_;
  std::string fingerprint_ ABSL_GUARDED_BY(mu_);
  std::string refused_ ABSL_GUARDED_BY(mu_);                      // Why the newest configuration isn't in force.
  std::string stopped_ ABSL_GUARDED_BY(mu_) = "not started yet";  // Why it doesn't run; empty while it does.
  int restarts_ ABSL_GUARDED_BY(mu_) = 0;
  int reloads_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_NGINX_DAEMON_H_
