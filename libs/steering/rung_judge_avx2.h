// The kernel of rung_judge.h with AVX2: as the one with AVX-512, eight at a time, where masks are lanes of ones and boxes are packed by a
// table. For the file that is compiled for such processors (decider_avx2.cc). Private to libs/steering.
#ifndef FAIRLEAD_LIBS_STEERING_RUNG_JUDGE_AVX2_H_
#define FAIRLEAD_LIBS_STEERING_RUNG_JUDGE_AVX2_H_

#include <immintrin.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "libs/steering/rung_judge.h"
#include "libs/steering/target.h"

#define FAIRLEAD_INLINE [[gnu::always_inline]] inline

namespace fairlead::avx2 {

static_assert(sizeof(BoxState) == 16 && offsetof(BoxState, hash) == 0 && offsetof(BoxState, traits) == 12);
static_assert((BoxState::kEndpoints | BoxState::kLive | BoxState::kNoRoom | BoxState::kFitnessMask) <= 0xff);

// By mask: the numbers of its bits, then zeros. Those of `kBits` bits, each standing for `kWords` words.
template <size_t kBits, size_t kWords>
constexpr auto PlacesOfBits() {
  std::array<std::array<uint8_t, 8>, size_t{1} << kBits> places{};
  for (size_t mask = 0; mask < places.size(); ++mask) {
    size_t count = 0;
    for (size_t bit = 0; bit < kBits; ++bit) {
      for (size_t word = 0; (mask >> bit & 1) != 0 && word < kWords; ++word)
        places[mask][count++] = static_cast<uint8_t>(bit * kWords + word);
    }
  }
  return places;
}
alignas(64) inline constexpr auto kWordsToKeep = PlacesOfBits<8, 1>();
alignas(64) inline constexpr auto kPairsToKeep = PlacesOfBits<4, 2>();

}  // namespace fairlead::avx2

FAIRLEAD_BEGIN_AVX2
namespace fairlead {
namespace avx2 {

FAIRLEAD_INLINE __m256i Words(uint32_t value) {
  return _mm256_set1_epi32(static_cast<int32_t>(value));
}
FAIRLEAD_INLINE __m256i Longs(uint64_t value) {
  return _mm256_set1_epi64x(static_cast<int64_t>(value));
}
FAIRLEAD_INLINE __m256i Steps() {
  return _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
}
// Bit i: lane i is of ones.
FAIRLEAD_INLINE uint32_t Mask(__m256i lanes) {
  return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(lanes)));
}
FAIRLEAD_INLINE __m256i IsZero(__m256i words) {
  return _mm256_cmpeq_epi32(words, _mm256_setzero_si256());
}
FAIRLEAD_INLINE __m256i Places(const std::array<uint8_t, 8>& places) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(&places)));
}

template <typename T>
FAIRLEAD_INLINE __m256i Load(const PackedBoxes::Column<T>& column, uint32_t at) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(reinterpret_cast<const T*>(&column) + at));
}
template <typename T>
FAIRLEAD_INLINE void Store(PackedBoxes::Column<T>& column, uint32_t at, __m256i values) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(reinterpret_cast<T*>(&column) + at), values);
}

// Eight things of four words each, rungs or boxes. Those in `wanted` are read, of the others all is zero.
struct Eight {
  __m256i pairs[4];

  FAIRLEAD_INLINE Eight(const void* at, uint32_t wanted) {
    const __m256i bits = _mm256_setr_epi32(1, 1, 1, 1, 2, 2, 2, 2);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const __m256i absent = IsZero(_mm256_and_si256(Words(wanted >> (2 * i)), bits));
      pairs[i] = _mm256_maskload_epi32(static_cast<const int*>(at) + 8 * i, _mm256_xor_si256(absent, Words(0xffffffff)));
    }
  }

  // Of each its word.
  template <int kWord>
  FAIRLEAD_INLINE __m256i Column() const {
    constexpr bool kHigh = kWord >= 2;
    const __m256i first = kHigh ? _mm256_unpackhi_epi32(pairs[0], pairs[1]) : _mm256_unpacklo_epi32(pairs[0], pairs[1]);
    const __m256i second = kHigh ? _mm256_unpackhi_epi32(pairs[2], pairs[3]) : _mm256_unpacklo_epi32(pairs[2], pairs[3]);
    const __m256i mixed = kWord % 2 == 0 ? _mm256_unpacklo_epi64(first, second) : _mm256_unpackhi_epi64(first, second);
    return _mm256_permutevar8x32_epi32(mixed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  }

  // The first two words as one, of the first four or the last four.
  FAIRLEAD_INLINE __m256i Longs(int half) const {
    return _mm256_permute4x64_epi64(_mm256_unpacklo_epi64(pairs[2 * half], pairs[2 * half + 1]), _MM_SHUFFLE(3, 1, 2, 0));
  }
};

// ---- Who holds the file: holder_rows::MaskFrom ----

// The bit of each slot that is `first` + i; to shift a bit by more than there are leaves none.
FAIRLEAD_INLINE __m256i BitsOf(const uint16_t* slots, uint32_t first) {
  const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(slots)));
  return _mm256_sllv_epi32(Words(1), _mm256_sub_epi32(wide, Words(first)));
}

FAIRLEAD_INLINE uint32_t Scan(const uint16_t* slots, uint32_t count, uint32_t first) {
  __m256i bits = BitsOf(slots, first);
  for (uint32_t i = 8; i < count; i += 8) bits = _mm256_or_si256(bits, BitsOf(slots + i, first));
  const __m128i half = _mm_or_si128(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));
  const auto all = static_cast<uint64_t>(_mm_cvtsi128_si64(_mm_or_si128(half, _mm_unpackhi_epi64(half, half))));
  return static_cast<uint32_t>(all | all >> 32) & 0xffff;
}

FAIRLEAD_INLINE uint32_t HoldersOf(holder_rows::Row row, uint32_t first) {
  const uint32_t tag = holder_rows::TagOf(row);
  if (tag == holder_rows::kDense || tag <= holder_rows::kMostInline) return holder_rows::MaskFrom(row, first);
  const uint16_t* const slots = holder_rows::SlotsOf(row);
  if (tag <= holder_rows::kMostFlat) return Scan(slots, tag, first);
  const uint32_t end = holder_rows::LinesUpTo(slots, first + 15);
  const uint32_t begin = holder_rows::LinesUpTo(slots, first);
  uint32_t mask = 0;
  for (uint32_t line = begin == 0 ? 0 : begin - 1; line < end; ++line) {
    mask |= line == 0 ? Scan(slots + 16, 16, first) : Scan(slots + 32 * line, 32, first);
  }
  return mask;
}

// ---- The same for sixteen rungs at once, in two registers ----

// Adds to the bits of each rung what a slot, which stands in each lane, is to it.
FAIRLEAD_INLINE void AddHolder(__m256i slot, const __m256i* first, __m256i* bits) {
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) bits[i] = _mm256_or_si256(bits[i], _mm256_sllv_epi32(Words(1), _mm256_sub_epi32(slot, first[i])));
}

// Of a row in a word, or of up to 48 slots. Bits above the sixteenth mean nothing.
FAIRLEAD_INLINE void AddHolders(holder_rows::Row row, const __m256i* first, __m256i* bits) {
  const uint32_t tag = holder_rows::TagOf(row);
  if (tag <= holder_rows::kMostInline) {
#pragma GCC unroll 3
    for (uint32_t i = 0; i < holder_rows::kMostInline; ++i) {
      const auto slot = static_cast<uint32_t>(row >> (16 + 16 * i) & 0xffff);
      AddHolder(Words(i < tag ? slot : 0xffffffff), first, bits);
    }
    return;
  }
  const uint16_t* const slots = holder_rows::SlotsOf(row);
  for (uint32_t i = 0; i < tag; i += 8) {
    const __m256i eight = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(slots + i)));
#pragma GCC unroll 8
    for (uint32_t j = 0; j < 8; ++j) AddHolder(_mm256_permutevar8x32_epi32(eight, Words(j)), first, bits);
  }
}

// ---- In which order they draw ----

// By a constant.
FAIRLEAD_INLINE __m256i Times(__m256i a, uint64_t factor) {
  const __m256i cross =
      _mm256_add_epi64(_mm256_mul_epu32(_mm256_srli_epi64(a, 32), Longs(factor)), _mm256_mul_epu32(a, Longs(factor >> 32)));
  return _mm256_add_epi64(_mm256_mul_epu32(a, Longs(factor)), _mm256_slli_epi64(cross, 32));
}

// Mix of spread.h.
FAIRLEAD_INLINE __m256i Mixed(uint64_t key, __m256i hash) {
  __m256i x = _mm256_add_epi64(Longs(key), Times(_mm256_add_epi64(hash, Longs(1)), 0x9e3779b97f4a7c15));
  x = Times(_mm256_xor_si256(x, _mm256_srli_epi64(x, 30)), 0xbf58476d1ce4e5b9);
  x = Times(_mm256_xor_si256(x, _mm256_srli_epi64(x, 27)), 0x94d049bb133111eb);
  return _mm256_xor_si256(x, _mm256_srli_epi64(x, 31));
}

// Of numbers without sign: their halves become the ends of doubles of 2^84 and 2^52, of which these are taken away again.
FAIRLEAD_INLINE __m128 AsFloats(__m256i numbers) {
  const __m256i high = _mm256_or_si256(_mm256_srli_epi64(numbers, 32), Longs(0x4530000000000000));
  const __m256i low = _mm256_blend_epi16(numbers, Longs(0x4330000000000000), 0xcc);
  const __m256d rest = _mm256_sub_pd(_mm256_castsi256_pd(high), _mm256_set1_pd(0x1p84 + 0x1p52));
  return _mm256_cvtpd_ps(_mm256_add_pd(rest, _mm256_castsi256_pd(low)));
}

// As RoughLogs of the kernel with AVX-512, and as wrong.
FAIRLEAD_INLINE __m256 RoughLogs(__m256 hashes) {
  const __m256i bits = _mm256_castps_si256(hashes);
  const __m256 exponent = _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_srli_epi32(bits, 23), Words(127)));
  const __m256 mantissa = _mm256_castsi256_ps(_mm256_or_si256(_mm256_and_si256(bits, Words(0x007fffff)), Words(0x3f800000)));
  __m256 log = _mm256_set1_ps(rough_draw::kFirstCoefficient);
#pragma GCC unroll 5
  for (const float coefficient : rough_draw::kCoefficients) log = _mm256_fmadd_ps(log, mantissa, _mm256_set1_ps(coefficient));
  return _mm256_sub_ps(_mm256_sub_ps(_mm256_set1_ps(64), exponent), log);
}

// Bounds of the order of eight boxes (rough_draw).
FAIRLEAD_INLINE void Draw(uint64_t spread_key, const PackedBoxes& packed, uint32_t begin, __m256i& low, __m256i& high) {
  const __m128 first = AsFloats(_mm256_or_si256(Mixed(spread_key, Load(packed.hash, begin)), Longs(1)));
  const __m128 second = AsFloats(_mm256_or_si256(Mixed(spread_key, Load(packed.hash, begin + 4)), Longs(1)));
  const __m256 logs = RoughLogs(_mm256_insertf128_ps(_mm256_castps128_ps256(first), second, 1));
  const __m256 weights = _mm256_cvtepi32_ps(_mm256_srli_epi32(Load(packed.traits, begin), BoxState::kWeightShift));
  const __m256 error = _mm256_set1_ps(rough_draw::kError);
  const __m256 shares = _mm256_div_ps(_mm256_set1_ps(1), weights);
  const __m256 least = _mm256_mul_ps(_mm256_max_ps(_mm256_sub_ps(logs, error), _mm256_setzero_ps()), shares);
  const __m256 most = _mm256_mul_ps(_mm256_add_ps(logs, error), shares);
  const __m256i place = _mm256_slli_epi32(Load(packed.place, begin), rough_draw::kPlaceShift);
  low = _mm256_add_epi32(place, _mm256_srli_epi32(_mm256_castps_si256(least), rough_draw::kDrawShift));
  high = _mm256_add_epi32(_mm256_add_epi32(place, Words(1)), _mm256_srli_epi32(_mm256_castps_si256(most), rough_draw::kDrawShift));
}

// The least of eight, in each lane.
FAIRLEAD_INLINE __m256i LeastOf(__m256i words) {
  words = _mm256_min_epu32(words, _mm256_permute2x128_si256(words, words, 1));
  words = _mm256_min_epu32(words, _mm256_shuffle_epi32(words, _MM_SHUFFLE(1, 0, 3, 2)));
  return _mm256_min_epu32(words, _mm256_shuffle_epi32(words, _MM_SHUFFLE(2, 3, 0, 1)));
}

}  // namespace avx2

struct Avx2Rungs {
  FAIRLEAD_INLINE static uint32_t Holders(holder_rows::Row row, uint32_t first) { return avx2::HoldersOf(row, first); }

  FAIRLEAD_INLINE static void FindHolders(holder_rows::Row row, const Rung* head, uint32_t size, HeadHolders& found) {
    const uint32_t there = size >= HeadHolders::kMost ? 0xffff : (1u << size) - 1;
    const avx2::Eight eights[2] = {{head, there & 0xff}, {head + 8, there >> 8}};
    const __m256i hears[2] = {eights[0].Column<1>(), eights[1].Column<1>()};  // And ranks.
    found.deaf = Deaf(eights[0].Column<2>(), hears[0]) | Deaf(eights[1].Column<2>(), hears[1]) << 8;
    if (holder_rows::IsLong(row)) return FindHoldersOfLong(row, head, size, found);
    const __m256i first[2] = {eights[0].Column<0>(), eights[1].Column<0>()};
    __m256i bits[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    avx2::AddHolders(row, first, bits);
    const __m256i masks = avx2::Words(0xffff);
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) bits[i] = _mm256_and_si256(_mm256_and_si256(bits[i], hears[i]), masks);
    found.any = ~(avx2::Mask(avx2::IsZero(bits[0])) | avx2::Mask(avx2::IsZero(bits[1])) << 8) & 0xffff;
    const __m256i of = _mm256_permute4x64_epi64(_mm256_packus_epi32(bits[0], bits[1]), _MM_SHUFFLE(3, 1, 2, 0));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(&found.of), of);
    found.rungs = size < HeadHolders::kMost ? size : HeadHolders::kMost;
  }

  // kDeaf is the sign of its word.
  FAIRLEAD_INLINE static uint32_t Deaf(__m256i sites, __m256i hears_and_ranks) {
    static_assert(Rung::kDeaf == 1u << 31);
    return avx2::Mask(_mm256_and_si256(sites, avx2::IsZero(_mm256_srli_epi32(hears_and_ranks, 16))));
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

  class Block {
   public:
    FAIRLEAD_INLINE Block(const BoxState* boxes, uint32_t wanted)
        : wanted_(wanted),
          eights_{{boxes, wanted & 0xff}, {boxes + 8, wanted >> 8}},
          traits_{eights_[0].Column<3>(), eights_[1].Column<3>()} {}

    FAIRLEAD_INLINE Verdict Judge(uint32_t endpoints, bool link_has_room) const {
      const __m256i byte = avx2::Words(0xff);
      const __m256i two = _mm256_permute4x64_epi64(
          _mm256_packus_epi32(_mm256_and_si256(traits_[0], byte), _mm256_and_si256(traits_[1], byte)), _MM_SHUFFLE(3, 1, 2, 0));
      const __m128i flags = _mm_packus_epi16(_mm256_castsi256_si128(two), _mm256_extracti128_si256(two, 1));
      const uint32_t live = Among(wanted_, flags, BoxState::kLive);
      const uint32_t able = Among(live, flags, endpoints);
      const uint32_t well = able & ~Among(able, flags, BoxState::kFitnessMask);
      const uint32_t fit = link_has_room ? well : 0;
      return {.live = live, .able = able, .fit = fit, .no_room = (Among(able, flags, BoxState::kNoRoom) | well) & ~fit};
    }

    FAIRLEAD_INLINE void Append(uint32_t which, const RungFacts& facts, PackedBoxes& packed) const {
      uint32_t at = packed.count;
#pragma GCC unroll 2
      for (uint32_t i = 0; i < 2; ++i) {
        avx2::Store(packed.site, at + 8 * i, avx2::Words(facts.site));
        avx2::Store(packed.place, at + 8 * i, avx2::Words(facts.place));
      }
#pragma GCC unroll 2
      for (uint32_t i = 0; i < 2; ++i) {
        const uint32_t kept = which >> (8 * i) & 0xff;
        const __m256i places = avx2::Places(reinterpret_cast<const std::array<uint8_t, 8>*>(&avx2::kWordsToKeep)[kept]);
        avx2::Store(packed.traits, at, _mm256_permutevar8x32_epi32(traits_[i], places));
        avx2::Store(packed.who, at, _mm256_add_epi32(avx2::Words(facts.who + 8 * i), places));
        AppendHashes(eights_[i].Longs(0), kept & 15, at, packed);
        AppendHashes(eights_[i].Longs(1), kept >> 4, at, packed);
      }
      packed.count = at;
    }

   private:
    // Those of `boxes` that have any of `bits`.
    FAIRLEAD_INLINE static uint32_t Among(uint32_t boxes, __m128i flags, uint32_t bits) {
      const __m128i none = _mm_cmpeq_epi8(_mm_and_si128(flags, _mm_set1_epi8(static_cast<char>(bits))), _mm_setzero_si128());
      return boxes & ~static_cast<uint32_t>(_mm_movemask_epi8(none));
    }

    FAIRLEAD_INLINE static void AppendHashes(__m256i four, uint32_t kept, uint32_t& at, PackedBoxes& packed) {
      const __m256i places = avx2::Places(reinterpret_cast<const std::array<uint8_t, 8>*>(&avx2::kPairsToKeep)[kept]);
      avx2::Store(packed.hash, at, _mm256_permutevar8x32_epi32(four, places));
      at += static_cast<uint32_t>(__builtin_popcount(kept));
    }

    uint32_t wanted_;
    avx2::Eight eights_[2];
    __m256i traits_[2];
  };

  // As the ballot with AVX-512. Who is out has the greatest bounds that there are, which nobody draws.
  template <uint32_t N>
  class Ballot {
   public:
    FAIRLEAD_INLINE Ballot(uint64_t spread_key, const BoxState* boxes, const PackedBoxes& packed)
        : spread_key_(spread_key), boxes_(boxes), packed_(packed) {
#pragma GCC unroll 8
      for (uint32_t i = 0; i < 2 * N; ++i) {
        avx2::Draw(spread_key, packed, 8 * i, low_[i], high_[i]);
        TakeOut(i, _mm256_cmpgt_epi32(Numbers(i), avx2::Words(packed.count - 1)));
      }
    }

    FAIRLEAD_INLINE uint32_t TakeFirst() {
      __m256i least = high_[0];
#pragma GCC unroll 8
      for (uint32_t i = 1; i < 2 * N; ++i) least = _mm256_min_epu32(least, high_[i]);
      const __m256i limit = avx2::LeastOf(least);
      uint64_t may_be = 0;
#pragma GCC unroll 8
      for (uint32_t i = 0; i < 2 * N; ++i) {
        may_be |= uint64_t{avx2::Mask(_mm256_cmpeq_epi32(_mm256_min_epu32(low_[i], limit), low_[i]))} << (8 * i);
      }
      if ((may_be & (may_be - 1)) != 0) may_be = rough_draw::ExactlyFirst(spread_key_, boxes_, packed_, may_be);
      const auto first = static_cast<uint32_t>(__builtin_ctzll(may_be));
#pragma GCC unroll 8
      for (uint32_t i = 0; i < 2 * N; ++i) TakeOut(i, _mm256_cmpeq_epi32(Numbers(i), avx2::Words(first)));
      return first;
    }

    FAIRLEAD_INLINE bool LeaveSite(uint32_t site) {
      __m256i all_out = avx2::Words(0xffffffff);
#pragma GCC unroll 8
      for (uint32_t i = 0; i < 2 * N; ++i) {
        TakeOut(i, _mm256_cmpeq_epi32(avx2::Load(packed_.site, 8 * i), avx2::Words(site)));
        all_out = _mm256_and_si256(all_out, high_[i]);
      }
      return avx2::Mask(_mm256_cmpeq_epi32(all_out, avx2::Words(0xffffffff))) != 0xff;
    }

   private:
    FAIRLEAD_INLINE static __m256i Numbers(uint32_t i) {
      return _mm256_add_epi32(avx2::Steps(), avx2::Words(8 * i));
    }
    FAIRLEAD_INLINE void TakeOut(uint32_t i, __m256i lanes) {
      low_[i] = _mm256_or_si256(low_[i], lanes);
      high_[i] = _mm256_or_si256(high_[i], lanes);
    }

    const uint64_t spread_key_;
    const BoxState* const boxes_;
    const PackedBoxes& packed_;
    __m256i low_[2 * N];
    __m256i high_[2 * N];
  };
};

}  // namespace fairlead
FAIRLEAD_END_AVX2

#undef FAIRLEAD_INLINE

#endif  // FAIRLEAD_LIBS_STEERING_RUNG_JUDGE_AVX2_H_
