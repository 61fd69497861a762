// How a lookup reads the nodes of the longest-prefix table (lpm_trie4.h and lpm_trie6.h build them). A reader on another thread than the
// writer must hold a pin (lpm_table.h). Always inlined: a lookup is a dozen instructions, and the AVX-512 batch includes this too, whose
// code must not be linked in for others.
//
// At the front of a family's memory stands its first level, a word for each value of the first bits (24 in IPv4, 12 in IPv6), and in IPv6
// the table of regions (lpm_region.h), which is asked before it. A fan has a word for each value of the next few bits. A bucket (IPv6)
// compares 16 bits of the address with sorted bounds:  i16 bounds[room] | u32 words[room].  Bounds have their top bit flipped, so that the
// signed comparison of SSE2 and AVX-512 orders them. The first is the smallest there is, so each address is at or above at least one;
// unused ones are the largest there is, with the last word behind them.
#ifndef FAIRLEAD_LIBS_NET_LPM_READ_H_
#define FAIRLEAD_LIBS_NET_LPM_READ_H_

#include <emmintrin.h>

#include <cstddef>
#include <cstdint>

#include "libs/net/lpm_region.h"
#include "libs/net/lpm_word.h"

#define FAIRLEAD_LPM_INLINE [[gnu::always_inline]] inline

namespace fairlead {

// An IPv6 address as two numbers in host order.
struct LpmKey6 {
  uint64_t high = 0;
  uint64_t low = 0;
};

namespace lpm {

constexpr int kTopBits4 = 24;
// Of the fans below it, for what is longer than a /24.
constexpr int kStride4 = 4;
constexpr int kBucketBits = 16;
constexpr uint16_t kBoundFlip = uint16_t{1} << 15;

// The match of /0, which is not drawn into every word: a single store sets it.
struct Default {
  uint32_t word = 0;
  uint32_t is_set = 0;  // 1 if `word` is a match.
};

// Everything a reader needs of one family.
struct View {
  const char* nodes = nullptr;  // The first level, and what references count from.
  const Default* fallback = nullptr;
};

FAIRLEAD_LPM_INLINE uint32_t Load(const uint32_t* word) {
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

// For a word behind which nothing is read. It lets the compiler keep in registers what an acquiring load makes it read again.
FAIRLEAD_LPM_INLINE uint32_t LoadAlone(const uint32_t* word) {
  return __atomic_load_n(word, __ATOMIC_RELAXED);
}

FAIRLEAD_LPM_INLINE const char* NodeAt(const char* nodes, uint32_t reference) {
  return nodes + size_t{reference & kPlaceMask} * kUnit;
}

FAIRLEAD_LPM_INLINE const uint32_t* TopWord(const View& view, uint64_t index) {
  return reinterpret_cast<const uint32_t*>(view.nodes) + index;
}

FAIRLEAD_LPM_INLINE uint32_t OrDefault(uint32_t word, uint32_t default_word) {
  return word != 0 ? word : default_word;
}

FAIRLEAD_LPM_INLINE uint32_t OrDefault(const View& view, uint32_t word) {
  return OrDefault(word, Load(&view.fallback->word));
}

// All of it, for what is longer than a /24. Apart (lpm_bulk.cc) and declared to write nothing, because its loads, which order memory, would
// make a loop of lookups read the view again for each: 30 % of a single lookup. A pin's own stores still hold it in its place; who waits
// for a change renews the pin, as always.
[[gnu::pure, gnu::cold, gnu::noinline]] uint32_t Descend4(View view, uint32_t key);

// One branch tells both what is seldom: a reference, or, if there is a default, no match. Everything behind the word waits for memory as
// long as it does, and so counts double.
FAIRLEAD_LPM_INLINE uint32_t Find4(const View& view, uint32_t key) {
  const uint32_t word = LoadAlone(TopWord(view, key >> (32 - kTopBits4)));
  if (static_cast<int32_t>(word - LoadAlone(&view.fallback->is_set)) < 0) [[unlikely]]
    return Descend4(view, key);
  return word;
}

// An IPv6 address without the bits that are spent.
struct Rest6 {
  uint64_t high;
  uint64_t low;
  FAIRLEAD_LPM_INLINE uint32_t Bits() const { return static_cast<uint32_t>(high >> (64 - kBucketBits)); }
  // `bits` in [0, 63].
  FAIRLEAD_LPM_INLINE void SpendUpTo63(int bits) {
    high = high << bits | low >> 1 >> (63 - bits);
    low <<= bits;
  }
  // `bits` in [1, 63].
  FAIRLEAD_LPM_INLINE void Spend(int bits) {
    high = high << bits | low >> (64 - bits);
    low <<= bits;
  }
};

FAIRLEAD_LPM_INLINE const uint32_t* FanWord6(const View& view, uint32_t fan, const Rest6& rest) {
  return reinterpret_cast<const uint32_t*>(NodeAt(view.nodes, fan)) + (rest.high >> (64 - FanStride(fan)));
}

// How many of the bounds are at or below `bits`. They are sorted, so the first that is above tells; what stands behind a smaller bucket's
// bounds is compared too, and doesn't matter.
FAIRLEAD_LPM_INLINE uint32_t CountBounds(const char* bucket, uint32_t room, uint32_t bits) {
  const __m128i key = _mm_set1_epi16(static_cast<int16_t>(bits ^ kBoundFlip));
  const auto* const bounds = reinterpret_cast<const __m128i*>(bucket);
  const __m128i above = _mm_packs_epi16(_mm_cmpgt_epi16(_mm_load_si128(bounds), key), _mm_cmpgt_epi16(_mm_load_si128(bounds + 1), key));
  return static_cast<uint32_t>(__builtin_ctz(static_cast<uint32_t>(_mm_movemask_epi8(above)) | uint32_t{1} << room));
}
static_assert(kBucketMax <= 16);

FAIRLEAD_LPM_INLINE const uint32_t* BucketWord6(const View& view, uint32_t bucket, const Rest6& rest) {
  const char* const node = NodeAt(view.nodes, bucket);
  const uint32_t count = CountBounds(node, BucketRoom(bucket), rest.Bits());
  return reinterpret_cast<const uint32_t*>(node + BucketWordsAt(bucket)) + count - 1;
}

// Batches take the first steps together: the region, this many fans, which is as many as most addresses of a full table meet, and a bucket;
// their bits lie in the 64 behind the region's.
constexpr size_t kBatch = 32;
constexpr int kBatchFans = 2;
constexpr int kMaxStride6 = 14;
static_assert(kTopBits6 + kBatchFans * kMaxStride6 + kBucketBits <= 64);  // Or behind the tree's first level.

// From where the common steps end to the match, for one address of which `spent` bits are.
FAIRLEAD_LPM_INLINE uint32_t Finish6(const View& view, LpmKey6 key, int spent, uint32_t word) {
  if (!IsReference(word)) return word;
  Rest6 rest = {key.high, key.low};
  if (spent >= 32) {  // One step spends less than 64.
    rest.Spend(32);
    spent -= 32;
  }
  rest.SpendUpTo63(spent);
  do {
    const bool bucket = IsBucket(word);
    const int bits = bucket ? kBucketBits : FanStride(word);
    word = Load(bucket ? BucketWord6(view, word, rest) : FanWord6(view, word, rest));
    rest.Spend(bits);
  } while (IsReference(word));
  return word;
}

FAIRLEAD_LPM_INLINE uint32_t HashOf(const LpmKey6& key) {
  return RegionHash(static_cast<uint32_t>(key.high >> (64 - kRegionBits)));
}

// Where there is no region: the prefixes up to /31.
FAIRLEAD_LPM_INLINE uint32_t FindShort6(const View& view, LpmKey6 key) {
  return Finish6(view, key, kTopBits6, Load(TopWord(view, key.high >> (64 - kTopBits6))));
}

// What stands below a region. The first fan is taken without asking whether there is one, because that can't be guessed.
FAIRLEAD_LPM_INLINE uint32_t FindInRegion6(const View& view, LpmKey6 key, uint32_t word) {
  const uint64_t bits = key.high << kRegionBits | key.low >> (64 - kRegionBits);
  const uint32_t fan = uint32_t{0} - IsFan(word);
  const uint32_t stride = word >> kShapeShift & 15 & fan;
  const uint32_t below = Load(reinterpret_cast<const uint32_t*>(NodeAt(view.nodes, word & fan)) + (bits >> 1 >> (63 - stride)));
  return Finish6(view, key, kRegionBits + static_cast<int>(stride), (below & fan) | (word & ~fan));
}

FAIRLEAD_LPM_INLINE uint32_t Find6(const View& view, LpmKey6 key) {
  if (IsBusy(view.nodes, key.high)) {
    const uint32_t* const word = FindRegion(view.nodes, HashOf(key));
    if (word != nullptr) [[likely]]
      return OrDefault(view, FindInRegion6(view, key, Load(word)));
  }
  return OrDefault(view, FindShort6(view, key));
}

// Behind the region.
FAIRLEAD_LPM_INLINE Rest6 RestOf(const LpmKey6& key) {
  return {key.high << kRegionBits | key.low >> (64 - kRegionBits), key.low << kRegionBits};
}

// Batches: lpm_bulk.cc for every processor, lpm_bulk_avx512.cc for those that have it.
using Bulk6 = void (*)(const View& view, const LpmKey6* keys, size_t count, uint32_t* words);
void Bulk4(const View& view, const uint32_t* keys, size_t count, uint32_t* words);
void Bulk6Portable(const View& view, const LpmKey6* keys, size_t count, uint32_t* words);
void Bulk6Avx512(const View& view, const LpmKey6* keys, size_t count, uint32_t* words);
// Whether this processor has what the AVX-512 version is compiled for.
bool HasAvx512();

}  // namespace lpm
}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_NET_LPM_READ_H_
