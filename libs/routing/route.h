// A BGP route as a box or a collector reports it: what the wire said, not yet judged. Plain values.
#ifndef FAIRLEAD_LIBS_ROUTING_ROUTE_H_
#define FAIRLEAD_LIBS_ROUTING_ROUTE_H_

#include <compare>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/net/prefix.h"

namespace fairlead {

enum class RouteOrigin : uint8_t { kIgp = 0, kEgp = 1, kIncomplete = 2 };  // The numbers of RFC 4271.

// A segment of an AS path; the numbers are those of RFC 4271 and RFC 5065.
struct AsPathSegment {
  enum class Kind : uint8_t { kSet = 1, kSequence = 2, kConfedSequence = 3, kConfedSet = 4 };
  Kind kind = Kind::kSequence;
  std::vector<uint32_t> asns = {};

  friend bool operator==(const AsPathSegment&, const AsPathSegment&) = default;
};

// Nearest neighbour first.
using AsPath = std::vector<AsPathSegment>;

// A path that is one sequence: the normal case.
inline AsPath SequencePath(std::vector<uint32_t> asns) {
  if (asns.empty()) return {};
  return {AsPathSegment{AsPathSegment::Kind::kSequence, std::move(asns)}};
}
// Hops as the decision process counts them: a set counts one, confederation segments none (RFC 4271 §9.1.2.2, RFC 5065).
int PathLength(const AsPath& path);
// The neighbour AS: the first ASN of a leading sequence (confederation segments skipped); none otherwise.
std::optional<uint32_t> FirstAs(const AsPath& path);
// The origin AS: the last ASN of a final sequence; none if the path is empty or ends in a set (RFC 6811 §2).
std::optional<uint32_t> OriginAs(const AsPath& path);
// "64500 64501 {64502,64503}".
std::string ToString(const AsPath& path);

// A standard community (RFC 1997), high 16 bits first.
constexpr uint32_t Community(uint16_t high, uint16_t low) {
  return uint32_t{high} << 16 | low;
}
constexpr uint32_t kGracefulShutdown = Community(65535, 0);  // RFC 8326.

// One path of one prefix: `path_id` is that of ADD-PATH (RFC 7911), 0 where a session has a single path a prefix.
struct RouteKey {
  Prefix prefix = {};
  uint32_t path_id = 0;

  friend auto operator<=>(const RouteKey&, const RouteKey&) = default;
  friend bool operator==(const RouteKey&, const RouteKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const RouteKey& key) {
    return H::combine(std::move(h), key.prefix, key.path_id);
  }
  friend std::ostream& operator<<(std::ostream& out, const RouteKey& key) { return out << key.prefix << "#" << key.path_id; }
};

struct RawRoute {
  RouteKey key = {};
  AsPath as_path = {};
  RouteOrigin origin = RouteOrigin::kIgp;
  std::optional<uint32_t> med = {};
  std::vector<uint32_t> communities = {};

  friend bool operator==(const RawRoute&, const RawRoute&) = default;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_ROUTING_ROUTE_H_
