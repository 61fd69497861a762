// The whole agent of one box: binds it to its appliance, keeps NGINX and BIRD as configured, fills it, reports. main.cc and tests start
// the same code.
//
// It starts with what it has on disk (configuration, manifest, holdings), so a box serves with the control plane gone; everything that
// needs the control plane is retried for ever in the background, except a refused binding, which is fatal.
//
//   ASSIGN_OR_RETURN(auto agent, Agent::Start(options, clock, metrics));
//   …
//   agent->Stop();   // At most about five seconds; nothing is left running.
#ifndef FAIRLEAD_SERVICES_AGENT_AGENT_H_
#define FAIRLEAD_SERVICES_AGENT_AGENT_H_

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/metrics/metrics.h"
#include "services/agent/control_plane.h"
#include "services/agent/fill/filler.h"
#include "services/agent/holdings/holdings_index.h"
#include "services/agent/metrics.h"
#include "services/agent/report/link.h"
#include "services/agent/report/reporter.h"
#include "services/agent/routes/routing_loop.h"
#include "services/agent/serving_loop.h"
#include "services/agent/state.h"

namespace fairlead::agent {

enum class AgentRole { kAppliance, kCollector, kOrigin };
// "appliance", "collector", "origin"; INVALID_ARGUMENT quoting anything else.
absl::StatusOr<AgentRole> ParseRole(absl::string_view text);

struct AgentOptions {
  AgentRole role = AgentRole::kAppliance;
  std::string state_dir = {};
  std::vector<std::string> registry_targets = {};
  std::string serial = {};
  std::string enrollment_token = {};  // Needed until the box is bound, and after it was unbound.
  std::string disk_dir = {};          // Appliance and origin.
  std::string flash_dir = {};         // Empty = no flash tier.
  std::string nginx = "/usr/sbin/nginx";
  std::string bird = "/usr/sbin/bird";
  // Other boxes run on this machine: how busy its processors are says nothing about this one, so it isn't reported.
  bool shared_host = false;
  // How long a generation that nobody announced stays unnoticed.
  absl::Duration config_poll = absl::Seconds(30);
  absl::Duration manifest_poll = absl::Seconds(60);
  // How often a lame duck says for how long it has been quiet.
  absl::Duration drain_report = absl::Seconds(5);
  // Between tries while the control plane doesn't answer.
  BackoffPolicy retry = {absl::Milliseconds(200), absl::Seconds(10)};
  // Called once, on a thread of the agent, if it can't go on.
  std::function<void(const absl::Status&)> on_fatal = {};
};

class Agent {
 public:
  // INVALID_ARGUMENT for options; NOT_FOUND or FAILED_PRECONDITION naming a program or folder that can't be used.
  static absl::StatusOr<std::unique_ptr<Agent>> Start(AgentOptions options, const Clock& clock, Metrics& metrics);
  ~Agent();
  void Stop();

  // For tests.
  LinkStatus link_status() const { return link_->Status(); }
  uint64_t incarnation() const { return state_->incarnation(); }

 private:
  Agent(AgentOptions options, const Clock& clock, Metrics& metrics);
  absl::Status Prepare();
  absl::Status PrepareTiers();
  absl::Status StartLoops();
  void LoadFromDisk();

  // The threads of this class.
  void KeepConfig();
  void KeepManifest();
  void KeepReporting();
  void KeepDrain();

  // True once bound; false when stopping or refused.
  bool Bind(Backoff& backoff);
  void UseBinding(const Binding& binding) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status RefreshConfig();
  absl::Status RefreshManifest();
  void ApplyConfig(const registry::v1::ApplianceConfig& config);
  void ApplyManifest(const fill::v1::Manifest& manifest);
  void OnInstruction(const ingest::v1::Instruction& instruction);
  ingest::v1::Hello MakeHello();
  void SendRoutes(const SessionReport& report);
  bool WaitOrStop(absl::Duration time, const bool* wake);
  bool stopping() ABSL_LOCKS_EXCLUDED(mu_);

  const AgentOptions options_;
  const Clock& clock_;
  AgentMetrics metrics_;
  const absl::Time start_time_;
  std::unique_ptr<AgentState> state_;
  std::unique_ptr<ControlPlane> control_plane_;
  TierFolders tiers_;
  std::unique_ptr<HoldingsIndex> holdings_;
  std::unique_ptr<ApplianceLink> link_;
  std::unique_ptr<ServingLoop> serving_;
  std::unique_ptr<RoutingLoop> routing_;
  std::unique_ptr<Filler> filler_;
  std::unique_ptr<Reporter> reporter_;
  std::vector<std::thread> threads_;

  absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::string appliance_ ABSL_GUARDED_BY(mu_);
  std::string config_generation_ ABSL_GUARDED_BY(mu_);  // Held; perhaps not in force.
  std::string manifest_generation_ ABSL_GUARDED_BY(mu_);
  std::string lame_duck_of_ ABSL_GUARDED_BY(mu_);  // The drain; empty = the box is no lame duck.
  bool config_wanted_ ABSL_GUARDED_BY(mu_) = false;
  bool manifest_wanted_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_AGENT_H_
