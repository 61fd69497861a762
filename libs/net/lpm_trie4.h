// LpmTrie4: the writer's side of the IPv4 lookup structure (lpm_read.h is the readers'). Single writer; readers at any time.
//
// DIR-24-8 with two cuts. The 2^24 words stand in fresh memory of the system, so that those of unrouted space (a huge page is a /5) take
// none until they are written. And what is longer than a /24 spends four bits a node, so that a /32 takes 128 bytes and not a kilobyte.
// Everything is changed in place, a word at a time: O(addresses of the prefix / 256), so 1 word for a /24 and 65,536 for a /8.
#ifndef FAIRLEAD_LIBS_NET_LPM_TRIE4_H_
#define FAIRLEAD_LIBS_NET_LPM_TRIE4_H_

#include <bitset>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "libs/net/lpm_memory.h"
#include "libs/net/lpm_read.h"
#include "libs/net/lpm_word.h"

namespace fairlead::lpm {

class LpmTrie4 {
 public:
  using Key = uint32_t;
  static constexpr int kBits = 32;
  // More than one change can take: a prefix longer than /24 needs two nodes of 64 bytes.
  static constexpr size_t kMaxChangeBytes = size_t{1} << 10;

  // False if the system refuses the memory.
  bool Reserve();
  // All of it at once, on an empty table that readers can't see yet: runs in order, the first at 0.
  void Build(absl::Span<const Run<Key>> runs);
  // Draws `brush` over [first, last], the range of a prefix longer than /0.
  void Paint(Key first, Key last, const Brush& brush);

  View view(const Default* fallback) const { return {memory_.base(), fallback}; }
  LpmMemory& memory() { return memory_; }
  const LpmMemory& memory() const { return memory_; }
  // Of the first level, what has never been written and so was never taken from the system.
  size_t untouched_bytes() const { return (kPages - touched_.count()) * LpmMemory::kHugePage; }

 private:
  static constexpr uint32_t kTopSize = uint32_t{1} << kTopBits4;
  static constexpr size_t kTopBytes = sizeof(uint32_t) * kTopSize;
  static constexpr uint32_t kWordsOfPage = LpmMemory::kHugePage / sizeof(uint32_t);
  static constexpr size_t kPages = kTopBytes / LpmMemory::kHugePage;
  static constexpr uint32_t kFanSize = uint32_t{1} << kStride4;
  static constexpr int kBelowTop = kBits - kTopBits4;

  uint32_t* Words(uint32_t node) const { return reinterpret_cast<uint32_t*>(memory_.At(node)); }
  uint32_t NewFan(uint32_t word);
  // Draws over [first, last] of what `word` stands for: the addresses that differ in their last `below` bits alone.
  void PaintSlot(uint32_t& word, int below, Key first, Key last, const Brush& brush);
  void PaintFan(uint32_t& word, int below, Key first, Key last, const Brush& brush);

  LpmMemory memory_;
  std::bitset<kPages> touched_;
};

}  // namespace fairlead::lpm

#endif  // FAIRLEAD_LIBS_NET_LPM_TRIE4_H_
