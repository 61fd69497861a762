// PrefixTable<T>: an exact map from prefixes, IPv4 and IPv6, to values, with longest-prefix match and walks up and down.
//
// A path-compressed binary trie (Patricia; Sedgewick, Algorithms, ch. 15) a family, its nodes in one vector linked by 32-bit
// indices. A lookup visits at most one node for each distinct covering branch: O(prefix length), ~25 nodes in a full Internet
// table. A node costs 40 bytes and sizeof(T); there are fewer than two nodes a prefix.
// Copyable: a copy is a snapshot. Not thread-safe; any number of threads may read a table that nobody changes. Pointers and
// references to values hold until the next change.
//
//   PrefixTable<SiteId> table;
//   table.Insert(prefix, SiteId("lhr001"));
//   if (const auto match = table.LongestMatch(client)) Use(match->prefix, *match->value);
#ifndef FAIRLEAD_LIBS_NET_PREFIX_TABLE_H_
#define FAIRLEAD_LIBS_NET_PREFIX_TABLE_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "libs/net/ip_address.h"
#include "libs/net/prefix.h"

namespace fairlead {

template <typename T>
class PrefixTable {
 public:
  struct Match {
    Prefix prefix;
    const T* value;
  };

  // Sets the value of `prefix`; true if the prefix is new.
  bool Insert(const Prefix& prefix, T value);
  // False if the prefix isn't there.
  bool Erase(const Prefix& prefix);
  void Clear();

  // The value of exactly this prefix; null if there is none.
  const T* Find(const Prefix& prefix) const;
  T* Find(const Prefix& prefix) { return const_cast<T*>(std::as_const(*this).Find(prefix)); }
  // The value of `prefix`, default-constructed if it wasn't there.
  T& operator[](const Prefix& prefix);

  // The longest prefix that contains `address`, or that covers `prefix`.
  std::optional<Match> LongestMatch(const IpAddress& address) const { return LongestMatch(Prefix::Host(address)); }
  std::optional<Match> LongestMatch(const Prefix& prefix) const;

  // Calls visit(const Prefix&, const T&) for every prefix that contains `address`, or that covers `prefix` (itself included),
  // from the shortest to the longest.
  template <typename Visit>
  void ForEachCovering(const IpAddress& address, Visit&& visit) const {
    ForEachCovering(Prefix::Host(address), visit);
  }
  template <typename Visit>
  void ForEachCovering(const Prefix& prefix, Visit&& visit) const;

  // Calls visit(const Prefix&, const T&) for every prefix that `prefix` covers (itself included), in the order of Prefix.
  template <typename Visit>
  void ForEachWithin(const Prefix& prefix, Visit&& visit) const;
  // For every prefix, in the order of Prefix: IPv4 first.
  template <typename Visit>
  void ForEach(Visit&& visit) const;

  // For those behind `last` in that order (null: for all) until visit returns false: for who walks in pieces, between which the table may
  // change.
  template <typename Visit>
  void ForEachAfter(const Prefix* last, Visit&& visit) const;

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  static constexpr uint32_t kNone = 0xffffffff;

  // A node with a value is a prefix of the table; one without is a fork and has both children.
  struct Node {
    Prefix prefix;
    uint32_t child[2] = {kNone, kNone};
    std::optional<T> value;
  };

  static int RootOf(const Prefix& prefix) { return prefix.address().is_v4() ? 0 : 1; }
  // The length of the longest common prefix of the two.
  static int CommonLength(const Prefix& a, const Prefix& b);
  // Which child of a node of `length` bits leads to `prefix`; call only if `prefix` is longer.
  static int Side(const Prefix& prefix, int length) { return prefix.address().Bit(length) ? 1 : 0; }

  uint32_t NewNode(const Prefix& prefix);
  void FreeNode(uint32_t index);
  // The node of exactly `prefix`, made without a value if it wasn't there.
  uint32_t Reach(const Prefix& prefix);

  uint32_t roots_[2] = {kNone, kNone};
  std::vector<Node> nodes_;
  std::vector<uint32_t> free_;
  size_t size_ = 0;
};

template <typename T>
int PrefixTable<T>::CommonLength(const Prefix& a, const Prefix& b) {
  const int limit = a.length() < b.length() ? a.length() : b.length();
  const uint64_t high = a.address().high() ^ b.address().high();
  const int common = high != 0 ? std::countl_zero(high) : 64 + std::countl_zero(a.address().low() ^ b.address().low());
  return common < limit ? common : limit;
}

template <typename T>
uint32_t PrefixTable<T>::NewNode(const Prefix& prefix) {
  uint32_t index = static_cast<uint32_t>(nodes_.size());
  if (free_.empty()) {
    nodes_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  nodes_[index].prefix = prefix;
  return index;
}

template <typename T>
void PrefixTable<T>::FreeNode(uint32_t index) {
  nodes_[index] = Node();
  free_.push_back(index);
}

// `link` is held as (parent, side) and not as a pointer, because NewNode moves the nodes.
template <typename T>
uint32_t PrefixTable<T>::Reach(const Prefix& prefix) {
  const int root = RootOf(prefix);
  uint32_t parent = kNone;
  int side = 0;
  const auto link = [&]() -> uint32_t& { return parent == kNone ? roots_[root] : nodes_[parent].child[side]; };
  while (true) {
    const uint32_t index = link();
    if (index == kNone) {
      const uint32_t leaf = NewNode(prefix);
      link() = leaf;
      return leaf;
    }
    const Prefix at = nodes_[index].prefix;
    const int common = CommonLength(at, prefix);
    if (common == at.length() && common == prefix.length()) return index;
    if (common == at.length()) {
      parent = index;
      side = Side(prefix, common);
      continue;
    }
    // The paths part above `at`: put a node there, either `prefix` itself or a fork.
    const uint32_t middle = NewNode(Prefix::Of(prefix.address(), common));
    nodes_[middle].child[Side(at, common)] = index;
    link() = middle;
    if (common == prefix.length()) return middle;
    parent = middle;
    side = Side(prefix, common);
  }
}

template <typename T>
bool PrefixTable<T>::Insert(const Prefix& prefix, T value) {
  std::optional<T>& slot = nodes_[Reach(prefix)].value;
  const bool is_new = !slot.has_value();
  slot.emplace(std::move(value));
  size_ += is_new ? 1 : 0;
  return is_new;
}

template <typename T>
T& PrefixTable<T>::operator[](const Prefix& prefix) {
  std::optional<T>& slot = nodes_[Reach(prefix)].value;
  if (!slot.has_value()) {
    slot.emplace();
    ++size_;
  }
  return *slot;
}

template <typename T>
bool PrefixTable<T>::Erase(const Prefix& prefix) {
  uint32_t* links[2] = {nullptr, &roots_[RootOf(prefix)]};  // To the parent, to the node.
  uint32_t parent = kNone;
  while (*links[1] != kNone && nodes_[*links[1]].prefix != prefix) {
    const uint32_t index = *links[1];
    Node& node = nodes_[index];
    if (node.prefix.length() >= prefix.length() || !node.prefix.Covers(prefix)) return false;
    parent = index;
    links[0] = links[1];
    links[1] = &node.child[Side(prefix, node.prefix.length())];
  }
  const uint32_t index = *links[1];
  if (index == kNone || !nodes_[index].value.has_value()) return false;
  Node& node = nodes_[index];
  node.value.reset();
  --size_;
  if (node.child[0] != kNone && node.child[1] != kNone) return true;  // It stays as a fork.
  *links[1] = node.child[0] != kNone ? node.child[0] : node.child[1];
  const bool parent_lost_a_child = *links[1] == kNone;
  FreeNode(index);
  // A fork that is left with one child is no fork any more.
  if (parent != kNone && parent_lost_a_child && !nodes_[parent].value.has_value()) {
    Node& fork = nodes_[parent];
    *links[0] = fork.child[0] != kNone ? fork.child[0] : fork.child[1];
    FreeNode(parent);
  }
  return true;
}

template <typename T>
void PrefixTable<T>::Clear() {
  *this = PrefixTable();
}

template <typename T>
const T* PrefixTable<T>::Find(const Prefix& prefix) const {
  const std::optional<Match> match = LongestMatch(prefix);
  return match.has_value() && match->prefix == prefix ? match->value : nullptr;
}

template <typename T>
std::optional<typename PrefixTable<T>::Match> PrefixTable<T>::LongestMatch(const Prefix& prefix) const {
  std::optional<Match> best;
  ForEachCovering(prefix, [&best](const Prefix& at, const T& value) { best = Match{at, &value}; });
  return best;
}

template <typename T>
template <typename Visit>
void PrefixTable<T>::ForEachCovering(const Prefix& prefix, Visit&& visit) const {
  uint32_t index = roots_[RootOf(prefix)];
  while (index != kNone && nodes_[index].prefix.Covers(prefix)) {
    const Node& node = nodes_[index];
    if (node.value.has_value()) visit(node.prefix, *node.value);
    if (node.prefix.length() == prefix.length()) return;
    index = node.child[Side(prefix, node.prefix.length())];
  }
}

template <typename T>
template <typename Visit>
void PrefixTable<T>::ForEachAfter(const Prefix* last, Visit&& visit) const {
  std::vector<uint32_t> pending;  // What comes first last; at most 129 deep.
  const auto add = [&](uint32_t index) {
    if (index != kNone) pending.push_back(index);
  };
  const bool in_v4 = last == nullptr || last->address().is_v4();
  if (in_v4) add(roots_[1]);
  if (last == nullptr) {
    add(roots_[0]);
  } else {
    uint32_t index = roots_[in_v4 ? 0 : 1];
    for (; index != kNone && nodes_[index].prefix.length() < last->length() && nodes_[index].prefix.Covers(*last);) {
      const Node& node = nodes_[index];
      const int side = Side(*last, node.prefix.length());
      if (side == 0) add(node.child[1]);
      index = node.child[side];
    }
    if (index != kNone && nodes_[index].prefix == *last) {
      add(nodes_[index].child[1]);
      add(nodes_[index].child[0]);
    } else if (index != kNone && *last < nodes_[index].prefix) {
      add(index);
    }
  }
  while (!pending.empty()) {
    const Node& node = nodes_[pending.back()];
    pending.pop_back();
    if (node.value.has_value() && !visit(node.prefix, *node.value)) return;
    add(node.child[1]);
    add(node.child[0]);
  }
}

template <typename T>
template <typename Visit>
void PrefixTable<T>::ForEachWithin(const Prefix& prefix, Visit&& visit) const {
  uint32_t index = roots_[RootOf(prefix)];
  while (index != kNone && !prefix.Covers(nodes_[index].prefix)) {
    const Node& node = nodes_[index];
    if (!node.prefix.Covers(prefix)) return;
    index = node.child[Side(prefix, node.prefix.length())];
  }
  std::vector<uint32_t> pending;  // Depth first; at most 129 deep.
  if (index != kNone) pending.push_back(index);
  while (!pending.empty()) {
    const Node& node = nodes_[pending.back()];
    pending.pop_back();
    if (node.value.has_value()) visit(node.prefix, *node.value);
    if (node.child[1] != kNone) pending.push_back(node.child[1]);
    if (node.child[0] != kNone) pending.push_back(node.child[0]);
  }
}

template <typename T>
template <typename Visit>
void PrefixTable<T>::ForEach(Visit&& visit) const {
  ForEachWithin(Prefix::Of(IpAddress::V4(0), 0), visit);
  ForEachWithin(Prefix::Of(IpAddress::V6(0, 0), 0), visit);
}

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_NET_PREFIX_TABLE_H_
