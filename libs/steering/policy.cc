#include "libs/steering/policy.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace fairlead {

absl::string_view ToString(ProximityStep step) {
  switch (step) {
    case ProximityStep::kPrefixLength:
      return "PREFIX_LENGTH";
    case ProximityStep::kClass:
      return "TRANSPORT_CLASS";
    case ProximityStep::kAsPathLength:
      return "AS_PATH_LENGTH";
    case ProximityStep::kMed:
      return "MED";
    case ProximityStep::kDistance:
      return "DISTANCE";
  }
  return "UNSPECIFIED";
}

absl::string_view ToString(MoreSpecificScope scope) {
  switch (scope) {
    case MoreSpecificScope::kClass:
      return "CLASS";
    case MoreSpecificScope::kPeering:
      return "PEERING";
    case MoreSpecificScope::kAll:
      return "ALL";
  }
  return "UNSPECIFIED";
}

absl::string_view ToString(MedScope scope) {
  switch (scope) {
    case MedScope::kNeighbourAs:
      return "NEIGHBOUR_AS";
    case MedScope::kPartner:
      return "PARTNER";
    case MedScope::kAlways:
      return "ALWAYS";
  }
  return "UNSPECIFIED";
}

absl::string_view ToString(GuardMode mode) {
  switch (mode) {
    case GuardMode::kGuard:
      return "GUARD";
    case GuardMode::kBelieveAll:
      return "BELIEVE_ALL";
    case GuardMode::kBelieveNone:
      return "BELIEVE_NONE";
  }
  return "UNSPECIFIED";
}

namespace {

absl::Status Bad(absl::string_view field, absl::string_view value, absl::string_view must) {
  return absl::InvalidArgumentError(absl::StrCat("guard.", field, ": '", value, "' must be ", must));
}

absl::Status ValidateGuard(const GuardPolicy& guard) {
  if (ToString(guard.mode) == "UNSPECIFIED") return Bad("mode", absl::StrCat(static_cast<int>(guard.mode)), "a mode of the guard");
  if (guard.removable_permille < 1 || guard.removable_permille > 1000) {
    return Bad("removable_permille", absl::StrCat(guard.removable_permille), "in [1, 1000]");
  }
  if (guard.removable_boxes < 1) return Bad("removable_boxes", absl::StrCat(guard.removable_boxes), "at least 1");
  if (guard.window <= absl::ZeroDuration()) return Bad("window", absl::FormatDuration(guard.window), "above 0");
  if (guard.wave_sites < 2) return Bad("wave_sites", absl::StrCat(guard.wave_sites), "at least 2");
  if (guard.thaw_after < absl::ZeroDuration()) return Bad("thaw_after", absl::FormatDuration(guard.thaw_after), "at least 0");
  if (guard.cell_stale_after <= absl::ZeroDuration()) {
    return Bad("cell_stale_after", absl::FormatDuration(guard.cell_stale_after), "above 0");
  }
  if (guard.corroborated_sites < 1) return Bad("corroborated_sites", absl::StrCat(guard.corroborated_sites), "at least 1");
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidatePolicy(const SteeringPolicy& policy) {
  for (auto step = policy.steps.begin(); step != policy.steps.end(); ++step) {
    if (ToString(*step) == "UNSPECIFIED") {
      return absl::InvalidArgumentError(absl::StrCat("steps: '", static_cast<int>(*step), "' is not a proximity step"));
    }
    if (std::find(policy.steps.begin(), step, *step) != step) {
      return absl::InvalidArgumentError(absl::StrCat("steps: '", ToString(*step), "' stands there twice"));
    }
  }
  if (policy.distance_step_km < 1) {
    return absl::InvalidArgumentError(absl::StrCat("distance_step_km: '", policy.distance_step_km, "' must be at least 1"));
  }
  if (policy.full_permille < 1 || policy.congested_permille > policy.full_permille) {
    return absl::InvalidArgumentError(absl::StrCat("congested_permille: '", policy.congested_permille, "' must not exceed full_permille ('",
                                                   policy.full_permille, "', at least 1)"));
  }
  return ValidateGuard(policy.guard);
}

}  // namespace fairlead
