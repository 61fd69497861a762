#include "services/ingest/checkpoint_codec.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/net/prefix.h"

namespace fairlead::ingest {
namespace {

constexpr absl::string_view kBoxes = "3/";
constexpr size_t kLengthAndPathId = 5;

bool IsFinite(absl::Time time) {
  return time != absl::InfinitePast() && time != absl::InfiniteFuture();
}

absl::Status BadKey(absl::string_view key) {
  return absl::InvalidArgumentError(absl::StrCat("a checkpoint's key ", Quoted(absl::CHexEscape(key)), " can't be read"));
}

absl::string_view TakeUntilSlash(absl::string_view& rest) {
  const size_t slash = rest.find('/');
  const absl::string_view part = rest.substr(0, slash);
  rest.remove_prefix(slash == absl::string_view::npos ? rest.size() : slash + 1);
  return part;
}

// Family, address, length, path id.
absl::StatusOr<RouteKey> ParseRoute(absl::string_view bytes) {
  if (bytes.size() != 1 + 4 + kLengthAndPathId && bytes.size() != 1 + 16 + kLengthAndPathId) {
    return absl::InvalidArgumentError("it has another size than a route");
  }
  bytes.remove_prefix(1);
  const absl::string_view tail = bytes.substr(bytes.size() - kLengthAndPathId);
  ASSIGN_OR_RETURN(const IpAddress address, IpAddress::FromBytes(bytes.substr(0, bytes.size() - kLengthAndPathId), "address"));
  RouteKey key;
  ASSIGN_OR_RETURN(key.prefix, Prefix::Make(address, static_cast<unsigned char>(tail[0]), "prefix"));
  for (const char byte : tail.substr(1)) key.path_id = key.path_id << 8 | static_cast<unsigned char>(byte);
  return key;
}

}  // namespace

std::string BoxKeys(const ApplianceId& box) {
  return absl::StrCat(kBoxes, box.value(), "/");
}
std::string BoxRecordKey(const ApplianceId& box) {
  return absl::StrCat(BoxKeys(box), "1");
}
std::string HoldingsRecordKey(const ApplianceId& box) {
  return absl::StrCat(BoxKeys(box), "2");
}
std::string RouteRecordKeys(const ApplianceId& box, const BgpSessionId& session) {
  return absl::StrCat(BoxKeys(box), "3/", session.value(), "/");
}

void AppendRouteRecordKey(const RouteKey& route, std::string& key) {
  key.push_back(route.prefix.address().is_v4() ? '4' : '6');
  key.append(route.prefix.address().ToBytes());
  key.push_back(static_cast<char>(route.prefix.length()));
  for (int shift = 24; shift >= 0; shift -= 8) key.push_back(static_cast<char>(route.path_id >> shift));
}

absl::StatusOr<BoxKey> ParseBoxKey(absl::string_view key) {
  absl::string_view rest = key;
  BoxKey parsed;
  if (!absl::ConsumePrefix(&rest, kBoxes)) return BadKey(key);
  parsed.box = ApplianceId(std::string(TakeUntilSlash(rest)));
  if (parsed.box.empty()) return BadKey(key);
  if (rest == "1") return parsed;
  parsed.kind = BoxKey::Kind::kHoldings;
  if (rest == "2") return parsed;
  parsed.kind = BoxKey::Kind::kRoute;
  if (!absl::ConsumePrefix(&rest, "3/")) return BadKey(key);
  parsed.session = BgpSessionId(std::string(TakeUntilSlash(rest)));
  const absl::StatusOr<RouteKey> route = ParseRoute(rest);
  if (parsed.session.empty() || !route.ok()) return BadKey(key);
  parsed.route = *route;
  return parsed;
}

v1::RouteRecord RouteToRecord(const KeptRoute& kept, const std::optional<IpAddress>& next_hop) {
  v1::RouteRecord record;
  record.set_demoted(kept.demoted);
  v1::Route& route = *record.mutable_route();
  for (const AsPathSegment& segment : kept.route.as_path) {
    v1::AsPathSegment& out = *route.add_as_path();
    out.set_kind(static_cast<v1::AsPathSegment::Kind>(segment.kind));
    out.mutable_asns()->Add(segment.asns.begin(), segment.asns.end());
  }
  if (next_hop.has_value()) route.set_next_hop(next_hop->ToBytes());
  if (kept.route.med.has_value()) route.set_med(*kept.route.med);
  route.mutable_communities()->Add(kept.route.communities.begin(), kept.route.communities.end());
  route.set_origin(static_cast<uint32_t>(kept.route.origin));
  return record;
}

absl::StatusOr<RestoredRoute> RouteFromRecord(const RouteKey& key, const v1::RouteRecord& record) {
  RestoredRoute restored;
  restored.demoted = record.demoted();
  RawRoute& route = restored.announced.route;
  route.key = key;
  route.as_path.reserve(static_cast<size_t>(record.route().as_path_size()));
  for (const v1::AsPathSegment& segment : record.route().as_path()) {
    route.as_path.push_back(
        {.kind = static_cast<AsPathSegment::Kind>(segment.kind()), .asns = {segment.asns().begin(), segment.asns().end()}});
  }
  if (!record.route().next_hop().empty()) {
    ASSIGN_OR_RETURN(const IpAddress hop, IpAddress::FromBytes(record.route().next_hop(), "next_hop"));
    restored.announced.next_hop = hop;
  }
  if (record.route().has_med()) route.med = record.route().med();
  route.communities.assign(record.route().communities().begin(), record.route().communities().end());
  route.origin = static_cast<RouteOrigin>(record.route().origin());
  return restored;
}

v1::SessionRecord SessionToRecord(const KeptSession& session, const CheckpointClock& clock) {
  v1::SessionRecord record;
  record.set_session(session.session.value());
  record.set_started(session.started);
  record.set_established(session.established);
  record.set_in_grace(session.in_grace);
  if (IsFinite(session.lost_at)) record.set_lost_time_us(clock.Save(session.lost_at));
  record.set_detail(session.detail);
  record.set_refused_routes(session.refused);
  record.set_whole(session.whole);
  record.set_whole_incarnation(session.whole_at.incarnation);
  record.set_whole_sequence(session.whole_at.sequence);
  if (IsFinite(session.awaited_since)) record.set_awaited_time_us(clock.Save(session.awaited_since));
  record.set_resyncing(session.resyncing);
  return record;
}

absl::StatusOr<KeptSession> SessionFromRecord(const v1::SessionRecord& record, const CheckpointClock& clock) {
  RETURN_IF_ERROR(ValidateId(record.session(), "session"));
  KeptSession session;
  session.session = BgpSessionId(record.session());
  session.started = record.started();
  session.established = record.established();
  session.in_grace = record.in_grace();
  if (record.has_lost_time_us()) session.lost_at = clock.Load(record.lost_time_us());
  session.detail = record.detail();
  session.refused = record.refused_routes();
  session.whole = record.whole();
  session.whole_at = {.incarnation = record.whole_incarnation(), .sequence = record.whole_sequence()};
  if (record.has_awaited_time_us()) session.awaited_since = clock.Load(record.awaited_time_us());
  session.resyncing = record.resyncing();
  return session;
}

v1::HealthRecord HealthToRecord(const HealthMemory& memory, const CheckpointClock& clock) {
  v1::HealthRecord record;
  for (const HealthMemory::Check& check : memory.tripped) {
    v1::HealthRecord::Check& out = *record.add_tripped();
    out.set_check(check.check);
    out.set_weight(check.weight);
    out.set_reason(check.reason);
  }
  record.set_heard_time_us(clock.Save(memory.last_heard));
  record.set_reported(memory.reported);
  record.mutable_error_counts()->Add(memory.error_counts.begin(), memory.error_counts.end());
  if (IsFinite(memory.last_error)) record.set_error_time_us(clock.Save(memory.last_error));
  record.set_state(static_cast<common::v1::HealthState>(memory.state));
  record.set_held_reason(memory.held_reason);
  if (IsFinite(memory.better_since)) record.set_better_time_us(clock.Save(memory.better_since));
  if (IsFinite(memory.started_slowly)) record.set_slow_start_time_us(clock.Save(memory.started_slowly));
  record.set_penalty(memory.penalty);
  if (IsFinite(memory.penalty_at)) record.set_penalty_time_us(clock.Save(memory.penalty_at));
  record.set_held_down(memory.held_down);
  return record;
}

HealthMemory HealthFromRecord(const v1::HealthRecord& record, const CheckpointClock& clock) {
  HealthMemory memory;
  for (const v1::HealthRecord::Check& check : record.tripped()) {
    memory.tripped.push_back({.check = check.check(), .weight = check.weight(), .reason = check.reason()});
  }
  memory.last_heard = clock.Load(record.heard_time_us());
  memory.reported = record.reported();
  memory.error_counts.assign(record.error_counts().begin(), record.error_counts().end());
  if (record.has_error_time_us()) memory.last_error = clock.Load(record.error_time_us());
  memory.state = static_cast<HealthState>(record.state());
  memory.held_reason = record.held_reason();
  if (record.has_better_time_us()) memory.better_since = clock.Load(record.better_time_us());
  if (record.has_slow_start_time_us()) memory.started_slowly = clock.Load(record.slow_start_time_us());
  memory.penalty = record.penalty();
  if (record.has_penalty_time_us()) memory.penalty_at = clock.Load(record.penalty_time_us());
  memory.held_down = record.held_down();
  return memory;
}

}  // namespace fairlead::ingest
