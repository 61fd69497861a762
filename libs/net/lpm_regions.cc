#include "libs/net/lpm_regions.h"

namespace fairlead::lpm {
namespace {

// Of a word that the shorter prefixes give.
bool SaysNothing(uint32_t word) {
  return !IsReference(word) && LpmMatch::FromWord(word).length() < kRegionBits;
}

}  // namespace

void LpmRegions::Start() {
  for (uint32_t part = 0; part < kParts; ++part) PartWord(part) = NewPart(part, 0);
}

void LpmRegions::Reserve(size_t regions) {
  for (uint32_t part = 0; part < kParts; ++part) Refill(part, regions / kParts, [](uint32_t, uint32_t) {});
}

uint32_t LpmRegions::NewPart(uint32_t part, size_t entries) {
  uint32_t size = 0;
  while (PartLines(size << kPartShift) * kLineEntries * kFilled < entries * 100 && size < kMaxSize) ++size;
  const uint32_t count = PartLines(size << kPartShift);
  const uint32_t place = memory_.Allocate(count * sizeof(RegionLine));
  auto* const lines = reinterpret_cast<RegionLine*>(memory_.At(place));
  for (uint32_t at = 0; at < count; ++at) {
    std::fill_n(lines[at].hashes, kLineEntries, ForeignHash(part));
    std::fill_n(lines[at].words, kLineEntries, 0);
  }
  lines_ += count;
  return size << kPartShift | static_cast<uint32_t>(place / (sizeof(RegionLine) / kUnit));
}

bool LpmRegions::Put(RegionLine& line, uint32_t hash, uint32_t word) {
  uint32_t at = 0;
  while (at < kLineEntries && line.hashes[at] != ForeignHash(hash >> (32 - kPartBits))) ++at;
  if (at == kLineEntries) return false;
  Store(&line.words[at], word);
  Store(&line.hashes[at], hash);
  return true;
}

void LpmRegions::Refill(uint32_t part, size_t entries, absl::FunctionRef<void(uint32_t, uint32_t)> displace) {
  const uint32_t old = PartWord(part);
  const uint32_t word = NewPart(part, entries);
  auto* const lines = reinterpret_cast<RegionLine*>(memory_.base()) + (word & kPartPlaceMask);
  entries_[part] = 0;
  ForEachOf(part, [&](uint32_t hash, uint32_t below) {
    if (SaysNothing(below)) return;
    if (Put(lines[HomeLine(hash, PartLines(word))], hash, below)) {
      ++entries_[part];
    } else {
      displace(RegionOf(hash), below);
    }
  });
  Store(&PartWord(part), word);
  constexpr uint32_t kUnitsOfLine = sizeof(RegionLine) / kUnit;
  memory_.Retire((old & kPartPlaceMask) * kUnitsOfLine, PartLines(old) * sizeof(RegionLine));
  lines_ -= PartLines(old);
}

bool LpmRegions::Add(uint32_t region, uint32_t word, absl::FunctionRef<void(uint32_t, uint32_t)> displace) {
  const uint32_t hash = RegionHash(region);
  const uint32_t part = hash >> (32 - kPartBits);
  const uint32_t size = PartWord(part) >> kPartShift;
  if (entries_[part] * 100 >= size_t{PartLines(PartWord(part))} * kLineEntries * kFull && size < kMaxSize) {
    size_t entries = 1;
    ForEachOf(part, [&](uint32_t, uint32_t below) { entries += !SaysNothing(below); });
    Refill(part, entries, displace);
  }
  if (!Put(Lines(part)[HomeLine(hash, PartLines(PartWord(part)))], hash, word)) return false;
  ++entries_[part];
  auto* const busy = reinterpret_cast<uint32_t*>(memory_.base() + kBusyAt) + (region >> 21);
  Store(busy, *busy | uint32_t{1} << (region >> 16 & 31));
  return true;
}

}  // namespace fairlead::lpm
