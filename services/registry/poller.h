// The loop that keeps a replica up to date: looks at the store, shares the settings of this replica's flags, forgets old request ids.
#ifndef FAIRLEAD_SERVICES_REGISTRY_POLLER_H_
#define FAIRLEAD_SERVICES_REGISTRY_POLLER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "services/registry/fleet_state.h"
#include "services/registry/metrics.h"
#include "services/registry/store.h"

namespace fairlead::registry {

struct PollerOptions {
  // gRPC targets of filld, separated by commas.
  std::string fill_addresses;
  // How long a request id is remembered.
  absl::Duration request_age = absl::Hours(24);
  absl::Duration prune_interval = absl::Minutes(10);
};

// Not thread-safe: one thread ticks.
class Poller {
 public:
  // All must outlive the poller.
  Poller(Store& store, FleetState& state, const Clock& clock, RegistryMetrics& metrics, PollerOptions options)
      : store_(store), state_(state), clock_(clock), metrics_(metrics), options_(std::move(options)) {}

  // One look. The status is logged when it changes; the caller need not look at it.
  absl::Status Tick();

 private:
  absl::Status TickOnce();
  // Writes the flags of this replica into the registry if they differ, so that all replicas render the same configs.
  absl::Status ShareSettings();
  absl::Status PruneIfDue();
  void Report(const absl::Status& status);

  Store& store_;
  FleetState& state_;
  const Clock& clock_;
  RegistryMetrics& metrics_;
  const PollerOptions options_;
  bool settings_shared_ = false;
  bool failing_ = false;
  absl::Duration last_success_ = absl::ZeroDuration();
  absl::Duration last_prune_ = -absl::InfiniteDuration();
};

}  // namespace fairlead::registry

#endif  // FAIRLEAD_SERVICES_REGISTRY_POLLER_H_
