// The registry's own enums and ids; the numbers are those of resources.proto. Shared ones are in libs/base/vocabulary.h.
#ifndef FAIRLEAD_LIBS_REGISTRY_WORDS_H_
#define FAIRLEAD_LIBS_REGISTRY_WORDS_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "libs/base/ids.h"

namespace fairlead::registry {

enum class LinkKind : uint8_t { kUnspecified = 0, kSiteUplink = 1, kPeeringPort = 2, kPartnerAgreement = 3 };
enum class SessionRole : uint8_t { kUnspecified = 0, kDirect = 1, kViaRouter = 2, kRouterFeed = 3 };
enum class ProximityStep : uint8_t { kUnspecified = 0, kPrefixLength = 1, kTransportClass = 2, kAsPathLength = 3, kMed = 4, kDistance = 5 };
enum class MoreSpecificScope : uint8_t { kUnspecified = 0, kClass = 1, kPeering = 2, kAll = 3 };
enum class MedScope : uint8_t { kUnspecified = 0, kNeighbourAs = 1, kPartner = 2, kAlways = 3 };
enum class GuardMode : uint8_t { kUnspecified = 0, kGuard = 1, kBelieveAll = 2, kBelieveNone = 3 };
enum class SigningKeyState : uint8_t { kUnspecified = 0, kActive = 1, kVerifyOnly = 2, kRevoked = 3 };
// In the order that a box goes through the first five of them.
enum class DrainPhase : uint8_t {
  kUnspecified = 0,
  kScheduled = 1,
  kDraining = 2,
  kEvacuating = 3,
  kLameDuck = 4,
  kDrained = 5,
  kCancelled = 6,
  kEnded = 7,
  kReleased = 8,
};

struct DrainTag {
  static constexpr absl::string_view kCollection = "drains";
};
using DrainId = Id<DrainTag>;

// "SITE_UPLINK", …; "UNSPECIFIED" for the zero value and for numbers that are no value.
absl::string_view ToString(LinkKind value);
absl::string_view ToString(SessionRole value);
absl::string_view ToString(ProximityStep value);
absl::string_view ToString(MoreSpecificScope value);
absl::string_view ToString(MedScope value);
absl::string_view ToString(GuardMode value);
absl::string_view ToString(SigningKeyState value);
absl::string_view ToString(DrainPhase value);

// False, and `value` untouched, if no value but UNSPECIFIED is written like this.
bool FromString(absl::string_view text, LinkKind& value);
bool FromString(absl::string_view text, SessionRole& value);
bool FromString(absl::string_view text, ProximityStep& value);
bool FromString(absl::string_view text, MoreSpecificScope& value);
bool FromString(absl::string_view text, MedScope& value);
bool FromString(absl::string_view text, GuardMode& value);
bool FromString(absl::string_view text, SigningKeyState& value);
bool FromString(absl::string_view text, DrainPhase& value);

}  // namespace fairlead::registry

#endif  // FAIRLEAD_LIBS_REGISTRY_WORDS_H_
