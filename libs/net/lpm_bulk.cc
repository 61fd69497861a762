// Batches of lookups for any x86-64.
#include "libs/net/lpm_read.h"

namespace fairlead::lpm {
namespace {

// The few that have more than a /24 says.
[[gnu::noinline]] void Descend(const View& view, const uint32_t* keys, size_t count, uint32_t* words) {
  for (size_t i = 0; i < count; ++i) {
    if (IsReference(words[i])) words[i] = Descend4(view, keys[i]);
  }
}

// Where nothing matched, the default.
[[gnu::noinline]] void FillDefault(const View& view, size_t count, uint32_t* words) {
  const uint32_t default_word = Load(&view.fallback->word);
  for (size_t i = 0; i < count; ++i) words[i] = OrDefault(words[i], default_word);
}

}  // namespace

uint32_t Descend4(View view, uint32_t key) {
  uint32_t word = Load(TopWord(view, key >> (32 - kTopBits4)));
  for (int depth = kTopBits4; IsReference(word); depth += kStride4) {
    word = Load(reinterpret_cast<const uint32_t*>(NodeAt(view.nodes, word)) + (key << depth >> (32 - kStride4)));
  }
  return OrDefault(view, word);
}

// One load an address and as little behind it as can be: how many of them the processor has under way is bounded by how many instructions
// it must hold back for each. So the words alone first, and then, seldom, what they ask for.
void Bulk4(const View& view, const uint32_t* keys, size_t count, uint32_t* words) {
  const auto* const top = reinterpret_cast<const uint32_t*>(view.nodes);
  uint32_t any = 0;
  const size_t even = count / 8 * 8;
  for (size_t i = 0; i < even; i += 8) {
#pragma GCC unroll 8
    for (size_t j = i; j < i + 8; ++j) {
      words[j] = LoadAlone(top + (keys[j] >> (32 - kTopBits4)));
      any |= words[j];
    }
  }
  for (size_t i = even; i < count; ++i) {
    words[i] = LoadAlone(top + (keys[i] >> (32 - kTopBits4)));
    any |= words[i];
  }
  if (IsReference(any)) [[unlikely]]
    Descend(view, keys, count, words);
  if (LoadAlone(&view.fallback->is_set) != 0) [[unlikely]]
    FillDefault(view, count, words);
}

// Each step is taken for all addresses before the next, with the line that it needs asked for in the step before, so that a batch waits for
// memory once a step and not once a step and address.
void Bulk6Portable(const View& view, const LpmKey6* keys, size_t count, uint32_t* words) {
  const View at = view;
  const uint32_t default_word = Load(&view.fallback->word);
  const RegionLine* lines[kBatch];
  int spent[kBatch];
  for (size_t first = 0; first < count; first += kBatch) {
    const size_t size = count - first < kBatch ? count - first : kBatch;
    const LpmKey6* const batch = keys + first;
    uint32_t* const found = words + first;
    for (size_t i = 0; i < size; ++i) {
      lines[i] = LineOf(at.nodes, HashOf(batch[i]));
      __builtin_prefetch(lines[i]);
    }
    for (size_t i = 0; i < size; ++i) {
      const uint32_t places = PlacesOf(lines[i], HashOf(batch[i]));
      found[i] = places != 0 ? Load(&lines[i]->words[__builtin_ctz(places)]) : FindShort6(at, batch[i]);
      const bool fan = IsFan(found[i]);
      const char* const node = NodeAt(at.nodes, IsReference(found[i]) ? found[i] : 0);
      __builtin_prefetch(fan ? reinterpret_cast<const char*>(FanWord6(at, found[i], RestOf(batch[i]))) : node);
    }
    for (size_t i = 0; i < size; ++i) {
      spent[i] = kRegionBits;
      if (!IsFan(found[i])) continue;
      spent[i] += FanStride(found[i]);
      found[i] = Load(FanWord6(at, found[i], RestOf(batch[i])));
      __builtin_prefetch(NodeAt(at.nodes, IsReference(found[i]) ? found[i] : 0));
    }
    for (size_t i = 0; i < size; ++i) found[i] = OrDefault(Finish6(at, batch[i], spent[i], found[i]), default_word);
  }
}

}  // namespace fairlead::lpm
