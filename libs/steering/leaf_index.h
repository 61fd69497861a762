// From an address to the number of its longest prefix's leaf: the one place that knows how prefixes are matched.
//
// Two structures over the same prefixes. Lookups go to an LpmTable: a load for nearly all of IPv4, some five for IPv6. A trie beside it is
// for the writer, who needs what lies above and below a prefix. It answers lookups too while there are few prefixes, which then all lie in
// the cache and need no 60 MB, and where no LpmTable could be had (no address space left).
//
// Changed while one thread has it, read by any number while nobody changes it: LadderBook keeps two that take turns. A copy builds its
// LpmTable anew, ~100 ns a prefix.
#ifndef FAIRLEAD_LIBS_STEERING_LEAF_INDEX_H_
#define FAIRLEAD_LIBS_STEERING_LEAF_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/types/span.h"
#include "libs/net/ip_address.h"
#include "libs/net/lpm_table.h"
#include "libs/net/prefix.h"
#include "libs/net/prefix_table.h"

namespace fairlead {

class LeafIndex {
 public:
  // From so many prefixes on there is an LpmTable.
  static constexpr size_t kFew = 4096;

  LeafIndex() = default;
  LeafIndex(const LeafIndex& other);
  LeafIndex& operator=(const LeafIndex&) = delete;

  // Of prefixes that nobody will change or walk: where there are many, leaves() stays empty. `routes` in the order of Prefix.
  static std::shared_ptr<const LeafIndex> ForLookups(absl::Span<const LpmRoute> routes);

  // 0 where nothing matches.
  uint32_t Find(const IpAddress& client) const {
    if (lookups_ != nullptr) return lookups_->LongestMatchAtRest(client).leaf();  // Of no match as well: 0.
    const auto match = leaves_.LongestMatch(client);
    return match.has_value() ? *match->value : 0;
  }

  // `leaf` > 0; another one takes its place.
  void Insert(const Prefix& prefix, uint32_t leaf);
  // Does nothing if it isn't there.
  void Erase(const Prefix& prefix);

  // For walks.
  const PrefixTable<uint32_t>& leaves() const { return leaves_; }

 private:
  PrefixTable<uint32_t> leaves_;
  std::unique_ptr<LpmTable> lookups_;  // Null: not worth it yet, or it could not be had.
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_LEAF_INDEX_H_
