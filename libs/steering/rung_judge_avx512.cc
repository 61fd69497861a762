// With AVX-512: a rung's boxes in a handful of registers, without a branch that depends on which of them are what. Compiled for processors
// that have it, and called on those only; nothing inline of other headers is called here, lest the linker take that code for everybody.
#include <immintrin.h>

#include "libs/steering/rung_judge.h"

#define FAIRLEAD_INLINE [[gnu::always_inline]] inline

namespace fairlead {
namespace {

static_assert(sizeof(BoxState) == 16 && offsetof(BoxState, hash) == 0 && offsetof(BoxState, traits) == 12);

FAIRLEAD_INLINE __m512i Words(uint64_t value) {
  return _mm512_set1_epi64(static_cast<int64_t>(value));
}

// ---- Who holds the file: holder_rows::MaskFrom ----

// Of 32 slots, those under `lanes`: bit i if one is `first` + i.
FAIRLEAD_INLINE uint32_t Scan(const uint16_t* slots, uint32_t lanes, uint32_t first) {
  const __m512i at = _mm512_sub_epi16(_mm512_maskz_loadu_epi16(lanes, slots), _mm512_set1_epi16(static_cast<int16_t>(first)));
  const __mmask32 inside = _mm512_mask_cmplt_epu16_mask(lanes, at, _mm512_set1_epi16(16));
  const __m512i bits = _mm512_maskz_sllv_epi16(inside, _mm512_set1_epi16(1), at);
  const __m256i half = _mm256_or_si256(_mm512_castsi512_si256(bits), _mm512_extracti64x4_epi64(bits, 1));
  const __m128i quarter = _mm_or_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  uint64_t all = static_cast<uint64_t>(_mm_cvtsi128_si64(_mm_or_si128(quarter, _mm_unpackhi_epi64(quarter, quarter))));
  all |= all >> 32;
  return static_cast<uint32_t>((all | all >> 16) & 0xffff);
}

FAIRLEAD_INLINE uint32_t LinesUpTo(__m256i index, uint32_t slot) {
  return static_cast<uint32_t>(__builtin_popcount(_mm256_cmple_epu16_mask(index, _mm256_set1_epi16(static_cast<int16_t>(slot)))));
}

FAIRLEAD_INLINE uint32_t ScanIndexed(const uint16_t* slots, uint32_t first) {
  const __m256i index = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(slots));
  const uint32_t end = LinesUpTo(index, first + 15);
  const uint32_t begin = LinesUpTo(index, first);
  uint32_t mask = 0;
  for (uint32_t line = begin == 0 ? 0 : begin - 1; line < end; ++line) {
    mask |= Scan(slots + 32 * line, line == 0 ? 0xffff0000 : 0xffffffff, first);
  }
  return mask;
}

FAIRLEAD_INLINE uint32_t Holders(uint64_t row, uint32_t first) {
  const auto tag = static_cast<uint32_t>(row & 0xffff);
  if (tag == holder_rows::kDense) {
    uint32_t bits;
    __builtin_memcpy(&bits, reinterpret_cast<const char*>(row >> 16) + first / 8, sizeof(bits));
    return (bits >> (first % 8)) & 0xffff;
  }
  if (tag <= holder_rows::kMostInline) {
    uint32_t mask = 0;
    for (uint32_t i = 0; i < holder_rows::kMostInline; ++i) {
      const uint32_t offset = static_cast<uint32_t>(row >> (16 + 16 * i) & 0xffff) - first;
      mask |= static_cast<uint32_t>(i < tag && offset < 16) << (offset % 16);
    }
    return mask;
  }
  const auto* const slots = reinterpret_cast<const uint16_t*>(row >> 16);
  if (tag > holder_rows::kMostFlat) return ScanIndexed(slots, first);
  const auto lanes = static_cast<uint64_t>((uint64_t{1} << tag) - 1);
  uint32_t mask = Scan(slots, static_cast<uint32_t>(lanes), first);
  if (tag > 32) mask |= Scan(slots + 32, static_cast<uint32_t>(lanes >> 32), first);
  return mask;
}

// ---- What the holders are ----

// Sixteen boxes, their columns side by side.
struct Boxes {
  __m512i hashes[2];
  __m512i traits;

  FAIRLEAD_INLINE Boxes(const BoxState* boxes, uint32_t wanted) {
    const uint32_t halves = _pdep_u32(wanted, 0x55555555) * 3;  // Two eights of a register a box; what isn't wanted isn't read.
    __m512i quarter[4];
#pragma GCC unroll 4
    for (uint32_t i = 0; i < 4; ++i) quarter[i] = _mm512_maskz_loadu_epi64(static_cast<__mmask8>(halves >> (8 * i)), boxes + 4 * i);
    const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
    const __m512i odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) hashes[i] = _mm512_permutex2var_epi64(quarter[2 * i], even, quarter[2 * i + 1]);
    const __m512i rest[2] = {_mm512_permutex2var_epi64(quarter[0], odd, quarter[1]),
                             _mm512_permutex2var_epi64(quarter[2], odd, quarter[3])};
    const __m256i first = _mm512_cvtepi64_epi32(_mm512_srli_epi64(rest[0], 32));
    const __m256i second = _mm512_cvtepi64_epi32(_mm512_srli_epi64(rest[1], 32));
    traits = _mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1);
  }

  FAIRLEAD_INLINE __mmask16 Among(__mmask16 boxes, uint32_t bits) const {
    return _mm512_mask_test_epi32_mask(boxes, traits, _mm512_set1_epi32(static_cast<int32_t>(bits)));
  }
};

// ---- What they draw ----

// Mix of spread.h.
FAIRLEAD_INLINE __m512i Mixed(uint64_t key, __m512i hash) {
  const __m512i step = _mm512_mullo_epi64(_mm512_add_epi64(hash, Words(1)), Words(0x9e3779b97f4a7c15));
  __m512i x = _mm512_add_epi64(Words(key), step);
  x = _mm512_mullo_epi64(_mm512_xor_si512(x, _mm512_srli_epi64(x, 30)), Words(0xbf58476d1ce4e5b9));
  x = _mm512_mullo_epi64(_mm512_xor_si512(x, _mm512_srli_epi64(x, 27)), Words(0x94d049bb133111eb));
  return _mm512_xor_si512(x, _mm512_srli_epi64(x, 31));
}

FAIRLEAD_INLINE __m256 AsFloats(__m512i hash) {
  return _mm512_cvtepu64_ps(_mm512_or_si512(hash, Words(1)));
}

// -log2(hash / 2^64), wrong by less than 2^-13: 2^-15.8 by the polynomial, which goes through log2 at six places in [1, 2), the rest by
// rounding, and by what NegativeLog2 itself errs.
constexpr float kLogError = 0x1p-13f;
FAIRLEAD_INLINE __m512 RoughLogs(__m512 hashes) {
  const __m512 mantissa = _mm512_getmant_ps(hashes, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src);
  __m512 log = _mm512_set1_ps(0.0430049578f);
  constexpr float kCoefficients[] = {-0.402513394f, 1.58947429f, -3.48987855f, 5.04785541f, -2.78792621f};
#pragma GCC unroll 5
  for (const float coefficient : kCoefficients) log = _mm512_fmadd_ps(log, mantissa, _mm512_set1_ps(coefficient));
  return _mm512_sub_ps(_mm512_sub_ps(_mm512_set1_ps(64), _mm512_getexp_ps(hashes)), log);
}

FAIRLEAD_INLINE void Draw(uint64_t key, const Boxes& boxes, Draws& draws) {
  const __m512 first = _mm512_castps256_ps512(AsFloats(Mixed(key, boxes.hashes[0])));
  const __m512 logs = RoughLogs(_mm512_insertf32x8(first, AsFloats(Mixed(key, boxes.hashes[1])), 1));
  const __m512 weights = _mm512_cvtepi32_ps(_mm512_srli_epi32(boxes.traits, BoxState::kWeightShift));
  const __m512 error = _mm512_set1_ps(kLogError);
  const __m512 shares = _mm512_div_ps(_mm512_set1_ps(1), weights);
  _mm512_store_ps(draws.low, _mm512_mul_ps(_mm512_sub_ps(logs, error), shares));
  _mm512_store_ps(draws.high, _mm512_mul_ps(_mm512_add_ps(logs, error), shares));
}

void Judge(const JudgeTask& task, const Rung& rung, bool link_has_room, Verdict& verdict, Draws& draws) {
  const uint32_t holders = Holders(task.row, rung.first_slot) & rung.hears;
  verdict = {.holders = static_cast<uint16_t>(holders), .live = 0, .able = 0, .fit = 0, .no_room = 0};
  draws.in = 0;
  if (holders == 0) return;
  const Boxes boxes(task.boxes + rung.first_slot, holders);
  const __mmask16 live = boxes.Among(static_cast<__mmask16>(holders), BoxState::kLive);
  const __mmask16 able = boxes.Among(live, task.endpoints);
  const auto well = static_cast<__mmask16>(able & ~boxes.Among(able, BoxState::kFitnessMask));
  const __mmask16 fit = link_has_room ? well : 0;
  verdict.live = live;
  verdict.able = able;
  verdict.fit = draws.in = fit;
  verdict.no_room = static_cast<uint16_t>((boxes.Among(able, BoxState::kNoRoom) | well) & ~fit);
  if (fit != 0) Draw(task.spread_key, boxes, draws);
}

Lead FindLead(const Draws* draws, size_t count) {
  __m512 least = _mm512_set1_ps(__builtin_inff());
  for (size_t i = 0; i < count; ++i) least = _mm512_mask_min_ps(least, draws[i].in, least, _mm512_load_ps(draws[i].high));
  Lead lead = {.at = 0, .contenders = 0, .limit = _mm512_reduce_min_ps(least)};
  const __m512 limit = _mm512_set1_ps(lead.limit);
  for (size_t i = count; i-- > 0;) {
    const uint32_t mask = _mm512_mask_cmp_ps_mask(draws[i].in, _mm512_load_ps(draws[i].low), limit, _CMP_LE_OQ);
    lead.contenders += static_cast<uint32_t>(__builtin_popcount(mask));
    if (mask != 0) lead.at = static_cast<uint32_t>(i * Fleet::kBlock) + static_cast<uint32_t>(__builtin_ctz(mask));
  }
  return lead;
}

}  // namespace

bool HasAvx512ForRungs() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
}

const RungKernel kAvx512RungKernel = {.judge = Judge, .find_lead = FindLead};

}  // namespace fairlead
