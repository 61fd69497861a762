// A seeded generator of routes shaped like the real Internet table: prefix lengths in the proportions of a full table, more-specifics
// inside aggregates, AS paths of one to six hops with ties as the normal case, MEDs on some, IPv4 and IPv6. Never a bogon.
//
// Deterministic: the same seed and options give the same routes on every machine. Used by the oracle tests, the worlds of benchmarks
// and the demo (a partner's announcements as a BIRD configuration).
//
//   RouteGenerator generator(42);
//   const std::vector<Prefix> table = generator.Table(900'000, 160'000);
//   const std::vector<GeneratedRoute> routes = generator.PartnerRoutes({.aggregates = {…}, .asn = 64500, .count = 200});
//   const std::string bird = BirdStaticConfig(routes, "partner_a");
#ifndef FAIRLEAD_TESTS_GENERATOR_ROUTES_H_
#define FAIRLEAD_TESTS_GENERATOR_ROUTES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/net/ip_address.h"
#include "libs/net/prefix.h"

namespace fairlead {

// SplitMix64: small, seeded, the same everywhere (the distributions of <random> are not).
class SeededRandom {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  uint64_t Next();
  // Uniform in [0, bound); bound >= 1.
  uint64_t Below(uint64_t bound);
  // True once in `n`.
  bool OneIn(uint64_t n) { return Below(n) == 0; }

 private:
  uint64_t state_;
};

struct GeneratedRoute {
  Prefix prefix;
  std::vector<uint32_t> as_path = {};  // The announcing neighbour first, the origin last.
  std::optional<uint32_t> med = {};
};

struct PartnerRoutesOptions {
  std::vector<Prefix> aggregates =
      {};                // All routes lie inside; each aggregate longer than its family's shortest length is itself announced.
  uint32_t asn = 64500;  // The partner's: first in every path.
  size_t count = 100;    // Of both families together, shared in proportion to the aggregates; fewer if there is no more room.
  int longest_v4 = 24;
  int longest_v6 = 48;
};

class RouteGenerator {
 public:
  explicit RouteGenerator(uint64_t seed) : random_(seed) {}

  // Distinct prefixes, sorted: about half lie inside another, as in the real table.
  std::vector<Prefix> Table(size_t v4, size_t v6);
  // Announcements of one partner, sorted by prefix: the aggregates, then more-specifics of them.
  std::vector<GeneratedRoute> PartnerRoutes(const PartnerRoutesOptions& options);
  // `neighbour`, then up to five more hops; the shortest are the most frequent.
  std::vector<uint32_t> Path(uint32_t neighbour);
  // Four in ten carry one, mostly of a few values, so that ties happen.
  std::optional<uint32_t> Med();
  // Any address, or one inside `prefix`.
  IpAddress Address(AddressFamily family);
  IpAddress AddressIn(const Prefix& prefix);

  SeededRandom& random() { return random_; }

 private:
  int Length(AddressFamily family);
  Prefix NewPrefix(AddressFamily family, const std::vector<Prefix>& so_far);

  SeededRandom random_;
};

// The prefixes of a file, one CIDR a line (".gz" is unpacked by gzip). NOT_FOUND if it can't be read; INVALID_ARGUMENT naming the first bad
// line.
absl::StatusOr<std::vector<Prefix>> ReadPrefixes(const std::string& path);

// A fragment of BIRD 2 configuration: one static protocol a family ("<name>_v4", "<name>_v6") with a blackhole route each and its AS
// path (behind the neighbour, which BIRD's own eBGP export puts there), and the filter "<name>_export" that sets the MEDs: BIRD strips
// MED on eBGP export unless the export filter sets it.
std::string BirdStaticConfig(const std::vector<GeneratedRoute>& routes, absl::string_view name);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_GENERATOR_ROUTES_H_
