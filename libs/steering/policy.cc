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
  return absl::OkStatus();
}

}  // namespace fairlead
