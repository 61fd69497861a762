#include "tests/generator/demand.h"

#include <algorithm>
#include <cmath>

namespace fairlead {
namespace {

uint64_t CountV4(const World& world) {
  const auto& prefixes = world.prefixes();
  return static_cast<uint64_t>(std::partition_point(prefixes.begin(), prefixes.end(), [](const Prefix& p) { return p.address().is_v4(); }) -
                               prefixes.begin());
}

}  // namespace

ZipfSampler::ZipfSampler(uint64_t count) : count_(std::max<uint64_t>(1, count)), log_(std::log(static_cast<double>(count_) + 1)) {}

uint64_t ZipfSampler::Draw(SeededRandom& random) const {
  const double u = static_cast<double>(random.Next() >> 11) * 0x1p-53;
  return std::min(count_ - 1, static_cast<uint64_t>(std::exp(u * log_)) - 1);
}

Demand::Demand(const World& world, uint64_t seed)
    : world_(world),
      generator_(seed),
      v4_(CountV4(world)),
      v6_(world.prefixes().size() - v4_),
      v4_clients_(v4_),
      v6_clients_(v6_),
      titles_(world.titles()) {}

IpAddress Demand::Inside(AddressFamily family, uint64_t nth) {
  return generator_.AddressIn(world_.prefixes()[family == AddressFamily::kIpv4 ? nth : v4_ + nth]);
}

IpAddress Demand::ClientInPrefix(AddressFamily family) {
  return Inside(family, random().Below(Count(family)));
}

IpAddress Demand::ZipfClient(AddressFamily family) {
  const uint64_t rank = (family == AddressFamily::kIpv4 ? v4_clients_ : v6_clients_).Draw(random());
  // Popular prefixes are anywhere in the table: a fixed scramble of the rank.
  return Inside(family, SeededRandom(rank + 99).Next() % Count(family));
}

uint32_t Demand::Title() {
  return world_.TitleOfRank(titles_.Draw(random()));
}

uint32_t Demand::File() {
  const uint64_t first = uint64_t{Title()} * world_.options().files_a_title;
  const uint64_t files = std::min<uint64_t>(world_.options().files_a_title, world_.options().files - first);
  return static_cast<uint32_t>(first + random().Below(files));
}

uint32_t Demand::AnyFile() {
  return static_cast<uint32_t>(random().Below(world_.options().files));
}

}  // namespace fairlead
