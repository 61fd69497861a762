#include "libs/base/vocabulary.h"

#include <array>
#include <cstddef>

namespace fairlead {
namespace {

// One table an enum: the index is the value.
constexpr std::array<absl::string_view, 3> kAddressFamilyNames = {"UNSPECIFIED", "IPV4", "IPV6"};
constexpr std::array<absl::string_view, 4> kSiteKindNames = {"UNSPECIFIED", "EMBEDDED", "IX", "ORIGIN"};
constexpr std::array<absl::string_view, 5> kApplianceKindNames = {"UNSPECIFIED", "STORAGE", "FLASH", "COLLECTOR", "ORIGIN"};
constexpr std::array<absl::string_view, 5> kTransportClassNames = {"UNSPECIFIED", "EMBEDDED", "PRIVATE_PEERING", "PUBLIC_PEERING",
                                                                   "TRANSIT"};
constexpr std::array<absl::string_view, 7> kAdminStateNames = {"UNSPECIFIED", "PROVISIONING", "LIVE",   "DRAINING",
                                                               "DRAINED",     "DISABLED",     "RETIRED"};
constexpr std::array<absl::string_view, 6> kHealthStateNames = {"UNSPECIFIED", "OK", "DEGRADED", "OVERLOADED", "SICK", "SILENT"};
constexpr std::array<absl::string_view, 3> kTierNames = {"UNSPECIFIED", "DISK", "FLASH"};
constexpr std::array<absl::string_view, 7> kMissCauseNames = {"UNSPECIFIED", "NONE", "CONTENT", "HEALTH", "CAPACITY", "ROUTE", "ADMIN"};

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

absl::string_view ToString(AddressFamily value) {
  return Name(kAddressFamilyNames, value);
}
absl::string_view ToString(SiteKind value) {
  return Name(kSiteKindNames, value);
}
absl::string_view ToString(ApplianceKind value) {
  return Name(kApplianceKindNames, value);
}
absl::string_view ToString(TransportClass value) {
  return Name(kTransportClassNames, value);
}
absl::string_view ToString(AdminState value) {
  return Name(kAdminStateNames, value);
}
absl::string_view ToString(HealthState value) {
  return Name(kHealthStateNames, value);
}
absl::string_view ToString(Tier value) {
  return Name(kTierNames, value);
}
absl::string_view ToString(MissCause value) {
  return Name(kMissCauseNames, value);
}

bool FromString(absl::string_view text, AddressFamily& value) {
  return Find(kAddressFamilyNames, text, value);
}
bool FromString(absl::string_view text, SiteKind& value) {
  return Find(kSiteKindNames, text, value);
}
bool FromString(absl::string_view text, ApplianceKind& value) {
  return Find(kApplianceKindNames, text, value);
}
bool FromString(absl::string_view text, TransportClass& value) {
  return Find(kTransportClassNames, text, value);
}
bool FromString(absl::string_view text, AdminState& value) {
  return Find(kAdminStateNames, text, value);
}
bool FromString(absl::string_view text, HealthState& value) {
  return Find(kHealthStateNames, text, value);
}
bool FromString(absl::string_view text, Tier& value) {
  return Find(kTierNames, text, value);
}
bool FromString(absl::string_view text, MissCause& value) {
  return Find(kMissCauseNames, text, value);
}

}  // namespace fairlead
