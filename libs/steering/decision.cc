#include "libs/steering/decision.h"

namespace fairlead {

absl::string_view ToString(NotServable reason) {
  switch (reason) {
    case NotServable::kServable:
      return "SERVABLE";
    case NotServable::kUnknownTitle:
      return "UNKNOWN_TITLE";
    case NotServable::kNoEligibleSite:
      return "NO_ELIGIBLE_SITE";
    case NotServable::kNoLiveAppliance:
      return "NO_LIVE_APPLIANCE";
    case NotServable::kNotHeld:
      return "NOT_HELD";
    case NotServable::kNoUsableEndpoint:
      return "NO_USABLE_ENDPOINT";
  }
  return "UNSPECIFIED";
}

absl::string_view ToString(Fitness fitness) {
  switch (fitness) {
    case Fitness::kFit:
      return "FIT";
    case Fitness::kFull:
      return "FULL";
    case Fitness::kSilent:
      return "SILENT";
    case Fitness::kSick:
      return "SICK";
  }
  return "UNSPECIFIED";
}

absl::string_view ToString(SteeringLayer layer) {
  switch (layer) {
    case SteeringLayer::kProximity:
      return "proximity";
    case SteeringLayer::kAdmin:
      return "admin";
    case SteeringLayer::kHealth:
      return "health";
    case SteeringLayer::kCapacity:
      return "capacity";
    case SteeringLayer::kHoldings:
      return "holdings";
    case SteeringLayer::kSpread:
      return "spread";
  }
  return "unspecified";
}

}  // namespace fairlead
