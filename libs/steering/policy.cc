#include "libs/steering/policy.h"

#include <algorithm>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"

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
  if (guard.answering_lease < absl::ZeroDuration()) {
    return Bad("answering_lease", absl::FormatDuration(guard.answering_lease), "at least 0");
  }
  if (guard.failing_networks < 1) return Bad("failing_networks", absl::StrCat(guard.failing_networks), "at least 1");
  return absl::OkStatus();
}

absl::Status ValidateSteps(absl::string_view field, const std::vector<ProximityStep>& steps) {
  for (auto step = steps.begin(); step != steps.end(); ++step) {
    if (ToString(*step) == "UNSPECIFIED") {
      return absl::InvalidArgumentError(absl::StrCat(field, ": '", static_cast<int>(*step), "' is not a proximity step"));
    }
    if (std::find(steps.begin(), step, *step) != step) {
      return absl::InvalidArgumentError(absl::StrCat(field, ": '", ToString(*step), "' stands there twice"));
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateClassSteps(const SteeringPolicy& policy) {
  const auto refuse = [](size_t i, absl::string_view what, absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat("class_steps[", i, "]", what, ": ", why));
  };
  if (policy.class_steps.size() > SteeringPolicy::kMaxClassSteps) {
    return absl::InvalidArgumentError(
        absl::StrCat("class_steps: '", policy.class_steps.size(), "' of them, at most ", SteeringPolicy::kMaxClassSteps));
  }
  const auto parting = std::find(policy.steps.begin(), policy.steps.end(), ProximityStep::kClass);
  absl::flat_hash_set<std::string> seen;
  for (size_t i = 0; i < policy.class_steps.size(); ++i) {
    const ClassSteps& rule = policy.class_steps[i];
    const absl::string_view transport = ToString(rule.transport);
    if (transport == "UNSPECIFIED") {
      return refuse(i, ".transport", absl::StrCat("'", static_cast<int>(rule.transport), "' is not a transport class"));
    }
    if (parting == policy.steps.end()) return refuse(i, "", "steps: must contain 'TRANSPORT_CLASS', or no class is parted from the others");
    RETURN_IF_ERROR(ValidateSteps(absl::StrCat("class_steps[", i, "].steps"), rule.steps));
    for (const ProximityStep step : rule.steps) {
      if (std::find(policy.steps.begin(), parting + 1, step) == parting + 1) continue;
      return refuse(i, ".steps", absl::StrCat("'", ToString(step), "' has been taken already when classes are parted"));
    }
    const std::string partner = rule.partner.has_value() ? rule.partner->name() : "every partner";
    if (!seen.insert(absl::StrCat(transport, " ", partner)).second) {
      return refuse(i, "", absl::StrCat("'", transport, "' for ", partner, " stands there twice"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidatePolicy(const SteeringPolicy& policy) {
  RETURN_IF_ERROR(ValidateSteps("steps", policy.steps));
  RETURN_IF_ERROR(ValidateClassSteps(policy));
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
