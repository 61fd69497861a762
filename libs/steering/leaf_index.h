// From an address to the number of its longest prefix's leaf: the one place that knows how lookups match prefixes.
//
// An LpmTable: a load for nearly all of IPv4, some five for IPv6. While there are few prefixes a trie does it, which then lies in the
// cache and needs no 60 MB; and where no LpmTable could be had (no address space left).
//
// Changed while one thread has it, read by any number while nobody changes it: IndexTurns keeps several that take turns.
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

  // Of all of these; ~100 ns a prefix. Leaves are > 0.
  explicit LeafIndex(const PrefixTable<uint32_t>& leaves);
  // For good: of a list in the order of Prefix, none of them twice, in half the time. Change() isn't to be counted on.
  explicit LeafIndex(absl::Span<const LpmRoute> routes);
  LeafIndex(const LeafIndex&) = delete;
  LeafIndex& operator=(const LeafIndex&) = delete;

  // 0 where nothing matches.
  uint32_t Find(const IpAddress& client) const {
    if (lookups_ != nullptr) return lookups_->LongestMatchAtRest(client).leaf();  // Of no match as well: 0.
    const auto match = few_.LongestMatch(client);
    return match.has_value() ? *match->value : 0;
  }

  // The same for many; `leaves` is as long as `clients`.
  void FindMany(absl::Span<const IpAddress> clients, uint32_t* leaves) const;

  // `leaf` 0: the prefix goes; else it comes, or another leaf takes the place of the one it has. False if it couldn't be done, or if it is
  // better made anew: then it must be.
  bool Change(const Prefix& prefix, uint32_t leaf);

 private:
  std::unique_ptr<LpmTable> lookups_;
  PrefixTable<uint32_t> few_;  // Empty where there is an LpmTable.
  bool tried_ = false;         // In vain to have one.
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_LEAF_INDEX_H_
