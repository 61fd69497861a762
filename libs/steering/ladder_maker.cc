#include "libs/steering/ladder_maker.h"

#include <algorithm>
#include <numeric>
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
      ranks_ahead_(!policy.steps.empty() && policy.steps.front() == ProximityStep::kPrefixLength &&
                   policy.more_specific_scope == MoreSpecificScope::kPeering),
      placeless_(Placeless()),
      ranker_(policy),
      placeless_ranker_(placeless_),
      steps_(policy.distance_step_km),
      blocks_from_(fleet.sites().size() + 1),
      stand_of_(fleet.boxes().size()),
      stands_(fleet.slots().size()),
      placed_(fleet.slots().size()),
      hearing_(fleet.slots().size()) {
  directions_.reserve(fleet.sites().size());
  for (const Fleet::Site& site : fleet.sites()) {
    directions_.push_back(DirectionOf(site.view.at));
    for (const Fleet::Block& block : site.blocks) {
      blocks_.push_back(block.first_slot);
      for (uint32_t i = 0; i < block.size; ++i) {
        const uint32_t box = fleet.slots()[block.first_slot + i];
        if (box == Fleet::kNone) continue;
        stand_of_[box] = {.first_slot = block.first_slot, .bit = static_cast<uint16_t>(1u << i)};
        stands_[block.first_slot] |= stand_of_[box].bit;
      }
    }
    blocks_from_[directions_.size()] = static_cast<uint32_t>(blocks_.size());
  }
}

void LadderMaker::Gather(absl::Span<const CoveringRoutes> covering) {
  contenders_.clear();
  for (const CoveringRoutes& level : covering) {
    for (const PackedRoute& route : *level.routes) {
      Contender& c = contenders_.emplace_back(MakeContender(route, sessions_[route.session]));
      c.prefix_length = static_cast<uint8_t>(level.prefix_length);
      c.distance_step = kNotMeasured;
    }
  }
}

// ---- What the routes of one prefix decide ----

RankedRoutes LadderMaker::Rank(const RouteSet& routes, bool with_transit) {
  Gather({{.routes = &routes}});
  for (uint32_t i = 0; i < contenders_.size(); ++i) contenders_[i].route = i;
  return {.undemoted = RankTies(false, with_transit), .demoted = RankTies(true, with_transit)};
}

RankedRoutes::Ties LadderMaker::RankTies(bool demoted, bool with_transit) {
  using Kind = RankedRoutes::TieKind;
  RankedRoutes::Ties& ties = ties_;
  ties.ties.clear();
  ties.rungs.clear();
  ties.routes.clear();
  ties.left.clear();
  ties.hearing_site = RankedRoutes::Ties::kNoRoutes;
  ranker_.RankAhead(absl::MakeSpan(contenders_), demoted, with_transit, [&](absl::Span<uint32_t> tied, LadderRanker::Steps left) {
    const bool by_distance_alone = left.size() == 1 && left.front() == ProximityStep::kDistance;
    if (tied.size() > 1 && !left.empty() && !by_distance_alone) {
      for (const uint32_t i : tied) ties.routes.push_back(contenders_[i].route);
      ties.left.push_back(left);
      ties.ties.push_back({.end = static_cast<uint32_t>(ties.routes.size()), .kind = Kind::kOpen});
      return;
    }
    AddExits(tied, SIZE_MAX, ties.rungs);
    const bool one_site = contenders_[tied.front()].site == contenders_[tied.back()].site;  // They are in the order of exits.
    ties.ties.push_back(
        {.end = static_cast<uint32_t>(ties.rungs.size()), .kind = left.empty() || one_site ? Kind::kOneRank : Kind::kByDistance});
  });
  const absl::Span<const uint32_t> best = placeless_ranker_.BestAhead(absl::MakeSpan(contenders_), demoted, with_transit);
  if (best.empty()) return ties;
  const uint32_t site = FirstHearing(best);
  ties.hearing_site = site == Fleet::kNone ? RankedRoutes::Ties::kNobodyHears : site;
  return ties;
}

// ---- A ladder ----

ClientPlace LadderMaker::Make(absl::Span<const CoveringRoutes> covering, const ClientPlace& known, std::vector<Rung>& rungs) {
  rungs.clear();
  next_rank_ = 0;
  ClientPlace place = known;
  place_known_ = known.known();
  if (place_known_) {
    from_ = DirectionOf(place.at);
  } else if (const uint32_t site = HearingSite(covering); site != Fleet::kNone) {
    const SiteView& view = fleet_.sites()[site].view;
    place = {.at = view.at, .country = view.country, .source = PlaceSource::kHearingSite};
    place_known_ = true;
    from_ = directions_[site];
  }
  if (ranks_ahead_) {
    const auto add = [&](const auto ties) {
      return std::all_of(covering.begin(), covering.end(),
                         [&](const CoveringRoutes& level) { return AddTies(level.ranked->*ties, *level.routes, rungs); });
    };
    if (add(&RankedRoutes::undemoted)) add(&RankedRoutes::demoted);
  } else {
    Gather(covering);
    ranker_.Rank(
        absl::MakeSpan(contenders_), [this](const Contender& c) { return StepsTo(c.site); },
        [&](absl::Span<uint32_t> rank) { return AddRank(rank, rungs); });
  }
  MarkDeaf(rungs);
  for (const Rung& rung : rungs) placed_[rung.first_slot] = 0;
  return place;
}

// 0 where nobody knows: nothing is nearer then.
uint32_t LadderMaker::StepsTo(uint32_t site) const {
  if (!place_known_) return 0;
  return steps_.Of(SquaredChord(from_, directions_[site]));
}

bool LadderMaker::Hears(const Contender& c) const {
  return c.box != Fleet::kNone ? stand_of_[c.box].bit != 0 : !fleet_.sites()[c.site].boxes.empty();
}

uint32_t LadderMaker::FirstHearing(absl::Span<const uint32_t> rank) const {
  uint32_t first = Fleet::kNone;
  for (const uint32_t i : rank) {
    if (Hears(contenders_[i])) first = std::min(first, contenders_[i].site);
  }
  return first;
}

// The first site of the best rank that has boxes which hear it. The usual steps begin with the prefix's length, whatever the policy.
uint32_t LadderMaker::HearingSite(absl::Span<const CoveringRoutes> covering) {
  if (ranks_ahead_) {
    for (const auto ties : {&RankedRoutes::undemoted, &RankedRoutes::demoted}) {
      for (const CoveringRoutes& level : covering) {
        const uint32_t site = (level.ranked->*ties).hearing_site;
        if (site == RankedRoutes::Ties::kNoRoutes) continue;
        if (site != RankedRoutes::Ties::kNobodyHears) return site;
        Gather(covering);
        return HearingSiteOfAll();
      }
    }
    return Fleet::kNone;
  }
  Gather(covering);
  return HearingSiteOfAll();
}

uint32_t LadderMaker::HearingSiteOfAll() {
  const auto nowhere = [](const Contender&) { return 0u; };
  // Nearly always the first rank has one; to order the others takes longer.
  uint32_t first = FirstHearing(placeless_ranker_.Best(absl::MakeSpan(contenders_), nowhere));
  if (first != Fleet::kNone) return first;
  placeless_ranker_.Rank(absl::MakeSpan(contenders_), nowhere, [&](absl::Span<uint32_t> rank) {
    first = FirstHearing(rank);
    return first == Fleet::kNone;
  });
  return first;
}

// False: there is no room for more.
bool LadderMaker::AddTies(const RankedRoutes::Ties& tied, const RouteSet& routes, std::vector<Rung>& rungs) {
  size_t rung = 0;
  size_t route = 0;
  auto left = tied.left.begin();
  for (const RankedRoutes::Tie& tie : tied.ties) {
    bool room = false;
    if (tie.kind == RankedRoutes::TieKind::kOpen) {
      room = AddOpenTie(absl::MakeConstSpan(tied.routes).subspan(route, tie.end - route), routes, *left++, rungs);
      route = tie.end;
    } else {
      room = AddTie(absl::MakeConstSpan(tied.rungs).subspan(rung, tie.end - rung), tie.kind == RankedRoutes::TieKind::kByDistance, rungs);
      rung = tie.end;
    }
    if (!room) return false;
  }
  return true;
}

bool LadderMaker::AddTie(absl::Span<const Rung> tied, bool by_distance, std::vector<Rung>& rungs) {
  nearest_.clear();
  uint32_t site = Fleet::kNone;
  uint64_t steps = 0;
  for (size_t i = 0; i < tied.size(); ++i) {
    if ((tied[i].hears & ~placed_[tied[i].first_slot]) == 0) continue;
    if (by_distance && tied[i].site() != site) steps = uint64_t{StepsTo(tied[i].site())} << 32;
    site = tied[i].site();
    nearest_.push_back(steps | i);
  }
  if (by_distance) std::sort(nearest_.begin(), nearest_.end());
  for (auto at = nearest_.begin(); at != nearest_.end();) {
    const size_t first = rungs.size();
    for (steps = *at >> 32; at != nearest_.end() && *at >> 32 == steps; ++at) {
      if (rungs.size() == kMaxRungs) continue;
      Rung& rung = rungs.emplace_back(tied[*at & 0xffffffff]);
      rung.hears = static_cast<uint16_t>(rung.hears & ~placed_[rung.first_slot]);
      rung.rank = next_rank_;
    }
    CloseRank(first, rungs);
    if (rungs.size() == kMaxRungs) return false;
  }
  return true;
}

bool LadderMaker::AddOpenTie(absl::Span<const uint32_t> numbers, const RouteSet& routes, absl::Span<const ProximityStep> left,
                             std::vector<Rung>& rungs) {
  contenders_.clear();
  numbers_.clear();
  for (const uint32_t number : numbers) {
    contenders_.push_back(MakeContender(routes[number], sessions_[routes[number].session]));
    contenders_.back().distance_step = kNotMeasured;
    if (BringsBoxes(contenders_.back())) numbers_.push_back(static_cast<uint32_t>(contenders_.size() - 1));
  }
  // Often a longer prefix's routes have brought nearly all boxes. Who else is tied decides only when one that brings some has its turn.
  if (numbers_.empty()) return true;
  if (numbers_.size() == 1) return AddRank(absl::MakeSpan(numbers_), rungs);
  numbers_.resize(numbers.size());
  std::iota(numbers_.begin(), numbers_.end(), 0);
  return ranker_.RankLeft(
      absl::MakeSpan(contenders_), absl::MakeSpan(numbers_), left, [this](const Contender& c) { return StepsTo(c.site); },
      [&](absl::Span<uint32_t> rank) { return AddRank(rank, rungs); });
}

// True if some that hear it stand in no rank yet.
bool LadderMaker::BringsBoxes(const Contender& c) const {
  if (c.box != Fleet::kNone) return (stand_of_[c.box].bit & ~placed_[stand_of_[c.box].first_slot]) != 0;
  const absl::Span<const uint32_t> blocks = BlocksOf(c.site);
  return std::any_of(blocks.begin(), blocks.end(), [this](uint32_t block) { return (stands_[block] & ~placed_[block]) != 0; });
}

// False: there is no room for more.
bool LadderMaker::AddRank(absl::Span<uint32_t> rank, std::vector<Rung>& rungs) {
  const size_t first = rungs.size();
  AddExits(rank, kMaxRungs, rungs);
  CloseRank(first, rungs);
  return rungs.size() < kMaxRungs;
}

// The boxes of a site that hear the routes over one link make a rung for each of their blocks.
void LadderMaker::AddExits(absl::Span<uint32_t> tied, size_t most, std::vector<Rung>& rungs) {
  const auto exit = [this](uint32_t i) { return std::tie(contenders_[i].site, contenders_[i].link); };
  if (tied.size() > 1) std::sort(tied.begin(), tied.end(), [&](uint32_t a, uint32_t b) { return exit(a) < exit(b); });
  for (size_t i = 0; i < tied.size(); ++i) {
    Hear(contenders_[tied[i]]);
    if (i + 1 == tied.size() || exit(tied[i]) != exit(tied[i + 1])) AddExit(contenders_[tied[i]], most, rungs);
  }
}

void LadderMaker::Hear(const Contender& c) {
  if (c.box == Fleet::kNone) {
    for (const uint32_t block : BlocksOf(c.site)) hearing_[block] = stands_[block];
    return;
  }
  hearing_[stand_of_[c.box].first_slot] |= stand_of_[c.box].bit;
}

// Without the boxes that stand at a better rank: a router sends by the best route, so a worse one over another port is not a way out.
void LadderMaker::AddExit(const Contender& lead, size_t most, std::vector<Rung>& rungs) {
  for (const uint32_t block : BlocksOf(lead.site)) {
    const uint16_t hears = static_cast<uint16_t>(hearing_[block] & ~placed_[block]);
    hearing_[block] = 0;
    if (hears == 0 || rungs.size() == most) continue;
    rungs.push_back({.first_slot = block,
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
    for (const uint32_t block : BlocksOf(rung.site())) {
      if ((stands_[block] & ~placed_[block]) != 0) rung.site_and_flags |= Rung::kDeaf;
    }
  }
}

}  // namespace fairlead
