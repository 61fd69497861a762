// How a lookup reads the nodes of the longest-prefix table (lpm_trie4.h and lpm_trie6.h build them). A reader on another thread than the
// writer must hold a pin (lpm_table.h). Always inlined: a lookup is a dozen instructions, and the AVX-512 batch includes this too, whose
// code must not be linked in for others.
//
// At the front of a family's region stands its first level, a word for each value of the first bits (24 in IPv4, 16 in IPv6). A fan has a
// word for each value of the next few bits. A bucket (IPv6) compares 32 bits of the address with sorted bounds:  i32 bounds[room] | u32
// words[room].  Bounds have their top bit flipped, so that the signed comparison of SSE2 and AVX-512 orders them. The first is the smallest
// there is, so each address is at or above at least one; unused ones are the largest there is, with the last word behind them.
#ifndef FAIRLEAD_LIBS_NET_LPM_READ_H_
#define FAIRLEAD_LIBS_NET_LPM_READ_H_

#include <emmintrin.h>

#include <cstddef>
#include <cstdint>

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
constexpr int kTopBits6 = 16;
constexpr int kBucketBits = 32;
constexpr uint32_t kBoundFlip = uint32_t{1} << 31;

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

// All of it, for what is longer than a /24.
FAIRLEAD_LPM_INLINE uint32_t Descend4(const View& view, uint32_t key) {
  uint32_t word = Load(TopWord(view, key >> (32 - kTopBits4)));
  for (int depth = kTopBits4; IsReference(word); depth += kStride4) {
    word = Load(reinterpret_cast<const uint32_t*>(NodeAt(view.nodes, word)) + (key << depth >> (32 - kStride4)));
  }
  return OrDefault(view, word);
}

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
  FAIRLEAD_LPM_INLINE uint32_t Bits() const { return static_cast<uint32_t>(high >> 32); }
  // `bits` in [1, 63].
  FAIRLEAD_LPM_INLINE void Spend(int bits) {
    high = high << bits | low >> (64 - bits);
    low <<= bits;
  }
};

FAIRLEAD_LPM_INLINE const uint32_t* FanWord6(const View& view, uint32_t fan, const Rest6& rest) {
  return reinterpret_cast<const uint32_t*>(NodeAt(view.nodes, fan)) + (rest.high >> (64 - FanStride(fan)));
}

// How many of the bounds are at or below `bits`.
FAIRLEAD_LPM_INLINE uint32_t CountBounds(const char* bucket, uint32_t room, uint32_t bits) {
  const __m128i key = _mm_set1_epi32(static_cast<int32_t>(bits ^ kBoundFlip));
  __m128i above = _mm_setzero_si128();
  for (uint32_t i = 0; i < room; i += 4) {
    above = _mm_add_epi32(above, _mm_cmpgt_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(bucket) + i / 4), key));
  }
  above = _mm_add_epi32(above, _mm_shuffle_epi32(above, _MM_SHUFFLE(1, 0, 3, 2)));
  above = _mm_add_epi32(above, _mm_shuffle_epi32(above, _MM_SHUFFLE(2, 3, 0, 1)));
  return room + static_cast<uint32_t>(_mm_cvtsi128_si32(above));
}

FAIRLEAD_LPM_INLINE const uint32_t* BucketWord6(const View& view, uint32_t bucket, const Rest6& rest) {
  const char* const node = NodeAt(view.nodes, bucket);
  const uint32_t room = BucketRoom(bucket);
  return reinterpret_cast<const uint32_t*>(node) + room + CountBounds(node, room, rest.Bits()) - 1;
}

// Batches take the first steps together: this many fans below the first level, which is as many as most addresses of a full table meet,
// and whose bits lie in the upper half of the address.
constexpr size_t kBatch = 32;
constexpr int kBatchFans = 3;
constexpr int kMaxStride6 = 12;
static_assert(kTopBits6 + kBatchFans * kMaxStride6 <= 64);

// From where the common steps end to the match, for one address of which `spent` bits are.
FAIRLEAD_LPM_INLINE uint32_t Finish6(const View& view, LpmKey6 key, int spent, uint32_t word) {
  if (!IsReference(word)) return word;
  Rest6 rest = {key.high, key.low};
  while (spent >= 32) {  // One step spends less than 64.
    rest.Spend(32);
    spent -= 32;
  }
  if (spent > 0) rest.Spend(spent);
  do {
    const bool bucket = IsBucket(word);
    const int bits = bucket ? kBucketBits : FanStride(word);
    word = Load(bucket ? BucketWord6(view, word, rest) : FanWord6(view, word, rest));
    rest.Spend(bits);
  } while (IsReference(word));
  return word;
}

FAIRLEAD_LPM_INLINE uint32_t Find6(const View& view, LpmKey6 key) {
  const uint32_t word = Load(TopWord(view, key.high >> (64 - kTopBits6)));
  return OrDefault(view, Finish6(view, key, kTopBits6, word));
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
