// SessionTable: what one BGP session has announced (its adj-RIB-in), every route with its verdict. Dropped routes are kept with
// their reason for the route reports; only admitted ones may steer.
//
// The max-prefix limit does not depend on the order of arrival: of the prefixes that pass every other check, the first
// `max_prefix` of each family stay, in the order shorter first, then by address. A leak of more-specifics thus loses its
// more-specifics and keeps the aggregates, and after any history the same set of announcements gives the same verdicts. A prefix
// counts once however many paths (ADD-PATH) it has. The price: one announcement can push out another prefix, and one withdrawal
// can bring one in; both are in the returned changes.
//
// A lost session is not a withdrawal: after SessionDown(kLost) its routes stay, as stale. They are demoted `LossPolicy::demote_after`
// later (Tick), whether or not the session is back by then, unless they are announced again; those that End-of-RIB finds still stale
// go. SessionDown(kCeased) drops everything at once.
//
// Not thread-safe. Announce and Withdraw: O(log n). At most kMaxKeptRoutes routes are kept; further new ones are refused and counted.
//
//   SessionTable table(session, vrps);
//   for (const RouteKey& key : table.Announce(std::move(route))) Publish(key, table.Find(key));  // Null: gone.
#ifndef FAIRLEAD_LIBS_ROUTING_SESSION_TABLE_H_
#define FAIRLEAD_LIBS_ROUTING_SESSION_TABLE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/time/time.h"
#include "libs/base/vocabulary.h"
#include "libs/net/prefix.h"
#include "libs/routing/admission.h"
#include "libs/routing/route.h"
#include "libs/routing/rpki.h"

namespace fairlead {

struct KeptRoute {
  RawRoute route;
  Admission admission;
  bool demoted = false;  // To be used only where nothing else is left: graceful shutdown, or a session lost for long.
  // Since when it waits to be announced again, because the session was lost or restarted; InfiniteFuture: it doesn't.
  absl::Time stale_since = absl::InfiniteFuture();

  bool stale() const { return stale_since != absl::InfiniteFuture(); }
};

struct LossPolicy {
  absl::Duration demote_after = absl::Seconds(90);
  // Demoted routes of a session that never returns are forgotten then; by default never, because silence must not take a prefix's
  // last serving option.
  absl::Duration forget_after = absl::InfiniteDuration();
};

enum class SessionLoss : uint8_t {
  kLost,    // Hold timer or TCP: we can't know what the partner wants, so keep.
  kCeased,  // Cease, administrative shutdown, or removed from the configuration: the partner's or our own will.
};

class SessionTable {
 public:
  static constexpr size_t kMaxKeptRoutes = 4'000'000;

  // `vrps` may be null.
  explicit SessionTable(SessionRecord session, std::shared_ptr<const VrpTable> vrps = nullptr, LossPolicy loss = {});

  // Each returns the keys of the routes whose entry changed (verdict, attributes, demotion, presence; becoming stale alone doesn't
  // count), in order and without repeats.
  std::vector<RouteKey> Announce(RawRoute route);
  std::vector<RouteKey> Withdraw(const RouteKey& key);
  // The session (re)started: what it announced before and does not announce again goes at EndOfRib of its family.
  std::vector<RouteKey> SessionUp(absl::Time now);
  std::vector<RouteKey> EndOfRib(AddressFamily family);
  std::vector<RouteKey> SessionDown(SessionLoss loss, absl::Time now);
  // A route that an earlier run kept, in the state in which it kept it; `stale_since` as in KeptRoute. Judged only by the next Reconfigure,
  // which must follow the last one.
  void Restore(RawRoute route, bool demoted, absl::Time stale_since);
  // Demotes and forgets routes of a lost session when their time has come.
  std::vector<RouteKey> Tick(absl::Time now);
  // New configuration or VRPs: every route is judged again.
  std::vector<RouteKey> Reconfigure(SessionRecord session, std::shared_ptr<const VrpTable> vrps);

  // Null if the session has no such route.
  const KeptRoute* Find(const RouteKey& key) const;
  const absl::btree_map<RouteKey, KeptRoute>& routes() const { return routes_; }
  const SessionRecord& session() const { return session_; }

  size_t admitted() const { return counts_[0]; }
  size_t dropped() const { return routes_.size() - counts_[0]; }
  size_t count(DropReason reason) const { return counts_[static_cast<size_t>(reason)]; }
  // Routes refused because the table was full.
  uint64_t refused() const { return refused_; }

 private:
  // Shorter first, then by address: the order in which prefixes fill the limit.
  struct ByLength {
    bool operator()(const Prefix& a, const Prefix& b) const {
      return a.length() != b.length() ? a.length() < b.length() : a.address() < b.address();
    }
  };
  // The prefixes of one family that pass every check but the limit, split at the limit: all of `within` come before all of `beyond`.
  struct Limited {
    absl::btree_set<Prefix, ByLength> within;
    absl::btree_set<Prefix, ByLength> beyond;
  };
  using Routes = absl::btree_map<RouteKey, KeptRoute>;
  using Changes = absl::btree_set<RouteKey>;

  Limited& LimitedOf(const Prefix& prefix) { return limited_[prefix.address().is_v4() ? 0 : 1]; }
  // Sets the verdict and keeps the counts right; true if it changed.
  bool SetAdmission(KeptRoute& kept, Admission admission);
  // Brings the limit up to date after a path of `prefix` came, changed or went.
  void Rebalance(const Prefix& prefix, Changes& changes);
  // Gives the paths of `prefix` that pass every other check the verdict of the limit.
  void ApplyLimit(const Prefix& prefix, bool within, Changes& changes);
  bool AnyPathPasses(const Prefix& prefix) const;
  Routes::iterator Remove(Routes::iterator route, Changes& changes);
  void MarkAllStale(absl::Time now);
  template <typename Keep>
  std::vector<RouteKey> RemoveUnless(Keep keep);

  SessionRecord session_;
  std::shared_ptr<const VrpTable> vrps_;
  LossPolicy loss_;
  Routes routes_;
  std::array<Limited, 2> limited_;
  std::array<size_t, kDropReasons> counts_ = {};
  uint64_t refused_ = 0;
  // When Tick must next look at the routes.
  absl::Time next_due_ = absl::InfiniteFuture();
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_ROUTING_SESSION_TABLE_H_
