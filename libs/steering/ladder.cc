#include "libs/steering/ladder.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "libs/steering/spread.h"

namespace fairlead {
namespace {

// A route with what it inherits from its session and where it stands from the client.
struct Contender {
  RouteView route;
  LadderSession session;
  int distance_km = -1;
  int distance_step = 0;  // Nothing is known to be nearer than anything else where the place isn't known.
};
using Contenders = std::vector<Contender>;

auto CanonicalKey(const Contender& c) {
  return std::tie(c.route.prefix, c.session.site, c.session.link, c.route.session, c.session.box, c.route.as_path_length,
                  c.route.neighbour_as, c.route.med);
}

int DistanceTo(const Fleet& fleet, uint32_t site, const ClientPlace& place) {
  return place.known() ? DistanceKm(place.at, fleet.sites()[site].view.at) : -1;
}

int DistanceStep(int distance_km, const SteeringPolicy& policy) {
  return distance_km < 0 ? 0 : distance_km / policy.distance_step_km;
}

// Less is better.
int64_t KeyOf(const Contender& c, ProximityStep step) {
  switch (step) {
    case ProximityStep::kPrefixLength:
      return -c.route.prefix.length();
    case ProximityStep::kClass:
      return static_cast<int64_t>(c.session.transport);
    case ProximityStep::kAsPathLength:
      return c.route.as_path_length;
    case ProximityStep::kMed:
      return c.route.med;
    case ProximityStep::kDistance:
      return c.distance_step;
  }
  return 0;
}

// Keys are compared within a group only.
uint32_t GroupOf(const Contender& c, ProximityStep step, const SteeringPolicy& policy) {
  if (step == ProximityStep::kPrefixLength && policy.more_specific_scope == MoreSpecificScope::kClass) {
    return static_cast<uint32_t>(c.session.transport);
  }
  if (step == ProximityStep::kMed && policy.med_scope == MedScope::kNeighbourAs) return c.route.neighbour_as;
  if (step == ProximityStep::kMed && policy.med_scope == MedScope::kPartner) return c.session.partner;
  return 0;
}

bool IsGrouped(ProximityStep step, const SteeringPolicy& policy) {
  return (step == ProximityStep::kPrefixLength && policy.more_specific_scope == MoreSpecificScope::kClass) ||
         (step == ProximityStep::kMed && policy.med_scope != MedScope::kAlways);
}

// Those of `tied` that no other of their group beats at `step`.
std::vector<uint32_t> Eliminate(const Contenders& all, const std::vector<uint32_t>& tied, ProximityStep step,
                                const SteeringPolicy& policy) {
  absl::flat_hash_map<uint32_t, int64_t> best;
  for (const uint32_t i : tied) {
    const auto [at, is_new] = best.try_emplace(GroupOf(all[i], step, policy), KeyOf(all[i], step));
    if (!is_new) at->second = std::min(at->second, KeyOf(all[i], step));
  }
  std::vector<uint32_t> left;
  std::copy_if(tied.begin(), tied.end(), std::back_inserter(left),
               [&](uint32_t i) { return KeyOf(all[i], step) == best.at(GroupOf(all[i], step, policy)); });
  return left;
}

using Steps = absl::Span<const ProximityStep>;

// The steps to go on with behind `steps.front()`, for those that it left tied.
Steps Behind(Steps steps, const Contenders& all, const std::vector<uint32_t>& tied, const SteeringPolicy& policy) {
  if (steps.front() != ProximityStep::kClass || policy.class_steps.empty() || tied.empty()) return steps.subspan(1);
  const LadderSession& first = all[tied.front()].session;
  const bool one_partner =
      std::all_of(tied.begin(), tied.end(), [&](uint32_t i) { return all[i].session.partner_hash == first.partner_hash; });
  const ClassSteps* best = nullptr;
  for (const ClassSteps& rule : policy.class_steps) {
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

// Appends the ranks of `tied`, by these steps. A step with one group sorts; a step with several must be run as an elimination again for
// every rank, because taking a route out brings back those that it had eliminated.
void Rank(const Contenders& all, std::vector<uint32_t> tied, Steps steps, const SteeringPolicy& policy,
          std::vector<std::vector<uint32_t>>& ranks) {
  if (steps.empty() || tied.size() == 1) {
    ranks.push_back(std::move(tied));
    return;
  }
  const ProximityStep step = steps.front();
  if (!IsGrouped(step, policy)) {
    const auto before = [&](uint32_t a, uint32_t b) { return KeyOf(all[a], step) < KeyOf(all[b], step); };
    std::stable_sort(tied.begin(), tied.end(), before);
    for (auto first = tied.begin(); first != tied.end();) {
      const auto end = std::upper_bound(first, tied.end(), *first, before);
      std::vector<uint32_t> part(first, end);
      const Steps next = Behind(steps, all, part, policy);
      Rank(all, std::move(part), next, policy, ranks);
      first = end;
    }
    return;
  }
  while (!tied.empty()) {
    std::vector<uint32_t> winners = Eliminate(all, tied, step, policy);
    if (winners.size() == tied.size()) {
      Rank(all, std::move(tied), steps.subspan(1), policy, ranks);
      return;
    }
    for (Steps next = steps.subspan(1); !next.empty();) {
      winners = Eliminate(all, winners, next.front(), policy);
      next = Behind(next, all, winners, policy);
    }
    std::vector<uint32_t> rest;
    std::set_difference(tied.begin(), tied.end(), winners.begin(), winners.end(), std::back_inserter(rest));
    ranks.push_back(std::move(winners));
    tied = std::move(rest);
  }
}

bool IsDirect(const Contender& c) {
  return c.session.transport != TransportClass::kTransit;
}

// The ladder while it is built: entries in order, and which boxes stand already.
class Builder {
 public:
  Builder(const Fleet& fleet, std::vector<LadderFigures>* figures) : fleet_(fleet), figures_(figures) {}

  // One rank of routes: the boxes of a site that hear them over one link make an entry.
  void AddRank(const Contenders& all, const std::vector<uint32_t>& rank) {
    std::map<std::pair<uint32_t, uint32_t>, std::vector<uint32_t>> by_exit;  // (site, link)
    for (const uint32_t i : rank) by_exit[{all[i].session.site, all[i].session.link}].push_back(i);
    const size_t first = ladder_.entries.size();
    for (const auto& [exit, members] : by_exit) {
      const Contender& lead = all[members.front()];
      LadderEntry entry = {
          .rank = next_rank_, .site = exit.first, .session = lead.route.session, .link = exit.second, .demoted = lead.route.demoted};
      for (const uint32_t i : members) {
        entry.session = std::min(entry.session, all[i].route.session);
        AppendHearing(all[i].session, entry.boxes);
      }
      Add(std::move(entry), {.route = lead.route, .transport = lead.session.transport, .distance_km = lead.distance_km});
    }
    CloseRank(first);
  }

  void AddFallbackRank(const std::vector<uint32_t>& sites, const ClientPlace& place) {
    const size_t first = ladder_.entries.size();
    for (const uint32_t site : sites) {
      LadderEntry entry = {.rank = next_rank_, .site = site, .fallback = true, .boxes = fleet_.sites()[site].boxes};
      Add(std::move(entry), {.distance_km = DistanceTo(fleet_, site, place)});
    }
    CloseRank(first);
  }

  bool empty() const { return ladder_.entries.empty(); }
  Ladder Take() { return std::move(ladder_); }

 private:
  void AppendHearing(const LadderSession& session, std::vector<uint32_t>& boxes) const {
    if (session.box != Fleet::kNone) {
      boxes.push_back(session.box);
      return;
    }
    const std::vector<uint32_t>& all = fleet_.sites()[session.site].boxes;
    boxes.insert(boxes.end(), all.begin(), all.end());
  }

  // Without the boxes that stand at a better rank: a router sends by the best route, so a worse one over another port is not a way out.
  void Add(LadderEntry entry, LadderFigures figures) {
    std::vector<uint32_t>& boxes = entry.boxes;
    std::sort(boxes.begin(), boxes.end());
    boxes.erase(std::unique(boxes.begin(), boxes.end()), boxes.end());
    boxes.erase(std::remove_if(boxes.begin(), boxes.end(), [this](uint32_t box) { return placed_.contains(box); }), boxes.end());
    if (boxes.empty()) return;
    ladder_.entries.push_back(std::move(entry));
    if (figures_ != nullptr) figures_->push_back(std::move(figures));
  }

  void CloseRank(size_t first) {
    if (first == ladder_.entries.size()) return;
    for (size_t i = first; i < ladder_.entries.size(); ++i)
      placed_.insert(ladder_.entries[i].boxes.begin(), ladder_.entries[i].boxes.end());
    ++next_rank_;
  }

  const Fleet& fleet_;
  std::vector<LadderFigures>* figures_;
  Ladder ladder_;
  absl::flat_hash_set<uint32_t> placed_;
  uint32_t next_rank_ = 0;
};

Contenders GatherCanonical(const Fleet& fleet, absl::Span<const LadderSession> sessions, absl::Span<const RouteView> routes,
                           const ClientPlace& place, const SteeringPolicy& policy) {
  Contenders all;
  for (const RouteView& route : routes) {
    if (route.session >= sessions.size() || sessions[route.session].site == Fleet::kNone) continue;
    Contender c = {.route = route, .session = sessions[route.session]};
    // The boxes of a site hear the same: mostly it is the site of the one before.
    const bool again = !all.empty() && all.back().session.site == c.session.site;
    c.distance_km = again ? all.back().distance_km : DistanceTo(fleet, c.session.site, place);
    c.distance_step = DistanceStep(c.distance_km, policy);
    all.push_back(std::move(c));
  }
  std::sort(all.begin(), all.end(), [](const Contender& a, const Contender& b) { return CanonicalKey(a) < CanonicalKey(b); });
  return all;
}

// The numbers of the contenders with this demotion; of them transit only if it may count.
std::vector<uint32_t> Select(const Contenders& all, bool demoted, bool with_transit) {
  std::vector<uint32_t> selected;
  for (uint32_t i = 0; i < all.size(); ++i) {
    if (all[i].route.demoted == demoted && (with_transit || IsDirect(all[i]))) selected.push_back(i);
  }
  return selected;
}

void AddRouted(const Fleet& fleet, absl::Span<const LadderSession> sessions, absl::Span<const RouteView> routes, const ClientPlace& place,
               const SteeringPolicy& policy, Builder& builder, bool first_rank_only = false) {
  const Contenders all = GatherCanonical(fleet, sessions, routes, place, policy);
  const bool direct = std::any_of(all.begin(), all.end(), [](const Contender& c) { return IsDirect(c) && !c.route.demoted; });
  const bool with_transit = policy.more_specific_scope == MoreSpecificScope::kAll || !direct;
  for (const bool demoted : {false, true}) {
    std::vector<uint32_t> selected = Select(all, demoted, with_transit);
    if (selected.empty()) continue;
    std::vector<std::vector<uint32_t>> ranks;
    Rank(all, std::move(selected), policy.steps, policy, ranks);
    for (const std::vector<uint32_t>& rank : ranks) {
      builder.AddRank(all, rank);
      if (first_rank_only && !builder.empty()) return;
    }
  }
}

void AddOpen(const Fleet& fleet, const ClientPlace& place, const SteeringPolicy& policy, Builder& builder) {
  std::map<int, std::vector<uint32_t>> open;  // By distance step.
  for (uint32_t site = 0; site < fleet.sites().size(); ++site) {
    const SiteView& view = fleet.sites()[site].view;
    if (view.kind != SiteKind::kIx || !view.open_to_unrouted) continue;
    open[DistanceStep(DistanceTo(fleet, site, place), policy)].push_back(site);
  }
  for (const auto& [step, sites] : open) builder.AddFallbackRank(sites, place);
}

}  // namespace

std::vector<LadderSession> ResolveSessions(const Fleet& fleet, absl::Span<const SessionView> sessions) {
  std::vector<LadderSession> resolved;
  absl::flat_hash_map<PartnerId, uint32_t> partners;
  for (const SessionView& view : sessions) {
    LadderSession session = {.site = fleet.FindSite(view.site), .transport = view.transport};
    session.partner = partners.try_emplace(view.partner, static_cast<uint32_t>(partners.size())).first->second;
    session.partner_hash = HashBytes(view.partner.value());
    if (view.link.has_value()) session.link = fleet.FindLink(*view.link);
    bool usable = session.site != Fleet::kNone && fleet.sites()[session.site].view.kind != SiteKind::kOrigin &&
                  view.transport != TransportClass::kUnspecified;
    if (view.appliance.has_value()) {
      const uint32_t box = fleet.FindBox(*view.appliance);
      const ApplianceKind kind = box == Fleet::kNone ? ApplianceKind::kUnspecified : fleet.boxes()[box].view.kind;
      usable = usable && box != Fleet::kNone && fleet.boxes()[box].site == session.site && kind != ApplianceKind::kOrigin &&
               kind != ApplianceKind::kUnspecified;
      if (kind != ApplianceKind::kCollector) session.box = box;
    }
    if (!usable) session.site = Fleet::kNone;
    resolved.push_back(session);
  }
  return resolved;
}

Ladder BuildLadder(const Fleet& fleet, absl::Span<const LadderSession> sessions, absl::Span<const RouteView> routes,
                   const ClientPlace& place, const SteeringPolicy& policy, std::vector<LadderFigures>* figures) {
  if (figures != nullptr) figures->clear();
  Builder builder(fleet, figures);
  AddRouted(fleet, sessions, routes, place, policy, builder);
  AddOpen(fleet, place, policy, builder);
  return builder.Take();
}

Ladder BuildRoutedLadder(const Fleet& fleet, absl::Span<const LadderSession> sessions, absl::Span<const RouteView> routes,
                         const ClientPlace& place, const SteeringPolicy& policy) {
  Builder builder(fleet, nullptr);
  AddRouted(fleet, sessions, routes, place, policy, builder);
  return builder.Take();
}

Ladder BuildOpenLadder(const Fleet& fleet, const ClientPlace& place, const SteeringPolicy& policy) {
  Builder builder(fleet, nullptr);
  AddOpen(fleet, place, policy, builder);
  return builder.Take();
}

ClientPlace PlaceOrHearingSite(const ClientPlace& known, const Fleet& fleet, absl::Span<const LadderSession> sessions,
                               absl::Span<const RouteView> routes) {
  if (known.known() || routes.empty()) return known;
  Builder builder(fleet, nullptr);
  AddRouted(fleet, sessions, routes, known, SteeringPolicy(), builder, /*first_rank_only=*/true);
  const Ladder ladder = builder.Take();
  if (ladder.entries.empty()) return known;
  const SiteView& site = fleet.sites()[ladder.entries.front().site].view;
  return {.at = site.at, .country = site.country, .source = PlaceSource::kHearingSite};
}

}  // namespace fairlead
