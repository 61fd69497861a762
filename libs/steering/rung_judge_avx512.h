// The kernel of rung_judge.h with AVX-512: a rung's boxes in a handful of registers, without a branch that depends on which of them are
// what. For the file that is compiled for such processors (decider_avx512.cc). Private to libs/steering.
#ifndef FAIRLEAD_LIBS_STEERING_RUNG_JUDGE_AVX512_H_
#define FAIRLEAD_LIBS_STEERING_RUNG_JUDGE_AVX512_H_

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "libs/steering/rung_judge.h"
#include "libs/steering/target.h"

#define FAIRLEAD_INLINE [[gnu::always_inline]] inline

FAIRLEAD_BEGIN_AVX512
namespace fairlead {
namespace avx512 {

static_assert(sizeof(BoxState) == 16 && offsetof(BoxState, hash) == 0 && offsetof(BoxState, traits) == 12);

FAIRLEAD_INLINE __m512i Words(uint64_t value) {
  return _mm512_set1_epi64(static_cast<int64_t>(value));
}

template <typename T>
FAIRLEAD_INLINE __m512i Load(const PackedBoxes::Column<T>& column, uint32_t at) {
  return _mm512_loadu_si512(reinterpret_cast<const T*>(&column) + at);
}
template <typename T>
FAIRLEAD_INLINE void Store(PackedBoxes::Column<T>& column, uint32_t at, __m512i values) {
  _mm512_storeu_si512(reinterpret_cast<T*>(&column) + at, values);
}

// ---- Who holds the file: holder_rows::MaskFrom ----

// Of 32 slots, those under `lanes`: bit i if one is `first` + i. To shift a bit by more than there are leaves none.
FAIRLEAD_INLINE uint32_t Scan(const uint16_t* slots, uint32_t lanes, uint32_t first) {
  const __m512i at = _mm512_sub_epi16(_mm512_maskz_loadu_epi16(lanes, slots), _mm512_set1_epi16(static_cast<int16_t>(first)));
  const __m512i bits = _mm512_maskz_sllv_epi16(lanes, _mm512_set1_epi16(1), at);
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

FAIRLEAD_INLINE uint32_t HoldersOf(uint64_t row, uint32_t first) {
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

// Those of `boxes` that have any of `bits`.
FAIRLEAD_INLINE __mmask16 Among(__mmask16 boxes, __m512i traits, uint32_t bits) {
  return _mm512_mask_test_epi32_mask(boxes, traits, _mm512_set1_epi32(static_cast<int32_t>(bits)));
}

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

// rough_draw's.
FAIRLEAD_INLINE __m512 RoughLogs(__m512 hashes) {
  const __m512 mantissa = _mm512_getmant_ps(hashes, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src);
  __m512 log = _mm512_set1_ps(rough_draw::kFirstCoefficient);
#pragma GCC unroll 5
  for (const float coefficient : rough_draw::kCoefficients) log = _mm512_fmadd_ps(log, mantissa, _mm512_set1_ps(coefficient));
  return _mm512_sub_ps(_mm512_sub_ps(_mm512_set1_ps(64), _mm512_getexp_ps(hashes)), log);
}

// ---- The same for sixteen rungs at once ----

// Their columns; of those that there aren't all is zero.
struct Head {
  __m512i slots;
  __m512i hears_and_ranks;
  __m512i sites;

  FAIRLEAD_INLINE Head(const Rung* rungs, uint32_t size) {
    const uint64_t words = size >= 16 ? ~uint64_t{0} : (uint64_t{1} << 4 * size) - 1;
    __m512i quarter[4];
#pragma GCC unroll 4
    for (uint32_t i = 0; i < 4; ++i) quarter[i] = _mm512_maskz_loadu_epi32(static_cast<__mmask16>(words >> (16 * i)), rungs + 4 * i);
    slots = Column(quarter, 0);
    hears_and_ranks = Column(quarter, 1);
    sites = Column(quarter, 2);
  }

  FAIRLEAD_INLINE static __m512i Column(const __m512i* quarter, int column) {
    const __m512i at =
        _mm512_add_epi32(_mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28), _mm512_set1_epi32(column));
    const __m512i first = _mm512_permutex2var_epi32(quarter[0], at, quarter[1]);
    const __m512i second = _mm512_permutex2var_epi32(quarter[2], at, quarter[3]);
    return _mm512_inserti64x4(first, _mm512_castsi512_si256(second), 1);
  }
};

// Adds to `bits`, of each rung, what one or two slots are to it; `pair` stands in each lane.
FAIRLEAD_INLINE __m512i AddHolders(__m512i bits, __m512i pair, __m512i twice) {
  return _mm512_or_si512(bits, _mm512_sllv_epi16(_mm512_set1_epi16(1), _mm512_sub_epi16(pair, twice)));
}

// Of sixteen pairs of slots those from `begin` on, eight of them.
FAIRLEAD_INLINE __m512i AddEightPairs(__m512i bits, __m512i slots, int begin, __m512i twice) {
#pragma GCC unroll 8
  for (int i = begin; i < begin + 8; ++i) bits = AddHolders(bits, _mm512_permutexvar_epi32(_mm512_set1_epi32(i), slots), twice);
  return bits;
}

// By rung, in the upper or the lower half of its lane. Of a row in a word, or of up to 48 slots.
FAIRLEAD_INLINE __m512i HoldersByRung(uint64_t row, __m512i twice) {
  const auto tag = static_cast<uint32_t>(row & 0xffff);
  const __m512i nobody = _mm512_set1_epi16(-1);
  __m512i bits = _mm512_setzero_si512();
  if (tag <= holder_rows::kMostInline) {
    const uint64_t absent = ~uint64_t{0} << 16 << 16 * tag;
    const uint64_t slots = (tag == holder_rows::kMostInline ? row : row | absent) >> 16;
    bits = AddHolders(bits, _mm512_set1_epi32(static_cast<int32_t>(slots)), twice);
    return AddHolders(bits, _mm512_set1_epi32(static_cast<int32_t>(slots >> 32 | 0xffff0000)), twice);
  }
  const auto* const slots = reinterpret_cast<const uint16_t*>(row >> 16);
  const uint64_t lanes = (uint64_t{1} << tag) - 1;
  const __m512i first = _mm512_mask_loadu_epi16(nobody, static_cast<__mmask32>(lanes), slots);
  bits = AddEightPairs(bits, first, 0, twice);
  if (tag > 16) bits = AddEightPairs(bits, first, 8, twice);
  if (tag > 32) bits = AddEightPairs(bits, _mm512_mask_loadu_epi16(nobody, static_cast<__mmask32>(lanes >> 32), slots + 32), 0, twice);
  return bits;
}

// ---- In which order they draw ----

// Bounds of the order of sixteen boxes (rough_draw).
FAIRLEAD_INLINE void Draw(uint64_t spread_key, const PackedBoxes& packed, uint32_t begin, __m512i& low, __m512i& high) {
  const __m256 first = AsFloats(Mixed(spread_key, Load(packed.hash, begin)));
  const __m256 second = AsFloats(Mixed(spread_key, Load(packed.hash, begin + 8)));
  const __m512 logs = RoughLogs(_mm512_insertf32x8(_mm512_castps256_ps512(first), second, 1));
  const __m512 weights = _mm512_cvtepi32_ps(_mm512_srli_epi32(Load(packed.traits, begin), BoxState::kWeightShift));
  const __m512 error = _mm512_set1_ps(rough_draw::kError);
  const __m512 shares = _mm512_div_ps(_mm512_set1_ps(1), weights);
  const __m512 least = _mm512_mul_ps(_mm512_max_ps(_mm512_sub_ps(logs, error), _mm512_setzero_ps()), shares);
  const __m512 most = _mm512_mul_ps(_mm512_add_ps(logs, error), shares);
  const __m512i place = _mm512_slli_epi32(Load(packed.place, begin), rough_draw::kPlaceShift);
  low = _mm512_add_epi32(place, _mm512_srli_epi32(_mm512_castps_si512(least), rough_draw::kDrawShift));
  high =
      _mm512_add_epi32(_mm512_add_epi32(place, _mm512_set1_epi32(1)), _mm512_srli_epi32(_mm512_castps_si512(most), rough_draw::kDrawShift));
}

}  // namespace avx512

struct Avx512Rungs {
  FAIRLEAD_INLINE static uint32_t Holders(holder_rows::Row row, uint32_t first) { return avx512::HoldersOf(row, first); }

  FAIRLEAD_INLINE static void FindHolders(holder_rows::Row row, const Rung* head, uint32_t size, HeadHolders& found) {
    const avx512::Head rungs(head, size);
    const __m512i deaf = _mm512_set1_epi32(static_cast<int32_t>(Rung::kDeaf));
    const __m512i rank = _mm512_set1_epi32(static_cast<int32_t>(0xffff0000));
    found.deaf = _mm512_mask_testn_epi32_mask(_mm512_test_epi32_mask(rungs.sites, deaf), rungs.hears_and_ranks, rank);
    if (holder_rows::IsLong(row)) return FindHoldersOfLong(row, head, size, found);
    const __m512i bits = avx512::HoldersByRung(row, _mm512_or_si512(rungs.slots, _mm512_slli_epi32(rungs.slots, 16)));
    const __m512i holders = _mm512_and_si512(_mm512_or_si512(bits, _mm512_srli_epi32(bits, 16)), rungs.hears_and_ranks);
    found.any = _mm512_test_epi32_mask(holders, _mm512_set1_epi32(0xffff));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(&found.of), _mm512_cvtepi32_epi16(holders));
    found.rungs = size < HeadHolders::kMost ? size : HeadHolders::kMost;
  }

  FAIRLEAD_INLINE static void FindHoldersOfLong(holder_rows::Row row, const Rung* head, uint32_t size, HeadHolders& found) {
    found.rungs = size < HeadHolders::kOfLong ? size : HeadHolders::kOfLong;
    found.any = 0;
    for (uint32_t i = 0; i < found.rungs; ++i) {
      const uint32_t holders = Holders(row, head[i].first_slot) & head[i].hears;
      reinterpret_cast<uint16_t*>(&found.of)[i] = static_cast<uint16_t>(holders);
      found.any |= (holders != 0 ? 1u : 0u) << i;
    }
  }

  // As they stand: four to a register, two eights of it a box.
  class Block {
   public:
    FAIRLEAD_INLINE Block(const BoxState* boxes, uint32_t wanted) : wanted_(static_cast<__mmask16>(wanted)) {
      const uint32_t halves = _pdep_u32(wanted, 0x55555555) * 3;
#pragma GCC unroll 4
      for (uint32_t i = 0; i < 4; ++i) quarter_[i] = _mm512_maskz_loadu_epi64(static_cast<__mmask8>(halves >> (8 * i)), boxes + 4 * i);
      const __m512i last = _mm512_setr_epi32(3, 7, 11, 15, 19, 23, 27, 31, 3, 7, 11, 15, 19, 23, 27, 31);
      const __m512i first = _mm512_permutex2var_epi32(quarter_[0], last, quarter_[1]);
      const __m512i second = _mm512_permutex2var_epi32(quarter_[2], last, quarter_[3]);
      traits_ = _mm512_inserti64x4(first, _mm512_castsi512_si256(second), 1);
    }

    FAIRLEAD_INLINE Verdict Judge(uint32_t endpoints, bool link_has_room) const {
      const __mmask16 live = avx512::Among(wanted_, traits_, BoxState::kLive);
      const __mmask16 able = avx512::Among(live, traits_, endpoints);
      const uint32_t well = able & ~uint32_t{avx512::Among(able, traits_, BoxState::kFitnessMask)};
      const uint32_t fit = link_has_room ? well : 0;
      return {.live = live, .able = able, .fit = fit, .no_room = (avx512::Among(able, traits_, BoxState::kNoRoom) | well) & ~fit};
    }

    FAIRLEAD_INLINE void Append(uint32_t which, const RungFacts& facts, PackedBoxes& packed) const {
      const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
      const __m512i first = _mm512_permutex2var_epi64(quarter_[0], even, quarter_[1]);
      const __m512i second = _mm512_permutex2var_epi64(quarter_[2], even, quarter_[3]);
      const uint32_t at = packed.count;
      avx512::Store(packed.hash, at, _mm512_maskz_compress_epi64(static_cast<__mmask8>(which), first));
      avx512::Store(packed.hash, at + static_cast<uint32_t>(__builtin_popcount(which & 0xff)),
                    _mm512_maskz_compress_epi64(static_cast<__mmask8>(which >> 8), second));
      const __m512i steps = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
      const __m512i numbers = _mm512_add_epi32(_mm512_set1_epi32(static_cast<int32_t>(facts.who)), steps);
      avx512::Store(packed.traits, at, _mm512_maskz_compress_epi32(static_cast<__mmask16>(which), traits_));
      avx512::Store(packed.who, at, _mm512_maskz_compress_epi32(static_cast<__mmask16>(which), numbers));
      avx512::Store(packed.site, at, _mm512_set1_epi32(static_cast<int32_t>(facts.site)));
      avx512::Store(packed.place, at, _mm512_set1_epi32(static_cast<int32_t>(facts.place)));
      packed.count = at + static_cast<uint32_t>(__builtin_popcount(which));
    }

   private:
    __mmask16 wanted_;
    __m512i quarter_[4];
    __m512i traits_;
  };

  // A draw is told by two bounds of what SpreadCost says, because bounds come for sixteen boxes in the time that the exact figure takes for
  // two; those whose bounds overlap are compared exactly. All of it stays in registers.
  template <uint32_t N>
  class Ballot {
   public:
    FAIRLEAD_INLINE Ballot(uint64_t spread_key, const BoxState* boxes, const PackedBoxes& packed)
        : spread_key_(spread_key), boxes_(boxes), packed_(packed) {
#pragma GCC unroll 4
      for (uint32_t i = 0; i < N; ++i) {
        in_[i] = static_cast<__mmask16>(_bzhi_u32(0xffff, packed.count > 16 * i ? packed.count - 16 * i : 0));
        avx512::Draw(spread_key, packed, 16 * i, low_[i], high_[i]);
      }
    }

    FAIRLEAD_INLINE uint32_t TakeFirst() {
      __m512i least = _mm512_set1_epi32(-1);
#pragma GCC unroll 4
      for (uint32_t i = 0; i < N; ++i) least = _mm512_mask_min_epu32(least, in_[i], least, high_[i]);
      const __m512i limit = _mm512_set1_epi32(static_cast<int32_t>(_mm512_reduce_min_epu32(least)));
      uint64_t may_be = 0;
#pragma GCC unroll 4
      for (uint32_t i = 0; i < N; ++i) may_be |= uint64_t{_mm512_mask_cmple_epu32_mask(in_[i], low_[i], limit)} << (16 * i);
      if ((may_be & (may_be - 1)) != 0) may_be = rough_draw::ExactlyFirst(spread_key_, boxes_, packed_, may_be);
#pragma GCC unroll 4
      for (uint32_t i = 0; i < N; ++i) in_[i] = static_cast<__mmask16>(in_[i] & ~(may_be >> (16 * i)));
      return static_cast<uint32_t>(__builtin_ctzll(may_be));
    }

    FAIRLEAD_INLINE bool LeaveSite(uint32_t site) {
      const __m512i left = _mm512_set1_epi32(static_cast<int32_t>(site));
      uint32_t any = 0;
#pragma GCC unroll 4
      for (uint32_t i = 0; i < N; ++i) {
        in_[i] = _mm512_mask_cmpneq_epu32_mask(in_[i], avx512::Load(packed_.site, 16 * i), left);
        any |= in_[i];
      }
      return any != 0;
    }

   private:
    const uint64_t spread_key_;
    const BoxState* const boxes_;
    const PackedBoxes& packed_;
    __m512i low_[N];
    __m512i high_[N];
    __mmask16 in_[N];
  };
};

}  // namespace fairlead
FAIRLEAD_END_AVX512

#undef FAIRLEAD_INLINE

#endif  // FAIRLEAD_LIBS_STEERING_RUNG_JUDGE_AVX512_H_
