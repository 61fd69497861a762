// The half of RouteBook that gives its state to a checkpoint and takes it back.
#include <utility>

#include "services/ingest/route_book.h"

namespace fairlead::ingest {

bool RouteBook::TakeUnsavedOf(Feed& feed, size_t& left, const RouteRecords& records) {
  const BgpSessionId& session = feed.config.id;
  if (std::exchange(feed.all_unsaved, false)) {
    records.dropped(session);
    for (const std::unique_ptr<Bucket>& bucket : feed.buckets) {
      for (const auto& [key, kept] : bucket->table.routes()) feed.unsaved.insert(key);
    }
  }
  for (auto key = feed.unsaved.begin(); left > 0 && key != feed.unsaved.end(); --left) {
    const Bucket* bucket = nullptr;
    if (feed.config.role == SessionRole::kDirect) {
      bucket = feed.buckets[0].get();
    } else if (const auto at = feed.bucket_of_route.find(*key); at != feed.bucket_of_route.end()) {
      bucket = feed.buckets[at->second].get();
    }
    records.route(session, *key, bucket == nullptr ? nullptr : bucket->table.Find(*key),
                  bucket == nullptr ? std::nullopt : bucket->next_hop);
    feed.unsaved.erase(key++);
  }
  if (!feed.unsaved.empty()) return false;
  feed.unsaved = {};  // Its room too.
  return true;
}

bool RouteBook::TakeUnsaved(size_t most, const RouteRecords& records) {
  // What a dropped session had goes first: it may have come again since.
  for (const BgpSessionId& session : std::exchange(dropped_feeds_, {})) records.dropped(session);
  bool all = true;
  for (auto& [id, feed] : feeds_) all = TakeUnsavedOf(feed, most, records) && all;
  unsaved_routes_ = !all;
  return all;
}

std::vector<KeptSession> RouteBook::KeptSessions() {
  unsaved_sessions_ = false;
  std::vector<KeptSession> sessions;
  for (const auto& [id, feed] : feeds_) {
    sessions.push_back({.session = id,
                        .started = feed.started,
                        .established = feed.established,
                        .in_grace = feed.in_grace,
                        .lost_at = feed.lost_at,
                        .detail = feed.detail,
                        .refused = feed.refused,
                        .whole = feed.whole,
                        .whole_at = feed.whole_at,
                        .awaited_since = feed.awaited_since,
                        .resyncing = feed.started && !feed.end_of_rib_due.empty()});
  }
  return sessions;
}

bool RouteBook::Restore(const KeptSession& kept, std::vector<RestoredRoute> routes) {
  const auto found = feeds_.find(kept.session);
  if (found == feeds_.end()) {
    dropped_feeds_.push_back(kept.session);
    return true;
  }
  Feed& feed = found->second;
  feed.started = kept.started;
  feed.established = kept.established;
  feed.in_grace = kept.in_grace;
  feed.lost_at = kept.lost_at;
  feed.detail = kept.detail;
  feed.refused = kept.refused;
  feed.whole = kept.whole;
  feed.whole_at = kept.whole_at;
  feed.awaited_since = kept.awaited_since;
  if (kept.started && !kept.resyncing) feed.end_of_rib_due.clear();
  // In the middle of a full table none is stale: which of them were announced again isn't known here, and an End-of-RIB that comes before
  // the table that is asked for must not take those.
  RestoreRoutes(feed, std::move(routes), kept.in_grace ? kept.lost_at : absl::InfiniteFuture());
  return !kept.resyncing;
}

void RouteBook::RestoreRoutes(Feed& feed, std::vector<RestoredRoute> routes, absl::Time stale_since) {
  for (RestoredRoute& route : routes) {
    Bucket* const bucket = BucketFor(feed, route.announced);
    if (bucket == nullptr) continue;  // The bound on next hops was lowered.
    if (feed.config.role == SessionRole::kRouterFeed) {
      feed.bucket_of_route[route.announced.route.key] = feed.bucket_of_hop[*bucket->next_hop];
    }
    bucket->table.Restore(std::move(route.announced.route), route.demoted, stale_since);
  }
  for (const std::unique_ptr<Bucket>& bucket : feed.buckets) {
    const bool known = !bucket->session.empty();
    bucket->table.Reconfigure(bucket->table.session(), known ? vrps_ : nullptr);
    if (!known) continue;
    for (const auto& [key, kept] : bucket->table.routes()) {
      if (kept.admission.admitted() && bucket->dirty.insert(key).second) ++dirty_routes_;
    }
  }
}

}  // namespace fairlead::ingest
