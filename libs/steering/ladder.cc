#include "libs/steering/ladder.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "libs/steering/ladder_ranker.h"
#include "libs/steering/spread.h"

namespace fairlead {
namespace {

using Contenders = std::vector<Contender>;

auto CanonicalKey(const RouteView& route, const Contender& c) {
  return std::tie(route.prefix, c.site, c.link, c.session, c.box, c.as_path_length, c.neighbour_as, c.med);
}

// How far the client is from each site, worked out once a site: many routes come in at one.
class Distances {
 public:
  Distances(const Fleet& fleet, const ClientPlace& place)
      : fleet_(fleet), known_(place.known()), from_(DirectionOf(place.at)), km_(known_ ? fleet.sites().size() : 0, kNotYet) {}

  // -1: nobody knows.
  int To(uint32_t site) {
    if (!known_) return -1;
    if (km_[site] == kNotYet) km_[site] = DistanceKm(from_, DirectionOf(fleet_.sites()[site].view.at));
    return km_[site];
  }

 private:
  static constexpr int kNotYet = -2;

  const Fleet& fleet_;
  const bool known_;
  const Direction from_;
  std::vector<int> km_;
};

int DistanceStep(int distance_km, const SteeringPolicy& policy) {
  return distance_km < 0 ? 0 : distance_km / policy.distance_step_km;
}

// The ladder while it is built: entries in order, and which boxes stand already.
class Builder {
 public:
  Builder(const Fleet& fleet, Distances& distances, absl::Span<const RouteView> routes, std::vector<LadderFigures>* figures)
      : fleet_(fleet), distances_(distances), routes_(routes), figures_(figures) {}

  // One rank of routes: the boxes of a site that hear them over one link make an entry.
  void AddRank(const Contenders& all, absl::Span<uint32_t> rank) {
    std::sort(rank.begin(), rank.end());                                     // So that the first in canonical order leads.
    std::map<std::pair<uint32_t, uint32_t>, std::vector<uint32_t>> by_exit;  // (site, link)
    for (const uint32_t i : rank) by_exit[{all[i].site, all[i].link}].push_back(i);
    const size_t first = ladder_.entries.size();
    for (const auto& [exit, members] : by_exit) {
      const Contender& lead = all[members.front()];
      LadderEntry entry = {.rank = next_rank_, .site = exit.first, .session = lead.session, .link = exit.second, .demoted = lead.demoted};
      for (const uint32_t i : members) {
        entry.session = std::min(entry.session, all[i].session);
        AppendHearing(all[i], entry.boxes);
      }
      Add(std::move(entry), {.route = routes_[lead.route], .transport = lead.transport, .distance_km = distances_.To(lead.site)});
    }
    CloseRank(first);
  }

  void AddFallbackRank(const std::vector<uint32_t>& sites) {
    const size_t first = ladder_.entries.size();
    for (const uint32_t site : sites) {
      LadderEntry entry = {.rank = next_rank_, .site = site, .fallback = true, .boxes = fleet_.sites()[site].boxes};
      Add(std::move(entry), {.distance_km = distances_.To(site)});
    }
    CloseRank(first);
  }

  Ladder Take() { return std::move(ladder_); }

 private:
  void AppendHearing(const Contender& c, std::vector<uint32_t>& boxes) const {
    if (c.box != Fleet::kNone) {
      boxes.push_back(c.box);
      return;
    }
    const std::vector<uint32_t>& all = fleet_.sites()[c.site].boxes;
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
  Distances& distances_;
  const absl::Span<const RouteView> routes_;
  std::vector<LadderFigures>* figures_;
  Ladder ladder_;
  absl::flat_hash_set<uint32_t> placed_;
  uint32_t next_rank_ = 0;
};

Contenders GatherCanonical(absl::Span<const LadderSession> sessions, absl::Span<const RouteView> routes, const SteeringPolicy& policy,
                           Distances& distances) {
  Contenders all;
  for (uint32_t i = 0; i < routes.size(); ++i) {
    const RouteView& route = routes[i];
    if (route.session >= sessions.size() || sessions[route.session].site == Fleet::kNone) continue;
    Contender& c = all.emplace_back(MakeContender(route, sessions[route.session]));
    c.route = i;
    c.prefix_length = static_cast<uint8_t>(route.prefix.length());
    c.distance_step = static_cast<uint32_t>(DistanceStep(distances.To(c.site), policy));
  }
  std::sort(all.begin(), all.end(),
            [&](const Contender& a, const Contender& b) { return CanonicalKey(routes[a.route], a) < CanonicalKey(routes[b.route], b); });
  return all;
}

void AddRouted(absl::Span<const LadderSession> sessions, absl::Span<const RouteView> routes, const SteeringPolicy& policy,
               Distances& distances, Builder& builder) {
  Contenders all = GatherCanonical(sessions, routes, policy, distances);
  const auto measured = [](const Contender& c) { return c.distance_step; };
  LadderRanker(policy).Rank(absl::MakeSpan(all), measured, [&](absl::Span<uint32_t> rank) {
    builder.AddRank(all, rank);
    return true;
  });
}

void AddOpen(const Fleet& fleet, const SteeringPolicy& policy, Distances& distances, Builder& builder) {
  std::map<int, std::vector<uint32_t>> open;  // By distance step.
  for (uint32_t site = 0; site < fleet.sites().size(); ++site) {
    const SiteView& view = fleet.sites()[site].view;
    if (view.kind != SiteKind::kIx || !view.open_to_unrouted) continue;
    open[DistanceStep(distances.To(site), policy)].push_back(site);
  }
  for (const auto& [step, sites] : open) builder.AddFallbackRank(sites);
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
  Distances distances(fleet, place);
  Builder builder(fleet, distances, routes, figures);
  AddRouted(sessions, routes, policy, distances, builder);
  AddOpen(fleet, policy, distances, builder);
  return builder.Take();
}

Ladder BuildOpenLadder(const Fleet& fleet, const ClientPlace& place, const SteeringPolicy& policy) {
  Distances distances(fleet, place);
  Builder builder(fleet, distances, {}, nullptr);
  AddOpen(fleet, policy, distances, builder);
  return builder.Take();
}

}  // namespace fairlead
