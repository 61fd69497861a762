// RouteBook: the routes that one box reports, judged, and what of them must be published.
//
// A box reports sessions of two kinds. A DIRECT session is its own: its routes are judged by that session's rules. A ROUTER_FEED is a
// collector's iBGP session to an edge router and carries the routes of many VIA_ROUTER sessions, told apart by their next hop: routes are
// kept in one table a next hop, so that a change of configuration turns a whole table from one session (or none) to another. Routes
// whose next hop belongs to no registered session are kept and counted as UNKNOWN_NEXT_HOP. Routes of a session that isn't registered
// for the box are only counted (UNKNOWN_SESSION); they are asked for again once it is.
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

class RouteBook {
 public:
  explicit RouteBook(RouteLimits limits = {}) : limits_(limits) {}

  // The box's sessions as registered; a changed loss policy counts for tables made from then on. True if a session of which updates were
  // dropped as unknown is now known.
  bool Configure(const std::vector<SessionConfig>& sessions, const LossPolicy& loss);
  // The validated ROA payloads by which origins are judged from now on, null: none; all routes are judged again, O(routes).
  void SetVrps(std::shared_ptr<const VrpTable> vrps);
  // True if the change doesn't follow on anything known: the whole table should be asked for.
  bool Apply(RouteChange change, absl::Time now);
  // What the box's heartbeat says of a session.
  void SetEstablished(const BgpSessionId& session, bool established, absl::string_view detail);
  void Tick(absl::Time now);

  bool has_changes() const { return !removed_.empty() || !dirty_sessions_.empty() || dirty_routes_ > 0; }
  // Hands out up to about `most` changed routes; the rest the next time.
  void TakeChanges(size_t most, const RoutePublication& publication);

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
    std::vector<std::unique_ptr<Bucket>> buckets;
    absl::flat_hash_map<IpAddress, uint16_t> bucket_of_hop;   // Of a router feed.
    absl::flat_hash_map<RouteKey, uint16_t> bucket_of_route;  // Of a router feed.
    absl::flat_hash_map<IpAddress, SessionConfig> via;        // Registered sessions by next hop.
  };

  void DropFeed(Feed& feed);
  void ConfigureBuckets(Feed& feed);
  void SetSession(Bucket& bucket, const SessionConfig* config);
  Bucket* BucketFor(Feed& feed, const AnnouncedRoute& announced);
  void Announce(Feed& feed, AnnouncedRoute announced);
  void Withdraw(Feed& feed, const RouteKey& key);
  void Dirty(Feed& feed, uint16_t bucket, const std::vector<RouteKey>& keys);
  void DirtySession(const Bucket& bucket);
  void ApplyEvent(Feed& feed, const RouteChange& change, absl::Time now);
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
};

}  // namespace fairlead::ingest

#endif  // FAIRLEAD_SERVICES_INGEST_ROUTE_BOOK_H_
