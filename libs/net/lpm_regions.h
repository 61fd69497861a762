// LpmRegions: the writer's side of the table of IPv6 regions (lpm_region.h is the readers'). Single writer; readers at any time.
//
// An entry stays when its region has lost its last prefix, with the word that the shorter prefixes give it, until its part is filled anew;
// so a place never changes its region while readers look at it. A part that gets too full is filled anew beside the old one and put in
// place by one store.
//
// Costs: O(1) a region, and now and then O(regions of a part): some hundred in a full table.
#ifndef FAIRLEAD_LIBS_NET_LPM_REGIONS_H_
#define FAIRLEAD_LIBS_NET_LPM_REGIONS_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "libs/net/lpm_memory.h"
#include "libs/net/lpm_region.h"
#include "libs/net/lpm_word.h"

namespace fairlead::lpm {

class LpmRegions {
 public:
  // Nodes of the memory that has kFrontBytes6 at its front and must outlive this.
  explicit LpmRegions(LpmMemory& memory) : memory_(memory) {}

  // Once, before anything else.
  void Start();
  // Makes room for `regions`, so that a table which is filled at once grows once.
  void Reserve(size_t regions);

  // The region's word; null if it has no entry.
  uint32_t* Find(uint32_t region) const { return const_cast<uint32_t*>(FindRegion(memory_.base(), RegionHash(region))); }
  // One that has none. False if its line is full. When a part is filled anew, a region whose new line is full goes to displace(region,
  // word), which must see to it that readers find it elsewhere.
  bool Add(uint32_t region, uint32_t word, absl::FunctionRef<void(uint32_t, uint32_t)> displace);

  // Calls fn(region, uint32_t& word) for every entry of [first, last], in no order. O(the lesser of the range and the table).
  template <typename Fn>
  void ForEach(uint32_t first, uint32_t last, Fn&& fn) const {
    if (last - first < lines_) {
      for (uint64_t region = first; region <= last; ++region) {
        uint32_t* const word = Find(static_cast<uint32_t>(region));
        if (word != nullptr) fn(static_cast<uint32_t>(region), *word);
      }
      return;
    }
    for (uint32_t part = 0; part < kParts; ++part) {
      ForEachOf(part, [&](uint32_t hash, uint32_t& word) {
        const uint32_t region = RegionOf(hash);
        if (region >= first && region <= last) fn(region, word);
      });
    }
  }

 private:
  // A part is filled to so many hundredths, and filled anew from so many on.
  static constexpr size_t kFilled = 60;
  static constexpr size_t kFull = 75;
  // The largest size of a part, 24,576 lines. Of more regions than go into these the tree has the rest.
  static constexpr uint32_t kMaxSize = 27;

  uint32_t& PartWord(uint32_t part) const { return reinterpret_cast<uint32_t*>(memory_.base() + kPartsAt)[part]; }
  RegionLine* Lines(uint32_t part) const { return reinterpret_cast<RegionLine*>(memory_.base()) + (PartWord(part) & kPartPlaceMask); }
  template <typename Fn>
  void ForEachOf(uint32_t part, Fn&& fn) const {
    RegionLine* const lines = Lines(part);
    for (uint32_t at = 0; at < PartLines(PartWord(part)); ++at) {
      for (uint32_t i = 0; i < kLineEntries && lines[at].hashes[i] != ForeignHash(part); ++i) fn(lines[at].hashes[i], lines[at].words[i]);
    }
  }

  // The word of an empty part with room for so many entries.
  uint32_t NewPart(uint32_t part, size_t entries);
  // Into the first place of its line that is free, of a part that readers may see; false if there is none.
  static bool Put(RegionLine& line, uint32_t hash, uint32_t word);
  // Makes a part anew with room for so many entries; those that say nothing of their own go.
  void Refill(uint32_t part, size_t entries, absl::FunctionRef<void(uint32_t, uint32_t)> displace);

  LpmMemory& memory_;
  std::array<size_t, kParts> entries_ = {};
  uint32_t lines_ = 0;
};

}  // namespace fairlead::lpm

#endif  // FAIRLEAD_LIBS_NET_LPM_REGIONS_H_
