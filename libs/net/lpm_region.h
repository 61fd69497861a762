// The first step of an IPv6 lookup: the /32 that the address is in. A /32 with prefixes of its own, /32 or longer, is a *region*; a hash
// table of regions says what stands below each. All else is answered by the tree of the prefixes up to /31, which also has the few regions
// that found their line of the hash table full: so a lookup reads one line of it and knows.
//
// At the front of IPv6's memory stand the tree's first level, a word for each value of the first bits; a bit for each /16, set if it ever
// had an entry, so that an address of nobody's network needs no probe; and the parts of the hash table. A region's hash is a product with
// an odd number, and so as good as the region itself: its first 4 bits choose the part, the others the line of 64 bytes in it, where eight
// hashes and eight words stand. The unused places of a line, all behind the used ones, have a hash of another part.
#ifndef FAIRLEAD_LIBS_NET_LPM_REGION_H_
#define FAIRLEAD_LIBS_NET_LPM_REGION_H_

#include <emmintrin.h>

#include <cstddef>
#include <cstdint>

#include "libs/net/lpm_word.h"

namespace fairlead::lpm {

constexpr int kTopBits6 = 12;
constexpr int kRegionBits = 32;
constexpr int kPartBits = 4;
constexpr uint32_t kParts = uint32_t{1} << kPartBits;  // Their words fit one register.
constexpr uint32_t kLineEntries = 8;

struct alignas(64) RegionLine {
  uint32_t hashes[kLineEntries];
  uint32_t words[kLineEntries];
};

// The front of the memory.
constexpr size_t kBusyAt = sizeof(uint32_t) << kTopBits6;
constexpr size_t kPartsAt = kBusyAt + (size_t{1} << 16) / 8;
constexpr size_t kFrontBytes6 = kPartsAt + kParts * sizeof(uint32_t);
static_assert(kFrontBytes6 % sizeof(RegionLine) == 0);

// Where a part's lines are, one word so that it can be replaced by one store: their number, 2 or 3 times a power of two, in the upper 8
// bits, and the first one's place, in lines, in the lower 24.
constexpr int kPartShift = 24;
constexpr uint32_t kPartPlaceMask = (uint32_t{1} << kPartShift) - 1;
constexpr uint32_t PartLines(uint32_t part) {
  return (2 + (part >> kPartShift & 1)) << (part >> (kPartShift + 1));
}

constexpr uint32_t kRegionFactor = 0x9e3779b1;  // Of the golden ratio: neighbours come to lie far from each other.
constexpr uint32_t RegionHash(uint32_t region) {
  return region * kRegionFactor;
}
// The factor's inverse modulo 2^32: each round of Newton's doubles the bits that are right.
constexpr uint32_t InverseOfFactor() {
  uint32_t inverse = kRegionFactor;
  for (int round = 0; round < 5; ++round) inverse *= 2 - kRegionFactor * inverse;
  return inverse;
}
constexpr uint32_t kRegionInverse = InverseOfFactor();
static_assert(kRegionInverse * kRegionFactor == 1);
constexpr uint32_t RegionOf(uint32_t hash) {
  return hash * kRegionInverse;
}
// The line of a part where a hash is looked for first.
constexpr uint32_t HomeLine(uint32_t hash, uint32_t lines) {
  return static_cast<uint32_t>((uint64_t{hash << kPartBits} * lines) >> 32);
}
// A hash that is never in this part.
constexpr uint32_t ForeignHash(uint32_t part) {
  return (part ^ 1) << (32 - kPartBits);
}

// Where the hash would be.
[[gnu::always_inline]] inline const RegionLine* LineOf(const char* nodes, uint32_t hash) {
  const uint32_t part = __atomic_load_n(reinterpret_cast<const uint32_t*>(nodes + kPartsAt) + (hash >> (32 - kPartBits)), __ATOMIC_ACQUIRE);
  return reinterpret_cast<const RegionLine*>(nodes) + ((part & kPartPlaceMask) + HomeLine(hash, PartLines(part)));
}
// Bit n: the hash is in place n.
[[gnu::always_inline]] inline uint32_t PlacesOf(const RegionLine* line, uint32_t hash) {
  const __m128i wanted = _mm_set1_epi32(static_cast<int32_t>(hash));
  const auto* const hashes = reinterpret_cast<const __m128i*>(line->hashes);
  const __m128i equal =
      _mm_packs_epi32(_mm_cmpeq_epi32(_mm_load_si128(hashes), wanted), _mm_cmpeq_epi32(_mm_load_si128(hashes + 1), wanted));
  return static_cast<uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(equal, equal))) & 0xff;
}
[[gnu::always_inline]] inline bool IsBusy(const char* nodes, uint64_t high) {
  const auto* const busy = reinterpret_cast<const uint32_t*>(nodes + kBusyAt);
  return __atomic_load_n(busy + (high >> 53), __ATOMIC_ACQUIRE) >> (high >> 48 & 31) & 1;
}

// The region's word; null if it has no entry.
[[gnu::always_inline]] inline const uint32_t* FindRegion(const char* nodes, uint32_t hash) {
  const RegionLine* const line = LineOf(nodes, hash);
  const uint32_t places = PlacesOf(line, hash);
  return places != 0 ? &line->words[__builtin_ctz(places)] : nullptr;
}

}  // namespace fairlead::lpm

#endif  // FAIRLEAD_LIBS_NET_LPM_REGION_H_
