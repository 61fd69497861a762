// For every processor: box by box.
#include "libs/steering/rung_judge.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "libs/steering/spread.h"

namespace fairlead {
namespace {

void JudgeBox(const JudgeTask& task, const BoxState& box, uint32_t bit, bool link_has_room, Verdict& verdict) {
  const auto add = [&](uint16_t& mask) { mask = static_cast<uint16_t>(mask | bit); };
  const uint32_t traits = box.traits;
  if ((traits & BoxState::kLive) == 0) return;
  add(verdict.live);
  if ((traits & task.endpoints) == 0) return;
  add(verdict.able);
  const bool fit = (traits & BoxState::kFitnessMask) == 0;
  if (fit && link_has_room) return add(verdict.fit);
  if (fit || (traits & BoxState::kNoRoom) != 0) add(verdict.no_room);
}

void Judge(const JudgeTask& task, const Rung& rung, bool link_has_room, Verdict& verdict, Draws& draws) {
  const BoxState* const boxes = task.boxes + rung.first_slot;
  verdict = {.holders = static_cast<uint16_t>(holder_rows::MaskFrom(task.row, rung.first_slot) & rung.hears)};
  for (uint32_t mask = verdict.holders; mask != 0; mask &= mask - 1) {
    JudgeBox(task, boxes[std::countr_zero(mask)], mask & -mask, link_has_room, verdict);
  }
  draws.in = verdict.fit;
  constexpr float kRounding = 0x1p-20f;
  for (uint32_t mask = verdict.fit; mask != 0; mask &= mask - 1) {
    const auto i = static_cast<uint32_t>(std::countr_zero(mask));
    const float cost = static_cast<float>(SpreadCost(Mix(task.spread_key, boxes[i].hash), boxes[i].weight())) * 0x1p-57f;
    draws.low[i] = cost * (1 - kRounding);
    draws.high[i] = cost * (1 + kRounding);
  }
}

// Calls visit(at) for each who is in, from the last to the first.
template <typename Visit>
void ForEachIn(const Draws* draws, size_t count, Visit&& visit) {
  for (size_t at = count * Fleet::kBlock; at-- > 0;) {
    if ((draws[at / Fleet::kBlock].in >> (at % Fleet::kBlock) & 1) != 0) visit(at);
  }
}

Lead FindLead(const Draws* draws, size_t count) {
  Lead lead = {.limit = std::numeric_limits<float>::infinity()};
  ForEachIn(draws, count, [&](size_t at) { lead.limit = std::min(lead.limit, draws[at / Fleet::kBlock].high[at % Fleet::kBlock]); });
  ForEachIn(draws, count, [&](size_t at) {
    if (draws[at / Fleet::kBlock].low[at % Fleet::kBlock] > lead.limit) return;
    lead.at = static_cast<uint32_t>(at);
    ++lead.contenders;
  });
  return lead;
}

}  // namespace

const RungKernel kPortableRungKernel = {.judge = Judge, .find_lead = FindLead};

}  // namespace fairlead
