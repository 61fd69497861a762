// A ladder as the decision reads it: 16 bytes a rung, four a cache line, best first.
//
// A rung is a block of up to 16 boxes of one site (Fleet::Block) with a mask of those that hear the route. A ladder is two runs of
// rungs: the head, made of routes, and the tail, the IX sites that are open to everybody by distance from the client's place. Equal
// heads and equal tails are stored once. What of the tail stands in the head already is skipped on the way: a box stands at its best
// rank only.
//
//   LadderWalk walk(ladder);
//   for (Rung rung; walk.Next(rung);) Use(rung.first_slot, rung.hears, rung.rank);
// Plain values; any thread.
#ifndef FAIRLEAD_LIBS_STEERING_RUNG_H_
#define FAIRLEAD_LIBS_STEERING_RUNG_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "libs/steering/fleet.h"
#include "libs/steering/ladder.h"

namespace fairlead {

struct Rung {
  static constexpr uint32_t kSiteMask = 0x0fffffff;
  static constexpr uint32_t kDemoted = 0x10000000;
  static constexpr uint32_t kFallback = 0x20000000;
  static constexpr uint32_t kTwice = 0x40000000;  // Some of its boxes stand in another rung of this rank, behind another link.
  static constexpr uint32_t kDeaf = 0x80000000;   // Some boxes of the site are in no rung of the head.

  uint32_t first_slot = 0;
  uint16_t hears = 0;  // Bit i: the box in slot first_slot + i.
  uint16_t rank = 0;   // Dense; in a tail counted from 0.
  uint32_t site_and_flags = 0;
  uint32_t link = Fleet::kNone;  // The port that the route leaves through, if it has one of its own.

  uint32_t site() const { return site_and_flags & kSiteMask; }
  bool Is(uint32_t flag) const { return (site_and_flags & flag) != 0; }
  friend bool operator==(const Rung&, const Rung&) = default;
};
static_assert(sizeof(Rung) == 16);

// Longer ladders are cut: nobody falls back that often.
inline constexpr size_t kMaxRungs = 4'000;

// A ladder by reference to runs that somebody else keeps.
struct LadderRef {
  const Rung* head = nullptr;
  const std::vector<Rung>* tail = nullptr;  // Never null in a table.
  uint32_t head_size = 0;
};

// The rungs of the tail, with their final ranks and masks.
class TailWalk {
 public:
  explicit TailWalk(const LadderRef& ladder) : ladder_(ladder) {}

  bool Next(Rung& rung) {
    // Not before: most walks end in the head, and its end is another cache line.
    if (at_ == 0 && ladder_.head_size != 0) next_rank_ = static_cast<uint16_t>(ladder_.head[ladder_.head_size - 1].rank + 1);
    while (at_ < ladder_.tail->size()) {
      rung = (*ladder_.tail)[at_++];
      rung.hears = static_cast<uint16_t>(rung.hears & ~Placed(rung.first_slot));
      if (rung.hears == 0) continue;
      if (rank_ != rung.rank) next_rank_ = static_cast<uint16_t>(next_rank_ + (rank_ == kNoRank ? 0 : 1));
      rank_ = rung.rank;
      rung.rank = next_rank_;
      return true;
    }
    return false;
  }

 private:
  // Which boxes of a block stand in the head. A head of usual length is put into a small hash table first.
  uint32_t Placed(uint32_t first_slot) {
    if (ladder_.head_size > kTable / 2) {
      uint32_t placed = 0;
      for (uint32_t i = 0; i < ladder_.head_size; ++i) placed |= ladder_.head[i].first_slot == first_slot ? ladder_.head[i].hears : 0;
      return placed;
    }
    if (at_ == 1) {
      keys_.fill(kNoRank);
      for (uint32_t i = 0; i < ladder_.head_size; ++i) {
        const uint32_t at = Probe(ladder_.head[i].first_slot);
        masks_[at] = keys_[at] == kNoRank ? ladder_.head[i].hears : static_cast<uint16_t>(masks_[at] | ladder_.head[i].hears);
        keys_[at] = ladder_.head[i].first_slot;
      }
    }
    const uint32_t at = Probe(first_slot);
    return keys_[at] == kNoRank ? 0 : masks_[at];
  }
  // Where the block stands in the table, or would.
  uint32_t Probe(uint32_t first_slot) const {
    uint32_t at = first_slot * 0x9e3779b1u >> 25;
    while (keys_[at] != kNoRank && keys_[at] != first_slot) at = (at + 1) % kTable;
    return at;
  }

  static constexpr uint32_t kNoRank = 0xffffffff;
  static constexpr uint32_t kTable = 128;
  const LadderRef& ladder_;
  uint32_t at_ = 0;
  uint32_t rank_ = kNoRank;  // Of the last rung that came, as the tail counts.
  uint16_t next_rank_ = 0;
  std::array<uint32_t, kTable> keys_;  // Set once the tail begins.
  std::array<uint16_t, kTable> masks_;
};

// All rungs in order, with their final ranks and masks.
class LadderWalk {
 public:
  explicit LadderWalk(const LadderRef& ladder) : ladder_(ladder), tail_(ladder_) {}
  LadderWalk(const LadderWalk&) = delete;

  bool Next(Rung& rung) {
    if (at_ == ladder_.head_size) return tail_.Next(rung);
    rung = ladder_.head[at_++];
    return true;
  }

 private:
  const LadderRef ladder_;
  uint32_t at_ = 0;
  TailWalk tail_;
};

// The rungs of a ladder, at most kMaxRungs.
std::vector<Rung> MakeRungs(const Fleet& fleet, const Ladder& ladder);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_RUNG_H_
