#include "services/steering/route_store.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"

namespace fairlead {

absl::StatusOr<ReportedRouteKey> ParseRouteKey(absl::string_view key) {
  absl::string_view rest = key;
  const bool ours = absl::ConsumePrefix(&rest, "route/");
  const size_t first = rest.find('/');
  const size_t last = rest.rfind('/');
  ReportedRouteKey route;
  if (!ours || first >= last || last == absl::string_view::npos || !absl::SimpleAtoi(rest.substr(last + 1), &route.path_id)) {
    return InvalidField("key", std::string(key), "a route's key is 'route/<session>/<prefix>/<path id>'");
  }
  ASSIGN_OR_RETURN(route.session, BgpSessionId::Parse(rest.substr(0, first), "key"));
  ASSIGN_OR_RETURN(route.prefix, Prefix::Parse(rest.substr(first + 1, last - first - 1), "key"));
  return route;
}

std::string RouteKeyText(const ReportedRouteKey& key) {
  return absl::StrCat("route/", key.session.value(), "/", key.prefix.ToString(), "/", key.path_id);
}

std::pair<RouteStore::Routes::iterator, bool> RouteStore::Find(Routes& routes, const ReportedRouteKey& key) const {
  const auto at = std::lower_bound(routes.begin(), routes.end(), key, [this](const Route& route, const ReportedRouteKey& sought) {
    const int order = speakers_[route.speaker].session.value().compare(sought.session.value());
    return order < 0 || (order == 0 && route.path_id < sought.path_id);
  });
  const bool found = at != routes.end() && at->path_id == key.path_id && speakers_[at->speaker].session == key.session;
  return {at, found};
}

void UnseenPrefixes::Note(const Prefix& prefix, uint32_t lost) {
  if (all_) return;
  const auto [at, is_new] = prefixes_.try_emplace(prefix, lost);
  if (!is_new) at->second = RouteChanges::kAnything;
  if (prefixes_.size() <= most_) return;
  all_ = true;
  prefixes_ = {};
}

void UnseenPrefixes::NoteLost(const Prefix& prefix, const BgpSessionId& session) {
  if (all_) return;
  const bool again = !sessions_.empty() && sessions_.back() == session;  // Mostly many of one session.
  uint32_t number = static_cast<uint32_t>(sessions_.size()) - 1;
  if (!again) {
    const auto [at, is_new] = numbers_.try_emplace(session, static_cast<uint32_t>(sessions_.size()));
    if (is_new) sessions_.push_back(session);
    number = at->second;
  }
  Note(prefix, number);
}

RouteChanges UnseenPrefixes::Take() {
  RouteChanges changes = {.all = std::exchange(all_, false), .prefixes = {}, .lost = {}, .sessions = std::move(sessions_)};
  changes.prefixes.reserve(prefixes_.size());
  changes.lost.reserve(prefixes_.size());
  for (const auto& [prefix, lost] : prefixes_) {
    changes.prefixes.push_back(prefix);
    changes.lost.push_back(lost);
  }
  prefixes_ = {};
  sessions_ = {};
  numbers_ = {};
  return changes;
}

void RouteStore::Note(const Prefix& prefix) {
  changed_.Note(prefix);
  unsaved_.Note(prefix);
}

bool RouteStore::Put(const ReportedRouteKey& key, const ApplianceId& appliance, const RouteAttributes& attributes) {
  Routes& routes = routes_[key.prefix];
  const uint32_t speaker = speakers_.Take({key.session, appliance});
  const uint32_t said = attributes_.Take(attributes);
  const auto [held, found] = Find(routes, key);
  if (!found) {
    const auto place = held - routes.begin();
    // Vectors double, and most of this store's memory is vectors.
    if (routes.size() == routes.capacity()) routes.reserve(routes.size() + std::max<size_t>(2, routes.size() / 4));
    routes.insert(routes.begin() + place, {.speaker = speaker, .path_id = key.path_id, .attributes = said});
    ++size_;
    Note(key.prefix);
    return true;
  }
  const bool same = held->speaker == speaker && held->attributes == said;
  speakers_.Drop(held->speaker);
  attributes_.Drop(held->attributes);
  *held = {.speaker = speaker, .path_id = key.path_id, .attributes = said};
  if (!same) Note(key.prefix);
  return !same;
}

bool RouteStore::Erase(const ReportedRouteKey& key) {
  const auto at = routes_.find(key.prefix);
  if (at == routes_.end()) return false;
  Routes& routes = at->second;
  const auto [held, found] = Find(routes, key);
  if (!found) return false;
  const bool was_alone = !HasOtherOf(routes, held);
  speakers_.Drop(held->speaker);
  attributes_.Drop(held->attributes);
  routes.erase(held);
  if (routes.empty()) routes_.erase(at);
  --size_;
  unsaved_.Note(key.prefix);
  was_alone ? changed_.NoteLost(key.prefix, key.session) : changed_.Note(key.prefix);
  return true;
}

// Those of one session stand beside each other.
bool RouteStore::HasOtherOf(const Routes& routes, Routes::const_iterator at) const {
  const auto same = [&](Routes::const_iterator other) {
    return other->speaker == at->speaker || speakers_[other->speaker].session == speakers_[at->speaker].session;
  };
  return (at != routes.begin() && same(std::prev(at))) || (std::next(at) != routes.end() && same(std::next(at)));
}

void RouteStore::Clear() {
  for (const auto& [prefix, routes] : routes_) {
    Note(prefix);
    for (const Route& route : routes) {
      speakers_.Drop(route.speaker);
      attributes_.Drop(route.attributes);
    }
  }
  routes_ = {};
  size_ = 0;
}

void RouteStore::Touch(const absl::flat_hash_set<BgpSessionId>& sessions) {
  std::vector<bool> meant(speakers_.size());
  for (uint32_t speaker = 0; speaker < meant.size(); ++speaker) meant[speaker] = sessions.contains(speakers_[speaker].session);
  for (const auto& [prefix, routes] : routes_) {
    if (std::any_of(routes.begin(), routes.end(), [&](const Route& route) { return meant[route.speaker]; })) changed_.Note(prefix);
  }
}

std::vector<StoredRoute> RouteStore::RoutesAt(const Prefix& prefix) const {
  std::vector<StoredRoute> routes;
  ForEachAt(prefix, [&](uint32_t speaker, uint32_t path_id, const RouteAttributes& attributes) {
    routes.push_back({.speaker = speakers_[speaker], .path_id = path_id, .attributes = attributes});
  });
  return routes;
}

std::vector<Prefix> RouteStore::Prefixes() const {
  std::vector<Prefix> prefixes;
  prefixes.reserve(routes_.size());
  for (const auto& [prefix, routes] : routes_) prefixes.push_back(prefix);
  return prefixes;
}

size_t RouteStore::bytes() const {
  size_t bytes = routes_.capacity() * (sizeof(std::pair<const Prefix, Routes>) + 1);
  for (const auto& [prefix, routes] : routes_) bytes += routes.capacity() * sizeof(Route);
  return bytes;
}

}  // namespace fairlead
