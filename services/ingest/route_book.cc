#include "services/ingest/route_book.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"

namespace fairlead::ingest {
namespace {

// Rules that admit nothing, for routes that belong to no session.
SessionRecord NoSession() {
  return SessionRecord{};
}

// Beyond so many, and twice the routes there are, changes aren't noted for a checkpoint route by route.
constexpr size_t kMostUnsaved = 100'000;

}  // namespace

void RouteBook::DirtySessions(const Feed& feed) {
  dirty_sessions_.insert(feed.config.id);
  for (const auto& [hop, via] : feed.via) dirty_sessions_.insert(via.id);
  unsaved_sessions_ = true;
}

size_t RouteBook::KeptOf(const Feed& feed) {
  return feed.config.role == SessionRole::kDirect ? feed.buckets[0]->table.routes().size() : feed.bucket_of_route.size();
}

std::vector<AddressFamily> RouteBook::FamiliesOf(const Feed& feed) {
  const AddressFamily family = feed.config.role == SessionRole::kDirect ? feed.config.record.family : AddressFamily::kUnspecified;
  if (family != AddressFamily::kUnspecified) return {family};
  return {AddressFamily::kIpv4, AddressFamily::kIpv6};
}

void RouteBook::BeginTable(Feed& feed) {
  const std::vector<AddressFamily> families = FamiliesOf(feed);
  feed.end_of_rib_due.insert(families.begin(), families.end());
  unsaved_sessions_ = true;
}

void RouteBook::SetWhole(Feed& feed, const ReportOrder& order) {
  feed.whole = true;
  feed.whole_at = order;
  feed.awaited_since = absl::InfiniteFuture();
  DirtySessions(feed);
}

void RouteBook::Missed(absl::Time now) {
  for (auto& [id, feed] : feeds_) feed.awaited_since = std::min(feed.awaited_since, now);
  unsaved_sessions_ = true;
}

void RouteBook::DirtySession(const Bucket& bucket) {
  if (!bucket.session.empty()) dirty_sessions_.insert(bucket.session);
}

void RouteBook::Dirty(Feed& feed, uint16_t index, const std::vector<RouteKey>& keys) {
  if (keys.empty()) return;
  Bucket& bucket = *feed.buckets[index];
  DirtySession(bucket);
  dirty_sessions_.insert(feed.config.id);
  for (const RouteKey& key : keys) {
    if (feed.config.role == SessionRole::kRouterFeed && bucket.table.Find(key) == nullptr) {
      const auto at = feed.bucket_of_route.find(key);
      if (at != feed.bucket_of_route.end() && at->second == index) feed.bucket_of_route.erase(at);
    }
    if (!bucket.session.empty() && bucket.dirty.insert(key).second) ++dirty_routes_;
  }
}

void RouteBook::Changed(Feed& feed, uint16_t index, const std::vector<RouteKey>& keys) {
  if (keys.empty()) return;
  Dirty(feed, index, keys);
  unsaved_routes_ = true;
  if (feed.all_unsaved) return;
  feed.unsaved.insert(keys.begin(), keys.end());
  if (feed.unsaved.size() < std::max(kMostUnsaved, 2 * KeptOf(feed))) return;
  feed.all_unsaved = true;
  feed.unsaved.clear();
}

// Everything that is or may be published of the bucket's session goes; its routes are published anew under the new one.
void RouteBook::SetSession(Bucket& bucket, const SessionConfig* config) {
  const BgpSessionId next = config == nullptr ? BgpSessionId() : config->id;
  if (bucket.session != next) {
    DirtySession(bucket);
    dirty_routes_ -= bucket.dirty.size();
    if (!bucket.session.empty()) {
      for (const RouteKey& key : bucket.dirty) removed_.emplace_back(bucket.session, key);
      for (const auto& [key, kept] : bucket.table.routes()) {
        if (kept.admission.admitted()) removed_.emplace_back(bucket.session, key);
      }
    }
    bucket.dirty.clear();
    bucket.session = next;
    bucket.table.Reconfigure(config == nullptr ? NoSession() : config->record, config == nullptr ? nullptr : vrps_);
    if (!next.empty()) {
      for (const auto& [key, kept] : bucket.table.routes()) bucket.dirty.insert(key);
      dirty_routes_ += bucket.dirty.size();
    }
  } else if (config != nullptr) {
    for (const RouteKey& key : bucket.table.Reconfigure(config->record, vrps_)) {
      if (bucket.dirty.insert(key).second) ++dirty_routes_;
    }
  }
  DirtySession(bucket);
}

void RouteBook::DropFeed(Feed& feed) {
  for (const std::unique_ptr<Bucket>& bucket : feed.buckets) SetSession(*bucket, nullptr);
  DirtySessions(feed);
  dropped_feeds_.push_back(feed.config.id);
}

void RouteBook::ConfigureBuckets(Feed& feed) {
  if (feed.config.role == SessionRole::kDirect) {
    if (feed.buckets.empty()) feed.buckets.push_back(std::make_unique<Bucket>(SessionTable(NoSession(), nullptr, loss_)));
    SetSession(*feed.buckets[0], &feed.config);
    return;
  }
  for (const std::unique_ptr<Bucket>& bucket : feed.buckets) {
    const auto via = feed.via.find(*bucket->next_hop);
    SetSession(*bucket, via == feed.via.end() ? nullptr : &via->second);
  }
}

bool RouteBook::Configure(const std::vector<SessionConfig>& sessions, const LossPolicy& loss) {
  loss_ = loss;
  absl::btree_map<BgpSessionId, const SessionConfig*> wanted;
  for (const SessionConfig& config : sessions) {
    if (config.role != SessionRole::kViaRouter) wanted[config.id] = &config;
  }
  for (auto feed = feeds_.begin(); feed != feeds_.end();) {
    const auto found = wanted.find(feed->first);
    if (found != wanted.end() && found->second->role == feed->second.config.role) {
      ++feed;
      continue;
    }
    DropFeed(feed->second);
    feed = feeds_.erase(feed);
  }
  bool now_known = false;
  for (const auto& [id, config] : wanted) {
    const auto [at, fresh] = feeds_.try_emplace(id);
    Feed& feed = at->second;
    for (const auto& [hop, via] : feed.via) dirty_sessions_.insert(via.id);
    feed.config = *config;
    feed.via.clear();
    for (const SessionConfig& via : sessions) {
      // Two sessions of one next hop can't be told apart: the first by name has it.
      if (via.role == SessionRole::kViaRouter && via.router_feed == id) feed.via.emplace(via.peer_address, via);
    }
    if (fresh) BeginTable(feed);
    ConfigureBuckets(feed);
    DirtySessions(feed);
    now_known = unknown_.erase(id) > 0 || now_known;
  }
  return now_known;
}

void RouteBook::SetVrps(std::shared_ptr<const VrpTable> vrps) {
  if (vrps == vrps_) return;
  vrps_ = std::move(vrps);
  for (auto& [id, feed] : feeds_) {
    for (uint16_t i = 0; i < feed.buckets.size(); ++i) {
      Bucket& bucket = *feed.buckets[i];
      if (!bucket.session.empty()) Dirty(feed, i, bucket.table.Reconfigure(bucket.table.session(), vrps_));
    }
  }
}

RouteBook::Bucket* RouteBook::BucketFor(Feed& feed, const AnnouncedRoute& announced) {
  if (feed.config.role == SessionRole::kDirect) return feed.buckets[0].get();
  const IpAddress hop = announced.next_hop.value_or(IpAddress());
  const auto found = feed.bucket_of_hop.find(hop);
  if (found != feed.bucket_of_hop.end()) return feed.buckets[found->second].get();
  if (feed.buckets.size() >= limits_.most_next_hops) return nullptr;
  feed.bucket_of_hop[hop] = static_cast<uint16_t>(feed.buckets.size());
  feed.buckets.push_back(std::make_unique<Bucket>(SessionTable(NoSession(), nullptr, loss_)));
  Bucket* const bucket = feed.buckets.back().get();
  bucket->next_hop = hop;
  const auto via = feed.via.find(hop);
  SetSession(*bucket, via == feed.via.end() ? nullptr : &via->second);
  return bucket;
}

void RouteBook::Announce(Feed& feed, AnnouncedRoute announced) {
  const RouteKey key = announced.route.key;
  Bucket* const bucket = BucketFor(feed, announced);
  if (bucket == nullptr || (KeptOf(feed) >= limits_.most_routes_a_session && bucket->table.Find(key) == nullptr)) {
    ++feed.refused;
    Withdraw(feed, key);  // Whatever was known of it isn't true any more.
    return;
  }
  uint16_t index = 0;
  if (feed.config.role == SessionRole::kRouterFeed) {
    index = feed.bucket_of_hop[*bucket->next_hop];
    const auto before = feed.bucket_of_route.find(key);
    if (before != feed.bucket_of_route.end() && before->second != index) Withdraw(feed, key);
    feed.bucket_of_route[key] = index;
  }
  Changed(feed, index, bucket->table.Announce(std::move(announced.route)));
}

void RouteBook::Withdraw(Feed& feed, const RouteKey& key) {
  uint16_t index = 0;
  if (feed.config.role == SessionRole::kRouterFeed) {
    const auto found = feed.bucket_of_route.find(key);
    if (found == feed.bucket_of_route.end()) return;
    index = found->second;
  }
  Changed(feed, index, feed.buckets[index]->table.Withdraw(key));
}

void RouteBook::CountUnknown(const RouteChange& change) {
  if (!unknown_.contains(change.session) && unknown_.size() >= limits_.most_unknown_sessions) return;
  int64_t& count = unknown_[change.session];
  if (change.restart) count = 0;
  count += static_cast<int64_t>(change.announced.size()) - static_cast<int64_t>(change.withdrawn.size());
  count = std::max<int64_t>(count, 0);
}

bool RouteBook::Apply(RouteChange change, const ReportOrder& order, absl::Time now) {
  const auto found = feeds_.find(change.session);
  if (found == feeds_.end()) {
    CountUnknown(change);
    return false;
  }
  Feed& feed = found->second;
  if (change.restart) {
    feed.started = true;
    feed.refused = 0;
  }
  if (change.restart || change.event == SessionEvent::kUp) {
    BeginTable(feed);
    for (uint16_t i = 0; i < feed.buckets.size(); ++i) Changed(feed, i, feed.buckets[i]->table.SessionUp(now));
  }
  for (const RouteKey& key : change.withdrawn) Withdraw(feed, key);
  for (AnnouncedRoute& announced : change.announced) Announce(feed, std::move(announced));
  for (const AddressFamily family : change.end_of_rib) {
    for (uint16_t i = 0; i < feed.buckets.size(); ++i) Changed(feed, i, feed.buckets[i]->table.EndOfRib(family));
    if (feed.end_of_rib_due.erase(family) > 0 && feed.started && feed.end_of_rib_due.empty()) SetWhole(feed, order);
    unsaved_sessions_ = true;
  }
  ApplyEvent(feed, change, order, now);
  const bool tells_routes = !change.announced.empty() || !change.withdrawn.empty();
  return tells_routes && !feed.started;
}

void RouteBook::ApplyEvent(Feed& feed, const RouteChange& change, const ReportOrder& order, absl::Time now) {
  if (change.event == SessionEvent::kNone) return;
  DirtySessions(feed);
  feed.established = change.event == SessionEvent::kUp;
  feed.in_grace = change.event == SessionEvent::kLost;
  feed.lost_at = now;
  feed.detail = change.reason;
  if (change.event == SessionEvent::kUp) return;  // Done before the routes of the same message.
  const SessionLoss loss = change.event == SessionEvent::kLost ? SessionLoss::kLost : SessionLoss::kCeased;
  if (loss == SessionLoss::kCeased) SetWhole(feed, order);  // That there are no routes is the whole truth.
  for (uint16_t i = 0; i < feed.buckets.size(); ++i) Changed(feed, i, feed.buckets[i]->table.SessionDown(loss, now));
}

void RouteBook::SetEstablished(const BgpSessionId& session, bool established, absl::string_view detail) {
  const auto found = feeds_.find(session);
  if (found == feeds_.end() || (found->second.established == established && found->second.detail == detail)) return;
  found->second.established = established;
  found->second.detail = std::string(detail);
  DirtySessions(found->second);
}

void RouteBook::Tick(const ReportOrder& newest, absl::Time now) {
  for (auto& [id, feed] : feeds_) {
    for (uint16_t i = 0; i < feed.buckets.size(); ++i) Changed(feed, i, feed.buckets[i]->table.Tick(now));
    if (!feed.whole && feed.awaited_since > now) {
      feed.awaited_since = now;
      unsaved_sessions_ = true;
    }
    if (now - feed.awaited_since >= limits_.longest_hold) SetWhole(feed, newest);
    if (!feed.in_grace || now - feed.lost_at < loss_.demote_after) continue;
    feed.in_grace = false;
    DirtySessions(feed);
  }
}

void RouteBook::TakeChanges(size_t most, const RoutePublication& publication) {
  // Removals come first and all: what follows may publish the same keys anew.
  for (const auto& [session, key] : removed_) publication.removed(session, key);
  removed_.clear();
  removed_.shrink_to_fit();
  size_t left = most;
  for (auto& [id, feed] : feeds_) {
    if (!feed.whole) continue;
    bool all = true;
    for (const std::unique_ptr<Bucket>& bucket : feed.buckets) {
      // Onward, not from the begin each time: that is found by looking past all that was erased.
      for (auto key = bucket->dirty.begin(); left > 0 && key != bucket->dirty.end(); --dirty_routes_, --left) {
        const KeptRoute* const kept = bucket->table.Find(*key);
        publication.route(bucket->session, *key, kept != nullptr && kept->admission.admitted() ? kept : nullptr);
        bucket->dirty.erase(key++);
      }
      all = all && bucket->dirty.empty();
    }
    feed.announced = feed.announced || all;
  }
  if (dirty_sessions_.empty()) return;
  absl::btree_set<BgpSessionId> gone = std::exchange(dirty_sessions_, {});
  for (const SessionSummary& summary : Sessions()) {
    if (gone.erase(summary.session) == 0) continue;
    if (summary.announced) {
      publication.session(summary.session, &summary);
    } else {
      dirty_sessions_.insert(summary.session);
    }
  }
  for (const BgpSessionId& session : gone) publication.session(session, nullptr);
}

void RouteBook::AddDrops(const Bucket& bucket, DropCounts& drops) {
  if (bucket.session.empty()) {
    if (!bucket.table.routes().empty()) drops[std::string(kUnknownNextHop)] += static_cast<int64_t>(bucket.table.routes().size());
    return;
  }
  for (int reason = 1; reason < kDropReasons; ++reason) {
    const size_t count = bucket.table.count(static_cast<DropReason>(reason));
    if (count > 0) drops[std::string(ToString(static_cast<DropReason>(reason)))] += static_cast<int64_t>(count);
  }
}

DropCounts RouteBook::Drops() const {
  DropCounts drops;
  for (const auto& [id, feed] : feeds_) {
    for (const std::unique_ptr<Bucket>& bucket : feed.buckets) AddDrops(*bucket, drops);
    if (feed.refused > 0) drops[std::string(kTooManyRoutes)] += feed.refused;
  }
  for (const auto& [session, count] : unknown_) {
    if (count > 0) drops[std::string(kUnknownSession)] += count;
  }
  return drops;
}

size_t RouteBook::admitted() const {
  size_t count = 0;
  for (const auto& [id, feed] : feeds_) {
    for (const std::unique_ptr<Bucket>& bucket : feed.buckets) count += bucket->session.empty() ? 0 : bucket->table.admitted();
  }
  return count;
}

size_t RouteBook::kept() const {
  size_t count = 0;
  for (const auto& [id, feed] : feeds_) {
    for (const std::unique_ptr<Bucket>& bucket : feed.buckets) count += bucket->table.routes().size();
  }
  return count;
}

// `bucket` is that of the session itself; null for a router feed, whose own summary is over what belongs to no session.
SessionSummary RouteBook::Summarise(const Feed& feed, const Bucket* bucket) const {
  SessionSummary summary{.session = feed.config.id,
                         .established = feed.established,
                         .in_grace = feed.in_grace,
                         .detail = feed.detail,
                         .admitted = 0,
                         .dropped = {},
                         .whole_at = feed.whole_at,
                         .announced = feed.announced};
  if (bucket != nullptr) {
    summary.session = bucket->session;
    summary.admitted = static_cast<int64_t>(bucket->table.admitted());
    AddDrops(*bucket, summary.dropped);
    return summary;
  }
  for (const std::unique_ptr<Bucket>& each : feed.buckets) {
    if (each->session.empty()) AddDrops(*each, summary.dropped);
  }
  if (feed.refused > 0) summary.dropped[std::string(kTooManyRoutes)] = feed.refused;
  return summary;
}

std::vector<SessionSummary> RouteBook::Sessions() const {
  std::vector<SessionSummary> summaries;
  for (const auto& [id, feed] : feeds_) {
    if (feed.config.role == SessionRole::kDirect) {
      summaries.push_back(Summarise(feed, feed.buckets[0].get()));
      if (feed.refused > 0) summaries.back().dropped[std::string(kTooManyRoutes)] = feed.refused;
      continue;
    }
    summaries.push_back(Summarise(feed, nullptr));
    for (const auto& [hop, via] : feed.via) {
      const auto bucket = feed.bucket_of_hop.find(hop);
      if (bucket != feed.bucket_of_hop.end()) {
        summaries.push_back(Summarise(feed, feed.buckets[bucket->second].get()));
      } else {
        summaries.push_back(Summarise(feed, nullptr));
        summaries.back().session = via.id;
        summaries.back().dropped.clear();
      }
    }
  }
  return summaries;
}

void RouteBook::ForEachFrom(const RouteKey& after_key, absl::string_view after_session, bool from_start,
                            const std::function<bool(const BookRoute&)>& visit) const {
  struct Cursor {
    absl::btree_map<RouteKey, KeptRoute>::const_iterator at;
    absl::btree_map<RouteKey, KeptRoute>::const_iterator end;
    const Bucket* bucket;
    BgpSessionId session;
  };
  // A heap of one cursor a bucket, smallest (key, session, next hop) first.
  std::vector<Cursor> heap;
  const auto later = [](const Cursor& a, const Cursor& b) {
    return std::tie(a.at->first, a.session, a.bucket) > std::tie(b.at->first, b.session, b.bucket);
  };
  for (const auto& [id, feed] : feeds_) {
    for (const std::unique_ptr<Bucket>& bucket : feed.buckets) {
      const auto& routes = bucket->table.routes();
      Cursor cursor{routes.begin(), routes.end(), bucket.get(), bucket->session.empty() ? id : bucket->session};
      if (!from_start) {
        cursor.at = routes.lower_bound(after_key);
        if (cursor.at != cursor.end && cursor.at->first == after_key && absl::string_view(cursor.session.value()) <= after_session)
          ++cursor.at;
      }
      if (cursor.at != cursor.end) heap.push_back(std::move(cursor));
    }
  }
  std::make_heap(heap.begin(), heap.end(), later);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    Cursor& cursor = heap.back();
    BookRoute route{
        .session = cursor.session, .kept = &cursor.at->second, .unknown_next_hop = cursor.bucket->session.empty(), .next_hop = {}};
    if (route.unknown_next_hop) route.next_hop = cursor.bucket->next_hop.value_or(IpAddress()).ToString();
    if (!visit(route)) return;
    if (++cursor.at == cursor.end) {
      heap.pop_back();
    } else {
      std::push_heap(heap.begin(), heap.end(), later);
    }
  }
}

}  // namespace fairlead::ingest
