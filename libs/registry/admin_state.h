// The life of a box, as the administrative states that an operator moves it between.
#ifndef FAIRLEAD_LIBS_REGISTRY_ADMIN_STATE_H_
#define FAIRLEAD_LIBS_REGISTRY_ADMIN_STATE_H_

#include "absl/status/status.h"
#include "libs/base/vocabulary.h"

namespace fairlead::registry {

// FAILED_PRECONDITION, naming the moves that are allowed, if a box may not go from one to the other; staying is always allowed.
//
//   PROVISIONING → LIVE ⇄ DRAINING → DRAINED → LIVE, PROVISIONING, RETIRED
//   any but RETIRED → DISABLED (an emergency stop) → PROVISIONING, LIVE, DRAINED, RETIRED
//   RETIRED is the end.
absl::Status CheckAdminMove(AdminState from, AdminState to);

// Whether viewers may be at the box: such a box is neither deleted nor given a new owner.
bool MayServe(AdminState state);

}  // namespace fairlead::registry

#endif  // FAIRLEAD_LIBS_REGISTRY_ADMIN_STATE_H_
