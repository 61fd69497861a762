#include "libs/steering/ladder_ranker.h"

#include <algorithm>

#include "libs/steering/spread.h"

namespace fairlead {
namespace {

// Up to so many the best of each group is looked for in a list.
constexpr size_t kFewTied = 32;

// A key to sort by and the number of its contender share a word.
constexpr int kNumberBits = 24;
constexpr int kKeyBits = 64 - kNumberBits;
constexpr uint64_t kMostContenders = (uint64_t{1} << kNumberBits) - 1;

// Of KeyOf.
int BitsOf(ProximityStep step) {
  switch (step) {
    case ProximityStep::kPrefixLength:
    case ProximityStep::kClass:
      return 8;
    case ProximityStep::kAsPathLength:
    case ProximityStep::kDistance:  // At most 20,015 steps.
      return 16;
    case ProximityStep::kMed:
      return 32;
  }
  return 32;
}

bool IsDirect(const Contender& c) {
  return c.transport != TransportClass::kTransit;
}

}  // namespace

LadderRanker::LadderRanker(const SteeringPolicy& policy) : policy_(policy) {
  for (const ClassSteps& rule : policy.class_steps) {
    if (rule.partner.has_value()) {
      of_partner_.try_emplace({rule.transport, HashBytes(rule.partner->value())}, rule.steps);
    } else {
      of_class_.try_emplace(rule.transport, rule.steps);
    }
  }
}

// Less is better.
uint32_t LadderRanker::KeyOf(Contender& c, ProximityStep step) const {
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
      if (c.distance_step == kNotMeasured) c.distance_step = (*measure_)(c);
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
  const uint32_t first = KeyOf(all_[tied.front()], step);
  uint32_t best = first;
  bool alike = true;
  for (const uint32_t i : tied) {
    const uint32_t key = KeyOf(all_[i], step);
    alike &= key == first;
    best = std::min(best, key);
  }
  if (alike) return tied.size();
  if (IsGrouped(step)) return EliminateByGroup(tied, step);
  const auto end = std::partition(tied.begin(), tied.end(), [&](uint32_t i) { return KeyOf(all_[i], step) == best; });
  return static_cast<size_t>(end - tied.begin());
}

size_t LadderRanker::EliminateByGroup(absl::Span<uint32_t> tied, ProximityStep step) {
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

bool LadderRanker::AreOfOnePartner(absl::Span<const uint32_t> tied) const {
  return std::all_of(tied.begin(), tied.end(), [&](uint32_t i) { return all_[i].partner_hash == all_[tied.front()].partner_hash; });
}

// The steps to go on with behind `steps.front()`, for those that it left tied.
LadderRanker::Steps LadderRanker::Behind(Steps steps, absl::Span<const uint32_t> tied) const {
  if (steps.front() != ProximityStep::kClass || policy_.class_steps.empty() || tied.empty()) return steps.subspan(1);
  const Contender& first = all_[tied.front()];
  const auto of_partner = of_partner_.find({first.transport, first.partner_hash});
  if (of_partner != of_partner_.end() && AreOfOnePartner(tied)) return of_partner->second;
  const auto of_class = of_class_.find(first.transport);
  return of_class != of_class_.end() ? of_class->second : steps.subspan(1);
}

// Whether taking some of `tied` away may change the steps of the others: they are of one class and of several partners, and a rule is for
// one of these alone.
bool LadderRanker::MayPassToPartner(Steps steps, absl::Span<const uint32_t> tied) const {
  if (steps.front() != ProximityStep::kClass || of_partner_.empty() || AreOfOnePartner(tied)) return false;
  return std::any_of(tied.begin(), tied.end(), [&](uint32_t i) { return of_partner_.contains({all_[i].transport, all_[i].partner_hash}); });
}

// The steps at the head of `steps` whose keys one number holds: each compared among all, none behind which others may take over.
LadderRanker::Steps LadderRanker::Run(Steps steps) const {
  int bits = 0;
  size_t count = 0;
  while (count < steps.size() && !IsGrouped(steps[count]) && bits + BitsOf(steps[count]) <= kKeyBits) {
    bits += BitsOf(steps[count]);
    ++count;
    if (steps[count - 1] == ProximityStep::kClass && !policy_.class_steps.empty()) break;
  }
  return steps.subspan(0, count);
}

// Sorts by the steps of `run`; `ends` of those with equal keys.
void LadderRanker::SortBy(Steps run, absl::Span<uint32_t> tied, absl::InlinedVector<uint32_t, 32>& ends) {
  keyed_.assign(tied.size(), 0);
  for (const ProximityStep step : run) {
    const int bits = BitsOf(step);
    for (size_t i = 0; i < tied.size(); ++i) keyed_[i] = keyed_[i] << bits | KeyOf(all_[tied[i]], step);
  }
  for (size_t i = 0; i < tied.size(); ++i) keyed_[i] = keyed_[i] << kNumberBits | tied[i];
  std::sort(keyed_.begin(), keyed_.end());
  for (size_t i = 0; i < tied.size(); ++i) {
    tied[i] = static_cast<uint32_t>(keyed_[i] & kMostContenders);
    if (i > 0 && keyed_[i] >> kNumberBits != keyed_[i - 1] >> kNumberBits) ends.push_back(static_cast<uint32_t>(i));
  }
  ends.push_back(static_cast<uint32_t>(tied.size()));
}

// The ranks of `tied`, by these steps. Steps with one group sort.
bool LadderRanker::RankTied(absl::Span<uint32_t> tied, Steps steps, Emit emit) {
  if (steps.empty() || tied.size() == 1) return emit(tied);
  if (IsGrouped(steps.front())) return RankGrouped(tied, steps, emit);
  const Steps run = Run(steps);
  const Steps last = steps.subspan(run.size() - 1);
  absl::InlinedVector<uint32_t, 32> ends;
  SortBy(run, tied, ends);
  size_t begin = 0;
  for (const uint32_t end : ends) {
    const absl::Span<uint32_t> part = tied.subspan(begin, end - begin);
    if (!RankParted(part, last, emit)) return false;
    begin = end;
  }
  return true;
}

// What `steps.front()` left tied. A rank at a time while those who stay may come under other steps by it.
bool LadderRanker::RankParted(absl::Span<uint32_t> tied, Steps steps, Emit emit) {
  while (MayPassToPartner(steps, tied)) {
    const size_t taken = EliminateAll(tied, Behind(steps, tied));
    if (!emit(tied.subspan(0, taken))) return false;
    tied = tied.subspan(taken);
  }
  return tied.empty() || RankTied(tied, Behind(steps, tied), emit);
}

size_t LadderRanker::EliminateAll(absl::Span<uint32_t> tied, Steps steps) {
  while (!steps.empty() && tied.size() > 1) {
    tied = tied.subspan(0, Eliminate(tied, steps.front()));
    steps = Behind(steps, tied);
  }
  return tied.size();
}

// Of each group those with the best key left are in the running, and taking them out brings in the next: no elimination over all of them
// again for every rank.
bool LadderRanker::RankGrouped(absl::Span<uint32_t> tied, Steps steps, Emit emit) {
  size_t waiting = tied.size() - FindLevels(tied, steps.front());
  while (waiting > 0) {
    const absl::Span<uint32_t> best = absl::MakeSpan(running_).subspan(0, EliminateAll(absl::MakeSpan(running_), steps.subspan(1)));
    entering_.clear();
    for (const uint32_t i : best) {
      const uint32_t level = level_of_[i];
      if (--levels_[level].left == 0 && level + 1 < levels_.size() && !levels_[level + 1].first) entering_.push_back(level + 1);
    }
    const size_t taken = best.size();
    if (!emit(best)) return false;
    running_.erase(running_.begin(), running_.begin() + static_cast<ptrdiff_t>(taken));
    for (const uint32_t level : entering_) {
      waiting -= levels_[level].left;
      Enter(levels_[level]);
    }
  }
  const auto end = std::copy(running_.begin(), running_.end(), tied.begin());
  return RankTied(tied.subspan(0, static_cast<size_t>(end - tied.begin())), steps.subspan(1), emit);
}

// Puts those of `tied` that no other of their group beats at `step` into running_; returns how many they are.
size_t LadderRanker::FindLevels(absl::Span<const uint32_t> tied, ProximityStep step) {
  grouped_.clear();
  for (const uint32_t i : tied) grouped_.emplace_back(uint64_t{GroupOf(all_[i], step)} << 32 | KeyOf(all_[i], step), i);
  std::sort(grouped_.begin(), grouped_.end());
  levels_.clear();
  level_of_.resize(all_.size());
  for (size_t i = 0; i < grouped_.size(); ++i) {
    const uint64_t key = grouped_[i].first;
    if (i == 0 || grouped_[i - 1].first != key) {
      levels_.push_back({.begin = static_cast<uint32_t>(i), .first = i == 0 || grouped_[i - 1].first >> 32 != key >> 32});
    }
    ++levels_.back().left;
    level_of_[grouped_[i].second] = static_cast<uint32_t>(levels_.size() - 1);
  }
  running_.clear();
  for (const Level& level : levels_) {
    if (level.first) Enter(level);
  }
  return running_.size();
}

void LadderRanker::Enter(const Level& level) {
  for (uint32_t i = level.begin; i < level.begin + level.left; ++i) running_.push_back(grouped_[i].second);
}

void LadderRanker::Admit(bool demoted) {
  order_.clear();
  for (uint32_t i = 0; i < all_.size(); ++i) {
    if (all_[i].demoted == demoted && (with_transit_ || IsDirect(all_[i]))) order_.push_back(i);
  }
}

void LadderRanker::Begin(absl::Span<Contender> all, const Measure& measure) {
  all_ = all.subspan(0, kMostContenders);
  measure_ = &measure;
  const bool direct = std::any_of(all_.begin(), all_.end(), [](const Contender& c) { return IsDirect(c) && !c.demoted; });
  with_transit_ = policy_.more_specific_scope == MoreSpecificScope::kAll || !direct;
}

void LadderRanker::Rank(absl::Span<Contender> all, Measure measure, Emit emit) {
  Begin(all, measure);
  for (const bool demoted : {false, true}) {
    Admit(demoted);
    if (!order_.empty() && !RankTied(absl::MakeSpan(order_), policy_.steps, emit)) return;
  }
}

absl::Span<const uint32_t> LadderRanker::Best(absl::Span<Contender> all, Measure measure) {
  Begin(all, measure);
  Admit(false);
  if (order_.empty()) Admit(true);
  if (order_.empty()) return {};
  return absl::MakeConstSpan(order_).subspan(0, EliminateAll(absl::MakeSpan(order_), policy_.steps));
}

void LadderRanker::RankAhead(absl::Span<Contender> all, bool demoted, bool with_transit, EmitTied emit) {
  all_ = all.subspan(0, kMostContenders);
  with_transit_ = with_transit;
  Admit(demoted);
  if (!order_.empty()) RankTiedAhead(absl::MakeSpan(order_), policy_.steps, emit);
}

// As RankTied, up to where it can't be told.
void LadderRanker::RankTiedAhead(absl::Span<uint32_t> tied, Steps steps, EmitTied emit) {
  if (steps.empty() || tied.size() == 1 || steps.front() == ProximityStep::kDistance) return emit(tied, steps);
  if (IsGrouped(steps.front())) {
    if (Eliminate(tied, steps.front()) < tied.size()) return emit(tied, steps);
    return RankTiedAhead(tied, steps.subspan(1), emit);
  }
  Steps run = Run(steps);
  run = run.subspan(0, static_cast<size_t>(std::find(run.begin(), run.end(), ProximityStep::kDistance) - run.begin()));
  const Steps last = steps.subspan(run.size() - 1);
  absl::InlinedVector<uint32_t, 32> ends;
  SortBy(run, tied, ends);
  size_t begin = 0;
  for (const uint32_t end : ends) {
    const absl::Span<uint32_t> part = tied.subspan(begin, end - begin);
    if (MayPassToPartner(last, part)) {
      emit(part, last);
    } else {
      RankTiedAhead(part, Behind(last, part), emit);
    }
    begin = end;
  }
}

bool LadderRanker::RankLeft(absl::Span<Contender> all, absl::Span<uint32_t> tied, Steps left, Measure measure, Emit emit) {
  all_ = all;
  measure_ = &measure;
  return RankTied(tied, left, emit);
}

absl::Span<const uint32_t> LadderRanker::BestAhead(absl::Span<Contender> all, bool demoted, bool with_transit) {
  all_ = all.subspan(0, kMostContenders);
  with_transit_ = with_transit;
  Admit(demoted);
  return absl::MakeConstSpan(order_).subspan(0, EliminateAll(absl::MakeSpan(order_), policy_.steps));
}

}  // namespace fairlead
