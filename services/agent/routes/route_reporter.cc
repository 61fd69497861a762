#include "services/agent/routes/route_reporter.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "services/agent/bird/config.h"

namespace fairlead::agent {
namespace {

// The mark that BIRD's import filter put on, which is taken off; 0 if there is none.
uint64_t TakeTag(bgp::PathAttributes& attributes) {
  uint64_t tag = 0;
  for (const bgp::LargeCommunity& community : attributes.large_communities) {
    if (community[0] == kTagAdministrator) tag = uint64_t{community[1]} << 32 | community[2];
  }
  attributes.large_communities.clear();  // Nothing above wants the neighbour's own.
  return tag;
}

// Whether two of BIRD's texts name one moment. BIRD works it out anew from two clocks each time, and shows it a millisecond off now and
// then; two sessions that came up within half a second of each other are one to us.
bool SameMoment(const std::string& one, const std::string& other) {
  if (one == other) return true;
  absl::Time one_time, other_time;
  constexpr char kFormat[] = "%Y-%m-%d %H:%M:%E*S";
  if (!absl::ParseTime(kFormat, one, &one_time, nullptr) || !absl::ParseTime(kFormat, other, &other_time, nullptr)) return false;
  return absl::AbsDuration(one_time - other_time) <= absl::Milliseconds(500);
}

}  // namespace

void RouteReporter::SetSessions(const std::vector<BgpSessionId>& sessions) {
  absl::flat_hash_set<uint64_t> wanted;
  for (const BgpSessionId& id : sessions) {
    const uint64_t tag = SessionTag(id);
    wanted.insert(tag);
    Session& session = sessions_[tag];
    session.id = id;
    session.protocol = SessionProtocol(id);
  }
  for (auto at = sessions_.begin(); at != sessions_.end();) {
    if (wanted.contains(at->first)) {
      ++at;
      continue;
    }
    Leave(at->second, {SessionChange::Kind::kClosed, "removed from the configuration"});
    at = sessions_.erase(at);
  }
}

void RouteReporter::OnTapLost() {
  for (auto& [tag, session] : sessions_) {
    session.table.clear();
    session.changed.clear();
    session.count_v4 = session.count_v6 = 0;
    if (session.phase != Phase::kLive && session.phase != Phase::kSyncing) continue;
    session.phase = Phase::kSyncing;
    session.sync_start = absl::InfiniteDuration();  // Set by the next look.
    session.agreed_since = absl::InfiniteDuration();
  }
}

void RouteReporter::OnUpdate(const bgp::Update& update) {
  for (const RouteKey& key : update.withdrawn) Remove(key, nullptr);
  for (const bgp::Update::Announcement& announcement : update.announced) {
    auto attributes = std::make_shared<bgp::PathAttributes>(announcement.attributes);
    const auto session = sessions_.find(TakeTag(*attributes));
    for (const RouteKey& key : announcement.routes) {
      // An identifier may pass from one session to another without a withdrawal between.
      Remove(key, session == sessions_.end() ? nullptr : &session->second);
      if (session != sessions_.end()) Put(session->second, key, attributes);
    }
  }
}

void RouteReporter::Remove(const RouteKey& key, const Session* except) {
  for (auto& [tag, session] : sessions_) {
    if (&session == except || session.table.erase(key) == 0) continue;
    --(key.prefix.family() == AddressFamily::kIpv4 ? session.count_v4 : session.count_v6);
    if (session.phase == Phase::kLive) session.changed.insert(key);
  }
}

void RouteReporter::Put(Session& session, const RouteKey& key, const std::shared_ptr<const bgp::PathAttributes>& attributes) {
  if (session.table.insert_or_assign(key, attributes).second) {
    ++(key.prefix.family() == AddressFamily::kIpv4 ? session.count_v4 : session.count_v6);
  }
  if (session.phase == Phase::kLive) session.changed.insert(key);
}

void RouteReporter::OnProtocols(const std::vector<BirdProtocol>& protocols, absl::Duration now) {
  absl::flat_hash_map<std::string, const BirdProtocol*> by_name;
  for (const BirdProtocol& protocol : protocols) by_name[protocol.name] = &protocol;
  for (auto& [tag, session] : sessions_) {
    const auto found = by_name.find(session.protocol);
    Judge(session, found == by_name.end() ? nullptr : found->second, now);
  }
}

void RouteReporter::Judge(Session& session, const BirdProtocol* protocol, absl::Duration now) {
  const bool established = protocol != nullptr && protocol->established();
  const bool same = established && SameMoment(protocol->since, session.since);
  if (same) session.since = protocol->since;  // So that clocks that drift slowly apart don't matter.
  if (!same && session.phase != Phase::kDown && !(established && session.phase == Phase::kUnknown)) {
    const std::string error = protocol == nullptr ? "not running in BIRD" : protocol->last_error;
    Leave(session,
          {EndedOnPurpose(error) ? SessionChange::Kind::kClosed : SessionChange::Kind::kLost, error.empty() ? "not up yet" : error});
  }
  if (!established) return;
  if (session.phase == Phase::kDown || session.phase == Phase::kUnknown) {
    session.phase = Phase::kSyncing;
    session.since = protocol->since;
    session.sync_start = absl::InfiniteDuration();
    session.agreed_since = absl::InfiniteDuration();
  }
  if (session.phase == Phase::kSyncing) JudgeSync(session, *protocol, now);
  if (session.phase == Phase::kLive) SendChanges(session);
}

void RouteReporter::JudgeSync(Session& session, const BirdProtocol& protocol, absl::Duration now) {
  session.sync_start = std::min(session.sync_start, now);
  const int64_t count = session.count_v4 + session.count_v6;
  const bool agrees = session.count_v4 == protocol.imported_v4 && session.count_v6 == protocol.imported_v6;
  if (!agrees || session.agreed_since == absl::InfiniteDuration() || session.agreed_count != count) {
    session.agreed_since = agrees ? now : absl::InfiniteDuration();
    session.agreed_count = count;
  }
  const bool whole = agrees && now - session.agreed_since >= (count > 0 ? kSettleWithRoutes : kSettleEmpty);
  if (!whole && now - session.sync_start < kMaxSync) return;
  session.phase = Phase::kLive;
  session.last_change = {SessionChange::Kind::kUp, "established"};
  SendAll(session);
}

void RouteReporter::Leave(Session& session, SessionChange change) {
  session.phase = Phase::kDown;
  session.changed.clear();
  session.last_change = std::move(change);
  SessionReport report;
  report.session = session.id;
  report.change = session.last_change;
  sink_(std::move(report));
}

void RouteReporter::OnBirdDown(const std::string& reason) {
  OnTapLost();
  for (auto& [tag, session] : sessions_) {
    if (session.phase != Phase::kDown) Leave(session, {SessionChange::Kind::kLost, reason});
  }
}

void RouteReporter::ReportAll() {
  for (auto& [tag, session] : sessions_) {
    if (session.phase == Phase::kLive) SendAll(session);
    if (session.phase == Phase::kDown) Leave(session, session.last_change);
  }
}

void RouteReporter::SendAll(Session& session) {
  session.changed.clear();
  SessionReport report;
  report.restart = true;
  report.change = session.last_change;
  for (const auto& [key, attributes] : session.table) {
    if (report.announced.size() == kMaxRoutes) {
      report.session = session.id;
      sink_(std::exchange(report, {}));
    }
    report.announced.push_back({key, attributes});
  }
  report.session = session.id;
  report.end_of_rib = {AddressFamily::kIpv4, AddressFamily::kIpv6};
  sink_(std::move(report));
}

void RouteReporter::SendChanges(Session& session) {
  SessionReport report;
  for (const RouteKey& key : session.changed) {
    if (report.announced.size() + report.withdrawn.size() == kMaxRoutes) {
      report.session = session.id;
      sink_(std::exchange(report, {}));
    }
    const auto held = session.table.find(key);
    if (held == session.table.end()) {
      report.withdrawn.push_back(key);
    } else {
      report.announced.push_back({key, held->second});
    }
  }
  session.changed.clear();
  if (report.announced.empty() && report.withdrawn.empty()) return;
  report.session = session.id;
  sink_(std::move(report));
}

bool RouteReporter::has_changes() const {
  return std::any_of(sessions_.begin(), sessions_.end(), [](const auto& entry) { return !entry.second.changed.empty(); });
}

bool RouteReporter::syncing() const {
  return std::any_of(sessions_.begin(), sessions_.end(), [](const auto& entry) { return entry.second.phase == Phase::kSyncing; });
}

size_t RouteReporter::path_count() const {
  size_t count = 0;
  for (const auto& [tag, session] : sessions_) count += session.table.size();
  return count;
}

}  // namespace fairlead::agent
