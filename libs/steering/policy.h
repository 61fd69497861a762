// The choices of steering that an operator may change. The defaults are the documented order; see libs/steering/README.md.
#ifndef FAIRLEAD_LIBS_STEERING_POLICY_H_
#define FAIRLEAD_LIBS_STEERING_POLICY_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/ids.h"
#include "libs/base/vocabulary.h"

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

// Who decides whether a silent box is believed to be gone (guard.h).
enum class GuardMode : uint8_t {
  kGuard = 1,        // The rules of the guard.
  kBelieveAll = 2,   // An operator's override: every silence counts at once, and nothing stays frozen.
  kBelieveNone = 3,  // No further silence counts: for work on our own network.
};

absl::string_view ToString(ProximityStep step);
absl::string_view ToString(MoreSpecificScope scope);
absl::string_view ToString(MedScope scope);
absl::string_view ToString(GuardMode mode);

// Silence is not sickness: how much of it is believed, and how fast.
struct GuardPolicy {
  GuardMode mode = GuardMode::kGuard;
  // Within `window`, silence that nothing corroborates removes at most this share of the fleet, or this many boxes, whichever is more.
  uint32_t removable_permille = 50;
  uint32_t removable_boxes = 1;
  absl::Duration window = absl::Minutes(1);
  // Silence is taken for our own fault if it began within one window at so many sites that share a cell or a path, and if without the
  // site that lost most it is still more than the limit above, measured on the boxes of that cell or path.
  uint32_t wave_sites = 2;
  // A freeze ends when that hasn't been so for so long.
  absl::Duration thaw_after = absl::Seconds(10);
  // A cell whose feed was not heard for so long says nothing about its boxes any more.
  absl::Duration cell_stale_after = absl::Seconds(10);
  // How many sites a window may be believed gone in full because something corroborates their silence; evidence against more of them
  // may be our own fault as well, and they come under the limit.
  uint32_t corroborated_sites = 3;
  // How long a box that is silent is held up because its data port answers. Then it is silent like any other: nobody knows any more what
  // it holds and how full it is.
  absl::Duration answering_lease = absl::Minutes(2);
  // Clients fail at a box if players of so many networks left it, within one window, although they were told to use it.
  uint32_t failing_networks = 3;

  friend bool operator==(const GuardPolicy&, const GuardPolicy&) = default;
};

// What decides among routes of one transport class, once TRANSPORT_CLASS has parted them: in place of the steps behind it. With a partner
// it counts where all routes that are still tied are of that partner, and before one without.
struct ClassSteps {
  TransportClass transport = TransportClass::kUnspecified;
  std::optional<PartnerId> partner = {};
  std::vector<ProximityStep> steps = {};  // Empty: all of the class tie.

  friend bool operator==(const ClassSteps&, const ClassSteps&) = default;
};

struct SteeringPolicy {
  std::vector<ProximityStep> steps = {ProximityStep::kPrefixLength, ProximityStep::kClass, ProximityStep::kAsPathLength,
                                      ProximityStep::kMed, ProximityStep::kDistance};
  std::vector<ClassSteps> class_steps = {};  // At most kMaxClassSteps.
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

  GuardPolicy guard = {};

  static constexpr size_t kMaxClassSteps = 10'000;
};

// INVALID_ARGUMENT naming the field: a repeated step, class_steps without TRANSPORT_CLASS in `steps`, with a step that stands up to it
// there, or twice for one class and partner, a distance step below 1 km, thresholds out of order, a figure of the guard out of
// its range.
absl::Status ValidatePolicy(const SteeringPolicy& policy);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_POLICY_H_
