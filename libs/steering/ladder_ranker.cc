#include "libs/steering/ladder_ranker.h"

#include <algorithm>

#include "libs/steering/spread.h"

namespace fairlead {
namespace {

// Up to so many the best of each group is looked for in a list.
constexpr size_t kFewTied = 32;

bool IsDirect(const Contender& c) {
  return c.transport != TransportClass::kTransit;
}

}  // namespace

Contender MakeContender(const RouteView& route, const LadderSession& session) {
  return {.partner_hash = session.partner_hash,
          .session = route.session,
          .site = session.site,
          .link = session.link,
          .box = session.box,
          .partner = session.partner,
          .neighbour_as = route.neighbour_as,
          .med = route.med,
          .as_path_length = route.as_path_length,
          .prefix_length = static_cast<uint8_t>(route.prefix.length()),
          .demoted = route.demoted,
          .transport = session.transport};
}

LadderRanker::LadderRanker(const SteeringPolicy& policy) : policy_(policy) {}

// Less is better.
uint32_t LadderRanker::KeyOf(const Contender& c, ProximityStep step) const {
  switch (step) {
    case ProximityStep::kPrefixLength:
      return 128u - c.prefix_length;
    case ProximityStep::kClass:
      return static_cast<uint32_t>(c.transport);
    case ProximityStep::kAsPathLength:
      return c.as_path_length;
    case ProximityStep::kMed:
      return c.med;
    case ProximityStep::kDistance:
      return c.distance_step;
  }
  return 0;
}

// Keys are compared within a group only.
uint32_t LadderRanker::GroupOf(const Contender& c, ProximityStep step) const {
  if (step == ProximityStep::kPrefixLength && policy_.more_specific_scope == MoreSpecificScope::kClass) {
    return static_cast<uint32_t>(c.transport);
  }
  if (step == ProximityStep::kMed && policy_.med_scope == MedScope::kNeighbourAs) return c.neighbour_as;
  if (step == ProximityStep::kMed && policy_.med_scope == MedScope::kPartner) return c.partner;
  return 0;
}

bool LadderRanker::IsGrouped(ProximityStep step) const {
  return (step == ProximityStep::kPrefixLength && policy_.more_specific_scope == MoreSpecificScope::kClass) ||
         (step == ProximityStep::kMed && policy_.med_scope != MedScope::kAlways);
}

// Puts those first that no other of their group beats at `step`; returns how many they are.
size_t LadderRanker::Eliminate(absl::Span<uint32_t> tied, ProximityStep step) {
  if (tied.size() <= kFewTied) {
    best_.clear();
    const auto best_of = [this](uint32_t group) {
      return std::find_if(best_.begin(), best_.end(), [group](const auto& known) { return known.first == group; });
    };
    for (const uint32_t i : tied) {
      const auto at = best_of(GroupOf(all_[i], step));
      if (at == best_.end()) {
        best_.emplace_back(GroupOf(all_[i], step), KeyOf(all_[i], step));
      } else {
        at->second = std::min(at->second, KeyOf(all_[i], step));
      }
    }
    const auto end = std::partition(tied.begin(), tied.end(),
                                    [&](uint32_t i) { return KeyOf(all_[i], step) == best_of(GroupOf(all_[i], step))->second; });
    return static_cast<size_t>(end - tied.begin());
  }
  best_of_many_.clear();
  for (const uint32_t i : tied) {
    const auto [at, is_new] = best_of_many_.try_emplace(GroupOf(all_[i], step), KeyOf(all_[i], step));
    if (!is_new) at->second = std::min(at->second, KeyOf(all_[i], step));
  }
  const auto end = std::partition(tied.begin(), tied.end(),
                                  [&](uint32_t i) { return KeyOf(all_[i], step) == best_of_many_.at(GroupOf(all_[i], step)); });
  return static_cast<size_t>(end - tied.begin());
}

// The steps to go on with behind `steps.front()`, for those that it left tied.
LadderRanker::Steps LadderRanker::Behind(Steps steps, absl::Span<const uint32_t> tied) const {
  if (steps.front() != ProximityStep::kClass || policy_.class_steps.empty() || tied.empty()) return steps.subspan(1);
  const Contender& first = all_[tied.front()];
  const bool one_partner = std::all_of(tied.begin(), tied.end(), [&](uint32_t i) { return all_[i].partner_hash == first.partner_hash; });
  const ClassSteps* best = nullptr;
  for (const ClassSteps& rule : policy_.class_steps) {
    if (rule.transport != first.transport) continue;
    if (!rule.partner.has_value()) {
      if (best == nullptr) best = &rule;
    } else if (one_partner && HashBytes(rule.partner->value()) == first.partner_hash) {
      best = &rule;
      break;
    }
  }
  return best == nullptr ? steps.subspan(1) : Steps(best->steps);
}

// The ranks of `tied`, by these steps. A step with one group sorts; a step with several must be run as an elimination again for every rank,
// because taking a route out brings back those that it had eliminated.
bool LadderRanker::RankTied(absl::Span<uint32_t> tied, Steps steps, Emit emit) {
  if (steps.empty() || tied.size() == 1) return emit(tied);
  const ProximityStep step = steps.front();
  if (!IsGrouped(step)) {
    keyed_.clear();
    for (const uint32_t i : tied) keyed_.push_back(uint64_t{KeyOf(all_[i], step)} << 32 | i);
    std::sort(keyed_.begin(), keyed_.end());
    for (size_t i = 0; i < tied.size(); ++i) tied[i] = static_cast<uint32_t>(keyed_[i]);
    for (size_t begin = 0; begin < tied.size();) {
      size_t end = begin + 1;
      while (end < tied.size() && KeyOf(all_[tied[end]], step) == KeyOf(all_[tied[begin]], step)) ++end;
      const absl::Span<uint32_t> part = tied.subspan(begin, end - begin);
      if (!RankTied(part, Behind(steps, part), emit)) return false;
      begin = end;
    }
    return true;
  }
  while (!tied.empty()) {
    size_t winners = Eliminate(tied, step);
    if (winners == tied.size()) return RankTied(tied, steps.subspan(1), emit);
    for (Steps next = steps.subspan(1); !next.empty();) {
      winners = Eliminate(tied.subspan(0, winners), next.front());
      next = Behind(next, tied.subspan(0, winners));
    }
    if (!emit(tied.subspan(0, winners))) return false;
    tied = tied.subspan(winners);
  }
  return true;
}

void LadderRanker::Rank(absl::Span<const Contender> all, Emit emit) {
  all_ = all;
  const bool direct = std::any_of(all.begin(), all.end(), [](const Contender& c) { return IsDirect(c) && !c.demoted; });
  const bool with_transit = policy_.more_specific_scope == MoreSpecificScope::kAll || !direct;
  for (const bool demoted : {false, true}) {
    order_.clear();
    for (uint32_t i = 0; i < all.size(); ++i) {
      if (all[i].demoted == demoted && (with_transit || IsDirect(all[i]))) order_.push_back(i);
    }
    if (!order_.empty() && !RankTied(absl::MakeSpan(order_), policy_.steps, emit)) return;
  }
}

}  // namespace fairlead
