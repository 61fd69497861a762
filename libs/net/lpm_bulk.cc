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
// memory once a step and not once a step and address. A step doesn't ask whether it is needed, because that can't be guessed: where
// `word` isn't a fan it reads something harmless and leaves it.
void Bulk6Portable(const View& view, const LpmKey6* keys, size_t count, uint32_t* words) {
  const View at = view;
  const uint32_t default_word = Load(&view.fallback->word);
  uint64_t rest[kBatch];  // The upper half of the address, without the bits that are spent.
  for (size_t first = 0; first < count; first += kBatch) {
    const size_t size = count - first < kBatch ? count - first : kBatch;
    const LpmKey6* const batch = keys + first;
    uint32_t* const found = words + first;
    int spent[kBatch];
    const auto next_slot = [&](size_t i) {
      const uint32_t fan = IsFan(found[i]) ? found[i] : 0;
      return reinterpret_cast<const uint32_t*>(NodeAt(at.nodes, fan)) + (rest[i] >> 1 >> (63 - FanStride(fan)));
    };
    for (size_t i = 0; i < size; ++i) {
      found[i] = Load(TopWord(at, batch[i].high >> (64 - kTopBits6)));
      rest[i] = batch[i].high << kTopBits6;
      spent[i] = kTopBits6;
      __builtin_prefetch(next_slot(i));
    }
    for (int step = 0; step < kBatchFans; ++step) {
      for (size_t i = 0; i < size; ++i) {
        const bool fan = IsFan(found[i]);
        const uint32_t word = Load(next_slot(i));
        const int stride = FanStride(fan ? found[i] : 0);
        found[i] = fan ? word : found[i];
        rest[i] <<= stride;
        spent[i] += stride;
        const bool last = step + 1 == kBatchFans;
        __builtin_prefetch(last ? NodeAt(at.nodes, IsReference(found[i]) ? found[i] : 0) : reinterpret_cast<const char*>(next_slot(i)));
      }
    }
    for (size_t i = 0; i < size; ++i) found[i] = OrDefault(Finish6(at, batch[i], spent[i], found[i]), default_word);
  }
}

}  // namespace fairlead::lpm
