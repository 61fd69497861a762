#include "libs/steering/ladder.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

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

// Appends the ranks of `tied`, by the policy's steps from number `from` on. A step with one group sorts; a step with several must be
// run as an elimination again for every rank, because taking a route out brings back those that it had eliminated.
void Rank(const Contenders& all, std::vector<uint32_t> tied, size_t from, const SteeringPolicy& policy,
          std::vector<std::vector<uint32_t>>& ranks) {
  if (from == policy.steps.size() || tied.size() == 1) {
    ranks.push_back(std::move(tied));
    return;
  }
  const ProximityStep step = policy.steps[from];
  if (!IsGrouped(step, policy)) {
    std::map<int64_t, std::vector<uint32_t>> by_key;
    for (const uint32_t i : tied) by_key[KeyOf(all[i], step)].push_back(i);
    for (auto& [key, part] : by_key) Rank(all, std::move(part), from + 1, policy, ranks);
    return;
  }
  while (!tied.empty()) {
    std::vector<uint32_t> winners = Eliminate(all, tied, step, policy);
    if (winners.size() == tied.size()) {
      Rank(all, std::move(tied), from + 1, policy, ranks);
      return;
    }
    for (size_t next = from + 1; next < policy.steps.size(); ++next) winners = Eliminate(all, winners, policy.steps[next], policy);
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
    c.distance_km = DistanceTo(fleet, c.session.site, place);
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

}  // namespace

std::vector<LadderSession> ResolveSessions(const Fleet& fleet, absl::Span<const SessionView> sessions) {
  std::vector<LadderSession> resolved;
  absl::flat_hash_map<PartnerId, uint32_t> partners;
  for (const SessionView& view : sessions) {
    LadderSession session = {.site = fleet.FindSite(view.site), .transport = view.transport};
    session.partner = partners.try_emplace(view.partner, static_cast<uint32_t>(partners.size())).first->second;
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
  const Contenders all = GatherCanonical(fleet, sessions, routes, place, policy);
  const bool direct = std::any_of(all.begin(), all.end(), [](const Contender& c) { return IsDirect(c) && !c.route.demoted; });
  const bool with_transit = policy.more_specific_scope == MoreSpecificScope::kAll || !direct;
  Builder builder(fleet, figures);
  for (const bool demoted : {false, true}) {
    std::vector<uint32_t> selected = Select(all, demoted, with_transit);
    if (selected.empty()) continue;
    std::vector<std::vector<uint32_t>> ranks;
    Rank(all, std::move(selected), 0, policy, ranks);
    for (const std::vector<uint32_t>& rank : ranks) builder.AddRank(all, rank);
  }
  std::map<int, std::vector<uint32_t>> open;  // By distance step.
  for (uint32_t site = 0; site < fleet.sites().size(); ++site) {
    const SiteView& view = fleet.sites()[site].view;
    if (view.kind != SiteKind::kIx || !view.open_to_unrouted) continue;
    open[DistanceStep(DistanceTo(fleet, site, place), policy)].push_back(site);
  }
  for (const auto& [step, sites] : open) builder.AddFallbackRank(sites, place);
  return builder.Take();
}

ClientPlace PlaceOrHearingSite(const ClientPlace& known, const Fleet& fleet, absl::Span<const LadderSession> sessions,
                               absl::Span<const RouteView> routes) {
  if (known.known() || routes.empty()) return known;
  const Ladder ladder = BuildLadder(fleet, sessions, routes, known, SteeringPolicy());
  if (ladder.entries.empty() || ladder.entries.front().fallback) return known;
  const SiteView& site = fleet.sites()[ladder.entries.front().site].view;
  return {.at = site.at, .country = site.country, .source = PlaceSource::kHearingSite};
}

}  // namespace fairlead
