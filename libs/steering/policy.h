// The choices of steering that an operator may change. The defaults are the documented order; see libs/steering/README.md.
#ifndef FAIRLEAD_LIBS_STEERING_POLICY_H_
#define FAIRLEAD_LIBS_STEERING_POLICY_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace fairlead {

// The steps that order sites by network proximity. Leave one out to switch it off.
enum class ProximityStep : uint8_t { kPrefixLength = 1, kClass = 2, kAsPathLength = 3, kMed = 4, kDistance = 5 };

// Among which routes the more specific prefix wins.
enum class MoreSpecificScope : uint8_t {
  kClass = 1,    // Within one transport class.
  kPeering = 2,  // Across embedded and peering routes. Transit counts only where neither matches.
  kAll = 3,      // Across all, transit included.
};

// Among which routes MED is compared.
enum class MedScope : uint8_t { kNeighbourAs = 1, kPartner = 2, kAlways = 3 };

absl::string_view ToString(ProximityStep step);
absl::string_view ToString(MoreSpecificScope scope);
absl::string_view ToString(MedScope scope);

struct SteeringPolicy {
  std::vector<ProximityStep> steps = {ProximityStep::kPrefixLength, ProximityStep::kClass, ProximityStep::kAsPathLength,
                                      ProximityStep::kMed, ProximityStep::kDistance};
  MoreSpecificScope more_specific_scope = MoreSpecificScope::kPeering;
  MedScope med_scope = MedScope::kNeighbourAs;
  int distance_step_km = 150;  // Sites of one metro tie.

  // A box or link is full, and takes no new session, when its use reaches this share of its capacity (a link: of the smaller of
  // capacity and contract cap).
  uint32_t full_permille = 950;
  // From this share on, it is congested: answers that lead over it carry a quality cap.
  uint32_t congested_permille = 900;
  // The cap of a congested path; 0: none. A client that reports its throughput is capped at 80 % of it as well.
  uint64_t congested_cap_bps = 5'000'000;
};

// INVALID_ARGUMENT naming the field: a repeated step, a distance step below 1 km, thresholds out of order.
absl::Status ValidatePolicy(const SteeringPolicy& policy);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_POLICY_H_
