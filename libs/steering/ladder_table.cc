#include "libs/steering/ladder_table.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/types/span.h"

namespace fairlead {
namespace {

bool MayAnnounce(const SessionView& session, const Prefix& prefix) {
  if (session.allowed == nullptr) return session.transport == TransportClass::kTransit;
  return session.allowed->LongestMatch(prefix).has_value();
}

// Sessions in the order of their ids, so that their numbers don't depend on the caller; `moved[old] == new`.
std::vector<SessionView> SortSessions(std::vector<SessionView> sessions, std::vector<uint32_t>& moved) {
  std::vector<uint32_t> order(sessions.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return sessions[a].id < sessions[b].id; });
  moved.resize(sessions.size());
  std::vector<SessionView> sorted;
  sorted.reserve(sessions.size());
  for (const uint32_t old : order) {
    moved[old] = static_cast<uint32_t>(sorted.size());
    sorted.push_back(std::move(sessions[old]));
  }
  return sorted;
}

auto CanonicalKey(const RouteView& route) {
  return std::tie(route.prefix, route.session, route.as_path_length, route.neighbour_as, route.med, route.demoted);
}

}  // namespace

std::shared_ptr<const LadderTable> LadderTable::Build(const Fleet& fleet, std::vector<SessionView> sessions,
                                                      const std::vector<RouteView>& routes, const PlaceTable* places,
                                                      const SteeringPolicy& policy) {
  const std::shared_ptr<LadderTable> table(new LadderTable());
  table->fingerprint_ = fleet.fingerprint();
  std::vector<uint32_t> moved;
  table->sessions_ = SortSessions(std::move(sessions), moved);
  table->resolved_ = ResolveSessions(fleet, table->sessions_);
  table->AddRoutes(routes, moved);
  if (places != nullptr) {
    places->ForEach([&table](const Prefix& prefix, const ClientPlace& place) { table->leaves_[prefix].place = place; });
  }
  table->BuildLadders(fleet, policy);
  return table;
}

void LadderTable::AddRoutes(const std::vector<RouteView>& routes, const std::vector<uint32_t>& moved) {
  routes_.reserve(routes.size());
  for (const RouteView& route : routes) {
    const uint32_t session = route.session < moved.size() ? moved[route.session] : Fleet::kNone;
    if (session == Fleet::kNone || resolved_[session].site == Fleet::kNone || !MayAnnounce(sessions_[session], route.prefix)) {
      ++left_out_;
      continue;
    }
    routes_.push_back(route);
    routes_.back().session = session;
  }
  std::sort(routes_.begin(), routes_.end(), [](const RouteView& a, const RouteView& b) { return CanonicalKey(a) < CanonicalKey(b); });
  for (size_t first = 0; first < routes_.size();) {
    size_t end = first;
    while (end < routes_.size() && routes_[end].prefix == routes_[first].prefix) ++end;
    Leaf& leaf = leaves_[routes_[first].prefix];
    leaf.first_route = static_cast<uint32_t>(first);
    leaf.route_count = static_cast<uint32_t>(end - first);
    first = end;
  }
}

// Prefixes come in their order, each right before those it covers: what covers the one at hand is a stack.
void LadderTable::BuildLadders(const Fleet& fleet, const SteeringPolicy& policy) {
  absl::flat_hash_map<Ladder, uint32_t> known;
  const auto intern = [&](Ladder ladder) {
    const auto [at, is_new] = known.try_emplace(std::move(ladder), static_cast<uint32_t>(ladders_.size()));
    if (is_new) ladders_.push_back(at->first);
    return at->second;
  };
  intern(BuildLadder(fleet, resolved_, {}, ClientPlace(), policy));
  struct Level {
    Prefix prefix;
    size_t routes;      // How many of `covering` there were before this prefix's own.
    ClientPlace place;  // What it inherits or has of its own.
  };
  std::vector<Level> stack;
  std::vector<RouteView> covering;
  std::vector<std::pair<Prefix, Leaf>> finished;
  finished.reserve(leaves_.size());
  leaves_.ForEach([&](const Prefix& prefix, const Leaf& at) {
    while (!stack.empty() && !stack.back().prefix.Covers(prefix)) {
      covering.resize(stack.back().routes);
      stack.pop_back();
    }
    Leaf leaf = at;
    if (!leaf.place.known() && !stack.empty()) leaf.place = stack.back().place;
    stack.push_back({prefix, covering.size(), leaf.place});
    covering.insert(covering.end(), routes_.begin() + leaf.first_route, routes_.begin() + leaf.first_route + leaf.route_count);
    leaf.place = PlaceOrHearingSite(leaf.place, fleet, resolved_, covering);
    leaf.ladder = intern(BuildLadder(fleet, resolved_, covering, leaf.place, policy));
    finished.emplace_back(prefix, std::move(leaf));
  });
  for (auto& [prefix, leaf] : finished) *leaves_.Find(prefix) = std::move(leaf);
}

LadderTable::Found LadderTable::Find(const IpAddress& client) const {
  const auto match = leaves_.LongestMatch(client);
  if (!match.has_value()) return {&ladders_.front(), Prefix::Of(client, 0), ClientPlace()};
  return {&ladders_[match->value->ladder], match->prefix, match->value->place};
}

std::vector<RouteView> LadderTable::RoutesCovering(const IpAddress& client) const {
  std::vector<RouteView> covering;
  leaves_.ForEachCovering(client, [&](const Prefix&, const Leaf& leaf) {
    covering.insert(covering.end(), routes_.begin() + leaf.first_route, routes_.begin() + leaf.first_route + leaf.route_count);
  });
  return covering;
}

std::optional<Prefix> LadderTable::LongestRouted(const IpAddress& client) const {
  std::optional<Prefix> longest;
  leaves_.ForEachCovering(client, [&](const Prefix& prefix, const Leaf& leaf) {
    if (leaf.route_count > 0) longest = prefix;
  });
  return longest;
}

}  // namespace fairlead
