#include "libs/net/lpm_trie4.h"

#include <algorithm>

namespace fairlead::lpm {

bool LpmTrie4::Reserve() {
  if (!memory_.Reserve()) return false;
  memory_.Carve(kTopBytes);
  return true;
}

void LpmTrie4::Build(absl::Span<const Run<Key>> runs) {
  auto* const top = reinterpret_cast<uint32_t*>(memory_.base());
  constexpr Key kInside = (1u << kBelowTop) - 1;
  for (size_t i = 0; i < runs.size(); ++i) {
    const uint32_t word = runs[i].word;
    if (word == 0) continue;
    const Key first = runs[i].start;
    const Key last = i + 1 < runs.size() ? runs[i + 1].start - 1 : ~Key{0};
    // Each address is drawn once, so what is there is "no match". First the /24s that are whole, then what is left at the ends.
    const uint32_t begin = static_cast<uint32_t>((uint64_t{first} + kInside) >> kBelowTop);
    const uint32_t end = static_cast<uint32_t>((uint64_t{last} + 1) >> kBelowTop);
    if (begin > end) {
      Paint(first, last, {-1, -1, word});
      continue;
    }
    if (begin < end) {
      std::fill(top + begin, top + end, word);
      for (uint32_t page = begin / kWordsOfPage; page <= (end - 1) / kWordsOfPage; ++page) touched_.set(page);
    }
    if (first < begin << kBelowTop) Paint(first, (begin << kBelowTop) - 1, {-1, -1, word});
    if (end < kTopSize && last >= end << kBelowTop) Paint(end << kBelowTop, last, {-1, -1, word});
  }
}

void LpmTrie4::Paint(Key first, Key last, const Brush& brush) {
  auto* const top = reinterpret_cast<uint32_t*>(memory_.base());
  for (uint32_t index = first >> kBelowTop; index <= last >> kBelowTop; ++index) {
    const Key base = index << kBelowTop;
    PaintSlot(top[index], kBelowTop, std::max(first, base), std::min(last, base | ((1u << kBelowTop) - 1)), brush);
    // A withdrawal from unrouted space reads it and writes nothing.
    if (top[index] != 0) touched_.set(index / kWordsOfPage);
  }
}

void LpmTrie4::PaintSlot(uint32_t& word, int below, Key first, Key last, const Brush& brush) {
  if (IsReference(word)) {
    PaintFan(word, below, first, last, brush);
  } else if (!brush.Colours(word)) {
    return;
  } else if (last - first == (1u << below) - 1) {
    if (word != brush.word) Store(&word, brush.word);
  } else {
    // Drawn while nobody sees it.
    uint32_t fan = NewFan(word);
    PaintFan(fan, below, first, last, brush);
    Store(&word, fan);
  }
}

void LpmTrie4::PaintFan(uint32_t& word, int below, Key first, Key last, const Brush& brush) {
  uint32_t* const words = Words(word);
  const int deeper = below - kStride4;
  const uint32_t end = last >> deeper & (kFanSize - 1);
  for (uint32_t i = first >> deeper & (kFanSize - 1); i <= end; ++i) {
    const Key base = (first >> below << below) | i << deeper;
    PaintSlot(words[i], deeper, std::max(first, base), std::min(last, base | ((1u << deeper) - 1)), brush);
  }
  if (!brush.recolours() || IsReference(words[0])) return;
  if (std::any_of(words + 1, words + kFanSize, [&](uint32_t other) { return other != words[0]; })) return;
  const uint32_t old = word;
  Store(&word, words[0]);
  memory_.Retire(old, kFanSize * sizeof(uint32_t));
}

uint32_t LpmTrie4::NewFan(uint32_t word) {
  const uint32_t fan = FanReference(kStride4, memory_.Allocate(kFanSize * sizeof(uint32_t)));
  std::fill_n(Words(fan), kFanSize, word);
  return fan;
}

}  // namespace fairlead::lpm
