// The registry's content in memory: what plans are made on and feeds are made from. Follows the store; keeps its last state while the
// store can't be reached.
//
// Thread-safe. Refresh blocks on the store: worker threads only.
#ifndef FAIRLEAD_SERVICES_REGISTRY_FLEET_STATE_H_
#define FAIRLEAD_SERVICES_REGISTRY_FLEET_STATE_H_

#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/published.h"
#include "services/registry/store.h"

namespace fairlead::registry {

class FleetState {
 public:
  // Called with each new state and what changed since the one before; one call at a time, in order.
  using Listener = std::function<void(const std::shared_ptr<const Fleet>& fleet, const ChangeSet& changes)>;

  // `store` must outlive the state.
  FleetState(Store& store, Listener listener) : store_(store), listener_(std::move(listener)) {}

  // Catches up, and returns a state at least as new as the store was when this was called. FAILED_PRECONDITION if the store went back
  // within an epoch, which only a careless restore does.
  absl::StatusOr<std::shared_ptr<const Fleet>> Refresh() ABSL_LOCKS_EXCLUDED(refresh_mu_);
  // The last known state; null before the first successful Refresh. Never blocks.
  std::shared_ptr<const Fleet> Get() const { return fleet_.Get(); }

 private:
  Store& store_;
  const Listener listener_;
  absl::Mutex refresh_mu_;
  Published<Fleet> fleet_{nullptr};
};

}  // namespace fairlead::registry

#endif  // FAIRLEAD_SERVICES_REGISTRY_FLEET_STATE_H_
