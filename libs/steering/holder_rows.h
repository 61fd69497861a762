// The holders of one file as a compressed row of slots, laid out for one question: which of the 16 slots from `first` on hold it?
// Private to libs/steering; see holdings.h.
//
// A row is told by one 64-bit word, so that a directory line tells eight rows, and the answer costs at most two lines more:
//   none               the word is 0
//   up to 3 holders    they stand in the word itself
//   up to 48           sorted 16-bit slots, one or two lines, compared eight at a time
//   up to 496          the same behind an index of their lines: the index and the one or two lines that it names
//   more               a bitmap over all slots: one line
// Rows are never changed once they are made. Pure functions; any thread.
#ifndef FAIRLEAD_LIBS_STEERING_HOLDER_ROWS_H_
#define FAIRLEAD_LIBS_STEERING_HOLDER_ROWS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "absl/types/span.h"
#include "libs/steering/row_pool.h"

namespace fairlead {

namespace holder_rows {

using Row = uint64_t;

inline constexpr uint32_t kMostInline = 3;
inline constexpr uint32_t kMostFlat = 48;
inline constexpr uint32_t kIndexed = 16;  // Lines behind an index; the first of them has room for 16 slots, the others for 32.
inline constexpr uint32_t kMostSparse = 16 + (kIndexed - 1) * 32;
inline constexpr uint32_t kDense = 0xffff;
inline constexpr uint16_t kNobody = 0xffff;  // No slot has this number.

inline uint32_t TagOf(Row row) {
  return static_cast<uint32_t>(row & 0xffff);
}
inline const uint16_t* SlotsOf(Row row) {
  return reinterpret_cast<const uint16_t*>(row >> 16);
}

// Of a bitmap, or behind an index: each slot may be in another line.
inline bool IsLong(Row row) {
  return TagOf(row) > kMostFlat;
}

// Bytes of a bitmap over `slots` slots: whole lines, and room to read 32 bits at any of them.
inline size_t DenseBytes(uint32_t slots) {
  return (slots / 8 + 4 + 63) / 64 * 64;
}

// `slots` ascending and distinct. The caller owns what the row points to: Bytes(row) of it, 0 if it stands in the word.
Row Make(absl::Span<const uint16_t> slots, size_t dense_bytes, RowPool& pool);
size_t Bytes(Row row, size_t dense_bytes);
// Appends them, ascending.
void List(Row row, size_t dense_bytes, std::vector<uint16_t>& slots);

// Bit i: `slots[j] == first + i` for some j < count; count is rounded up to whole eights, and what stands there must be kNobody.
inline uint32_t ScanFor(const uint16_t* slots, uint32_t count, uint32_t first) {
  uint32_t mask = 0;
#if defined(__SSE2__)
  const __m128i from = _mm_set1_epi16(static_cast<int16_t>(first));
  const __m128i most = _mm_set1_epi16(15);
  for (uint32_t i = 0; i < count; i += 8) {
    const __m128i offset = _mm_sub_epi16(_mm_load_si128(reinterpret_cast<const __m128i*>(slots + i)), from);
    const __m128i inside = _mm_cmpeq_epi16(_mm_subs_epu16(offset, most), _mm_setzero_si128());
    for (uint32_t hits = static_cast<uint32_t>(_mm_movemask_epi8(inside)) & 0x5555; hits != 0; hits &= hits - 1) {
      mask |= 1u << (slots[i + static_cast<uint32_t>(__builtin_ctz(hits)) / 2] - first);
    }
  }
#else
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t offset = slots[i] - first;
    if (offset < 16) mask |= 1u << offset;
  }
#endif
  return mask;
}

// How many of the index's 16 lines begin at or before `slot`: they are the first ones.
inline uint32_t LinesUpTo(const uint16_t* index, uint32_t slot) {
#if defined(__SSE2__)
  const __m128i limit = _mm_set1_epi16(static_cast<int16_t>(slot));
  const auto above = [&](uint32_t from) {
    const __m128i excess = _mm_subs_epu16(_mm_load_si128(reinterpret_cast<const __m128i*>(index + from)), limit);
    return ~static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi16(excess, _mm_setzero_si128()))) & 0xffff;
  };
  const uint64_t beyond = uint64_t{above(0)} | uint64_t{above(8)} << 16 | uint64_t{1} << 32;
  return static_cast<uint32_t>(__builtin_ctzll(beyond)) / 2;
#else
  uint32_t lines = 0;
  while (lines < kIndexed && index[lines] <= slot) ++lines;
  return lines;
#endif
}

// Bit i: slot `first` + i holds the file, for i < 16.
inline uint32_t MaskFrom(Row row, uint32_t first) {
  const uint32_t tag = TagOf(row);
  if (tag == kDense) {
    uint32_t bits;
    std::memcpy(&bits, reinterpret_cast<const char*>(row >> 16) + first / 8, sizeof(bits));
    return (bits >> (first % 8)) & 0xffff;
  }
  if (tag <= kMostInline) {
    uint32_t mask = 0;
    for (uint32_t i = 0; i < tag; ++i) {
      const uint32_t offset = static_cast<uint32_t>(row >> (16 + 16 * i) & 0xffff) - first;
      if (offset < 16) mask |= 1u << offset;
    }
    return mask;
  }
  const uint16_t* slots = SlotsOf(row);
  if (tag <= kMostFlat) return ScanFor(slots, tag, first);
  const uint32_t end = LinesUpTo(slots, first + 15);
  const uint32_t begin = LinesUpTo(slots, first);
  uint32_t mask = 0;
  for (uint32_t line = begin == 0 ? 0 : begin - 1; line < end; ++line) {
    mask |= line == 0 ? ScanFor(slots + 16, 16, first) : ScanFor(slots + 32 * line, 32, first);
  }
  return mask;
}

// Fetches what MaskFrom reads first whatever the slot; then what it reads for this slot. Always inlined: of a function that only
// prefetches g++ finds that it does nothing, and leaves out the calls.
[[gnu::always_inline]] inline void PrefetchRow(Row row) {
  const uint32_t tag = TagOf(row);
  if (tag == kDense || tag <= kMostInline) return;
  __builtin_prefetch(SlotsOf(row));
  if (tag <= kMostFlat && tag > 32) __builtin_prefetch(SlotsOf(row) + 32);
}
[[gnu::always_inline]] inline void PrefetchAt(Row row, uint32_t first) {
  const uint32_t tag = TagOf(row);
  if (tag == kDense) {
    __builtin_prefetch(reinterpret_cast<const char*>(row >> 16) + first / 8);
  } else if (tag > kMostFlat) {
    __builtin_prefetch(SlotsOf(row) + 32 * (std::max(LinesUpTo(SlotsOf(row), first), 1u) - 1));
  }
}

}  // namespace holder_rows
}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_HOLDER_ROWS_H_
