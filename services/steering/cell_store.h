// What steerd holds of one cell's fleet feed, read into values as it arrives: reports, holdings, sessions and routes each by themselves,
// because they change at very different rates and the table builder rebuilds only what changed. Routes, of which there are tens of
// millions, are held packed and not as they came, and it is known which prefixes changed.
//
// An entry that can't be read (its key and its content don't fit, a broken bitmap) is left out, counted and logged: one bad record
// must not stop the steering of everything else. Thread-safe.
#ifndef FAIRLEAD_SERVICES_STEERING_CELL_STORE_H_
#define FAIRLEAD_SERVICES_STEERING_CELL_STORE_H_

#include <atomic>
#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "fairlead/ingest/v1/fleet_service.pb.h"
#include "libs/base/ids.h"
#include "libs/base/vocabulary.h"
#include "libs/feed/feed_replica.h"
#include "libs/steering/holdings.h"
#include "services/steering/feed_store.h"
#include "services/steering/route_store.h"

namespace fairlead {

// How new a report of a box is: the newest of several cells counts.
struct ReportAge {
  uint64_t incarnation = 0;
  uint64_t sequence = 0;
  friend auto operator<=>(const ReportAge&, const ReportAge&) = default;
  friend bool operator==(const ReportAge&, const ReportAge&) = default;
};

// The last known condition of a box.
struct BoxReport {
  ReportAge age = {};
  absl::Duration sent_after = absl::InfiniteDuration();  // How old the report was when its cell sent it on; infinite: not told.
  HealthState health = HealthState::kSilent;
  uint32_t weight_permille = 1000;
  uint64_t use_bps = 0;
  uint64_t capacity_bps = 0;  // What it says it can serve now; 0: not told.
  size_t cell = 0;            // After a merge: the index of the cell that it comes from.
};

struct BoxHoldings {
  ReportAge age = {};
  std::shared_ptr<const FileSet> files = nullptr;
};

struct SessionReport {
  BgpSessionId session;
  ApplianceId appliance;
  bool established = false;
  // When its table was last whole in this cell; nothing: that isn't told, and the box's newest report counts.
  ReportAge age = {};
};

// Raised by every cell's store, so that the builder sees with three reads what has to be rebuilt.
struct FleetGenerations {
  std::atomic<uint64_t> reports = 0;  // And which sessions are established.
  std::atomic<uint64_t> holdings = 0;
  std::atomic<uint64_t> routes = 0;  // And sessions.
};

class CellStore {
 public:
  using Entry = ingest::v1::FleetEntry;

  // `generations` must outlive the store.
  explicit CellStore(FleetGenerations& generations, size_t most_route_changes = RouteStore::kMostChanges)
      : generations_(generations), routes_(most_route_changes) {}

  absl::Status Apply(const FeedChange<Entry>& change) ABSL_LOCKS_EXCLUDED(mu_);
  void Restore(FeedPosition position, std::vector<Entry> entries) {
    static_cast<void>(Apply({.snapshot = true, .base = {}, .position = position, .entries = std::move(entries), .held_entries = 0}));
  }
  // What is small and changes with every report: all but holdings and routes.
  HeldFeed<Entry> HeldNear() const { return raw_.HeldOutside({kHoldings}); }
  // Holdings and routes are gone, and the position with them: for a copy on disk that turns out not to be usable.
  void ForgetBulk() ABSL_LOCKS_EXCLUDED(mu_);
  // All but the routes, as they came.
  FeedStore<Entry>& entries() { return raw_; }
  // Of tens of millions of routes as well: one at a time, so that nobody needs memory for all.
  void ForEachKey(absl::FunctionRef<void(absl::string_view key)> visit) const ABSL_LOCKS_EXCLUDED(mu_);
  FeedPosition position() const { return raw_.position(); }
  uint64_t generation() const { return raw_.generation(); }

  // Each walks under the lock: `visit` must be short.
  template <typename Visit>
  void ForEachReport(Visit&& visit) const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    for (const auto& [appliance, report] : reports_) visit(appliance, report);
  }
  template <typename Visit>
  void ForEachHoldings(Visit&& visit) const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    for (const auto& [appliance, holdings] : holdings_) visit(appliance, holdings);
  }
  // visit(const SessionReport&, const ReportAge& of the session's table in this cell).
  template <typename Visit>
  void ForEachSession(Visit&& visit) const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    for (const auto& [key, session] : sessions_) visit(session, session.age == ReportAge() ? AgeOf(session.appliance) : session.age);
  }
  // Raised whenever what ForEachSession visits has changed. Read before the visit, it is at most as new.
  uint64_t session_generation() const { return session_generation_; }

  // ---- Routes ----

  // visit(number, const RouteSpeaker&) for each speaker; returns the generation of these numbers.
  template <typename Visit>
  uint64_t ForEachSpeaker(Visit&& visit) const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    const Interned<RouteSpeaker>& speakers = routes_.speakers();
    for (uint32_t number = 0; number < speakers.size(); ++number) visit(number, speakers[number]);
    return speakers.generation();
  }
  // visit(place in `prefixes`, speaker number, const RouteAttributes&) for each route of each. False, and nothing visited, if numbers have
  // been given since that generation.
  template <typename Visit>
  bool ForEachRouteOf(absl::Span<const Prefix> prefixes, uint64_t generation, Visit&& visit) const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    if (routes_.speakers().generation() != generation) return false;
    routes_.ForEachOf(prefixes, visit);
    return true;
  }
  std::vector<Prefix> RoutedPrefixes() const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return routes_.Prefixes();
  }
  // Of one consumer: the prefixes whose routes have changed since it took them last.
  RouteChanges TakeRouteChanges() ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return routes_.TakeChanges();
  }
  // Of another: those that aren't on disk yet; at first, all.
  RouteChanges TakeUnsavedRoutes() ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return routes_.TakeUnsaved();
  }
  std::vector<StoredRoute> RoutesAt(const Prefix& prefix) const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return routes_.RoutesAt(prefix);
  }
  // Puts what a copy on disk had; returns how many of them weren't there before.
  size_t RestoreRoutes(const Prefix& prefix, const std::vector<StoredRoute>& routes) ABSL_LOCKS_EXCLUDED(mu_);
  // Those with routes of these sessions count as changed. O(routes).
  void TouchRoutesOf(const absl::flat_hash_set<BgpSessionId>& sessions) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    routes_.Touch(sessions);
  }
  size_t route_bytes() const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return routes_.bytes();
  }
  size_t routes() const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return routes_.size();
  }
  uint64_t unreadable() const { return unreadable_; }

 private:
  static constexpr char kHoldings[] = "holdings/";
  struct Said;  // What an entry says, read.
  void Index(bool whole, const std::vector<Entry>& entries) ABSL_LOCKS_EXCLUDED(mu_);
  static Said Read(const Entry& entry);
  void Take(Said said) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Erase(const Said& said) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void PutSession(const std::string& key, SessionReport session) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EraseSession(const std::string& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  ReportAge AgeOf(const ApplianceId& appliance) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const auto found = reports_.find(appliance);
    return found == reports_.end() ? ReportAge() : found->second.age;
  }

  FleetGenerations& generations_;
  FeedStore<Entry> raw_;  // All but the routes.
  mutable absl::Mutex mu_;
  absl::flat_hash_map<ApplianceId, BoxReport> reports_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<ApplianceId, BoxHoldings> holdings_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<std::string, SessionReport> sessions_ ABSL_GUARDED_BY(mu_);  // By the entry's key.
  size_t ageless_sessions_ ABSL_GUARDED_BY(mu_) = 0;                               // Whose age is that of a report.
  std::atomic<uint64_t> session_generation_ = 0;
  RouteStore routes_ ABSL_GUARDED_BY(mu_);
  std::atomic<uint64_t> unreadable_ = 0;
};

// A portable Roaring bitmap. INVALID_ARGUMENT if it isn't one, or if it has more than kMostHeldFiles members.
inline constexpr size_t kMostHeldFiles = 4'000'000;
absl::StatusOr<FileSet> DecodeHoldings(absl::string_view bitmap);

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_CELL_STORE_H_
