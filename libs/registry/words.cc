#include "libs/registry/words.h"

#include <array>
#include <cstddef>

namespace fairlead::registry {
namespace {

// One table an enum: the index is the value.
constexpr std::array<absl::string_view, 4> kLinkKinds = {"UNSPECIFIED", "SITE_UPLINK", "PEERING_PORT", "PARTNER_AGREEMENT"};
constexpr std::array<absl::string_view, 4> kSessionRoles = {"UNSPECIFIED", "DIRECT", "VIA_ROUTER", "ROUTER_FEED"};
constexpr std::array<absl::string_view, 6> kProximitySteps = {"UNSPECIFIED",    "PREFIX_LENGTH", "TRANSPORT_CLASS",
                                                              "AS_PATH_LENGTH", "MED",           "DISTANCE"};
constexpr std::array<absl::string_view, 4> kMoreSpecificScopes = {"UNSPECIFIED", "CLASS", "PEERING", "ALL"};
constexpr std::array<absl::string_view, 4> kMedScopes = {"UNSPECIFIED", "NEIGHBOUR_AS", "PARTNER", "ALWAYS"};
constexpr std::array<absl::string_view, 4> kGuardModes = {"UNSPECIFIED", "GUARD", "BELIEVE_ALL", "BELIEVE_NONE"};
constexpr std::array<absl::string_view, 4> kSigningKeyStates = {"UNSPECIFIED", "ACTIVE", "VERIFY_ONLY", "REVOKED"};
constexpr std::array<absl::string_view, 9> kDrainPhases = {"UNSPECIFIED", "SCHEDULED", "DRAINING", "EVACUATING", "LAME_DUCK",
                                                           "DRAINED",     "CANCELLED", "ENDED",    "RELEASED"};

template <typename E, size_t N>
absl::string_view Name(const std::array<absl::string_view, N>& names, E value) {
  const auto index = static_cast<size_t>(value);
  return index < N ? names[index] : names[0];
}

template <typename E, size_t N>
bool Find(const std::array<absl::string_view, N>& names, absl::string_view text, E& value) {
  for (size_t i = 1; i < N; ++i) {
    if (names[i] != text) continue;
    value = static_cast<E>(i);
    return true;
  }
  return false;
}

}  // namespace

absl::string_view ToString(LinkKind value) {
  return Name(kLinkKinds, value);
}
absl::string_view ToString(SessionRole value) {
  return Name(kSessionRoles, value);
}
absl::string_view ToString(ProximityStep value) {
  return Name(kProximitySteps, value);
}
absl::string_view ToString(MoreSpecificScope value) {
  return Name(kMoreSpecificScopes, value);
}
absl::string_view ToString(MedScope value) {
  return Name(kMedScopes, value);
}
absl::string_view ToString(GuardMode value) {
  return Name(kGuardModes, value);
}
absl::string_view ToString(SigningKeyState value) {
  return Name(kSigningKeyStates, value);
}
absl::string_view ToString(DrainPhase value) {
  return Name(kDrainPhases, value);
}

bool FromString(absl::string_view text, LinkKind& value) {
  return Find(kLinkKinds, text, value);
}
bool FromString(absl::string_view text, SessionRole& value) {
  return Find(kSessionRoles, text, value);
}
bool FromString(absl::string_view text, ProximityStep& value) {
  return Find(kProximitySteps, text, value);
}
bool FromString(absl::string_view text, MoreSpecificScope& value) {
  return Find(kMoreSpecificScopes, text, value);
}
bool FromString(absl::string_view text, MedScope& value) {
  return Find(kMedScopes, text, value);
}
bool FromString(absl::string_view text, GuardMode& value) {
  return Find(kGuardModes, text, value);
}
bool FromString(absl::string_view text, SigningKeyState& value) {
  return Find(kSigningKeyStates, text, value);
}
bool FromString(absl::string_view text, DrainPhase& value) {
  return Find(kDrainPhases, text, value);
}

}  // namespace fairlead::registry
