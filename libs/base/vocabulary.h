// The words of the domain that several rooms share, as enums. Each has a name for people (the word of the API, without prefix)
// and a parser for it; the numbers are those of the protos, so that codecs may cast after checking.
#ifndef FAIRLEAD_LIBS_BASE_VOCABULARY_H_
#define FAIRLEAD_LIBS_BASE_VOCABULARY_H_

#include <concepts>
#include <cstdint>
#include <ostream>

#include "absl/strings/string_view.h"

namespace fairlead {

enum class AddressFamily : uint8_t { kUnspecified = 0, kIpv4 = 1, kIpv6 = 2 };

enum class SiteKind : uint8_t {
  kUnspecified = 0,
  kEmbedded = 1,  // Inside a partner's network.
  kIx = 2,        // At an internet exchange, owned by the CDN.
  kOrigin = 3,    // Holds everything, fills the others, is never given to viewers.
};

enum class ApplianceKind : uint8_t { kUnspecified = 0, kStorage = 1, kFlash = 2, kCollector = 3, kOrigin = 4 };

// How a route was heard, best first: a smaller number is preferred.
enum class TransportClass : uint8_t { kUnspecified = 0, kEmbedded = 1, kPrivatePeering = 2, kPublicPeering = 3, kTransit = 4 };

enum class AdminState : uint8_t {
  kUnspecified = 0,
  kProvisioning = 1,
  kLive = 2,
  kDraining = 3,
  kDrained = 4,
  kDisabled = 5,
  kRetired = 6,
};

// The ability to take additional traffic.
enum class HealthState : uint8_t { kUnspecified = 0, kOk = 1, kDegraded = 2, kOverloaded = 3, kSick = 4, kSilent = 5 };

enum class Tier : uint8_t { kUnspecified = 0, kDisk = 1, kFlash = 2 };

// Why the bytes of an answer's URL do not come from a rank-0 site.
enum class MissCause : uint8_t { kUnspecified = 0, kNone = 1, kContent = 2, kHealth = 3, kCapacity = 4, kRoute = 5, kAdmin = 6 };

// "IPV4", "EMBEDDED", "PRIVATE_PEERING", …; "UNSPECIFIED" for the zero value.
absl::string_view ToString(AddressFamily value);
absl::string_view ToString(SiteKind value);
absl::string_view ToString(ApplianceKind value);
absl::string_view ToString(TransportClass value);
absl::string_view ToString(AdminState value);
absl::string_view ToString(HealthState value);
absl::string_view ToString(Tier value);
absl::string_view ToString(MissCause value);

// The value whose ToString is `text` (exact case); false, and `value` untouched, if there is none or it is UNSPECIFIED.
bool FromString(absl::string_view text, AddressFamily& value);
bool FromString(absl::string_view text, SiteKind& value);
bool FromString(absl::string_view text, ApplianceKind& value);
bool FromString(absl::string_view text, TransportClass& value);
bool FromString(absl::string_view text, AdminState& value);
bool FromString(absl::string_view text, HealthState& value);
bool FromString(absl::string_view text, Tier& value);
bool FromString(absl::string_view text, MissCause& value);

// For test messages and logs.
template <typename E>
requires requires(E value) {
  { ToString(value) } -> std::same_as<absl::string_view>;
}
std::ostream& operator<<(std::ostream& out, E value) {
  return out << ToString(value);
}

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_BASE_VOCABULARY_H_
