// Drains as changes of the fleet: which writes make, advance and end them. Pure: the caller commits the result, and plans anew on the
// newest fleet if somebody else was faster, so any number of replicas may advance the same drains and each step is taken once.
//
// A drain and its boxes are always written together: an appliance's `drain` and `admin_state` say what the drain says of it.
//
//   ASSIGN_OR_RETURN(const std::vector<AnyWrite> writes, PlanCreateDrain(fleet, drain, rules));   // The drain is the first of them.
//   const DrainAdvance advance = AdvanceDrains(fleet, now);                                       // Every now and then.
#ifndef FAIRLEAD_LIBS_REGISTRY_DRAIN_PLAN_H_
#define FAIRLEAD_LIBS_REGISTRY_DRAIN_PLAN_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/registry/fleet.h"
#include "libs/registry/plan.h"

namespace fairlead::registry {

inline constexpr absl::Duration kShortestDrain = absl::Hours(3);
inline constexpr absl::Duration kLongestDrain = absl::Hours(30 * 24);
// Three months, whichever they are.
inline constexpr absl::Duration kFarthestDrain = absl::Hours(92 * 24);
// How long a drain is remembered after its end.
inline constexpr absl::Duration kKeepDrains = absl::Hours(90 * 24);
// Drains that one AdvanceDrains changes at most; the others follow with the next.
inline constexpr int kMostDrainsAStep = 64;

// policies/drain, without zeros.
DrainPolicy DrainPolicyIn(const Fleet& fleet);

// A start in `wish` that isn't set means `rules.now`. INVALID_ARGUMENT for a window out of bounds or a target that serves no viewers,
// NOT_FOUND or ALREADY_EXISTS as everywhere, FAILED_PRECONDITION if no box of the target is LIVE or if a drain has one at that time.
absl::StatusOr<std::vector<AnyWrite>> PlanCreateDrain(const Fleet& fleet, Drain wish, const Rules& rules);

// Nothing to write if it is cancelled already; FAILED_PRECONDITION if it has ended.
absl::StatusOr<std::vector<AnyWrite>> PlanCancelDrain(const Fleet& fleet, const DrainId& id, absl::string_view etag, absl::Time now);

struct DrainReport {
  std::vector<AnyWrite> writes;
  DrainPhase phase = DrainPhase::kUnspecified;
};
// A box's word; drain_machine.h tells what it does. FAILED_PRECONDITION if the drain doesn't have the box.
absl::StatusOr<DrainReport> PlanDrainReport(const Fleet& fleet, const ApplianceId& appliance, const DrainId& drain,
                                            absl::Duration quiet_for, absl::Time now);

struct DrainAdvance {
  std::vector<AnyWrite> writes;
  // If there are no writes: until when there will be none unless the fleet changes.
  absl::Time look_again = absl::InfiniteFuture();
};
// What time does to all drains; forgets old ones.
DrainAdvance AdvanceDrains(const Fleet& fleet, absl::Time now);

// An operator moves a box to another state: the move, and with it the release from its drain.
std::vector<AnyWrite> PlanAdminMove(const Fleet& fleet, const RecordPtr<Appliance>& before, Appliance value, absl::Time now);

}  // namespace fairlead::registry

#endif  // FAIRLEAD_LIBS_REGISTRY_DRAIN_PLAN_H_
