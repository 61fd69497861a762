// Longest-prefix match by trying every length, the longest first, in a hash table for each. Brute force: an oracle that shares nothing with
// any trie, fast enough for every edge of a full table and millions of other addresses. A length that no prefix has is passed over.
#ifndef FAIRLEAD_TESTS_ORACLE_TRIED_LENGTHS_H_
#define FAIRLEAD_TESTS_ORACLE_TRIED_LENGTHS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "libs/net/ip_address.h"
#include "libs/net/prefix.h"

namespace fairlead {

class TriedLengths {
 public:
  struct Match {
    Prefix prefix;
    uint32_t value = 0;
    friend bool operator==(const Match&, const Match&) = default;
  };

  void Set(const Prefix& prefix, uint32_t value) { Of(prefix)[prefix] = value; }
  // False if it isn't there.
  bool Erase(const Prefix& prefix) { return Of(prefix).erase(prefix) > 0; }
  bool contains(const Prefix& prefix) const { return OfLength(prefix.family(), prefix.length()).contains(prefix); }
  size_t size() const;

  std::optional<Match> LongestMatch(const IpAddress& address) const;

 private:
  using Table = absl::flat_hash_map<Prefix, uint32_t>;

  const Table& OfLength(AddressFamily family, int length) const {
    return family == AddressFamily::kIpv4 ? v4_[static_cast<size_t>(length)] : v6_[static_cast<size_t>(length)];
  }
  Table& Of(const Prefix& prefix) { return const_cast<Table&>(OfLength(prefix.family(), prefix.length())); }

  std::array<Table, 33> v4_;
  std::array<Table, 129> v6_;
};

// The address `by` further on; wraps around within the family. (An IPv6 address next to the IPv4-mapped ones may become one, and so IPv4.)
IpAddress Neighbour(const IpAddress& address, int by);

// What a mistake of one in a prefix's bounds would answer wrongly: its first and last address, and those beside each, inside and outside.
std::array<IpAddress, 6> Edges(const Prefix& prefix);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_ORACLE_TRIED_LENGTHS_H_
