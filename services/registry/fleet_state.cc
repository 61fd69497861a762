#include "services/registry/fleet_state.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"

namespace fairlead::registry {
namespace {

Fleet WithChanges(Fleet fleet, const ChangeSet& changes) {
  AllKinds::ForEach([&]<typename T>() {
    for (const RecordPtr<T>& record : changes.Of<T>().put) fleet.Put<T>(record);
    for (const typename T::IdType& id : changes.Of<T>().deleted) fleet.Delete<T>(id);
  });
  fleet.set_position(changes.position);
  return fleet;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Fleet>> FleetState::Refresh() {
  absl::MutexLock lock(&refresh_mu_);
  std::shared_ptr<const Fleet> held = fleet_.Get();
  ASSIGN_OR_RETURN(const ConfigPosition position, store_.Position());
  if (held != nullptr && position == held->position()) return held;
  if (held != nullptr && position < held->position()) {
    return absl::FailedPreconditionError(absl::StrCat("the database went back from version ", held->position().epoch, ":",
                                                      held->position().version, " to ", position.epoch, ":", position.version,
                                                      "; after a restore, run SELECT registry.raise_epoch()"));
  }
  ASSIGN_OR_RETURN(const ChangeSet changes, store_.ChangesSince(held == nullptr ? ConfigPosition() : held->position()));
  auto next = std::make_shared<const Fleet>(WithChanges(changes.whole || held == nullptr ? Fleet() : *held, changes));
  fleet_.Set(next);
  listener_(next, changes);
  return next;
}

}  // namespace fairlead::registry
