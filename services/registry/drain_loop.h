// The loop that advances drains. Every replica runs it: a step is planned on the newest state and committed only if the database still
// stands there (writer.h), so of several replicas one takes it and the others find it done; nobody holds a lock or a lease.
//
//   loop.Tick(clock.Now());   // Every fraction of a second. Costs nothing while nothing is due.
#ifndef FAIRLEAD_SERVICES_REGISTRY_DRAIN_LOOP_H_
#define FAIRLEAD_SERVICES_REGISTRY_DRAIN_LOOP_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/registry/fleet_state.h"
#include "services/registry/metrics.h"
#include "services/registry/writer.h"

namespace fairlead::registry {

// Not thread-safe: one thread ticks.
class DrainLoop {
 public:
  // All must outlive the loop.
  DrainLoop(FleetState& state, Writer& writer, RegistryMetrics& metrics) : state_(state), writer_(writer), metrics_(metrics) {}

  // One step of every drain that is due. The status is logged when it changes; the caller need not look at it.
  absl::Status Tick(absl::Time now);

 private:
  absl::Status TickOnce(absl::Time now);
  void CountBoxes(const Fleet& fleet, absl::Time now);

  FleetState& state_;
  Writer& writer_;
  RegistryMetrics& metrics_;
  // Until then nothing is due unless the fleet moves on from `seen_`.
  ConfigPosition seen_;
  absl::Time look_again_ = absl::InfinitePast();
  bool failing_ = false;
};

}  // namespace fairlead::registry

#endif  // FAIRLEAD_SERVICES_REGISTRY_DRAIN_LOOP_H_
