#include "tests/oracle/tried_lengths.h"

namespace fairlead {

size_t TriedLengths::size() const {
  size_t size = 0;
  for (const Table& table : v4_) size += table.size();
  for (const Table& table : v6_) size += table.size();
  return size;
}

std::optional<TriedLengths::Match> TriedLengths::LongestMatch(const IpAddress& address) const {
  for (int length = address.bits(); length >= 0; --length) {
    const Table& table = OfLength(address.family(), length);
    if (table.empty()) continue;
    const auto found = table.find(Prefix::Of(address, length));
    if (found != table.end()) return Match{.prefix = found->first, .value = found->second};
  }
  return std::nullopt;
}

IpAddress Neighbour(const IpAddress& address, int by) {
  if (address.is_v4()) return IpAddress::V4(address.v4() + static_cast<uint32_t>(by));
  const uint64_t low = address.low() + static_cast<uint64_t>(static_cast<int64_t>(by));
  const bool carries = by > 0 ? low == 0 : low == ~uint64_t{0};
  return IpAddress::V6(address.high() + (carries ? static_cast<uint64_t>(static_cast<int64_t>(by)) : 0), low);
}

std::array<IpAddress, 6> Edges(const Prefix& prefix) {
  const IpAddress& first = prefix.address();
  const IpAddress last = prefix.last();
  return {first, last, Neighbour(first, -1), Neighbour(first, 1), Neighbour(last, -1), Neighbour(last, 1)};
}

}  // namespace fairlead
