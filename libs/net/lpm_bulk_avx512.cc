// Batches of IPv6 lookups with AVX-512: eight addresses at once find their lines and take their fans, and a line's hashes or a bucket's
// bounds are compared at once. Compiled for processors that have it, and called on those only.
#include <immintrin.h>

#include <cstddef>

#include "libs/net/lpm_read.h"

namespace fairlead::lpm {
namespace {

constexpr size_t kLanes = 8;
constexpr size_t kVectors = kBatch / kLanes;
static_assert(kVectors % 2 == 0);
static_assert(kUnit == 4 * sizeof(uint32_t));
static_assert(sizeof(RegionLine) == 1 << 6);

// By a bucket's size: which of sixteen bounds are its own, and where its words begin less one word, in bytes.
constexpr uint32_t MaskOf(uint32_t units) {
  return (uint32_t{1} << BucketRoom(BucketReference(units, 0))) - 1;
}
constexpr uint32_t WordsAt(uint32_t units) {
  return BucketWordsAt(BucketReference(units, 0)) - static_cast<uint32_t>(sizeof(uint32_t));
}
alignas(64) constexpr uint32_t kMasks[16] = {MaskOf(1), MaskOf(2), MaskOf(3), MaskOf(4), MaskOf(5), MaskOf(6)};
alignas(64) constexpr uint32_t kWordsAt[16] = {WordsAt(1), WordsAt(2), WordsAt(3), WordsAt(4), WordsAt(5), WordsAt(6)};
static_assert(UnitsForRoom(kBucketMax) == 6);

FAIRLEAD_LPM_INLINE const uint32_t* WordAt(const View& view, uint64_t offset) {
  return reinterpret_cast<const uint32_t*>(view.nodes + offset);
}

// The 32-bit lanes of two vectors of 64-bit ones.
FAIRLEAD_LPM_INLINE __m512i Join(__m512i first, __m512i second) {
  return _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi64_epi32(first)), _mm512_cvtepi64_epi32(second), 1);
}

// Where the lines of eight hashes are, as offsets: LineOf() of lpm_region.h.
FAIRLEAD_LPM_INLINE __m512i Lines(__m512i parts, __m512i hash) {
  const __m512i low = _mm512_set1_epi64(0xffffffff);
  const __m512i part = _mm512_and_si512(_mm512_permutexvar_epi32(_mm512_srli_epi64(hash, 32 - kPartBits), parts), low);
  const __m512i factor =
      _mm512_add_epi64(_mm512_and_si512(_mm512_srli_epi64(part, kPartShift), _mm512_set1_epi64(1)), _mm512_set1_epi64(2));
  const __m512i count = _mm512_sllv_epi64(factor, _mm512_srli_epi64(part, kPartShift + 1));
  const __m512i home = _mm512_srli_epi64(_mm512_mul_epu32(_mm512_slli_epi64(hash, kPartBits), count), 32);
  return _mm512_slli_epi64(_mm512_add_epi64(_mm512_and_si512(part, _mm512_set1_epi64(kPartPlaceMask)), home), 6);
}

// Where the addresses have come to, apart from what is in memory, so that it stays in registers.
struct Vectors {
  __m512i words[kVectors];  // 64-bit lanes.
  __m512i rest[kVectors];
  __mmask16 buckets[kVectors / 2];
};

// Addresses on their way down, one place each. Offsets count from the nodes, in bytes.
struct alignas(64) Batch {
  uint64_t lines[kBatch];
  uint64_t hashes[kBatch];
  uint64_t top[kBatch];           // Of the word of the tree's first level.
  uint64_t below_region[kBatch];  // The address without the bits that a region spends,
  uint64_t below_top[kBatch];     // or the tree's first level.
  uint32_t places[kBatch];
  uint32_t found[kBatch];
  uint32_t nodes[kBatch];
  uint32_t words_at[kBatch];
  uint32_t masks[kBatch];
  uint32_t bits[kBatch];

  FAIRLEAD_LPM_INLINE void Start(const View& view, const LpmKey6* keys, size_t size) {
    const __m512i parts = _mm512_load_si512(view.nodes + kPartsAt);
    for (size_t v = 0; v * kLanes < size; ++v) {
      const size_t left = size - v * kLanes;
      const auto wanted = static_cast<uint32_t>(left >= kLanes ? 0xffff : (1u << 2 * left) - 1);
      const LpmKey6* const from = keys + v * kLanes;
      const __m512i first = _mm512_maskz_loadu_epi64(static_cast<__mmask8>(wanted), from);
      const __m512i second = _mm512_maskz_loadu_epi64(static_cast<__mmask8>(wanted >> 8), from + kLanes / 2);
      const __m512i high = _mm512_permutex2var_epi64(first, _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), second);
      const __m512i low = _mm512_permutex2var_epi64(first, _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15), second);
      const __m512i product = _mm512_mul_epu32(_mm512_srli_epi64(high, 64 - kRegionBits), _mm512_set1_epi64(kRegionFactor));
      const __m512i hash = _mm512_and_si512(product, _mm512_set1_epi64(0xffffffff));
      _mm512_store_si512(lines + v * kLanes, Lines(parts, hash));
      _mm512_store_si512(hashes + v * kLanes, hash);
      _mm512_store_si512(top + v * kLanes, _mm512_slli_epi64(_mm512_srli_epi64(high, 64 - kTopBits6), 2));
      const __m512i below = _mm512_or_si512(_mm512_slli_epi64(high, kRegionBits), _mm512_srli_epi64(low, 64 - kRegionBits));
      _mm512_store_si512(below_region + v * kLanes, below);
      _mm512_store_si512(below_top + v * kLanes, _mm512_slli_epi64(high, kTopBits6));
    }
    for (size_t i = 0; i < size; ++i) __builtin_prefetch(view.nodes + lines[i]);
  }

  // The region's word, or that of the tree's first level.
  FAIRLEAD_LPM_INLINE void Probe(const View& view, size_t size, Vectors& to) {
    for (size_t i = 0; i < size; ++i) {
      const __m256i line = _mm256_load_si256(reinterpret_cast<const __m256i*>(view.nodes + lines[i]));
      places[i] = _mm256_cmpeq_epi32_mask(line, _mm256_set1_epi32(static_cast<int32_t>(hashes[i])));
      // Not a condition, of which the compiler would make a branch: one address in twenty is in no region, and which can't be guessed.
      const uint64_t missed = uint64_t{0} - (places[i] == 0);
      const auto place = static_cast<uint64_t>(__builtin_ctz(places[i] | uint32_t{1} << kLineEntries));
      const uint64_t word = lines[i] + offsetof(RegionLine, words) + place * sizeof(uint32_t);
      found[i] = Load(WordAt(view, (word & ~missed) | (top[i] & missed)));
    }
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) {
      const size_t left = size - (v * kLanes < size ? v * kLanes : size);
      const auto wanted = static_cast<__mmask8>(left >= kLanes ? 0xff : (1u << left) - 1);
      to.words[v] = _mm512_cvtepu32_epi64(_mm256_maskz_load_epi32(wanted, found + v * kLanes));
      const __m256i at = _mm256_load_si256(reinterpret_cast<const __m256i*>(places + v * kLanes));
      const __m512i below = _mm512_load_si512(below_region + v * kLanes);
      to.rest[v] = _mm512_mask_load_epi64(below, _mm256_testn_epi32_mask(at, at), below_top + v * kLanes);
    }
  }

  // Those that have come to a fan take it.
  FAIRLEAD_LPM_INLINE void TakeFans(const View& view, Vectors& at) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) {
      const __mmask8 fans = _mm512_cmpeq_epi64_mask(_mm512_srli_epi64(at.words[v], 30), _mm512_set1_epi64(2));
      const __m512i stride = _mm512_maskz_and_epi64(fans, _mm512_srli_epi64(at.words[v], kShapeShift), _mm512_set1_epi64(15));
      const __m512i slot = _mm512_srlv_epi64(at.rest[v], _mm512_sub_epi64(_mm512_set1_epi64(64), stride));
      const __m512i node = _mm512_slli_epi64(_mm512_and_epi64(at.words[v], _mm512_set1_epi64(kPlaceMask)), 2);
      const __m512i index = _mm512_add_epi64(node, slot);  // In words: a node's place is in units of four.
      at.words[v] = _mm512_cvtepu32_epi64(_mm512_mask_i64gather_epi32(_mm512_cvtepi64_epi32(at.words[v]), fans, index, view.nodes, 4));
      at.rest[v] = _mm512_sllv_epi64(at.rest[v], stride);
    }
  }

  // Those that have come to a bucket take it; the others read something harmless, and `found` of theirs is nothing.
  FAIRLEAD_LPM_INLINE void TakeBuckets(const View& view, size_t size, Vectors& from) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; v += 2) {
      const __m512i word = Join(from.words[v], from.words[v + 1]);
      const __m512i next = Join(_mm512_srli_epi64(from.rest[v], 64 - kBucketBits), _mm512_srli_epi64(from.rest[v + 1], 64 - kBucketBits));
      const __mmask16 is_bucket = _mm512_cmpeq_epi32_mask(_mm512_srli_epi32(word, 30), _mm512_set1_epi32(3));
      const __m512i node = _mm512_maskz_slli_epi32(is_bucket, _mm512_and_si512(word, _mm512_set1_epi32(kPlaceMask)), 4);
      const __m512i shape = _mm512_srli_epi32(word, kShapeShift);  // A permutation looks at its last four bits.
      const __m512i at = _mm512_permutexvar_epi32(shape, _mm512_load_si512(kWordsAt));
      from.buckets[v / 2] = is_bucket;
      _mm512_store_si512(nodes + v * kLanes, node);
      _mm512_store_si512(words_at + v * kLanes, _mm512_add_epi32(node, at));
      _mm512_store_si512(masks + v * kLanes, _mm512_permutexvar_epi32(shape, _mm512_load_si512(kMasks)));
      _mm512_store_si512(bits + v * kLanes, _mm512_xor_si512(next, _mm512_set1_epi32(kBoundFlip)));
    }
    for (size_t i = 0; i < size; ++i) __builtin_prefetch(view.nodes + nodes[i]);
    for (size_t i = 0; i < size; ++i) {
      const __m256i bounds = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(view.nodes + nodes[i]));
      const uint32_t reached = _mm256_cmple_epi16_mask(bounds, _mm256_set1_epi16(static_cast<int16_t>(bits[i]))) & masks[i];
      found[i] = Load(WordAt(view, words_at[i]) + __builtin_popcount(reached));
    }
  }

  FAIRLEAD_LPM_INLINE void Finish(const View& view, const LpmKey6* keys, size_t size, const Vectors& from, uint32_t default_word,
                                  uint32_t* to) {
#pragma GCC unroll 4
    for (size_t v = 0; v * kLanes < size; v += 2) {
      const size_t left = size - v * kLanes;
      const auto wanted = static_cast<__mmask16>(left >= 2 * kLanes ? 0xffff : (1u << left) - 1);
      __m512i word = _mm512_mask_load_epi32(Join(from.words[v], from.words[v + 1]), from.buckets[v / 2], found + v * kLanes);
      uint32_t more = _mm512_mask_cmplt_epi32_mask(wanted, word, _mm512_setzero_si512());
      word = _mm512_mask_set1_epi32(word, _mm512_testn_epi32_mask(word, word), static_cast<int32_t>(default_word));
      _mm512_mask_storeu_epi32(to + v * kLanes, wanted, word);
      for (; more != 0; more &= more - 1) {  // The few that have farther to go.
        const size_t i = v * kLanes + static_cast<size_t>(__builtin_ctz(more));
        to[i] = OrDefault(Find6(view, keys[i]), default_word);
      }
    }
  }
};

FAIRLEAD_LPM_INLINE void Lookup(const View& view, const LpmKey6* keys, size_t size, uint32_t default_word, uint32_t* words) {
  Batch batch;
  batch.Start(view, keys, size);
  Vectors at;
  batch.Probe(view, size, at);
  for (int fan = 0; fan < kBatchFans; ++fan) batch.TakeFans(view, at);
  batch.TakeBuckets(view, size, at);
  batch.Finish(view, keys, size, at, default_word, words);
}

}  // namespace

bool HasAvx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
}

void Bulk6Avx512(const View& view, const LpmKey6* keys, size_t count, uint32_t* words) {
  const View at = view;
  const uint32_t default_word = Load(&view.fallback->word);
  for (; count >= kBatch; count -= kBatch, keys += kBatch, words += kBatch) {
    Lookup(at, keys, kBatch, default_word, words);
  }
  if (count > 0) Lookup(at, keys, count, default_word, words);
}

}  // namespace fairlead::lpm
