#include "libs/steering/rung.h"

#include "absl/container/flat_hash_map.h"

namespace fairlead {
namespace {

// One rung for each block of the site that has some of the entry's boxes.
void AddEntry(const Fleet& fleet, const LadderEntry& entry, std::vector<Rung>& out) {
  for (const Fleet::Block& block : fleet.sites()[entry.site].blocks) {
    uint32_t hears = 0;
    if (entry.boxes.size() == fleet.sites()[entry.site].boxes.size()) {  // All of them: mostly so.
      for (uint32_t i = 0; i < block.size; ++i) hears |= fleet.slots()[block.first_slot + i] != Fleet::kNone ? 1u << i : 0;
    } else {
      for (const uint32_t box : entry.boxes) {
        const uint32_t offset = fleet.boxes()[box].slot - block.first_slot;
        if (offset < block.size) hears |= 1u << offset;
      }
    }
    if (hears == 0 || out.size() == kMaxRungs) continue;
    out.push_back({.first_slot = block.first_slot,
                   .hears = static_cast<uint16_t>(hears),
                   .rank = static_cast<uint16_t>(entry.rank),
                   .site_and_flags = entry.site | (entry.demoted ? Rung::kDemoted : 0) | (entry.fallback ? Rung::kFallback : 0),
                   .link = entry.link});
  }
}

}  // namespace

std::vector<Rung> MakeRungs(const Fleet& fleet, const Ladder& ladder) {
  std::vector<Rung> out;
  for (const LadderEntry& entry : ladder.entries) AddEntry(fleet, entry, out);
  absl::flat_hash_map<uint32_t, uint32_t> placed;  // By first slot: who stands already.
  for (size_t i = 0; i < out.size(); ++i) {
    Rung& rung = out[i];
    placed[rung.first_slot] |= rung.hears;
    for (size_t other = i; other > 0 && out[other - 1].rank == rung.rank && out[other - 1].site() == rung.site(); --other) {
      Rung& before = out[other - 1];
      if (before.first_slot != rung.first_slot || (before.hears & rung.hears) == 0) continue;
      before.site_and_flags |= Rung::kTwice;
      rung.site_and_flags |= Rung::kTwice;
    }
  }
  for (Rung& rung : out) {
    for (const Fleet::Block& block : fleet.sites()[rung.site()].blocks) {
      const auto at = placed.find(block.first_slot);
      const uint32_t stand = at == placed.end() ? 0 : at->second;
      for (uint32_t i = 0; i < block.size; ++i) {
        if (fleet.slots()[block.first_slot + i] != Fleet::kNone && (stand >> i & 1) == 0) rung.site_and_flags |= Rung::kDeaf;
      }
    }
  }
  return out;
}

}  // namespace fairlead
