// The state machine of a drain, one box at a time. Pure: the box's place in the drain, what the registry shows of it, the policy and the
// time go in; its next place, the move of its administrative state and when to look again come out.
//
//   SCHEDULED ──start──▶ DRAINING ──draining_for──▶ EVACUATING ──evacuating_for──▶ LAME_DUCK ──quiet──▶ DRAINED
//   admin LIVE           DRAINING                   DRAINING                       DRAINING             DRAINED
//
// The drain's end and its cancelling lead from each of them to LIVE (ENDED, CANCELLED); an operator's SetAdminState leads to RELEASED.
//
// A step goes one phase ahead at most, and a phase lasts from the step that began it: whoever looks an hour late goes on from there, and
// no phase is skipped or cut short, because what it does to viewers happens only while it lasts. The price: a drain gets later by the time
// that nobody looked.
//
// DRAINED rests on the box's own word, which counts only from LAME_DUCK on: since then it answers every viewer with 4xx, so no token that
// is still valid opens anything there, and "sent nothing for quiet_for" means that nobody is being served. (Tokens name no box.)
//
//   const BoxStep step = StepBox(drain, box, seen, policy, now);
#ifndef FAIRLEAD_LIBS_REGISTRY_DRAIN_MACHINE_H_
#define FAIRLEAD_LIBS_REGISTRY_DRAIN_MACHINE_H_

#include <optional>

#include "absl/time/time.h"
#include "libs/base/vocabulary.h"
#include "libs/registry/drain.h"
#include "libs/registry/policy.h"

namespace fairlead::registry {

// What the registry shows of a box, apart from the drain.
struct BoxSeen {
  bool exists = false;
  AdminState admin = AdminState::kUnspecified;
  // The drain that has it in its hands; empty = none.
  DrainId held_by = {};
};

struct BoxStep {
  DrainBox box;
  // Its administrative state from now on; nullopt = as it is.
  std::optional<AdminState> move = std::nullopt;
  // Until when nothing follows from time alone.
  absl::Time look_again = absl::InfiniteFuture();

  friend bool operator==(const BoxStep&, const BoxStep&) = default;
};

// Whether the drain has the box in its hands: DRAINING to DRAINED.
bool IsHeld(DrainPhase phase);

// Whether it has been a LAME_DUCK for longer than a box should: an operator has to look. `policy` is without zeros.
bool IsOverdue(const DrainBox& box, const DrainPolicy& policy, absl::Time now);

// What time and the registry do to a box. `policy` is without zeros (WithDefaults).
BoxStep StepBox(const Drain& drain, const DrainBox& box, const BoxSeen& seen, const DrainPolicy& policy, absl::Time now);

// What the end of the drain does to it: `end` is ENDED or CANCELLED.
BoxStep StopBox(const Drain& drain, const DrainBox& box, const BoxSeen& seen, DrainPhase end, absl::Time now);

// What the box's word does to it: that it refuses every viewer and has sent nothing for `quiet_for`. Heard in LAME_DUCK only.
BoxStep HearBox(const DrainBox& box, absl::Duration quiet_for, const DrainPolicy& policy, absl::Time now);

}  // namespace fairlead::registry

#endif  // FAIRLEAD_LIBS_REGISTRY_DRAIN_MACHINE_H_
