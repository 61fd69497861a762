#include "libs/net/lpm_trie6.h"

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

namespace fairlead::lpm {

bool LpmTrie6::Reserve() {
  if (!memory_.Reserve()) return false;
  memory_.Carve(kFrontBytes6);
  regions_.Start();
  return true;
}

void LpmTrie6::Build(absl::Span<const Run6> shorter, absl::Span<const Run6> runs) {
  size_t first = 0;
  for (uint64_t index = 0; index < kTopSize; ++index) {
    const Key base = StartAt(0, 0, kTopBits6, index);
    while (first + 1 < shorter.size() && shorter[first + 1].start <= base) ++first;
    size_t end = first + 1;
    while (end < shorter.size() && shorter[end].start <= (base | Below(kTopBits6))) ++end;
    top()[index] = MakeNode(shorter.subspan(first, end - first), base, kTopBits6);
  }
  BuildRegions(runs);
}

// A region is where a run of its own length begins or goes on, or where any begins inside.
void LpmTrie6::BuildRegions(absl::Span<const Run6> runs) {
  std::vector<std::pair<uint32_t, size_t>> regions;  // And the first run that tells of it.
  uint64_t next = 0;
  for (size_t at = 0; at < runs.size(); ++at) {
    const bool own = LpmMatch::FromWord(runs[at].word).length() >= kRegionBits;
    if (!own && (runs[at].start & Below(kRegionBits)) == 0) continue;
    const Key stop = own && at + 1 < runs.size() ? runs[at + 1].start - 1 : own ? ~Key{0} : runs[at].start;
    for (uint64_t region = std::max(next, static_cast<uint64_t>(runs[at].start >> (kBits - kRegionBits)));
         region <= static_cast<uint64_t>(stop >> (kBits - kRegionBits)); ++region) {
      regions.push_back({static_cast<uint32_t>(region), at});
      next = region + 1;
    }
  }
  regions_.Reserve(regions.size());
  for (const auto& [region, at] : regions) {
    const Key base = StartAt(0, 0, kRegionBits, region);
    size_t first = at;
    while (runs[first].start > base) --first;
    size_t end = at + 1;
    while (end < runs.size() && runs[end].start <= (base | Below(kRegionBits))) ++end;
    AddRegion(region, MakeNode(runs.subspan(first, end - first), base, kRegionBits));
  }
}

void LpmTrie6::AddRegion(uint32_t region, uint32_t word) {
  const auto to_tree = [this](uint32_t displaced, uint32_t below) { MoveToTree(displaced, below); };
  if (!regions_.Add(region, word, to_tree)) MoveToTree(region, word);
}

void LpmTrie6::MoveToTree(uint32_t region, uint32_t word) {
  const Key base = StartAt(0, 0, kRegionBits, region);
  std::vector<Run6> runs;
  Gather(word, base, kRegionBits, runs);
  for (size_t i = 0; i < runs.size(); ++i) {
    const Key last = i + 1 < runs.size() ? runs[i + 1].start - 1 : base | Below(kRegionBits);
    PaintTree(runs[i].start, last, {-1, kBits, runs[i].word});
  }
  RetireTree(word);
}

void LpmTrie6::Paint(Key first, Key last, const Brush& brush) {
  if (last - first <= Below(kRegionBits)) return PaintRegion(first, last, brush);
  PaintTree(first, last, brush);
  regions_.ForEach(BitsAt(first, 0, kRegionBits), BitsAt(last, 0, kRegionBits), [&](uint32_t region, uint32_t& at) {
    const Key base = StartAt(0, 0, kRegionBits, region);
    const uint32_t word = PaintWord(at, base, kRegionBits, base, base | Below(kRegionBits), brush);
    if (word != at) Store(&at, word);
  });
}

void LpmTrie6::PaintTree(Key first, Key last, const Brush& brush) {
  for (uint32_t index = BitsAt(first, 0, kTopBits6); index <= BitsAt(last, 0, kTopBits6); ++index) {
    const Key base = StartAt(0, 0, kTopBits6, index);
    const Key stop = base | Below(kTopBits6);
    const uint32_t word = PaintWord(top()[index], base, kTopBits6, std::max(first, base), std::min(last, stop), brush);
    if (word != top()[index]) Store(&top()[index], word);
  }
}

void LpmTrie6::PaintRegion(Key first, Key last, const Brush& brush) {
  const uint32_t region = BitsAt(first, 0, kRegionBits);
  const Key base = StartAt(0, 0, kRegionBits, region);
  uint32_t* const at = regions_.Find(region);
  if (at != nullptr) {
    const uint32_t word = PaintWord(*at, base, kRegionBits, first, last, brush);
    if (word != *at) Store(at, word);
    return;
  }
  const uint32_t index = BitsAt(base, 0, kTopBits6);
  if (!IsShort(top()[index], StartAt(0, 0, kTopBits6, index), kTopBits6, base, base | Below(kRegionBits))) {
    return PaintTree(first, last, brush);  // One that found its line full.
  }
  const uint32_t old = FindShort6({memory_.base(), nullptr}, {static_cast<uint64_t>(base >> 64), 0});
  const uint32_t word = PaintWord(old, base, kRegionBits, first, last, brush);
  if (word != old) AddRegion(region, word);
}

bool LpmTrie6::IsShort(uint32_t word, Key base, int depth, Key first, Key last) const {
  if (!IsReference(word)) return LpmMatch::FromWord(word).length() < kRegionBits;
  const int bits = IsBucket(word) ? kBucketBits : FanStride(word);
  const uint32_t from = BitsAt(std::max(first, base), depth, bits);
  const uint32_t to = BitsAt(std::min(last, base | Below(depth)), depth, bits);
  if (IsFan(word)) {
    for (uint32_t slot = from; slot <= to; ++slot) {
      if (!IsShort(FanWords(word)[slot], StartAt(base, depth, bits, slot), depth + bits, first, last)) return false;
    }
    return true;
  }
  const Entries entries = ReadBucket(word);
  for (size_t i = 0; i < entries.count && entries.at[i].bits <= to; ++i) {
    if (i + 1 < entries.count && entries.at[i + 1].bits <= from) continue;
    const Entry& entry = entries.at[i];
    if (!IsShort(entry.word, StartAt(base, depth, bits, entry.bits), depth + bits, first, last)) return false;
  }
  return true;
}

uint32_t LpmTrie6::MakeNode(absl::Span<const Run6> runs, Key base, int depth) {
  if (runs.size() == 1) return runs[0].word;
  if (FitsBucket(runs, depth)) return MakeBucket(runs, base, depth);
  return MakeFan(runs, base, depth, StrideFor(runs, depth));
}

int LpmTrie6::WidestStride(size_t intervals, int depth) {
  const int stride = std::bit_width(intervals);
  return std::min(std::clamp(stride, kMinStride, kMaxStride), kBits - depth);
}

int LpmTrie6::StrideFor(absl::Span<const Run6> runs, int depth) {
  const int widest = WidestStride(runs.size(), depth);
  int stride = std::min(widest, std::max(kMinStride, static_cast<int>(std::bit_width(runs.size() / kBucketMax))));
  for (; stride < widest; ++stride) {
    size_t settled = 0;  // Runs that begin in slots which a bucket can hold.
    for (size_t at = 1; at < runs.size();) {
      const uint32_t slot = BitsAt(runs[at].start, depth, stride);
      const size_t first = at;
      while (at < runs.size() && BitsAt(runs[at].start, depth, stride) == slot) ++at;
      if (at - first < kBucketMax) settled += at - first;
    }
    if (settled * 100 >= runs.size() * kSettled) break;
  }
  return stride;
}

uint32_t LpmTrie6::MakeFan(absl::Span<const Run6> runs, Key base, int depth, int stride) {
  const uint32_t fan = FanReference(stride, memory_.Allocate(sizeof(uint32_t) << stride));
  size_t at = 0;  // The run in force.
  for (uint64_t slot = 0; slot < FanSize(fan); ++slot) {
    const Key start = StartAt(base, depth, stride, slot);
    const Key last = start | Below(depth + stride);
    if (at + 1 < runs.size() && runs[at + 1].start == start) ++at;
    size_t end = at + 1;
    while (end < runs.size() && runs[end].start <= last) ++end;
    FanWords(fan)[slot] = MakeNode(runs.subspan(at, end - at), start, depth + stride);
    at = end - 1;
  }
  return fan;
}

// An entry a run, except that all which begin within one granule (the addresses that a bucket can't tell apart) share a node, and what is
// in force behind it takes another.
bool LpmTrie6::FitsBucket(absl::Span<const Run6> runs, int depth) {
  const Key inside = Below(depth + kBucketBits);
  size_t entries = 1;
  uint32_t granule = 0;
  bool nested = false;  // Whether `granule` has a node of its own.
  for (const Run6& run : runs.subspan(1)) {
    const uint32_t bits = BitsAt(run.start, depth, kBucketBits);
    const bool aligned = (run.start & inside) == 0;
    if (bits != granule) {
      if (nested && (!aligned || bits != granule + 1)) ++entries;
      ++entries;
      granule = bits;
      nested = false;
    }
    nested = nested || !aligned;
    if (entries > kBucketMax) return false;
  }
  return entries + nested <= kBucketMax;
}

uint32_t LpmTrie6::MakeBucket(absl::Span<const Run6> runs, Key base, int depth) {
  const Key inside = Below(depth + kBucketBits);
  Entries entries;
  for (size_t at = 0; at < runs.size();) {
    const uint32_t bits = at == 0 ? 0 : BitsAt(runs[at].start, depth, kBucketBits);
    const Key start = StartAt(base, depth, kBucketBits, bits);
    size_t end = at + 1;
    while (end < runs.size() && runs[end].start <= (start | inside)) ++end;
    const bool begins_inside = at > 0 && runs[at].start != start;
    if (end == at + 1 && !begins_inside) {
      entries.Append(bits, runs[at].word);
    } else {
      const size_t from = begins_inside ? at - 1 : at;
      entries.Append(bits, MakeNode(runs.subspan(from, end - from), start, depth + kBucketBits));
      if (bits != kLastBits) entries.Append(bits + 1, runs[end - 1].word);
    }
    at = end;
  }
  return WriteBucket(entries);
}

uint32_t LpmTrie6::WriteBucket(const Entries& entries) {
  const uint32_t units = UnitsForRoom(entries.count);
  const uint32_t bucket = BucketReference(units, memory_.Allocate(units * kUnit));
  for (size_t i = 0; i < BucketRoom(bucket); ++i) {
    Bounds(bucket)[i] = BoundOf(entries, i);
    BucketWords(bucket)[i] = entries.at[std::min(i, entries.count - 1)].word;
  }
  return bucket;
}

uint32_t LpmTrie6::PaintWord(uint32_t word, Key base, int depth, Key first, Key last, const Brush& brush) {
  if (IsBucket(word)) return PaintBucket(word, base, depth, first, last, brush);
  if (IsFan(word)) return PaintFan(word, base, depth, first, last, brush);
  return PaintMatch(word, base, depth, first, last, brush);
}

uint32_t LpmTrie6::PaintMatch(uint32_t word, Key base, int depth, Key first, Key last, const Brush& brush) {
  if (!brush.Colours(word) || word == brush.word) return word;
  std::array<Run6, 3> runs;
  size_t count = 0;
  if (first != base) runs[count++] = {base, word};
  runs[count++] = {first, brush.word};
  if (last != (base | Below(depth))) runs[count++] = {last + 1, word};
  return MakeNode(absl::MakeConstSpan(runs.data(), count), base, depth);
}

uint32_t LpmTrie6::PaintFan(uint32_t fan, Key base, int depth, Key first, Key last, const Brush& brush) {
  const int stride = FanStride(fan);
  bool burst = false;
  const uint32_t end = BitsAt(last, depth, stride);
  for (uint32_t slot = BitsAt(first, depth, stride); slot <= end; ++slot) {
    uint32_t& at = FanWords(fan)[slot];
    const Key start = StartAt(base, depth, stride, slot);
    const Key stop = start | Below(depth + stride);
    const uint32_t word = PaintWord(at, start, depth + stride, std::max(first, start), std::min(last, stop), brush);
    if (word == at) continue;
    burst = burst || (IsBucket(at) && IsFan(word));
    Store(&at, word);
  }
  if (burst && WidestStride(CountIntervals(fan, kMaxRecut), depth) >= stride + kRecutBits) return Rebuild(fan, base, depth);
  if (brush.recolours() && CountIntervals(fan, kGatherBelow) < kGatherBelow) return Rebuild(fan, base, depth);
  return fan;
}

uint32_t LpmTrie6::Rebuild(uint32_t word, Key base, int depth) {
  std::vector<Run6> runs;
  Gather(word, base, depth, runs);
  RetireTree(word);
  return MakeNode(runs, base, depth);
}

uint32_t LpmTrie6::PaintBucket(uint32_t bucket, Key base, int depth, Key first, Key last, const Brush& brush) {
  Entries entries = ReadBucket(bucket);
  PaintEntries(entries, base, depth, first, last, brush);
  entries.JoinEqual();
  return ReplaceBucket(bucket, entries, base, depth);
}

void LpmTrie6::PaintEntries(Entries& entries, Key base, int depth, Key first, Key last, const Brush& brush) {
  const size_t begin = entries.Split(BitsAt(first, depth, kBucketBits));
  // Where the range ends, the next entry begins; behind the last address there is none.
  const bool to_end = last == (base | Below(depth));
  const Key behind = to_end ? 0 : last + 1;
  const bool aligned = (behind & Below(depth + kBucketBits)) == 0;
  const uint32_t last_bits = BitsAt(last, depth, kBucketBits);
  size_t end = entries.count;
  if (!to_end && aligned) {
    end = entries.Split(BitsAt(behind, depth, kBucketBits));
  } else if (!aligned && last_bits != kLastBits) {
    end = entries.Split(last_bits + 1);
  }
  for (size_t i = begin; i < end; ++i) {
    Entry& entry = entries.at[i];
    const Key start = StartAt(base, depth, kBucketBits, entry.bits);
    const Key stop = start | Below(depth + kBucketBits);
    if (!IsReference(entry.word) && first <= start && last >= stop) {
      if (brush.Colours(entry.word)) entry.word = brush.word;
    } else {
      entry.word = PaintWord(entry.word, start, depth + kBucketBits, std::max(first, start), std::min(last, stop), brush);
    }
  }
}

uint32_t LpmTrie6::ReplaceBucket(uint32_t bucket, const Entries& entries, Key base, int depth) {
  const uint32_t room = BucketRoom(bucket);
  bool same = entries.count > 1 && entries.count <= room;  // The bounds, and so the place.
  for (size_t i = 0; i < room && same; ++i) {
    same = Bounds(bucket)[i] == BoundOf(entries, i);
  }
  if (same) {
    for (size_t i = 0; i < room; ++i) {
      const uint32_t word = entries.at[std::min(i, entries.count - 1)].word;
      if (BucketWords(bucket)[i] != word) Store(&BucketWords(bucket)[i], word);
    }
    return bucket;
  }
  memory_.Retire(bucket, NodeBytes(bucket));
  if (entries.count == 1 && !IsReference(entries.at[0].word)) return entries.at[0].word;
  if (entries.count <= kBucketMax) return WriteBucket(entries);
  std::vector<Run6> runs;
  for (size_t i = 0; i < entries.count; ++i) {
    Gather(entries.at[i].word, StartAt(base, depth, kBucketBits, entries.at[i].bits), depth + kBucketBits, runs);
    RetireTree(entries.at[i].word);
  }
  return MakeNode(runs, base, depth);
}

void LpmTrie6::Gather(uint32_t word, Key base, int depth, std::vector<Run6>& runs) const {
  if (!IsReference(word)) {
    if (runs.empty() || runs.back().word != word) runs.push_back({base, word});
  } else if (IsBucket(word)) {
    const Entries entries = ReadBucket(word);
    for (size_t i = 0; i < entries.count; ++i) {
      const Entry& entry = entries.at[i];
      Gather(entry.word, StartAt(base, depth, kBucketBits, entry.bits), depth + kBucketBits, runs);
    }
  } else {
    const int stride = FanStride(word);
    for (uint64_t slot = 0; slot < FanSize(word); ++slot) {
      Gather(FanWords(word)[slot], StartAt(base, depth, stride, slot), depth + stride, runs);
    }
  }
}

size_t LpmTrie6::CountIntervals(uint32_t word, size_t enough) const {
  if (!IsReference(word)) return 1;
  if (IsBucket(word)) return BucketRoom(word) - 1;
  size_t intervals = 0;
  for (size_t slot = 0; slot < FanSize(word) && intervals < enough; ++slot) {
    const uint32_t at = FanWords(word)[slot];
    // A match goes on over slots.
    if (slot > 0 && at == FanWords(word)[slot - 1]) continue;
    intervals += CountIntervals(at, enough - intervals);
  }
  return intervals;
}

void LpmTrie6::RetireTree(uint32_t word) {
  if (!IsReference(word)) return;
  const size_t count = IsBucket(word) ? BucketRoom(word) : FanSize(word);
  const uint32_t* const words = IsBucket(word) ? BucketWords(word) : FanWords(word);
  for (size_t i = 0; i < count; ++i) {
    // The last word of a bucket stands in its unused places too.
    if (i == 0 || words[i] != words[i - 1]) RetireTree(words[i]);
  }
  memory_.Retire(word, NodeBytes(word));
}

LpmTrie6::Entries LpmTrie6::ReadBucket(uint32_t bucket) const {
  Entries entries;
  for (uint32_t i = 0; i < BucketRoom(bucket); ++i) {
    const uint32_t bits = uint32_t{Bounds(bucket)[i]} ^ kBoundFlip;
    // An unused place has the largest bits there are and the word before it. (An entry in use may look so too: then it isn't needed.)
    if (i > 0 && bits == kLastBits && BucketWords(bucket)[i] == entries.at[entries.count - 1].word) break;
    entries.at[entries.count++] = {bits, BucketWords(bucket)[i]};
  }
  return entries;
}

void LpmTrie6::Entries::Append(uint32_t bits, uint32_t word) {
  if (count > 0 && at[count - 1].bits == bits) --count;
  if (count > 0 && at[count - 1].word == word) return;
  at[count++] = {bits, word};
}

size_t LpmTrie6::Entries::Split(uint32_t bits) {
  size_t i = 0;
  while (i < count && at[i].bits < bits) ++i;
  if (i < count && at[i].bits == bits) return i;
  std::copy_backward(at.begin() + i, at.begin() + count, at.begin() + count + 1);
  at[i] = {bits, at[i - 1].word};
  ++count;
  return i;
}

void LpmTrie6::Entries::JoinEqual() {
  size_t kept = 1;
  for (size_t i = 1; i < count; ++i) {
    if (at[i].word != at[kept - 1].word) at[kept++] = at[i];
  }
  count = kept;
}

}  // namespace fairlead::lpm
