// Placement of a catalogue on one cluster: which box should hold which file, in which tier.
//
// The rules, in full:
//  1. The files of a title version are one set. Sets go in order of popularity, most popular first; equal ones by their key.
//  2. Each file gets min(copies, boxes) copies, on distinct boxes.
//  3. A set orders the boxes by weighted rendezvous hashing of its key. In a mixed cluster the head (the most popular sets, as long as all
//     their copies fit on the FLASH boxes) orders the FLASH boxes first, weighted by throughput, then the STORAGE boxes, weighted by
//     disk; the tail the other way round. With boxes of one kind only the weight alone counts: throughput for FLASH, disk for STORAGE.
//  4. A copy of a whole set goes to the first boxes in that order with room for all of it: so a playable set stays together. Copies that
//     fit nowhere as a whole are placed file by file in the same order, smaller files (text, audio, low rungs) first.
//  5. In a box the FLASH tier takes a file if it has room for it, else the DISK tier: as sets come most popular first, flash holds the
//  head.
//  6. A file with fewer copies than wanted is reported with the reason.
//  7. Provisional boxes (not in service yet, or out for long) don't take copies from the others: they get what they would hold if they
//     were in service, from a second run over all boxes. So they can be filled before they come in.
//
// Stable: the order of a set's boxes depends on the set and the boxes only. While there is room, a new box takes its share of the sets
// and nothing else moves; on full disks the sets at the edge of what fits move too. Popularity moves nothing but that edge, the tiers
// and the head's boundary. Pure and deterministic: equal inputs in any order give the equal answer.
// Cost: O(S·B·log B + F·B) for S sets, F files, B boxes.
//
//   const RankedSets sets(titles);                    // Once for all clusters.
//   const Placement placement = Place(boxes, sets, 2);
#ifndef FAIRLEAD_LIBS_PLACEMENT_PLACEMENT_H_
#define FAIRLEAD_LIBS_PLACEMENT_PLACEMENT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "libs/base/ids.h"
#include "libs/base/vocabulary.h"

namespace fairlead {

struct PlacementFile {
  uint32_t number = 0;
  int64_t bytes = 0;  // With its playlist.
};

// The files of one title version.
struct PlacementSet {
  std::string key;        // "<title>/<version>", unique.
  bool current = true;    // Versions that aren't current come behind all that are.
  double popularity = 0;  // ≥ 0, relative.
  std::vector<PlacementFile> files;
};

struct PlacementBox {
  ApplianceId id;
  ApplianceKind kind = ApplianceKind::kStorage;
  int64_t flash_bytes = 0;  // Of each tier, what may be filled.
  int64_t disk_bytes = 0;
  int64_t capacity_bps = 0;
  bool provisional = false;

  int64_t capacity_bytes() const { return flash_bytes + disk_bytes; }
};

// A catalogue in the order of rule 1, each set's files by number. Immutable; made once and used for every cluster.
class RankedSets {
 public:
  explicit RankedSets(std::vector<PlacementSet> sets);

  struct RankedSet {
    PlacementSet set;
    uint64_t hash = 0;  // Of the key.
    int64_t bytes = 0;
  };
  const std::vector<RankedSet>& sets() const { return sets_; }

 private:
  std::vector<RankedSet> sets_;
};

struct PlacedFile {
  uint32_t number = 0;
  Tier tier = Tier::kUnspecified;
  friend bool operator==(const PlacedFile&, const PlacedFile&) = default;
};

struct BoxPlacement {
  ApplianceId id;
  std::vector<PlacedFile> files;  // In the order to fetch: sets by popularity, in a set by number.
  int64_t bytes = 0;
  int64_t capacity_bytes = 0;
  friend bool operator==(const BoxPlacement&, const BoxPlacement&) = default;
};

struct ShortPlacement {
  uint32_t number = 0;
  int copies_placed = 0;
  std::string reason;  // "no box of the cluster has 1,234 bytes left"
  friend bool operator==(const ShortPlacement&, const ShortPlacement&) = default;
};

struct Placement {
  std::vector<BoxPlacement> boxes;          // By id.
  std::vector<ShortPlacement> short_files;  // By number. Of the boxes in service.
  friend bool operator==(const Placement&, const Placement&) = default;
};

// Boxes other than STORAGE and FLASH hold no placed content and are left out.
Placement Place(std::vector<PlacementBox> boxes, const RankedSets& sets, int copies);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_PLACEMENT_PLACEMENT_H_
