// Makes the box's own reports, each when it is due: heartbeats, holdings, fill progress, traffic. Routes go their own way.
//
// Tick is called often by one thread; the other methods by any.
#ifndef FAIRLEAD_SERVICES_AGENT_REPORT_REPORTER_H_
#define FAIRLEAD_SERVICES_AGENT_REPORT_REPORTER_H_

#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "fairlead/registry/v1/config_service.pb.h"
#include "libs/base/clock.h"
#include "services/agent/fill/filler.h"
#include "services/agent/holdings/holdings_index.h"
#include "services/agent/metrics.h"
#include "services/agent/report/host_stats.h"
#include "services/agent/report/link.h"
#include "services/agent/report/rate_window.h"
#include "services/agent/routes/routing_loop.h"
#include "services/agent/serving_loop.h"

namespace fairlead::agent {

// What there is on this box; what its role doesn't have is null.
struct ReporterParts {
  const Clock& clock;
  ApplianceLink& link;
  AgentMetrics& metrics;
  ServingLoop* serving = nullptr;
  RoutingLoop* routing = nullptr;
  Filler* filler = nullptr;
  HoldingsIndex* holdings = nullptr;
  TierFolders tiers;
  bool shared_host = false;  // Leaves the machine's processors out of the report.
};

class Reporter {
 public:
  explicit Reporter(ReporterParts parts);

  // To be called after the loops got theirs. `complete`: they were given all of it.
  void SetConfig(const registry::v1::ApplianceConfig& config, bool complete) ABSL_LOCKS_EXCLUDED(mu_);
  // The generation of the newest configuration that NGINX and BIRD both took; empty if none yet.
  std::string ConfigInForce() ABSL_LOCKS_EXCLUDED(mu_);
  // The receiver knows nothing of the holdings.
  void ResendHoldings() ABSL_LOCKS_EXCLUDED(mu_);
  void Tick() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Config {
    absl::Duration heartbeat_interval = absl::Seconds(2);
    int64_t capacity_bps = 0;
    std::map<Tier, int64_t> tier_capacities;
    std::string generation;
    bool complete = false;
  };

  void SendHeartbeat(const Config& config, absl::Duration now);
  void SendHoldings() ABSL_LOCKS_EXCLUDED(mu_);
  void SendFillProgress();
  void SendTraffic();
  void Sweep();
  ingest::v1::TierStatus TierStatusOf(Tier tier, const std::string& folder, const Config& config, absl::Duration now);
  void Publish(const FillerStatus& fill, const NginxReport& nginx, const RoutingStatus& routing);

  const ReporterParts parts_;
  HostSampler host_;
  absl::Duration next_heartbeat_, next_progress_, next_traffic_, next_sweep_;
  absl::Duration last_heartbeat_;
  RateWindow served_;
  int64_t last_fetched_ = 0;
  absl::Time traffic_start_;
  uint64_t holdings_version_ = 0;
  std::string holdings_sent_;  // The bitmap that the receiver has.

  absl::Mutex mu_;
  Config config_ ABSL_GUARDED_BY(mu_);
  std::string generation_in_force_ ABSL_GUARDED_BY(mu_);
  bool holdings_full_ ABSL_GUARDED_BY(mu_) = true;
};

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_REPORT_REPORTER_H_
