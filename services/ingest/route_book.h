// RouteBook: the routes that one box reports, judged, and what of them must be published.
//
// A box reports sessions of two kinds. A DIRECT session is its own: its routes are judged by that session's rules. A ROUTER_FEED is a
// collector's iBGP session to an edge router and carries the routes of many VIA_ROUTER sessions, told apart by their next hop: routes are
// kept in one table a next hop, so that a change of configuration turns a whole table from one session (or none) to another. Routes
// whose next hop belongs to no registered session are kept and counted as UNKNOWN_NEXT_HOP. Routes of a session that isn't registered
// for the box are only counted (UNKNOWN_SESSION); they are asked for again once it is.
//
// Nothing of a reported session is published before its table was whole once (End-of-RIB) or was waited for for `longest_hold`: while a box
// moves from one cell to another, subscribers keep the routes of the old cell until the new one tells of the session. And where a cell has
// an older table of it, from an earlier visit, what it publishes says as of which report that is, until the table was whole again.
//
// What it holds can be taken out for a checkpoint (TakeUnsaved, KeptSessions) and put back (Restore).
//
// Not thread-safe; one a box. A change of a route costs O(log n).
//
//   book.Configure(sessions, policy);
//   book.Apply(std::move(change), now);
//   book.TakeChanges(20'000, publication);
#ifndef FAIRLEAD_SERVICES_INGEST_ROUTE_BOOK_H_
#define FAIRLEAD_SERVICES_INGEST_ROUTE_BOOK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/ids.h"
#include "libs/base/vocabulary.h"
#include "libs/net/ip_address.h"
#include "libs/routing/route.h"
#include "libs/routing/rpki.h"
#include "libs/routing/session_table.h"
#include "services/ingest/box_config.h"

namespace fairlead::ingest {

struct AnnouncedRoute {
  RawRoute route;
  std::optional<IpAddress> next_hop;
};

// Where a report stands in the order of its box's.
struct ReportOrder {
  uint64_t incarnation = 0;
  uint64_t sequence = 0;
};

enum class SessionEvent : uint8_t { kNone, kUp, kLost, kClosed };

// A RouteUpdate, checked.
struct RouteChange {
  BgpSessionId session;
  bool restart = false;
  std::vector<AnnouncedRoute> announced;
  std::vector<RouteKey> withdrawn;
  std::vector<AddressFamily> end_of_rib;
  SessionEvent event = SessionEvent::kNone;
  std::string reason;
};

struct RouteLimits {
  // Of a reported session; further new routes are refused and counted as TOO_MANY_ROUTES.
  size_t most_routes_a_session = SessionTable::kMaxKeptRoutes;
  // Different next hops of a router feed, likewise.
  size_t most_next_hops = 1024;
  // Unregistered sessions that are counted one by one.
  size_t most_unknown_sessions = 64;
  // How long a whole table of a session is waited for: then what is there counts. Agents give theirs up for whole after 2 minutes at the
  // latest.
  absl::Duration longest_hold = absl::Seconds(150);
};

// The drop reasons that don't come from SessionTable.
inline constexpr absl::string_view kUnknownNextHop = "UNKNOWN_NEXT_HOP";
inline constexpr absl::string_view kUnknownSession = "UNKNOWN_SESSION";
inline constexpr absl::string_view kTooManyRoutes = "TOO_MANY_ROUTES";

using DropCounts = absl::btree_map<std::string, int64_t>;

struct SessionSummary {
  BgpSessionId session;
  bool established = false;
  bool in_grace = false;
  std::string detail;
  int64_t admitted = 0;
  DropCounts dropped;
  ReportOrder whole_at = {};  // The report with which its table was last whole.
  bool announced = false;     // Not held back any more.
};

// What is known of a reported session besides its routes: for a checkpoint.
struct KeptSession {
  BgpSessionId session;
  bool started = false;
  bool established = false;
  bool in_grace = false;
  absl::Time lost_at = absl::InfinitePast();
  std::string detail = {};
  int64_t refused = 0;
  bool whole = false;
  ReportOrder whole_at = {};
  absl::Time awaited_since = absl::InfiniteFuture();
  bool resyncing = false;
};

struct RestoredRoute {
  AnnouncedRoute announced;
  bool demoted = false;
};

// One route of the book, for reports.
struct BookRoute {
  BgpSessionId session;  // Of an unknown next hop: the router feed.
  const KeptRoute* kept = nullptr;
  bool unknown_next_hop = false;
  std::string next_hop;  // Of an unknown next hop.

  bool admitted() const { return !unknown_next_hop && kept->admission.admitted(); }
  absl::string_view reason() const { return unknown_next_hop ? kUnknownNextHop : ToString(kept->admission.reason); }
};

// What has changed since the last time, in the order in which it must be published.
struct RoutePublication {
  // Gone, whatever is published of them now.
  std::function<void(const BgpSessionId&, const RouteKey&)> removed;
  // As it is now; null: not admitted, or not there.
  std::function<void(const BgpSessionId&, const RouteKey&, const KeptRoute*)> route;
  // Null: the session is gone.
  std::function<void(const BgpSessionId&, const SessionSummary*)> session;
};

// What has changed since the last time, for a checkpoint; in this order.
struct RouteRecords {
  // Everything that was kept of this session's routes.
  std::function<void(const BgpSessionId&)> dropped;
  // As it is now, with its next hop; null: gone.
  std::function<void(const BgpSessionId&, const RouteKey&, const KeptRoute*, const std::optional<IpAddress>&)> route;
};

class RouteBook {
 public:
  explicit RouteBook(RouteLimits limits = {}) : limits_(limits) {}

  // The box's sessions as registered; a changed loss policy counts for tables made from then on. True if a session of which updates were
  // dropped as unknown is now known.
  bool Configure(const std::vector<SessionConfig>& sessions, const LossPolicy& loss);
  // The validated ROA payloads by which origins are judged from now on, null: none; all routes are judged again, O(routes).
  void SetVrps(std::shared_ptr<const VrpTable> vrps);
  // True if the change doesn't follow on anything known: the whole table should be asked for.
  bool Apply(RouteChange change, const ReportOrder& order, absl::Time now);
  // Reports were missed: the tables are as they were, until they were whole again.
  void Missed(absl::Time now);
  // What the box's heartbeat says of a session.
  void SetEstablished(const BgpSessionId& session, bool established, absl::string_view detail);
  // `newest`: what the box reported last.
  void Tick(const ReportOrder& newest, absl::Time now);

  bool has_changes() const { return !removed_.empty() || !dirty_sessions_.empty() || dirty_routes_ > 0; }
  // Hands out up to about `most` changed routes; the rest the next time.
  void TakeChanges(size_t most, const RoutePublication& publication);

  bool has_unsaved() const { return unsaved_sessions_ || !dropped_feeds_.empty() || unsaved_routes_; }
  // Hands out up to about `most` changed routes; true if that was all.
  bool TakeUnsaved(size_t most, const RouteRecords& records);
  // To be taken with the last of the routes.
  std::vector<KeptSession> KeptSessions();
  const absl::btree_map<BgpSessionId, int64_t>& unknown() const { return unknown_; }
  void SetUnknown(const BgpSessionId& session, int64_t count) { unknown_[session] = count; }
  // What an earlier run knew of a session, after Configure. Nothing of it is told as changed to a checkpoint, but if it is registered no
  // more. Returns false if its table isn't known to be whole: it should be asked for.
  bool Restore(const KeptSession& kept, std::vector<RestoredRoute> routes);

  DropCounts Drops() const;
  size_t admitted() const;
  size_t kept() const;
  // Visits routes in the order of (key, session) from just beyond `after`, until `visit` returns false.
  void ForEachFrom(const RouteKey& after_key, absl::string_view after_session, bool from_start,
                   const std::function<bool(const BookRoute&)>& visit) const;
  // Every session for which something is or was published.
  std::vector<SessionSummary> Sessions() const;

 private:
  // The routes of one next hop of a router feed, or of a direct session.
  struct Bucket {
    explicit Bucket(SessionTable table_in) : table(std::move(table_in)) {}
    SessionTable table;
    BgpSessionId session;  // Empty: no session is registered for this next hop.
    std::optional<IpAddress> next_hop;
    absl::flat_hash_set<RouteKey> dirty;
  };
  struct Feed {
    SessionConfig config;
    bool started = false;  // A full table was begun.
    bool established = false;
    bool in_grace = false;
    absl::Time lost_at = absl::InfinitePast();
    std::string detail;
    int64_t refused = 0;
    bool whole = false;      // Its routes may be published,
    bool announced = false;  // and its sessions: all routes of then have been.
    ReportOrder whole_at;
    absl::Time awaited_since = absl::InfiniteFuture();  // A whole table.
    absl::flat_hash_set<AddressFamily> end_of_rib_due;
    std::vector<std::unique_ptr<Bucket>> buckets;
    absl::flat_hash_map<IpAddress, uint16_t> bucket_of_hop;   // Of a router feed.
    absl::flat_hash_map<RouteKey, uint16_t> bucket_of_route;  // Of a router feed.
    absl::flat_hash_map<IpAddress, SessionConfig> via;        // Registered sessions by next hop.
    absl::flat_hash_set<RouteKey> unsaved;
    bool all_unsaved = false;  // Too many of them: then they aren't counted one by one.
  };

  void DropFeed(Feed& feed);
  void ConfigureBuckets(Feed& feed);
  void SetSession(Bucket& bucket, const SessionConfig* config);
  Bucket* BucketFor(Feed& feed, const AnnouncedRoute& announced);
  void Announce(Feed& feed, AnnouncedRoute announced);
  void Withdraw(Feed& feed, const RouteKey& key);
  // To be published.
  void Dirty(Feed& feed, uint16_t bucket, const std::vector<RouteKey>& keys);
  // To be published and saved.
  void Changed(Feed& feed, uint16_t bucket, const std::vector<RouteKey>& keys);
  void DirtySessions(const Feed& feed);
  static size_t KeptOf(const Feed& feed);
  static std::vector<AddressFamily> FamiliesOf(const Feed& feed);
  void BeginTable(Feed& feed);
  void SetWhole(Feed& feed, const ReportOrder& order);
  void RestoreRoutes(Feed& feed, std::vector<RestoredRoute> routes, absl::Time stale_since);
  bool TakeUnsavedOf(Feed& feed, size_t& left, const RouteRecords& records);
  void DirtySession(const Bucket& bucket);
  void ApplyEvent(Feed& feed, const RouteChange& change, const ReportOrder& order, absl::Time now);
  void CountUnknown(const RouteChange& change);
  SessionSummary Summarise(const Feed& feed, const Bucket* bucket) const;
  static void AddDrops(const Bucket& bucket, DropCounts& drops);

  RouteLimits limits_;
  LossPolicy loss_;
  std::shared_ptr<const VrpTable> vrps_;
  absl::btree_map<BgpSessionId, Feed> feeds_;
  absl::btree_map<BgpSessionId, int64_t> unknown_;
  std::vector<std::pair<BgpSessionId, RouteKey>> removed_;
  absl::btree_set<BgpSessionId> dirty_sessions_;
  size_t dirty_routes_ = 0;
  std::vector<BgpSessionId> dropped_feeds_;  // What a checkpoint must forget.
  bool unsaved_sessions_ = false;
  bool unsaved_routes_ = false;
};

}  // namespace fairlead::ingest

#endif  // FAIRLEAD_SERVICES_INGEST_ROUTE_BOOK_H_
