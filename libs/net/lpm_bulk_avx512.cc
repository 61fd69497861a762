// Batches of IPv6 lookups with AVX-512: eight addresses take a step at once, and a bucket's bounds are compared sixteen at a time. Compiled
// for processors that have it, and called on those only.
#include <immintrin.h>

#include "libs/net/lpm_read.h"

namespace fairlead::lpm {
namespace {

constexpr size_t kLanes = 8;
constexpr size_t kVectors = kBatch / kLanes;

// Eight addresses on their way down.
struct Lanes {
  __m512i rest;   // Upper half of the address, without the bits that are spent.
  __m512i low;    // The lower half, whole.
  __m512i spent;  // How many bits of the upper half are.
  __m512i words;  // 32 bits each.

  FAIRLEAD_LPM_INLINE void Start(const View& view, const LpmKey6* keys, size_t size) {
    const auto wanted = static_cast<uint32_t>(size >= kLanes ? 0xffff : (1u << 2 * size) - 1);
    const __m512i first = _mm512_maskz_loadu_epi64(static_cast<__mmask8>(wanted), keys);
    const __m512i second = _mm512_maskz_loadu_epi64(static_cast<__mmask8>(wanted >> 8), keys + kLanes / 2);
    const __m512i high = _mm512_permutex2var_epi64(first, _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), second);
    low = _mm512_permutex2var_epi64(first, _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15), second);
    words = _mm512_cvtepu32_epi64(_mm512_i64gather_epi32(_mm512_srli_epi64(high, 64 - kTopBits6), view.nodes, 4));
    rest = _mm512_slli_epi64(high, kTopBits6);
    spent = _mm512_set1_epi64(kTopBits6);
  }

  // The 32 bits that a bucket compares.
  FAIRLEAD_LPM_INLINE __m256i Bits() const {
    const __m512i from_low = _mm512_srlv_epi64(low, _mm512_sub_epi64(_mm512_set1_epi64(64), spent));
    return _mm512_cvtepi64_epi32(_mm512_srli_epi64(_mm512_or_epi64(rest, from_low), 64 - kBucketBits));
  }

  FAIRLEAD_LPM_INLINE void Step(const View& view) {
    const __mmask8 fans = _mm512_cmpeq_epi64_mask(_mm512_srli_epi64(words, 30), _mm512_set1_epi64(2));
    const __m512i stride = _mm512_maskz_and_epi64(fans, _mm512_srli_epi64(words, kShapeShift), _mm512_set1_epi64(15));
    const __m512i slot = _mm512_srlv_epi64(rest, _mm512_sub_epi64(_mm512_set1_epi64(64), stride));
    const __m512i node = _mm512_slli_epi64(_mm512_and_epi64(words, _mm512_set1_epi64(kPlaceMask)), 2);
    const __m512i index = _mm512_add_epi64(node, slot);  // In words: a node's place is in units of four.
    const __m256i found = _mm512_mask_i64gather_epi32(_mm512_cvtepi64_epi32(words), fans, index, view.nodes, 4);
    words = _mm512_cvtepu32_epi64(found);
    rest = _mm512_sllv_epi64(rest, stride);
    spent = _mm512_add_epi64(spent, stride);
  }
};
static_assert(kUnit == 4 * sizeof(uint32_t));

// Sixteen bounds in any case: behind those of a smaller bucket stand its words and its neighbour, which the mask leaves out.
FAIRLEAD_LPM_INLINE uint32_t Bucket(const View& view, uint32_t bucket, uint32_t bits) {
  const auto* const node = reinterpret_cast<const uint32_t*>(NodeAt(view.nodes, bucket));
  const uint32_t room = BucketRoom(bucket);
  const __m512i key = _mm512_set1_epi32(static_cast<int32_t>(bits ^ kBoundFlip));
  const auto lanes = static_cast<uint32_t>((uint64_t{1} << room) - 1);
  const auto low = static_cast<__mmask16>(lanes);
  const auto high = static_cast<__mmask16>(lanes >> 16);
  const uint32_t reached = _mm512_mask_cmple_epi32_mask(low, _mm512_maskz_loadu_epi32(low, node), key);
  const uint32_t more = _mm512_mask_cmple_epi32_mask(high, _mm512_maskz_loadu_epi32(high, node + 16), key);
  return Load(node + room + __builtin_popcount(reached | more << 16) - 1);
}

}  // namespace

bool HasAvx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi2") &&
         __builtin_cpu_supports("popcnt");
}

void Bulk6Avx512(const View& view, const LpmKey6* keys, size_t count, uint32_t* words) {
  const View at = view;
  const uint32_t default_word = Load(&view.fallback->word);
  alignas(32) uint32_t found[kBatch];
  alignas(32) uint32_t bits[kBatch];
  alignas(32) uint32_t spent[kBatch];
  for (size_t first = 0; first < count; first += kBatch) {
    const size_t size = count - first < kBatch ? count - first : kBatch;
    const LpmKey6* const batch = keys + first;
    Lanes lanes[kVectors];
    const size_t vectors = (size + kLanes - 1) / kLanes;
    for (size_t v = 0; v < vectors; ++v) lanes[v].Start(at, batch + v * kLanes, size - v * kLanes);
    for (int step = 0; step < kBatchFans; ++step) {
      for (size_t v = 0; v < vectors; ++v) lanes[v].Step(at);
    }
    for (size_t v = 0; v < vectors; ++v) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(found + v * kLanes), _mm512_cvtepi64_epi32(lanes[v].words));
      _mm256_store_si256(reinterpret_cast<__m256i*>(bits + v * kLanes), lanes[v].Bits());
      _mm256_store_si256(reinterpret_cast<__m256i*>(spent + v * kLanes), _mm512_cvtepi64_epi32(lanes[v].spent));
    }
    for (size_t i = 0; i < size; ++i) {
      const uint32_t word = found[i];
      const char* const node = NodeAt(at.nodes, IsReference(word) ? word : 0);
      __builtin_prefetch(node);
      __builtin_prefetch(node + 64);
    }
    for (size_t i = 0; i < size; ++i) {
      uint32_t word = found[i];
      auto taken = static_cast<int>(spent[i]);
      if (IsBucket(word)) [[likely]] {
        word = Bucket(at, word, bits[i]);
        taken += kBucketBits;
      }
      if (IsReference(word)) [[unlikely]]
        word = Finish6(at, batch[i], taken, word);
      words[first + i] = OrDefault(word, default_word);
    }
  }
}

}  // namespace fairlead::lpm
