#include "libs/routing/session_table.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace fairlead {
namespace {

// Whether only the limit may still stand against it.
bool PassesTheRest(const KeptRoute& kept) {
  return kept.admission.reason == DropReason::kAdmitted || kept.admission.reason == DropReason::kMaxPrefix;
}

Admission OverLimit(const Prefix& prefix, uint32_t limit) {
  return {DropReason::kMaxPrefix, absl::StrCat(prefix.ToString(), " is beyond the session's limit of ", limit, " ",
                                               ToString(prefix.family()), " prefixes (shorter ones, then lower addresses, come first)")};
}

std::vector<RouteKey> ToVector(const absl::btree_set<RouteKey>& keys) {
  return std::vector<RouteKey>(keys.begin(), keys.end());
}

}  // namespace

SessionTable::SessionTable(SessionRecord session, std::shared_ptr<const VrpTable> vrps, LossPolicy loss)
    : session_(std::move(session)), vrps_(std::move(vrps)), loss_(loss) {}

std::vector<RouteKey> SessionTable::Announce(RawRoute route) {
  const RouteKey key = route.key;
  auto at = routes_.find(key);
  if (at == routes_.end()) {
    if (routes_.size() >= kMaxKeptRoutes) {
      ++refused_;
      return {};
    }
    at = routes_.emplace(key, KeptRoute()).first;
    ++counts_[static_cast<size_t>(DropReason::kAdmitted)];  // What a new KeptRoute says; SetAdmission moves it on.
  } else if (at->second.route == route) {
    KeptRoute& kept = at->second;
    kept.stale_since = absl::InfiniteFuture();
    const bool demoted = IsDemoted(route);
    if (std::exchange(kept.demoted, demoted) == demoted) return {};
    return {key};
  }
  Changes changes = {key};
  KeptRoute& kept = at->second;
  SetAdmission(kept, Admit(route, session_, vrps_.get()));
  kept.demoted = IsDemoted(route);
  kept.stale_since = absl::InfiniteFuture();
  kept.route = std::move(route);
  Rebalance(key.prefix, changes);
  return ToVector(changes);
}

std::vector<RouteKey> SessionTable::Withdraw(const RouteKey& key) {
  const auto at = routes_.find(key);
  if (at == routes_.end()) return {};
  Changes changes;
  Remove(at, changes);
  return ToVector(changes);
}

std::vector<RouteKey> SessionTable::SessionUp(absl::Time now) {
  MarkAllStale(now);
  return {};
}

std::vector<RouteKey> SessionTable::EndOfRib(AddressFamily family) {
  return RemoveUnless([family](const KeptRoute& kept) { return !kept.stale() || kept.route.key.prefix.family() != family; });
}

std::vector<RouteKey> SessionTable::SessionDown(SessionLoss loss, absl::Time now) {
  if (loss == SessionLoss::kCeased) {
    return RemoveUnless([](const KeptRoute&) { return false; });
  }
  MarkAllStale(now);
  return {};
}

void SessionTable::Restore(RawRoute route, bool demoted, absl::Time stale_since) {
  if (routes_.size() >= kMaxKeptRoutes) {
    ++refused_;
    return;
  }
  KeptRoute kept;
  kept.demoted = demoted;
  kept.stale_since = stale_since;
  if (kept.stale()) next_due_ = std::min(next_due_, stale_since + loss_.demote_after);
  const RouteKey key = route.key;
  kept.route = std::move(route);
  // They come in order, as a rule: then this is O(1).
  const size_t before = routes_.size();
  routes_.insert(routes_.end(), std::make_pair(key, std::move(kept)));
  if (routes_.size() > before) ++counts_[static_cast<size_t>(DropReason::kAdmitted)];  // What a new KeptRoute says.
}

std::vector<RouteKey> SessionTable::Tick(absl::Time now) {
  if (now < next_due_) return {};
  next_due_ = absl::InfiniteFuture();
  std::vector<RouteKey> changed = RemoveUnless([&](const KeptRoute& kept) { return now - kept.stale_since < loss_.forget_after; });
  for (auto& [key, kept] : routes_) {
    if (!kept.stale()) continue;
    const bool late = now - kept.stale_since >= loss_.demote_after;
    if (late && !std::exchange(kept.demoted, true)) changed.push_back(key);
    next_due_ = std::min(next_due_, kept.stale_since + (late ? loss_.forget_after : loss_.demote_after));
  }
  std::sort(changed.begin(), changed.end());
  changed.erase(std::unique(changed.begin(), changed.end()), changed.end());
  return changed;
}

std::vector<RouteKey> SessionTable::Reconfigure(SessionRecord session, std::shared_ptr<const VrpTable> vrps) {
  session_ = std::move(session);
  vrps_ = std::move(vrps);
  limited_ = {};
  std::vector<DropReason> before;
  before.reserve(routes_.size());
  for (auto& [key, kept] : routes_) {
    before.push_back(kept.admission.reason);
    SetAdmission(kept, Admit(kept.route, session_, vrps_.get()));
  }
  Changes ignored;  // What counts is the difference between before and after.
  for (auto at = routes_.begin(); at != routes_.end();) {
    const Prefix prefix = at->first.prefix;
    Rebalance(prefix, ignored);
    while (at != routes_.end() && at->first.prefix == prefix) ++at;
  }
  std::vector<RouteKey> changed;
  size_t index = 0;
  for (const auto& [key, kept] : routes_) {
    if (kept.admission.reason != before[index++]) changed.push_back(key);
  }
  return changed;
}

const KeptRoute* SessionTable::Find(const RouteKey& key) const {
  const auto at = routes_.find(key);
  return at == routes_.end() ? nullptr : &at->second;
}

bool SessionTable::SetAdmission(KeptRoute& kept, Admission admission) {
  const bool changed = kept.admission.reason != admission.reason;
  --counts_[static_cast<size_t>(kept.admission.reason)];
  ++counts_[static_cast<size_t>(admission.reason)];
  kept.admission = std::move(admission);
  return changed;
}

bool SessionTable::AnyPathPasses(const Prefix& prefix) const {
  for (auto at = routes_.lower_bound(RouteKey{prefix, 0}); at != routes_.end() && at->first.prefix == prefix; ++at) {
    if (PassesTheRest(at->second)) return true;
  }
  return false;
}

void SessionTable::ApplyLimit(const Prefix& prefix, bool within, Changes& changes) {
  for (auto at = routes_.lower_bound(RouteKey{prefix, 0}); at != routes_.end() && at->first.prefix == prefix; ++at) {
    if (!PassesTheRest(at->second)) continue;
    if (SetAdmission(at->second, within ? Admission() : OverLimit(prefix, session_.max_prefix))) changes.insert(at->first);
  }
}

void SessionTable::Rebalance(const Prefix& prefix, Changes& changes) {
  Limited& limited = LimitedOf(prefix);
  const size_t limit = session_.max_prefix == 0 ? std::numeric_limits<size_t>::max() : session_.max_prefix;
  if (!AnyPathPasses(prefix)) {
    limited.beyond.erase(prefix);
    if (limited.within.erase(prefix) == 0 || limited.beyond.empty()) return;
    const Prefix next = *limited.beyond.begin();
    limited.beyond.erase(limited.beyond.begin());
    limited.within.insert(next);
    ApplyLimit(next, true, changes);
    return;
  }
  if (!limited.beyond.contains(prefix) && limited.within.insert(prefix).second && limited.within.size() > limit) {
    const Prefix last = *std::prev(limited.within.end());
    limited.within.erase(last);
    limited.beyond.insert(last);
    if (last != prefix) ApplyLimit(last, false, changes);
  }
  ApplyLimit(prefix, limited.within.contains(prefix), changes);
}

SessionTable::Routes::iterator SessionTable::Remove(Routes::iterator route, Changes& changes) {
  const RouteKey key = route->first;
  --counts_[static_cast<size_t>(route->second.admission.reason)];
  const auto next = routes_.erase(route);
  changes.insert(key);
  Rebalance(key.prefix, changes);
  return next;
}

// Routes that are stale already keep their time: a session that flaps must not put off their demotion for ever.
void SessionTable::MarkAllStale(absl::Time now) {
  for (auto& [key, kept] : routes_) {
    if (!kept.stale()) kept.stale_since = now;
  }
  next_due_ = std::min(next_due_, now + loss_.demote_after);
}

// Not through Remove: a whole session's loss must not shuffle its way through the limit prefix by prefix.
template <typename Keep>
std::vector<RouteKey> SessionTable::RemoveUnless(Keep keep) {
  Changes changes;
  std::vector<Prefix> touched;
  for (auto at = routes_.begin(); at != routes_.end();) {
    if (keep(at->second)) {
      ++at;
      continue;
    }
    --counts_[static_cast<size_t>(at->second.admission.reason)];
    changes.insert(at->first);
    if (touched.empty() || touched.back() != at->first.prefix) touched.push_back(at->first.prefix);
    at = routes_.erase(at);
  }
  for (const Prefix& prefix : touched) Rebalance(prefix, changes);
  return ToVector(changes);
}

}  // namespace fairlead
