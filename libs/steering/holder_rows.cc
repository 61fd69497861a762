#include "libs/steering/holder_rows.h"

#include <algorithm>
#include <cstring>

namespace fairlead {

namespace holder_rows {
namespace {

bool IsDense(size_t count, size_t dense_bytes) {
  return count > kMostSparse || (count > kMostInline && 2 * count >= dense_bytes);
}

size_t SparseBytes(size_t count) {
  if (count <= kMostInline) return 0;
  if (count <= kMostFlat) return (count + 7) / 8 * 16;
  return 64 * (1 + (count - 16 + 31) / 32);
}

Row Pointing(const void* memory, size_t tag) {
  return reinterpret_cast<uint64_t>(memory) << 16 | tag;
}

}  // namespace

size_t Bytes(Row row, size_t dense_bytes) {
  return TagOf(row) == kDense ? dense_bytes : SparseBytes(TagOf(row));
}

Row Make(absl::Span<const uint16_t> slots, size_t dense_bytes, RowPool& pool) {
  const size_t count = slots.size();
  if (count <= kMostInline) {
    Row row = count;
    for (size_t i = 0; i < count; ++i) row |= uint64_t{slots[i]} << (16 + 16 * i);
    return row;
  }
  if (IsDense(count, dense_bytes)) {
    auto* const bits = static_cast<uint8_t*>(pool.Take(dense_bytes));
    std::memset(bits, 0, dense_bytes);
    for (const uint16_t slot : slots) bits[slot / 8] = static_cast<uint8_t>(bits[slot / 8] | 1u << (slot % 8));
    return Pointing(bits, kDense);
  }
  const size_t bytes = SparseBytes(count);
  auto* const out = static_cast<uint16_t*>(pool.Take(bytes));
  std::fill(out, out + bytes / 2, kNobody);
  if (count <= kMostFlat) {
    std::copy(slots.begin(), slots.end(), out);
    return Pointing(out, count);
  }
  // The slots stand from 16 on in one run; line 0 begins with the first of them, line k with what stands at 32 k.
  std::copy(slots.begin(), slots.end(), out + 16);
  out[0] = slots[0];
  for (size_t line = 1; 64 * line < bytes; ++line) out[line] = out[32 * line];
  return Pointing(out, count);
}

void List(Row row, size_t dense_bytes, std::vector<uint16_t>& slots) {
  const uint32_t tag = TagOf(row);
  if (tag <= kMostInline) {
    for (uint32_t i = 0; i < tag; ++i) slots.push_back(static_cast<uint16_t>(row >> (16 + 16 * i)));
  } else if (tag != kDense) {
    const uint16_t* const from = SlotsOf(row) + (tag <= kMostFlat ? 0 : 16);
    slots.insert(slots.end(), from, from + tag);
  } else {
    const auto* const bytes = reinterpret_cast<const char*>(row >> 16);
    for (size_t at = 0; at < dense_bytes; at += 8) {
      uint64_t word;
      std::memcpy(&word, bytes + at, sizeof(word));
      for (; word != 0; word &= word - 1) slots.push_back(static_cast<uint16_t>(8 * at + static_cast<size_t>(__builtin_ctzll(word))));
    }
  }
}

}  // namespace holder_rows
}  // namespace fairlead
