// RouteStore: the routes of one kind as an exact-match table, packed: what the writer of the longest-prefix table asks which leaf a prefix
// has, and which shorter one covers it. One thread.
//
// A hash table in 256 parts, so that none is ever rehashed whole: growing a part of a full table takes tens of microseconds. An entry is
// the N words of the address that a prefix of this kind can use, and one that holds its length and leaf: 8 bytes for IPv4 (N = 1), 12 for
// IPv6 up to /64 (N = 2), 20 beyond (N = 4). Parts are between 65 and 88 % full.
#ifndef FAIRLEAD_LIBS_NET_ROUTE_STORE_H_
#define FAIRLEAD_LIBS_NET_ROUTE_STORE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "libs/net/lpm_word.h"

namespace fairlead::lpm {

template <size_t N>
class RouteStore {
 public:
  // The first N words of an address, host bits clear.
  using Address = std::array<uint32_t, N>;

  size_t size() const { return size_; }
  // How many routes have this length.
  size_t count(int length) const { return counts_[static_cast<size_t>(length)]; }
  size_t bytes() const {
    size_t bytes = sizeof(*this);
    for (const Part& part : parts_) bytes += part.entries.capacity() * sizeof(Entry);
    return bytes;
  }

  // Makes room for `routes`, so that a table which is filled at once grows once.
  void Reserve(size_t routes) {
    for (Part& part : parts_) Rehash(part, Room(routes / kParts + routes / (kParts * 16) + kSmallest));
  }

  // The route's match, or one that isn't found().
  LpmMatch Find(const Address& address, int length) const {
    const uint64_t hash = Hash(address, length);
    const Part& part = parts_[hash % kParts];
    if (part.entries.empty()) return {};
    return LpmMatch::FromWord(part.entries[Seek(part, hash, address, length)].word);
  }

  // True if it is new; otherwise its leaf is replaced.
  bool Set(const Address& address, LpmMatch match) {
    const uint64_t hash = Hash(address, match.length());
    Part& part = parts_[hash % kParts];
    if ((part.size + 1) * 8 > part.entries.size() * 7) Rehash(part, Room(part.size + 1 + part.size / 5));
    Entry& entry = part.entries[Seek(part, hash, address, match.length())];
    const bool is_new = entry.word == 0;
    entry = {address, match.word()};
    if (is_new) {
      ++part.size;
      ++size_;
      ++counts_[static_cast<size_t>(match.length())];
    }
    return is_new;
  }

  // False if it isn't there. Entries behind it move up, so that no search meets a gap.
  bool Erase(const Address& address, int length) {
    const uint64_t hash = Hash(address, length);
    Part& part = parts_[hash % kParts];
    if (part.entries.empty()) return false;
    size_t gap = Seek(part, hash, address, length);
    if (part.entries[gap].word == 0) return false;
    const size_t room = part.entries.size();
    for (size_t at = Next(gap, room); part.entries[at].word != 0; at = Next(at, room)) {
      const size_t home = Home(part, HashOf(part.entries[at]));
      const bool between = gap < at ? home > gap && home <= at : home > gap || home <= at;
      if (between) continue;
      part.entries[gap] = part.entries[at];
      gap = at;
    }
    part.entries[gap] = {};
    --part.size;
    --size_;
    --counts_[static_cast<size_t>(length)];
    return true;
  }

  template <typename Fn>  // (const Address&, LpmMatch)
  void ForEach(Fn&& fn) const {
    for (const Part& part : parts_) {
      for (const Entry& entry : part.entries) {
        if (entry.word != 0) fn(entry.address, LpmMatch::FromWord(entry.word));
      }
    }
  }

 private:
  static constexpr size_t kParts = 256;
  static constexpr size_t kSmallest = 4;

  struct Entry {
    Address address = {};
    uint32_t word = 0;  // Of an LpmMatch; 0 is an empty place.
  };
  struct Part {
    std::vector<Entry> entries;
    size_t size = 0;
  };

  static uint64_t Hash(const Address& address, int length) {
    uint64_t hash = static_cast<uint64_t>(length) * 0x9e3779b97f4a7c15u;
    for (const uint32_t word : address) {
      hash = (hash ^ word) * 0xff51afd7ed558ccdu;
      hash ^= hash >> 32;
    }
    return hash;
  }
  static uint64_t HashOf(const Entry& entry) { return Hash(entry.address, LpmMatch::FromWord(entry.word).length()); }
  // Entries for so many routes, four fifths full.
  static size_t Room(size_t routes) { return routes + routes / 4 + kSmallest; }
  static size_t Next(size_t at, size_t room) { return at + 1 == room ? 0 : at + 1; }
  // The upper half of the hash, spread over the part; the lowest bits chose the part.
  static size_t Home(const Part& part, uint64_t hash) { return (hash >> 32) * part.entries.size() >> 32; }

  // Where the route is, or the empty place where it would be; there always is one.
  static size_t Seek(const Part& part, uint64_t hash, const Address& address, int length) {
    const size_t room = part.entries.size();
    size_t at = Home(part, hash);
    for (; part.entries[at].word != 0; at = Next(at, room)) {
      const Entry& entry = part.entries[at];
      if (entry.address == address && LpmMatch::FromWord(entry.word).length() == length) break;
    }
    return at;
  }

  static void Rehash(Part& part, size_t room) {
    std::vector<Entry> old(room);
    old.swap(part.entries);
    for (const Entry& entry : old) {
      if (entry.word == 0) continue;
      part.entries[Seek(part, HashOf(entry), entry.address, LpmMatch::FromWord(entry.word).length())] = entry;
    }
  }

  std::array<Part, kParts> parts_;
  std::array<uint32_t, 129> counts_ = {};
  size_t size_ = 0;
};

}  // namespace fairlead::lpm

#endif  // FAIRLEAD_LIBS_NET_ROUTE_STORE_H_
