// Keeps one BIRD running with the newest configuration that it accepts. The counterpart of nginx/daemon.h: a candidate is checked
// (`bird -p`) before it replaces the one in force, and taken up through the control socket. Not thread-safe.
#ifndef FAIRLEAD_SERVICES_AGENT_BIRD_DAEMON_H_
#define FAIRLEAD_SERVICES_AGENT_BIRD_DAEMON_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/backoff.h"
#include "services/agent/bird/config.h"
#include "services/agent/child_process.h"

namespace fairlead::agent {

struct BirdDaemonOptions {
  std::string binary = "/usr/sbin/bird";
  std::string work_folder = {};
  std::string run_folder = {};
};

class BirdDaemon {
 public:
  explicit BirdDaemon(BirdDaemonOptions options);
  ~BirdDaemon();

  // Makes the folders, ends what an earlier agent left running. NOT_FOUND naming the binary if it can't be run.
  absl::Status Open();
  // Fills in the log path, renders, checks and puts it in force. A failure keeps what was in force.
  absl::Status Apply(BirdConfigInput input);
  // Starts or restarts as needed, once there is a configuration.
  void Tick(absl::Duration now);
  void Stop(absl::Duration grace);

  bool running();
  // Why it doesn't run; empty while it does.
  const std::string& stopped_reason() const { return stopped_; }
  std::string control_socket() const { return options_.run_folder + "/bird.ctl"; }
  int restarts() const { return restarts_; }

 private:
  absl::Status Check(const std::string& candidate) const;
  std::string conf_path() const { return options_.work_folder + "/bird.conf"; }

  const BirdDaemonOptions options_;
  std::string in_force_;  // The text.
  std::unique_ptr<ChildProcess> child_;
  Backoff backoff_;
  absl::Duration next_start_ = absl::ZeroDuration();
  absl::Duration started_at_ = absl::ZeroDuration();
  std::string stopped_ = "not started yet";
  int restarts_ = 0;
};

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_BIRD_DAEMON_H_
