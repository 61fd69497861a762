// The routes of one cell, packed: 12 bytes a route in the vector of its prefix, and who says it and what it says as numbers of values that
// are held once. And which prefixes have changed since they were last taken.
//
//   RouteStore routes;
//   routes.Put({.session = …, .prefix = …, .path_id = 0}, appliance, {.as_path_length = 2});
//   routes.ForEachAt(prefix, [&](uint32_t speaker, uint32_t path_id, const RouteAttributes& attributes) { … });
//   const RouteChanges changes = routes.TakeChanges();
//
// Memory: 12 bytes a route and a seventh more for growth, ~80 a prefix. Put and Erase: O(log) to find and O(routes of the prefix) to move.
// Not thread-safe.
#ifndef FAIRLEAD_SERVICES_STEERING_ROUTE_STORE_H_
#define FAIRLEAD_SERVICES_STEERING_ROUTE_STORE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/base/ids.h"
#include "libs/net/prefix.h"

namespace fairlead {

// What names a route within a cell.
struct ReportedRouteKey {
  BgpSessionId session;
  Prefix prefix;
  uint32_t path_id = 0;
  friend bool operator==(const ReportedRouteKey&, const ReportedRouteKey&) = default;
};
// "route/<session id>/<prefix>/<path id>", as the fleet feed names it; INVALID_ARGUMENT else.
absl::StatusOr<ReportedRouteKey> ParseRouteKey(absl::string_view key);
std::string RouteKeyText(const ReportedRouteKey& key);

// What it says.
struct RouteAttributes {
  uint32_t neighbour_as = 0;
  uint32_t med = 0;
  uint16_t as_path_length = 0;
  bool demoted = false;

  friend bool operator==(const RouteAttributes&, const RouteAttributes&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const RouteAttributes& a) {
    return H::combine(std::move(h), a.neighbour_as, a.med, a.as_path_length, a.demoted);
  }
};

// Who says it: a session, and the box or collector that hears it.
struct RouteSpeaker {
  BgpSessionId session;
  ApplianceId appliance;

  friend bool operator==(const RouteSpeaker&, const RouteSpeaker&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const RouteSpeaker& s) {
    return H::combine(std::move(h), s.session, s.appliance);
  }
};

// A route with who says it.
struct StoredRoute {
  RouteSpeaker speaker;
  uint32_t path_id = 0;
  RouteAttributes attributes;
};

// The prefixes whose routes may be others than before.
struct RouteChanges {
  static constexpr uint32_t kAnything = 0xffffffff;

  bool all = false;  // Too many to remember one by one: any prefix may, also one that has no routes any more.
  std::vector<Prefix> prefixes;
  // Of each: the number in `sessions` of the one whose only route it has lost, with nothing else changed; or kAnything. So that a router's
  // million routes can be taken away without reading all others.
  std::vector<uint32_t> lost;
  std::vector<BgpSessionId> sessions;
};

// What one reader hasn't seen yet.
class UnseenPrefixes {
 public:
  // All of them are unseen at first, if so.
  UnseenPrefixes(size_t most, bool all) : most_(most), all_(all) {}
  void Note(const Prefix& prefix) { Note(prefix, RouteChanges::kAnything); }
  // It had one route of the session, and has none any more.
  void NoteLost(const Prefix& prefix, const BgpSessionId& session);
  RouteChanges Take();

 private:
  void Note(const Prefix& prefix, uint32_t lost);

  const size_t most_;
  bool all_;
  absl::flat_hash_map<Prefix, uint32_t> prefixes_;  // As RouteChanges::lost.
  std::vector<BgpSessionId> sessions_;
  absl::flat_hash_map<BgpSessionId, uint32_t> numbers_;
};

// Values by number, each held once and as long as somebody has it.
template <typename T>
class Interned {
 public:
  // The number of `value`, held once more.
  uint32_t Take(const T& value) {
    const auto [at, is_new] = numbers_.try_emplace(value, 0);
    if (!is_new) {
      ++uses_[at->second];
      return at->second;
    }
    ++generation_;
    if (free_.empty()) {
      at->second = static_cast<uint32_t>(values_.size());
      values_.push_back(value);
      uses_.push_back(1);
    } else {
      at->second = free_.back();
      free_.pop_back();
      values_[at->second] = value;
      uses_[at->second] = 1;
    }
    return at->second;
  }
  void Drop(uint32_t number) {
    if (--uses_[number] > 0) return;
    numbers_.erase(values_[number]);
    values_[number] = T();
    free_.push_back(number);
  }
  const T& operator[](uint32_t number) const { return values_[number]; }
  // One more than the highest number; some below may be free, and have an empty value.
  size_t size() const { return values_.size(); }
  // Raised whenever a number gets a value.
  uint64_t generation() const { return generation_; }

 private:
  absl::flat_hash_map<T, uint32_t> numbers_;
  std::vector<T> values_;
  std::vector<size_t> uses_;
  std::vector<uint32_t> free_;
  uint64_t generation_ = 0;
};

class RouteStore {
 public:
  // As many changed prefixes are remembered one by one: 50 MB.
  static constexpr size_t kMostChanges = size_t{1} << 20;

  explicit RouteStore(size_t most_changes = kMostChanges) : changed_(most_changes, false), unsaved_(most_changes, true) {}

  // A route in place of the one with this key. False if it was there, the same.
  bool Put(const ReportedRouteKey& key, const ApplianceId& appliance, const RouteAttributes& attributes);
  // False if there is none.
  bool Erase(const ReportedRouteKey& key);
  void Clear();
  // Counts all prefixes as changed of which one of these has routes. O(routes).
  void Touch(const absl::flat_hash_set<BgpSessionId>& sessions);
  // For whoever makes ladders, and for whoever keeps a copy on disk, of which nothing is saved at first.
  RouteChanges TakeChanges() { return changed_.Take(); }
  RouteChanges TakeUnsaved() { return unsaved_.Take(); }

  // visit(speaker number, path id, const RouteAttributes&), in the order of the sessions' ids and the path ids: whoever packs equal routes
  // of many prefixes needn't sort them.
  template <typename Visit>
  void ForEachAt(const Prefix& prefix, Visit&& visit) const {
    const auto at = routes_.find(prefix);
    if (at == routes_.end()) return;
    for (const Route& route : at->second) visit(route.speaker, route.path_id, attributes_[route.attributes]);
  }
  // visit(place in `prefixes`, speaker number, const RouteAttributes&) for each route of each. For many: where they lie is told to the
  // processor some prefixes ahead, for to wait for memory takes as long as all else.
  template <typename Visit>
  void ForEachOf(absl::Span<const Prefix> prefixes, Visit&& visit) const {
    constexpr size_t kAhead = 16;
    std::array<const Routes*, kAhead> found;
    for (size_t first = 0; first < prefixes.size(); first += kAhead) {
      const absl::Span<const Prefix> some = prefixes.subspan(first, kAhead);
      for (const Prefix& prefix : some) routes_.prefetch(prefix);
      for (size_t i = 0; i < some.size(); ++i) {
        const auto at = routes_.find(some[i]);
        found[i] = at == routes_.end() ? nullptr : &at->second;
        if (found[i] != nullptr) __builtin_prefetch(found[i]->data());
      }
      for (size_t i = 0; i < some.size(); ++i) {
        if (found[i] == nullptr) continue;
        for (const Route& route : *found[i]) visit(first + i, route.speaker, attributes_[route.attributes]);
      }
    }
  }
  std::vector<StoredRoute> RoutesAt(const Prefix& prefix) const;
  std::vector<Prefix> Prefixes() const;
  const Interned<RouteSpeaker>& speakers() const { return speakers_; }
  size_t size() const { return size_; }
  // Of the routes and the prefixes.
  size_t bytes() const;

 private:
  struct Route {
    uint32_t speaker;
    uint32_t path_id;
    uint32_t attributes;
  };
  using Routes = std::vector<Route>;
  // The first that isn't before this key, and whether it has it.
  std::pair<Routes::iterator, bool> Find(Routes& routes, const ReportedRouteKey& key) const;
  void Note(const Prefix& prefix);
  // Whether a route beside `at` is of its session.
  bool HasOtherOf(const Routes& routes, Routes::const_iterator at) const;

  absl::flat_hash_map<Prefix, Routes> routes_;
  Interned<RouteSpeaker> speakers_;
  Interned<RouteAttributes> attributes_;
  size_t size_ = 0;
  UnseenPrefixes changed_;
  UnseenPrefixes unsaved_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_ROUTE_STORE_H_
