// Who may call what, and pages of lists. Pure.
#ifndef FAIRLEAD_SERVICES_FILL_ACCESS_H_
#define FAIRLEAD_SERVICES_FILL_ACCESS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/ids.h"
#include "libs/rpc/principal.h"
#include "services/fill/fleet_state.h"

namespace fairlead::fill {

// OK for operators and our own services; else PERMISSION_DENIED, or UNAUTHENTICATED for the anonymous.
absl::Status RequireTrusted(const Principal& caller);
// Also OK for the box itself: its credential's SHA-256 is the registered one.
absl::Status RequireBoxOrTrusted(const Principal& caller, const FleetSnapshot& fleet, const ApplianceId& appliance);

// How many rows a page has: 0 is the default of 100, more than 1,000 is 1,000. INVALID_ARGUMENT if negative.
absl::StatusOr<int> PageSize(int asked);

}  // namespace fairlead::fill

#endif  // FAIRLEAD_SERVICES_FILL_ACCESS_H_
