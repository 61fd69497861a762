// Who asks for what: clients and titles, uniform or by Zipf's law, seeded. Draws are cheap enough for a load generator (~20 ns).
//
//   Demand demand(world, 7);
//   const IpAddress client = demand.ZipfClient(AddressFamily::kIpv6);
//   const uint32_t file = demand.File();
// Not thread-safe: one a thread, each with its own seed.
#ifndef FAIRLEAD_TESTS_GENERATOR_DEMAND_H_
#define FAIRLEAD_TESTS_GENERATOR_DEMAND_H_

#include <cstddef>
#include <cstdint>

#include "libs/net/ip_address.h"
#include "tests/generator/routes.h"
#include "tests/generator/world.h"

namespace fairlead {

// Ranks in [0, count) with a probability in proportion to 1 / (rank + 1), up to rounding: exp(u × ln(count + 1)) - 1.
class ZipfSampler {
 public:
  explicit ZipfSampler(uint64_t count);
  uint64_t Draw(SeededRandom& random) const;

 private:
  uint64_t count_;
  double log_;
};

class Demand {
 public:
  // `world` must outlive it and have prefixes of the families asked for.
  Demand(const World& world, uint64_t seed);

  // An address inside a prefix of the table, all prefixes alike.
  IpAddress ClientInPrefix(AddressFamily family);
  // The same, but some prefixes have most of the viewers.
  IpAddress ZipfClient(AddressFamily family);
  // By popularity; the second is any file of the catalogue, all alike: the tail.
  uint32_t Title();
  uint32_t File();
  uint32_t AnyFile();

  SeededRandom& random() { return generator_.random(); }

 private:
  IpAddress Inside(AddressFamily family, uint64_t nth);
  uint64_t Count(AddressFamily family) const { return family == AddressFamily::kIpv4 ? v4_ : v6_; }

  const World& world_;
  RouteGenerator generator_;
  uint64_t v4_ = 0;
  uint64_t v6_ = 0;
  ZipfSampler v4_clients_;
  ZipfSampler v6_clients_;
  ZipfSampler titles_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_GENERATOR_DEMAND_H_
