// What steerd holds of one cell's fleet feed, read into values as it arrives: reports, holdings, sessions and routes each by themselves,
// because they change at very different rates and the table builder rebuilds only what changed.
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
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "fairlead/ingest/v1/fleet_service.pb.h"
#include "libs/base/ids.h"
#include "libs/base/vocabulary.h"
#include "libs/feed/feed_replica.h"
#include "libs/steering/holdings.h"
#include "libs/steering/views.h"
#include "services/steering/feed_store.h"

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

// `route.session` isn't set: the session is named here.
struct ReportedRoute {
  BgpSessionId session;
  ApplianceId appliance;
  RouteView route;
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
  explicit CellStore(FleetGenerations& generations) : generations_(generations) {}

  absl::Status Apply(const FeedChange<Entry>& change) ABSL_LOCKS_EXCLUDED(mu_);
  void Restore(FeedPosition position, std::vector<Entry> entries) { raw_.Restore(position, entries), Index(true, entries); }
  // The entries as they came: for the copy on disk.
  HeldFeed<Entry> Held() const { return raw_.Held(); }
  // What is small and changes with every report, and the rest: routes and holdings.
  HeldFeed<Entry> HeldNear() const { return raw_.HeldOutside(BulkKeys()); }
  HeldFeed<Entry> HeldBulk() const { return raw_.HeldWithin(BulkKeys()); }
  std::vector<std::string> Keys() const { return raw_.Keys(); }
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
  template <typename Visit>
  void ForEachRoute(Visit&& visit) const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    for (const auto& [key, route] : routes_) visit(route, AgeOf(route.appliance));
  }
  uint64_t unreadable() const { return unreadable_; }

 private:
  static std::vector<std::string> BulkKeys() { return {"holdings/", "route/"}; }
  void Index(bool whole, const std::vector<Entry>& entries) ABSL_LOCKS_EXCLUDED(mu_);
  void Erase(const std::string& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status Put(const Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  ReportAge AgeOf(const ApplianceId& appliance) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const auto found = reports_.find(appliance);
    return found == reports_.end() ? ReportAge() : found->second.age;
  }

  FleetGenerations& generations_;
  FeedStore<Entry> raw_;
  mutable absl::Mutex mu_;
  absl::flat_hash_map<ApplianceId, BoxReport> reports_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<ApplianceId, BoxHoldings> holdings_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<std::string, SessionReport> sessions_ ABSL_GUARDED_BY(mu_);  // By the entry's key.
  absl::flat_hash_map<std::string, ReportedRoute> routes_ ABSL_GUARDED_BY(mu_);    // By the entry's key.
  std::atomic<uint64_t> unreadable_ = 0;
};

// A portable Roaring bitmap. INVALID_ARGUMENT if it isn't one, or if it has more than kMostHeldFiles members.
inline constexpr size_t kMostHeldFiles = 4'000'000;
absl::StatusOr<FileSet> DecodeHoldings(absl::string_view bitmap);

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_CELL_STORE_H_
