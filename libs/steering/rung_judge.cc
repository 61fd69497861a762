#include "libs/steering/rung_judge.h"

#include <algorithm>
#include <bit>

#include "libs/steering/spread.h"

namespace fairlead {
namespace {

void JudgeBox(const BoxState& box, uint32_t bit, uint32_t endpoints, bool link_has_room, Verdict& verdict) {
  if (!box.Is(BoxState::kLive)) return;
  verdict.live |= bit;
  if (!box.Is(endpoints)) return;
  verdict.able |= bit;
  const bool well = !box.Is(BoxState::kFitnessMask);
  if (well && link_has_room) {
    verdict.fit |= bit;
  } else if (well || box.Is(BoxState::kNoRoom)) {
    verdict.no_room |= bit;
  }
}

}  // namespace

BoxOrder OrderOf(uint64_t spread_key, const BoxState* boxes, const PackedBoxes& packed, uint32_t i) {
  const BoxState& box = boxes[packed.who[i] & PackedBoxes::kSlotMask];
  return {packed.place[i], SpreadCost(Mix(spread_key, box.hash), box.weight()), box.box};
}

uint64_t rough_draw::ExactlyFirst(uint64_t spread_key, const BoxState* boxes, const PackedBoxes& packed, uint64_t may_be) {
  uint64_t first = may_be & -may_be;
  BoxOrder least = OrderOf(spread_key, boxes, packed, static_cast<uint32_t>(std::countr_zero(first)));
  for (may_be &= may_be - 1; may_be != 0; may_be &= may_be - 1) {
    const BoxOrder order = OrderOf(spread_key, boxes, packed, static_cast<uint32_t>(std::countr_zero(may_be)));
    if (!(order < least)) continue;
    least = order;
    first = may_be & -may_be;
  }
  return first;
}

void PortableRungs::FindHolders(holder_rows::Row row, const Rung* head, uint32_t size, HeadHolders& found) {
  found.rungs = std::min(size, holder_rows::IsLong(row) ? HeadHolders::kOfLong : HeadHolders::kMost);
  found.any = found.deaf = 0;
  for (uint32_t i = 0; i < found.rungs; ++i) {
    found.of[i] = static_cast<uint16_t>(Holders(row, head[i].first_slot) & head[i].hears);
    found.any |= (found.of[i] != 0 ? 1u : 0u) << i;
  }
  for (uint32_t i = 0; i < std::min(size, HeadHolders::kMost); ++i) {
    found.deaf |= (head[i].rank == 0 && head[i].Is(Rung::kDeaf) ? 1u : 0u) << i;
  }
}

Verdict PortableRungs::Block::Judge(uint32_t endpoints, bool link_has_room) const {
  Verdict verdict;
  for (uint32_t mask = wanted_; mask != 0; mask &= mask - 1) {
    JudgeBox(boxes_[std::countr_zero(mask)], mask & -mask, endpoints, link_has_room, verdict);
  }
  return verdict;
}

void PortableRungs::Block::Append(uint32_t which, const RungFacts& facts, PackedBoxes& packed) const {
  for (; which != 0; which &= which - 1, ++packed.count) {
    const auto i = static_cast<uint32_t>(std::countr_zero(which));
    packed.hash[packed.count] = boxes_[i].hash;
    packed.traits[packed.count] = boxes_[i].traits;
    packed.who[packed.count] = facts.who + i;
    packed.site[packed.count] = facts.site;
    packed.place[packed.count] = facts.place;
  }
}

uint32_t PortableRungs::TakeFirst(const BoxOrder* orders, uint64_t& in) {
  auto first = static_cast<uint32_t>(std::countr_zero(in));
  for (uint64_t others = in & (in - 1); others != 0; others &= others - 1) {
    const auto i = static_cast<uint32_t>(std::countr_zero(others));
    if (orders[i] < orders[first]) first = i;
  }
  in &= ~(uint64_t{1} << first);
  return first;
}

bool PortableRungs::LeaveSite(const PackedBoxes& packed, uint32_t site, uint64_t& in) {
  for (uint32_t i = 0; i < packed.count; ++i) in &= ~(uint64_t{packed.site[i] == site} << i);
  return in != 0;
}

}  // namespace fairlead
