#include "libs/registry/drain_plan.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/registry/drain_machine.h"
#include "libs/registry/render.h"

namespace fairlead::registry {
namespace {

constexpr char kTarget[] = "drain.target";

bool ServesViewers(const Appliance& appliance) {
  return appliance.kind == ApplianceKind::kStorage || appliance.kind == ApplianceKind::kFlash;
}

bool IsTarget(const std::string& target, const Appliance& appliance) {
  return ServesViewers(appliance) && (target == appliance.id.name() || target == appliance.site.name());
}

BoxSeen Seen(const RecordPtr<Appliance>& record) {
  if (record == nullptr) return {};
  return {.exists = true,
          .admin = record->value.admin_state,
          .held_by = record->value.drain.has_value() ? record->value.drain->drain : DrainId()};
}

// The boxes of the target as they are now. What was listed before and is there no more stays listed, as released.
std::vector<DrainBox> BoxesOf(const Fleet& fleet, const Drain& drain, absl::Time now) {
  absl::btree_map<ApplianceId, DrainBox> boxes;
  for (const DrainBox& box : drain.boxes) {
    DrainBox gone = box;
    gone.phase = DrainPhase::kReleased;
    gone.phase_time = now;
    gone.detail = absl::StrCat("was no longer at ", drain.target, " when the drain began");
    boxes.emplace(box.appliance, std::move(gone));
  }
  for (const auto& [id, record] : fleet.All<Appliance>()) {
    if (!IsTarget(drain.target, record->value)) continue;
    boxes.insert_or_assign(id, DrainBox{.appliance = id, .phase = DrainPhase::kScheduled, .phase_time = now});
  }
  std::vector<DrainBox> list;
  for (auto& [id, box] : boxes) list.push_back(std::move(box));
  return list;
}

// The least far of those that are not over; ENDED if all are.
DrainPhase PhaseOf(const std::vector<DrainBox>& boxes) {
  DrainPhase least = DrainPhase::kUnspecified;
  for (const DrainBox& box : boxes) {
    if (!IsOver(box.phase) && (least == DrainPhase::kUnspecified || box.phase < least)) least = box.phase;
  }
  return least == DrainPhase::kUnspecified ? DrainPhase::kEnded : least;
}

struct Moved {
  Drain drain;
  std::vector<AnyWrite> boxes;
  absl::Time look_again = absl::InfiniteFuture();
};

// Applies `step` to every box, and to its appliance what follows.
Moved MoveBoxes(const Fleet& fleet, Drain drain, absl::Time now, absl::FunctionRef<BoxStep(const DrainBox&, const BoxSeen&)> step) {
  Moved moved;
  for (DrainBox& box : drain.boxes) {
    const RecordPtr<Appliance> record = fleet.Find<Appliance>(box.appliance);
    const BoxSeen seen = Seen(record);
    BoxStep next = step(box, seen);
    box = std::move(next.box);
    moved.look_again = std::min(moved.look_again, next.look_again);
    if (record == nullptr) continue;
    Appliance value = record->value;
    value.admin_state = next.move.value_or(value.admin_state);
    if (IsHeld(box.phase) && (seen.held_by == drain.id || next.move.has_value())) {
      value.drain = ApplianceDrain{.drain = drain.id, .phase = box.phase};
    } else if (seen.held_by == drain.id) {
      value.drain.reset();
    }
    if (value != record->value) moved.boxes.emplace_back(MakeUpdate(record, std::move(value), now));
  }
  drain.phase = PhaseOf(drain.boxes);
  moved.drain = std::move(drain);
  return moved;
}

Moved Step(const Fleet& fleet, Drain drain, absl::Time now) {
  if (drain.end_time != absl::Time() && now >= drain.end_time) {
    return MoveBoxes(fleet, drain, now,
                     [&](const DrainBox& box, const BoxSeen& seen) { return StopBox(drain, box, seen, DrainPhase::kEnded, now); });
  }
  if (drain.phase == DrainPhase::kScheduled && now >= drain.start_time) drain.boxes = BoxesOf(fleet, drain, now);
  const DrainPolicy policy = DrainPolicyIn(fleet);
  Moved moved =
      MoveBoxes(fleet, drain, now, [&](const DrainBox& box, const BoxSeen& seen) { return StepBox(drain, box, seen, policy, now); });
  if (drain.end_time != absl::Time()) moved.look_again = std::min(moved.look_again, drain.end_time);
  return moved;
}

// The drain's write, if it changes, before those of its boxes.
std::vector<AnyWrite> WritesOf(const RecordPtr<Drain>& before, Moved moved, absl::Time now) {
  std::vector<AnyWrite> writes;
  if (moved.drain != before->value) writes.emplace_back(MakeUpdate(before, std::move(moved.drain), now));
  for (AnyWrite& write : moved.boxes) writes.push_back(std::move(write));
  return writes;
}

absl::Status BadTime(absl::string_view field, absl::Time value, absl::string_view why) {
  return InvalidField(field, RenderText(value), why);
}

absl::Status CheckWindow(const Drain& drain, bool at_once, absl::Time now) {
  if (drain.start_time < now) return BadTime("drain.start_time", drain.start_time, absl::StrCat("is in the past: it is ", RenderText(now)));
  if (drain.start_time > now + kFarthestDrain) {
    return BadTime("drain.start_time", drain.start_time, "must be at most three months (92 days) ahead");
  }
  if (drain.end_time == absl::Time()) {
    return at_once ? absl::OkStatus() : InvalidField("drain.end_time", "", "is required for a drain that is scheduled");
  }
  const std::string start = RenderText(drain.start_time);
  if (drain.end_time <= drain.start_time) return BadTime("drain.end_time", drain.end_time, absl::StrCat("is not after the start, ", start));
  const absl::Duration length = drain.end_time - drain.start_time;
  if (length < kShortestDrain)
    return BadTime("drain.end_time", drain.end_time, absl::StrCat("must be at least 3 h after the start, ", start));
  if (length > kLongestDrain)
    return BadTime("drain.end_time", drain.end_time, absl::StrCat("must be at most 30 days after the start, ", start));
  return absl::OkStatus();
}

absl::Status CheckTarget(const Fleet& fleet, const std::string& target) {
  if (absl::StartsWith(target, "sites/")) {
    ASSIGN_OR_RETURN(const SiteId site, SiteId::ParseName(target, kTarget));
    return Require<Site>(fleet, site, kTarget).status();
  }
  ASSIGN_OR_RETURN(const ApplianceId id, ApplianceId::ParseName(target, kTarget));
  ASSIGN_OR_RETURN(const RecordPtr<Appliance> appliance, Require<Appliance>(fleet, id, kTarget));
  if (ServesViewers(appliance->value)) return absl::OkStatus();
  return InvalidField(kTarget, target,
                      absl::StrCat("is a ", ToString(appliance->value.kind), ": only STORAGE and FLASH boxes serve viewers"));
}

absl::Time EndOf(const Drain& drain) {
  return drain.end_time == absl::Time() ? absl::InfiniteFuture() : drain.end_time;
}

// Whether the drain has the box now or will have it.
bool Claims(const Drain& drain, const Appliance& box) {
  if (drain.phase == DrainPhase::kScheduled) return IsTarget(drain.target, box);
  return std::any_of(drain.boxes.begin(), drain.boxes.end(),
                     [&](const DrainBox& claimed) { return claimed.appliance == box.id && !IsOver(claimed.phase); });
}

absl::Status CheckFree(const Fleet& fleet, const Drain& drain) {
  for (const auto& [id, other] : fleet.All<Drain>()) {
    if (IsOver(other->value.phase)) continue;
    if (other->value.start_time >= EndOf(drain) || drain.start_time >= EndOf(other->value)) continue;
    for (const DrainBox& box : drain.boxes) {
      const RecordPtr<Appliance> appliance = fleet.Find<Appliance>(box.appliance);
      if (!Claims(other->value, appliance->value)) continue;
      const std::string until = other->value.end_time == absl::Time() ? "" : absl::StrCat(" until ", RenderText(other->value.end_time));
      return FieldError(
          absl::StatusCode::kFailedPrecondition, kTarget, drain.target,
          absl::StrCat("overlaps ", id.name(), ", which has ", appliance->name(), " from ", RenderText(other->value.start_time), until));
    }
  }
  return absl::OkStatus();
}

// A box that another drain holds now is LIVE again by the time of this one, or CheckFree would have refused.
absl::Status CheckLive(const Fleet& fleet, const Drain& drain) {
  std::string states;
  for (const DrainBox& box : drain.boxes) {
    const Appliance& appliance = fleet.Find<Appliance>(box.appliance)->value;
    if (appliance.admin_state == AdminState::kLive || appliance.drain.has_value()) return absl::OkStatus();
    states = std::string(ToString(appliance.admin_state));
  }
  std::string why = absl::StrCat("is ", states, ": only a LIVE box can be drained");
  if (absl::StartsWith(drain.target, "sites/")) why = "has no STORAGE or FLASH box that is LIVE";
  return FieldError(absl::StatusCode::kFailedPrecondition, kTarget, drain.target, why);
}

}  // namespace

DrainPolicy DrainPolicyIn(const Fleet& fleet) {
  const RecordPtr<Policy> policy = fleet.Find<Policy>(PolicyId("drain"));
  return WithDefaults(policy == nullptr || !policy->value.drain.has_value() ? DrainPolicy() : *policy->value.drain);
}

absl::StatusOr<std::vector<AnyWrite>> PlanCreateDrain(const Fleet& fleet, Drain wish, const Rules& rules) {
  CopyOutputOnly(Drain(), wish);
  const bool at_once = wish.start_time == absl::Time();
  if (at_once) wish.start_time = rules.now;
  ASSIGN_OR_RETURN(Drain drain, Canonical(std::move(wish), rules));
  RETURN_IF_ERROR(CheckFresh<Drain>(fleet, drain.id));
  RETURN_IF_ERROR(CheckTarget(fleet, drain.target));
  RETURN_IF_ERROR(CheckWindow(drain, at_once, rules.now));
  drain.boxes = BoxesOf(fleet, drain, rules.now);
  RETURN_IF_ERROR(CheckFree(fleet, drain));
  RETURN_IF_ERROR(CheckLive(fleet, drain));
  drain.phase = DrainPhase::kScheduled;
  Moved moved = Step(fleet, std::move(drain), rules.now);
  std::vector<AnyWrite> writes = {MakeCreate(std::move(moved.drain), rules.now)};
  for (AnyWrite& write : moved.boxes) writes.push_back(std::move(write));
  return writes;
}

absl::StatusOr<std::vector<AnyWrite>> PlanCancelDrain(const Fleet& fleet, const DrainId& id, absl::string_view etag, absl::Time now) {
  ASSIGN_OR_RETURN(const RecordPtr<Drain> before, Require<Drain>(fleet, id));
  RETURN_IF_ERROR(CheckEtag(*before, etag));
  if (before->value.phase == DrainPhase::kCancelled) return std::vector<AnyWrite>();
  if (IsOver(before->value.phase)) {
    return FieldError(absl::StatusCode::kFailedPrecondition, "name", id.name(),
                      absl::StrCat("has ended at ", RenderText(before->meta.update_time)));
  }
  Moved moved = MoveBoxes(fleet, before->value, now, [&](const DrainBox& box, const BoxSeen& seen) {
    return StopBox(before->value, box, seen, DrainPhase::kCancelled, now);
  });
  moved.drain.phase = DrainPhase::kCancelled;
  return WritesOf(before, std::move(moved), now);
}

absl::StatusOr<DrainReport> PlanDrainReport(const Fleet& fleet, const ApplianceId& appliance, const DrainId& drain,
                                            absl::Duration quiet_for, absl::Time now) {
  ASSIGN_OR_RETURN(const RecordPtr<Appliance> box, Require<Appliance>(fleet, appliance, "appliance"));
  ASSIGN_OR_RETURN(const RecordPtr<Drain> before, Require<Drain>(fleet, drain, "drain"));
  if (!box->value.drain.has_value() || box->value.drain->drain != drain) {
    return FieldError(absl::StatusCode::kFailedPrecondition, "drain", drain.name(), absl::StrCat("does not have ", appliance.name()));
  }
  const DrainPolicy policy = DrainPolicyIn(fleet);
  Moved moved = MoveBoxes(fleet, before->value, now, [&](const DrainBox& other, const BoxSeen&) {
    return other.appliance == appliance ? HearBox(other, quiet_for, policy, now) : BoxStep{.box = other};
  });
  DrainReport report;
  for (const DrainBox& moved_box : moved.drain.boxes) {
    if (moved_box.appliance == appliance) report.phase = moved_box.phase;
  }
  report.writes = WritesOf(before, std::move(moved), now);
  return report;
}

DrainAdvance AdvanceDrains(const Fleet& fleet, absl::Time now) {
  DrainAdvance advance;
  Fleet next = fleet;
  int changed = 0;
  const auto take = [&](std::vector<AnyWrite> writes) {
    if (!writes.empty()) ++changed;
    for (AnyWrite& write : writes) {
      next.Apply(write);
      advance.writes.push_back(std::move(write));
    }
  };
  // Those that end first: where one ends another may begin, with the same box.
  for (const bool ending : {true, false}) {
    for (const auto& [id, record] : fleet.All<Drain>()) {
      if (changed == kMostDrainsAStep) break;
      const Drain& drain = record->value;
      if (IsOver(drain.phase)) {
        const absl::Time forget = record->meta.update_time + kKeepDrains;
        advance.look_again = std::min(advance.look_again, forget);
        if (!ending && now >= forget) take({Write<Drain>{record, nullptr}});
        continue;
      }
      if (ending != (now >= EndOf(drain))) continue;
      Moved moved = Step(next, drain, now);
      advance.look_again = std::min(advance.look_again, moved.look_again);
      take(WritesOf(record, std::move(moved), now));
    }
  }
  return advance;
}

std::vector<AnyWrite> PlanAdminMove(const Fleet& fleet, const RecordPtr<Appliance>& before, Appliance value, absl::Time now) {
  const std::optional<ApplianceDrain> held = std::exchange(value.drain, std::nullopt);
  std::vector<AnyWrite> writes = {MakeUpdate(before, std::move(value), now)};
  if (!held.has_value()) return writes;
  const RecordPtr<Drain> drain = fleet.Find<Drain>(held->drain);
  if (drain == nullptr) return writes;
  Fleet next = fleet;
  next.Apply(writes.front());
  for (AnyWrite& write : WritesOf(drain, Step(next, drain->value, now), now)) writes.push_back(std::move(write));
  return writes;
}

}  // namespace fairlead::registry
