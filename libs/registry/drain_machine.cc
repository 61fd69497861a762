#include "libs/registry/drain_machine.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace fairlead::registry {
namespace {

// Without anything that changes by itself: a new text is a write.
std::string LameDuckDetail(const DrainBox& box, const DrainPolicy& policy, absl::Time now) {
  const bool heard = box.report_time != absl::Time();
  const std::string quiet = absl::FormatDuration(policy.quiet_for);
  if (!IsOverdue(box, policy, now)) {
    return heard ? absl::StrCat("refuses viewers; waits until it has sent nothing for ", quiet)
                 : absl::StrCat("waits for the box to say that it refuses viewers and has sent nothing for ", quiet);
  }
  const std::string since = absl::FormatDuration(policy.overdue_after);
  return heard ? absl::StrCat("overdue: the box refuses viewers, but in ", since, " it has not said that it sent nothing for ", quiet,
                              ": look at it, then set it DRAINED by hand")
               : absl::StrCat("overdue: no word from the box in ", since,
                              ", and a dead box can't report: look at it, then set it DRAINED by hand");
}

std::string DetailOf(const DrainBox& box, const DrainPolicy& policy, absl::Time now) {
  switch (box.phase) {
    case DrainPhase::kScheduled:
      return "waits for the drain's start";
    case DrainPhase::kDraining:
      return absl::StrCat("gets no new sessions; EVACUATING after ", absl::FormatDuration(policy.draining_for));
    case DrainPhase::kEvacuating:
      return absl::StrCat("ends connections with their next answer; LAME_DUCK after ", absl::FormatDuration(policy.evacuating_for));
    case DrainPhase::kLameDuck:
      return LameDuckDetail(box, policy, now);
    case DrainPhase::kDrained:
      return "may be switched off";
    default:
      return box.detail;  // What was said when it was over.
  }
}

BoxStep Enter(const DrainBox& box, DrainPhase phase, std::string detail, absl::Time now) {
  BoxStep step{.box = box};
  step.box.phase = phase;
  step.box.phase_time = now;
  step.box.detail = std::move(detail);
  return step;
}

// When time alone leads on from here.
absl::Time NextLook(const Drain& drain, const DrainBox& box, const DrainPolicy& policy, absl::Time now) {
  switch (box.phase) {
    case DrainPhase::kScheduled:
      return drain.start_time;
    case DrainPhase::kDraining:
      return box.phase_time + policy.draining_for;
    case DrainPhase::kEvacuating:
      return box.phase_time + policy.evacuating_for;
    case DrainPhase::kLameDuck:
      return IsOverdue(box, policy, now) ? absl::InfiniteFuture() : box.phase_time + policy.overdue_after;
    default:
      return absl::InfiniteFuture();
  }
}

// Why the drain has no say over a box that it had; empty if it still has.
std::string LostTo(const Drain& drain, const DrainBox& box, const BoxSeen& seen) {
  if (!seen.exists) return "was deleted";
  const AdminState wanted = box.phase == DrainPhase::kDrained ? AdminState::kDrained : AdminState::kDraining;
  if (seen.held_by == drain.id && seen.admin == wanted) return "";
  return absl::StrCat("was moved by an operator, to ", ToString(seen.admin));
}

BoxStep Start(const DrainBox& box, const BoxSeen& seen, absl::Time now) {
  if (!seen.exists) return Enter(box, DrainPhase::kReleased, "was deleted before the drain began", now);
  if (seen.admin != AdminState::kLive) {
    return Enter(box, DrainPhase::kReleased, absl::StrCat("was ", ToString(seen.admin), " when the drain began: left alone"), now);
  }
  BoxStep step = Enter(box, DrainPhase::kDraining, "", now);
  step.move = AdminState::kDraining;
  return step;
}

}  // namespace

bool IsOverdue(const DrainBox& box, const DrainPolicy& policy, absl::Time now) {
  return box.phase == DrainPhase::kLameDuck && now >= box.phase_time + policy.overdue_after;
}

bool IsHeld(DrainPhase phase) {
  return phase >= DrainPhase::kDraining && phase <= DrainPhase::kDrained;
}

BoxStep StepBox(const Drain& drain, const DrainBox& box, const BoxSeen& seen, const DrainPolicy& policy, absl::Time now) {
  if (IsOver(box.phase)) return {.box = box};
  BoxStep step{.box = box};
  if (IsHeld(box.phase)) {
    std::string lost = LostTo(drain, box, seen);
    if (!lost.empty()) return Enter(box, DrainPhase::kReleased, std::move(lost), now);
  }
  if (now >= NextLook(drain, box, policy, now)) {
    if (box.phase == DrainPhase::kScheduled) step = Start(box, seen, now);
    if (box.phase == DrainPhase::kDraining) step = Enter(box, DrainPhase::kEvacuating, "", now);
    if (box.phase == DrainPhase::kEvacuating) step = Enter(box, DrainPhase::kLameDuck, "", now);
  }
  step.box.detail = DetailOf(step.box, policy, now);
  step.look_again = NextLook(drain, step.box, policy, now);
  return step;
}

BoxStep StopBox(const Drain& drain, const DrainBox& box, const BoxSeen& seen, DrainPhase end, absl::Time now) {
  if (IsOver(box.phase)) return {.box = box};
  if (!IsHeld(box.phase)) return Enter(box, end, "was never taken out", now);
  std::string lost = LostTo(drain, box, seen);
  if (!lost.empty()) return Enter(box, DrainPhase::kReleased, std::move(lost), now);
  BoxStep step = Enter(box, end, "is LIVE again", now);
  step.move = AdminState::kLive;
  return step;
}

BoxStep HearBox(const DrainBox& box, absl::Duration quiet_for, const DrainPolicy& policy, absl::Time now) {
  BoxStep step{.box = box};
  if (box.phase != DrainPhase::kLameDuck) return step;
  if (box.report_time == absl::Time()) step.box.report_time = now;
  // Whatever a box says of the time before it refused anybody proves nothing.
  if (std::min(quiet_for, now - box.phase_time) >= policy.quiet_for) {
    step.box.phase = DrainPhase::kDrained;
    step.box.phase_time = now;
    step.move = AdminState::kDrained;
  }
  step.box.detail = DetailOf(step.box, policy, now);
  return step;
}

}  // namespace fairlead::registry
