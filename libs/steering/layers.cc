#include "libs/steering/layers.h"

#include <algorithm>
#include <bit>
#include <tuple>

#include "absl/container/flat_hash_map.h"
#include "libs/steering/decider.h"

namespace fairlead {
namespace {

Standing Judge(const Condition& condition, const BoxState& state, const Rung& rung, bool hears, const SteeringRequest& request) {
  Standing standing = {.box = state.box, .rank = rung.rank, .link = rung.link, .hears = hears};
  standing.live = state.Is(BoxState::kLive);
  standing.reachable = UsableFamilies(state.endpoints(), request.client.is_v6(), request.family_preference) != 0;
  standing.fitness = state.fitness();
  if (state.fitness() != Fitness::kFit) {
    standing.unfit = state.Is(BoxState::kNoRoom) ? MissCause::kCapacity : MissCause::kHealth;
  } else if (!condition.LinkHasRoom(rung.link)) {
    standing.fitness = Fitness::kFull;
    standing.unfit = MissCause::kCapacity;
  }
  return standing;
}

}  // namespace

std::vector<uint32_t> LinksOnPath(const Fleet& fleet, uint32_t box, uint32_t link) {
  std::vector<uint32_t> links = fleet.sites()[fleet.boxes()[box].site].uplinks;
  if (link != Fleet::kNone && std::find(links.begin(), links.end(), link) == links.end()) links.push_back(link);
  return links;
}

Busiest BusiestOnPath(const Fleet& fleet, uint32_t box, uint32_t link) {
  const ApplianceView& view = fleet.boxes()[box].view;
  Busiest busiest = {UsePermille(view), view.id.name()};
  for (const uint32_t crossed : LinksOnPath(fleet, box, link)) {
    const uint64_t permille = UsePermille(fleet.links()[crossed]);
    if (permille > busiest.permille) busiest = {permille, fleet.links()[crossed].id.name()};
  }
  return busiest;
}

Eligible CountEligible(const SteeringTable& table, const LadderRef& ladder, uint32_t file) {
  const Condition& condition = *table.condition;
  const Holdings::Row row = table.holdings->RowOf(file);
  Eligible eligible;
  std::vector<bool> seen(table.fleet->slots().size() + Fleet::kBlock);  // A box stands twice where its routes tie over two links.
  LadderWalk walk(ladder);
  for (Rung rung; walk.Next(rung);) {
    const uint32_t holders = Holdings::MaskFrom(row, rung.first_slot);
    for (uint32_t left = rung.hears; left != 0; left &= left - 1) {
      const auto i = static_cast<uint32_t>(std::countr_zero(left));
      if (seen[rung.first_slot + i]) continue;
      seen[rung.first_slot + i] = true;
      const bool live = condition.At(rung.first_slot + i).Is(BoxState::kLive);
      ++eligible.boxes;
      eligible.live += live ? 1 : 0;
      eligible.holding += live && (holders >> i & 1) != 0 ? 1 : 0;
    }
  }
  return eligible;
}

std::vector<Standing> JudgeBoxes(const SteeringTable& table, const LadderRef& ladder, const SteeringRequest& request) {
  const Condition& condition = *table.condition;
  std::vector<Rung> rungs;
  LadderWalk walk(ladder);
  for (Rung rung; walk.Next(rung);) rungs.push_back(rung);
  absl::flat_hash_map<uint32_t, Standing> by_box;
  for (const Rung& rung : rungs) {
    for (uint32_t i = 0; i < Fleet::kBlock; ++i) {
      if ((rung.hears >> i & 1) == 0) continue;
      const Standing standing = Judge(condition, condition.At(rung.first_slot + i), rung, true, request);
      // A box stands twice where its routes tie over two links: the one with room counts.
      const auto [at, is_new] = by_box.try_emplace(standing.box, standing);
      if (!is_new && standing.fitness < at->second.fitness) at->second = standing;
    }
  }
  for (const Rung& rung : rungs) {
    for (const uint32_t box : table.fleet->sites()[rung.site()].boxes) {
      if (by_box.contains(box)) continue;
      by_box.emplace(box, Judge(condition, condition.At(table.fleet->boxes()[box].slot), rung, false, request));
    }
  }
  std::vector<Standing> standings;
  for (const auto& [box, standing] : by_box) standings.push_back(standing);
  std::sort(standings.begin(), standings.end(),
            [](const Standing& a, const Standing& b) { return std::tie(a.rank, a.box) < std::tie(b.rank, b.box); });
  return standings;
}

}  // namespace fairlead
