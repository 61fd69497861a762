// What the boxes of rungs are to one query, many at once: which of them hold the file, which of these may serve it, and in which order
// they draw in the spread. Private to libs/steering; the decision is made of it (decision_walk.h), by one of three kernels with the same
// functions: PortableRungs, Avx2Rungs (rung_judge_avx2.h) and Avx512Rungs (rung_judge_avx512.h).
//
//   PortableRungs::FindHolders(row, ladder.head, ladder.head_size, found);
//   const PortableRungs::Block block(boxes + rung.first_slot, found.of[0]);
//   const Verdict verdict = block.Judge(endpoints, link_has_room);
//   block.Append(verdict.fit, {.who = rung.first_slot, .site = rung.site()}, packed);
//   PortableRungs::Ballot<4> ballot(spread_key, boxes, packed);
//   const uint32_t first = packed.who[ballot.TakeFirst()];
// Pure functions; any thread.
#ifndef FAIRLEAD_LIBS_STEERING_RUNG_JUDGE_H_
#define FAIRLEAD_LIBS_STEERING_RUNG_JUDGE_H_

#include <array>
#include <cstdint>
#include <tuple>

#include "libs/steering/condition.h"
#include "libs/steering/fleet.h"
#include "libs/steering/holder_rows.h"
#include "libs/steering/rung.h"

namespace fairlead {

// Who holds the file in the rungs that a ladder begins with.
struct HeadHolders {
  static constexpr uint32_t kMost = 16;
  static constexpr uint32_t kOfLong = 4;  // Of a long row, where each rung is another line of memory.

  uint32_t rungs = 0;              // How many were looked at;
  uint32_t any = 0;                // which of them have holders that hear the route: bit i is rung i;
  uint32_t deaf = 0;               // which of the first kMost are of rank 0 and kDeaf.
  std::array<uint16_t, kMost> of;  // The masks of these holders.
};

// Masks of a rung's boxes: bit i is the box in slot first_slot + i.
struct Verdict {
  uint32_t live = 0;     // Of the holders: are LIVE;
  uint32_t able = 0;     // of these have an endpoint for the client;
  uint32_t fit = 0;      // of these are FIT, and the link has room;
  uint32_t no_room = 0;  // of the able ones: they aren't, because of capacity.

  friend bool operator==(const Verdict&, const Verdict&) = default;
};

// What boxes of one rung share.
struct RungFacts {
  uint32_t who = 0;  // Of the box in its first slot; the others are numbered on.
  uint32_t site = 0;
  uint32_t place = 0;  // Of its rank.
};

// Boxes side by side, whatever rungs they are of, for most rungs have few: a column for each thing. Behind the last there is room for a
// whole rung.
struct PackedBoxes {
  static constexpr uint32_t kMost = 64;
  static constexpr uint32_t kPlaces = 64;
  static constexpr uint32_t kSlotBits = 16;
  static constexpr uint32_t kSlotMask = (1u << kSlotBits) - 1;
  template <typename T>
  using Column = std::array<T, kMost + Fleet::kBlock>;

  alignas(64) Column<uint64_t> hash;
  Column<uint32_t> traits;
  Column<uint32_t> who;  // As its caller numbers them: the slot in the low kSlotBits.
  Column<uint32_t> site;
  Column<uint32_t> place;  // Under kPlaces: boxes of several ranks have one order.
  uint32_t count = 0;
};

// The exact order of the i-th: by place, by what it draws, by number.
using BoxOrder = std::tuple<uint32_t, uint64_t, uint32_t>;
BoxOrder OrderOf(uint64_t spread_key, const BoxState* boxes, const PackedBoxes& packed, uint32_t i);

// A draw told by two bounds of what SpreadCost says, because bounds come for many boxes in the time that the exact figure takes for two;
// those whose bounds overlap are compared exactly. For kernels that compute many at once.
namespace rough_draw {
// -log2(hash / 2^64) = 64 - exponent - p(mantissa), wrong by less than kError: 2^-15.8 by the polynomial, which goes through log2 at six
// places in [1, 2), the rest by rounding, and by what NegativeLog2 itself errs.
inline constexpr float kFirstCoefficient = 0.0430049578f;
inline constexpr float kCoefficients[] = {-0.402513394f, 1.58947429f, -3.48987855f, 5.04785541f, -2.78792621f};
inline constexpr float kError = 0x1p-13f;
// A bound of the order: from bit kPlaceShift on the place, under it the bits of a float without its sign, but for so many of the lowest. As
// floats are ordered, so are their bits, none being negative.
inline constexpr int kPlaceShift = 26;
inline constexpr int kDrawShift = 31 - kPlaceShift;
static_assert(PackedBoxes::kPlaces == 1u << (32 - kPlaceShift));
// Of those in `may_be` the bit of the first. Rare: bounds must overlap.
uint64_t ExactlyFirst(uint64_t spread_key, const BoxState* boxes, const PackedBoxes& packed, uint64_t may_be);
}  // namespace rough_draw

// For every processor: box by box.
struct PortableRungs {
  // Of a head of `size` rungs.
  static void FindHolders(holder_rows::Row row, const Rung* head, uint32_t size, HeadHolders& found);
  // Bit i: slot `first` + i holds the file.
  static uint32_t Holders(holder_rows::Row row, uint32_t first) { return holder_rows::MaskFrom(row, first); }

  // Of sixteen boxes those in `wanted`; others aren't read.
  class Block {
   public:
    Block(const BoxState* boxes, uint32_t wanted) : boxes_(boxes), wanted_(wanted) {}
    Verdict Judge(uint32_t endpoints, bool link_has_room) const;
    // Adds those in `which`, which must be wanted. There must be room: not more than kMost before.
    void Append(uint32_t which, const RungFacts& facts, PackedBoxes& packed) const;

   private:
    const BoxState* boxes_;
    uint32_t wanted_;
  };

  // Packed boxes in their order. There is room for 16 N.
  template <uint32_t N>
  class Ballot {
   public:
    Ballot(uint64_t spread_key, const BoxState* boxes, const PackedBoxes& packed) : packed_(packed), in_(FirstBits(packed.count)) {
      for (uint32_t i = 0; i < packed.count; ++i) orders_[i] = OrderOf(spread_key, boxes, packed, i);
    }
    // Takes the first of those that are left out, and says its index. There must be one.
    uint32_t TakeFirst() { return PortableRungs::TakeFirst(orders_.data(), in_); }
    // Takes everybody of this site out, and says whether anybody is left.
    bool LeaveSite(uint32_t site) { return PortableRungs::LeaveSite(packed_, site, in_); }

   private:
    const PackedBoxes& packed_;
    uint64_t in_;
    std::array<BoxOrder, 16 * N> orders_;
  };

 private:
  static uint64_t FirstBits(uint32_t count) { return count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1; }
  static uint32_t TakeFirst(const BoxOrder* orders, uint64_t& in);
  static bool LeaveSite(const PackedBoxes& packed, uint32_t site, uint64_t& in);
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_RUNG_JUDGE_H_
