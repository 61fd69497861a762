// The box's serving: one thread that keeps NGINX running, and one that reads its access log.
//
//   ServingLoop serving({.binary = ..., .work_folder = ..., .run_folder = ...}, clock);
//   RETURN_IF_ERROR(serving.Start());
//   serving.SetConfig(input);      // From any thread; taken up soon, a refusal shows in Report().
#ifndef FAIRLEAD_SERVICES_AGENT_SERVING_LOOP_H_
#define FAIRLEAD_SERVICES_AGENT_SERVING_LOOP_H_

#include <cstdint>
#include <map>
#include <optional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/clock.h"
#include "services/agent/files.h"
#include "services/agent/nginx/access_log.h"
#include "services/agent/nginx/daemon.h"
#include "services/agent/pending_config.h"

namespace fairlead::agent {

// Thread-safe.
class ServingLoop {
 public:
  ServingLoop(NginxDaemonOptions nginx, const Clock& clock);
  ~ServingLoop();

  // NOT_FOUND or FAILED_PRECONDITION naming what NGINX lacks.
  absl::Status Start();
  // Ends NGINX; requests under way get two seconds.
  void Stop();
  // Retried with back-off while NGINX refuses it.
  void SetConfig(const NginxConfigInput& input) ABSL_LOCKS_EXCLUDED(mu_);
  // Whether the newest configuration is in force, or there was none.
  bool config_in_force() const ABSL_LOCKS_EXCLUDED(mu_);
  NginxReport Report() const ABSL_LOCKS_EXCLUDED(mu_);

  // For how long every request has been refused and no byte of content has left the box; nullopt while anybody may be served.
  std::optional<absl::Duration> quiet_for() const ABSL_LOCKS_EXCLUDED(mu_);

  // Bytes served since the start.
  int64_t total_bytes() const ABSL_LOCKS_EXCLUDED(mu_);
  // The sums since the last call.
  std::map<TrafficKey, TrafficSums> TakeTraffic() ABSL_LOCKS_EXCLUDED(mu_);
  int64_t unreadable_lines() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Keep();
  void KeepConfig();
  void NoteRefusing();
  void ReadLog();
  absl::Status OpenLogSocket();
  bool stopping() const ABSL_LOCKS_EXCLUDED(mu_);

  const Clock& clock_;
  const std::string log_path_;
  NginxDaemon nginx_;
  // Of the keeper alone.
  PendingConfig<NginxConfigInput> pending_;
  Fd log_;
  std::thread keeper_, reader_;

  mutable absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<NginxConfigInput> next_config_ ABSL_GUARDED_BY(mu_);
  bool config_in_force_ ABSL_GUARDED_BY(mu_) = true;  // None was set: nothing is awaited.
  ServingMode mode_in_force_ ABSL_GUARDED_BY(mu_) = ServingMode::kOpen;
  std::optional<absl::Duration> refusing_since_ ABSL_GUARDED_BY(mu_);
  absl::Duration last_content_ ABSL_GUARDED_BY(mu_) = absl::ZeroDuration();
  TrafficAggregator traffic_ ABSL_GUARDED_BY(mu_);
  int64_t unreadable_lines_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_SERVING_LOOP_H_
