#include "libs/steering/ladder_maker.h"

#include <algorithm>
#include <tuple>

namespace fairlead {
namespace {

SteeringPolicy Placeless() {
  SteeringPolicy policy;
  std::erase(policy.steps, ProximityStep::kDistance);
  return policy;
}

}  // namespace

LadderMaker::LadderMaker(const Fleet& fleet, absl::Span<const LadderSession> sessions, const SteeringPolicy& policy)
    : fleet_(fleet),
      sessions_(sessions),
      placeless_(Placeless()),
      ranker_(policy),
      placeless_ranker_(placeless_),
      steps_(SquaredChordsOfSteps(policy.distance_step_km)),
      stand_of_(fleet.boxes().size()),
      stands_(fleet.slots().size()),
      placed_(fleet.slots().size()),
      hearing_(fleet.slots().size()) {
  directions_.reserve(fleet.sites().size());
  for (const Fleet::Site& site : fleet.sites()) {
    directions_.push_back(DirectionOf(site.view.at));
    for (const Fleet::Block& block : site.blocks) {
      for (uint32_t i = 0; i < block.size; ++i) {
        const uint32_t box = fleet.slots()[block.first_slot + i];
        if (box == Fleet::kNone) continue;
        stand_of_[box] = {.first_slot = block.first_slot, .bit = static_cast<uint16_t>(1u << i)};
        stands_[block.first_slot] |= stand_of_[box].bit;
      }
    }
  }
}

ClientPlace LadderMaker::Make(absl::Span<const RouteView> covering, const ClientPlace& known, std::vector<Rung>& rungs) {
  contenders_.clear();
  for (const RouteView& route : covering) {
    if (route.session >= sessions_.size() || sessions_[route.session].site == Fleet::kNone) continue;
    contenders_.push_back(MakeContender(route, sessions_[route.session]));
    contenders_.back().distance_step = kNotMeasured;
  }
  ClientPlace place = known;
  if (!known.known()) {
    if (const uint32_t site = HearingSite(); site != Fleet::kNone) {
      const SiteView& view = fleet_.sites()[site].view;
      place = {.at = view.at, .country = view.country, .source = PlaceSource::kHearingSite};
    }
  }
  const Direction from = DirectionOf(place.at);
  const auto measure = [&](const Contender& c) { return place.known() ? StepsTo(c, from) : 0; };
  rungs.clear();
  next_rank_ = 0;
  ranker_.Rank(absl::MakeSpan(contenders_), measure, [&](absl::Span<uint32_t> rank) {
    AddRank(rank, rungs);
    return rungs.size() < kMaxRungs;
  });
  MarkDeaf(rungs);
  for (const Rung& rung : rungs) placed_[rung.first_slot] = 0;
  return place;
}

uint32_t LadderMaker::StepsTo(const Contender& c, const Direction& from) const {
  return static_cast<uint32_t>(std::upper_bound(steps_.begin(), steps_.end(), SquaredChord(from, directions_[c.site])) - steps_.begin() -
                               1);
}

bool LadderMaker::Hears(const Contender& c) const {
  return c.box != Fleet::kNone ? stand_of_[c.box].bit != 0 : !fleet_.sites()[c.site].boxes.empty();
}

// The first site of the best rank that has boxes which hear it.
uint32_t LadderMaker::HearingSite() {
  uint32_t best = Fleet::kNone;
  const auto look = [&](absl::Span<const uint32_t> rank) {
    for (const uint32_t i : rank) {
      if (Hears(contenders_[i])) best = std::min(best, contenders_[i].site);
    }
    return best == Fleet::kNone;
  };
  const auto nowhere = [](const Contender&) { return 0u; };
  // Nearly always the first rank has one; to order the others takes longer.
  if (look(placeless_ranker_.Best(absl::MakeSpan(contenders_), nowhere))) {
    placeless_ranker_.Rank(absl::MakeSpan(contenders_), nowhere, look);
  }
  return best;
}

// One rank of routes: the boxes of a site that hear them over one link make a rung for each of their blocks.
void LadderMaker::AddRank(absl::Span<uint32_t> rank, std::vector<Rung>& rungs) {
  const auto exit = [this](uint32_t i) { return std::tie(contenders_[i].site, contenders_[i].link); };
  if (rank.size() > 1) std::sort(rank.begin(), rank.end(), [&](uint32_t a, uint32_t b) { return exit(a) < exit(b); });
  const size_t first = rungs.size();
  for (size_t i = 0; i < rank.size(); ++i) {
    Hear(contenders_[rank[i]]);
    if (i + 1 == rank.size() || exit(rank[i]) != exit(rank[i + 1])) AddExit(contenders_[rank[i]], rungs);
  }
  CloseRank(first, rungs);
}

void LadderMaker::Hear(const Contender& c) {
  if (c.box == Fleet::kNone) {
    for (const Fleet::Block& block : fleet_.sites()[c.site].blocks) hearing_[block.first_slot] = stands_[block.first_slot];
    return;
  }
  hearing_[stand_of_[c.box].first_slot] |= stand_of_[c.box].bit;
}

// Without the boxes that stand at a better rank: a router sends by the best route, so a worse one over another port is not a way out.
void LadderMaker::AddExit(const Contender& lead, std::vector<Rung>& rungs) {
  for (const Fleet::Block& block : fleet_.sites()[lead.site].blocks) {
    const uint16_t hears = static_cast<uint16_t>(hearing_[block.first_slot] & ~placed_[block.first_slot]);
    hearing_[block.first_slot] = 0;
    if (hears == 0 || rungs.size() == kMaxRungs) continue;
    rungs.push_back({.first_slot = block.first_slot,
                     .hears = hears,
                     .rank = next_rank_,
                     .site_and_flags = lead.site | (lead.demoted ? Rung::kDemoted : 0),
                     .link = lead.link});
  }
}

void LadderMaker::CloseRank(size_t first, std::vector<Rung>& rungs) {
  if (first == rungs.size()) return;
  ++next_rank_;
  for (size_t i = first; i < rungs.size(); ++i) {
    Rung& rung = rungs[i];
    for (size_t other = i; other > first && rungs[other - 1].site() == rung.site(); --other) {
      Rung& before = rungs[other - 1];
      if (before.first_slot != rung.first_slot || (before.hears & rung.hears) == 0) continue;
      before.site_and_flags |= Rung::kTwice;
      rung.site_and_flags |= Rung::kTwice;
    }
  }
  for (size_t i = first; i < rungs.size(); ++i) placed_[rungs[i].first_slot] |= rungs[i].hears;
}

// Whose site has boxes that stand nowhere.
void LadderMaker::MarkDeaf(std::vector<Rung>& rungs) const {
  for (Rung& rung : rungs) {
    for (const Fleet::Block& block : fleet_.sites()[rung.site()].blocks) {
      if ((stands_[block.first_slot] & ~placed_[block.first_slot]) != 0) rung.site_and_flags |= Rung::kDeaf;
    }
  }
}

}  // namespace fairlead
