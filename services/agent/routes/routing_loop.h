// The box's routing: one thread that keeps BIRD running, taps its routes and reports them session by session.
//
//   RoutingLoop routing({.bird = {...}}, clock, [&](SessionReport report) { link.Send(report); });
//   RETURN_IF_ERROR(routing.Start());
//   routing.SetConfig(input);     // From any thread; taken up soon, a refusal shows in Status().
//   routing.ReportAll();
//   routing.Stop();               // Ends BIRD too.
#ifndef FAIRLEAD_SERVICES_AGENT_ROUTES_ROUTING_LOOP_H_
#define FAIRLEAD_SERVICES_AGENT_ROUTES_ROUTING_LOOP_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/clock.h"
#include "services/agent/bgp/speaker.h"
#include "services/agent/bird/config.h"
#include "services/agent/bird/control.h"
#include "services/agent/bird/daemon.h"
#include "services/agent/files.h"
#include "services/agent/pending_config.h"
#include "services/agent/routes/route_reporter.h"

namespace fairlead::agent {

struct RoutingStatus {
  struct Session {
    BgpSessionId id;
    BirdProtocol protocol;  // Empty name: BIRD doesn't run it.
  };
  std::vector<Session> sessions;
  bool bird_running = false;
  bool tap_established = false;
  int bird_restarts = 0;
  size_t paths = 0;
  std::string refused;  // Why the newest configuration isn't in force, or why BIRD doesn't run; empty if neither.
};

// Thread-safe.
class RoutingLoop {
 public:
  // The sink is called on the loop's thread and may block for a while; BIRD's hold time is longer.
  RoutingLoop(BirdDaemonOptions bird, const Clock& clock, RouteReporter::Sink sink);
  ~RoutingLoop();

  // NOT_FOUND naming the binary if BIRD can't be run.
  absl::Status Start();
  void Stop();
  // Retried with back-off while BIRD refuses it.
  void SetConfig(const BirdConfigInput& config) ABSL_LOCKS_EXCLUDED(mu_);
  // Whether the newest configuration is in force, or there was none.
  bool config_in_force() const ABSL_LOCKS_EXCLUDED(mu_);
  void ReportAll() ABSL_LOCKS_EXCLUDED(mu_);
  RoutingStatus Status() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Run();
  // What the other threads asked for.
  void TakeRequests();
  absl::Status Apply(const BirdConfigInput& config);
  void KeepTap();
  void OpenTap();
  void CloseTap(const absl::Status& why);
  void ReadTap();
  void LookAtSessions();
  void PublishStatus();

  const Clock& clock_;
  // Of the loop's thread alone.
  BirdDaemon bird_;
  RouteReporter reporter_;
  PendingConfig<BirdConfigInput> pending_;
  std::optional<BirdConfigInput> config_;  // In force.
  Fd tap_;
  std::unique_ptr<bgp::Speaker> speaker_;
  bool connecting_ = false;
  bool bird_was_running_ = false;
  absl::Duration next_open_ = absl::ZeroDuration();
  absl::Duration next_look_ = absl::ZeroDuration();
  std::vector<BirdProtocol> protocols_;
  std::string refused_;
  std::thread thread_;

  mutable absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool report_all_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<BirdConfigInput> next_config_ ABSL_GUARDED_BY(mu_);
  bool config_in_force_ ABSL_GUARDED_BY(mu_) = true;  // None was set: nothing is awaited.
  RoutingStatus status_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_ROUTES_ROUTING_LOOP_H_
