#include "services/ingest/codec.h"

#include <cmath>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/net/ip_address.h"
#include "libs/net/prefix.h"

namespace fairlead::ingest {
namespace {

namespace iv = ingest::v1;
using Limits = ReportLimits;

// Shares are measured, so a hair above 1 is rounding.
constexpr double kMostShare = 1.01;

absl::Status CheckCount(int count, int most, absl::string_view field) {
  if (count <= most) return absl::OkStatus();
  return FieldError(absl::StatusCode::kResourceExhausted, field, absl::StrCat(count, " items"), absl::StrCat("at most ", most));
}

absl::Status CheckText(const std::string& text, absl::string_view field) {
  if (text.size() <= Limits::kMostText) return absl::OkStatus();
  return FieldError(absl::StatusCode::kResourceExhausted, field, text, absl::StrCat("at most ", Limits::kMostText, " bytes"));
}

absl::Status CheckNotNegative(int64_t value, absl::string_view field) {
  return value >= 0 ? absl::OkStatus() : InvalidField(field, absl::StrCat(value), "must not be negative");
}

absl::Status CheckShare(double value, absl::string_view field) {
  if (std::isfinite(value) && value >= 0 && value <= kMostShare) return absl::OkStatus();
  return InvalidField(field, absl::StrCat(value), "must be in [0, 1]");
}

absl::Status CheckFinite(double value, absl::string_view field) {
  return std::isfinite(value) ? absl::OkStatus() : InvalidField(field, absl::StrCat(value), "must be a number");
}

// Durations and times of protobuf are bounded by it: |seconds| < 10^12 keeps the arithmetic of absl exact.
absl::StatusOr<absl::Duration> DurationFromProto(const google::protobuf::Duration& duration, absl::string_view field) {
  constexpr int64_t kMostSeconds = 1'000'000'000'000;
  if (duration.seconds() < 0 || duration.seconds() > kMostSeconds || duration.nanos() < 0 || duration.nanos() > 999'999'999) {
    return InvalidField(field, absl::StrCat(duration.seconds(), "s ", duration.nanos(), "ns"), "must be a duration that isn't negative");
  }
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

absl::StatusOr<AddressFamily> FamilyFromProto(common::v1::AddressFamily family, absl::string_view field) {
  if (family != common::v1::ADDRESS_FAMILY_IPV4 && family != common::v1::ADDRESS_FAMILY_IPV6) {
    return InvalidField(field, absl::StrCat(static_cast<int>(family)), "must be IPV4 or IPV6");
  }
  return static_cast<AddressFamily>(family);
}

absl::StatusOr<TierFigures> TierFromProto(const iv::TierStatus& tier) {
  if (tier.tier() != common::v1::TIER_DISK && tier.tier() != common::v1::TIER_FLASH) {
    return InvalidField("tier", absl::StrCat(static_cast<int>(tier.tier())), "must be DISK or FLASH");
  }
  RETURN_IF_ERROR(CheckNotNegative(tier.capacity_bytes(), "capacity_bytes"));
  RETURN_IF_ERROR(CheckNotNegative(tier.used_bytes(), "used_bytes"));
  RETURN_IF_ERROR(CheckNotNegative(tier.free_bytes(), "free_bytes"));
  RETURN_IF_ERROR(CheckNotNegative(tier.error_count(), "error_count"));
  TierFigures figures;
  figures.tier = static_cast<Tier>(tier.tier());
  figures.capacity_bytes = tier.capacity_bytes();
  figures.error_count = tier.error_count();
  figures.failed = tier.failed();
  if (tier.has_utilisation()) {
    RETURN_IF_ERROR(CheckShare(tier.utilisation(), "utilisation"));
    figures.utilisation = tier.utilisation();
  }
  if (tier.has_read_latency()) {
    ASSIGN_OR_RETURN(const absl::Duration latency, DurationFromProto(tier.read_latency(), "read_latency"));
    figures.read_latency = latency;
  }
  return figures;
}

ServerState ServerFromProto(iv::NginxStatus::State state) {
  switch (state) {
    case iv::NginxStatus::STATE_RUNNING:
      return ServerState::kRunning;
    case iv::NginxStatus::STATE_STOPPED:
      return ServerState::kStopped;
    case iv::NginxStatus::STATE_CONFIG_REFUSED:
      return ServerState::kConfigRefused;
    case iv::NginxStatus::STATE_UNRESPONSIVE:
      return ServerState::kUnresponsive;
    case iv::NginxStatus::STATE_REFUSING:
      return ServerState::kRefusing;
    default:
      return ServerState::kUnknown;
  }
}

absl::Status CheckSessions(const iv::Heartbeat& heartbeat) {
  RETURN_IF_ERROR(CheckCount(heartbeat.bgp_sessions_size(), Limits::kMostSessions, "bgp_sessions"));
  for (int i = 0; i < heartbeat.bgp_sessions_size(); ++i) {
    const iv::BgpSessionStatus& session = heartbeat.bgp_sessions(i);
    const auto check = [&session]() -> absl::Status {
      RETURN_IF_ERROR(BgpSessionId::ParseName(session.session(), "session").status());
      RETURN_IF_ERROR(CheckText(session.state(), "state"));
      return CheckText(session.last_error(), "last_error");
    };
    const absl::Status checked = check();
    if (!checked.ok()) return WithFieldPrefix(checked, absl::StrCat("bgp_sessions[", i, "]."));
  }
  return absl::OkStatus();
}

absl::Status FillFigures(const iv::Heartbeat& heartbeat, bool serves, HealthFigures& figures) {
  RETURN_IF_ERROR(CheckShare(heartbeat.cpu().utilisation(), "cpu.utilisation"));
  RETURN_IF_ERROR(CheckFinite(heartbeat.cpu().load_average_1m(), "cpu.load_average_1m"));
  RETURN_IF_ERROR(CheckNotNegative(heartbeat.memory().total_bytes(), "memory.total_bytes"));
  RETURN_IF_ERROR(CheckNotNegative(heartbeat.memory().available_bytes(), "memory.available_bytes"));
  RETURN_IF_ERROR(CheckNotNegative(heartbeat.network().throughput_bps(), "network.throughput_bps"));
  RETURN_IF_ERROR(CheckNotNegative(heartbeat.network().capacity_bps(), "network.capacity_bps"));
  RETURN_IF_ERROR(CheckFinite(heartbeat.temperature_celsius(), "temperature_celsius"));
  RETURN_IF_ERROR(CheckFinite(heartbeat.power_watts(), "power_watts"));
  RETURN_IF_ERROR(CheckText(heartbeat.nginx().detail(), "nginx.detail"));
  RETURN_IF_ERROR(CheckText(heartbeat.fill().detail(), "fill.detail"));
  RETURN_IF_ERROR(CheckText(heartbeat.config_generation(), "config_generation"));
  RETURN_IF_ERROR(CheckText(heartbeat.manifest_generation(), "manifest_generation"));
  figures.cpu_utilisation = heartbeat.cpu().utilisation();
  figures.memory_total_bytes = heartbeat.memory().total_bytes();
  figures.memory_available_bytes = heartbeat.memory().available_bytes();
  if (heartbeat.has_temperature_celsius()) figures.temperature_celsius = heartbeat.temperature_celsius();
  if (!serves) return absl::OkStatus();
  figures.throughput_bps = heartbeat.network().throughput_bps();
  figures.capacity_bps = heartbeat.network().capacity_bps();
  figures.server = ServerFromProto(heartbeat.nginx().state());
  figures.server_detail = heartbeat.nginx().detail();
  return absl::OkStatus();
}

absl::StatusOr<IpAddress> AddressFromProto(const std::string& bytes, absl::string_view field) {
  const absl::StatusOr<IpAddress> address = IpAddress::FromBytes(bytes, field);
  if (!address.ok()) return InvalidField(field, absl::CHexEscape(bytes.substr(0, 20)), "must have 4 or 16 bytes");
  return *address;
}

absl::StatusOr<RouteKey> KeyFromProto(const common::v1::Prefix& prefix, uint32_t path_id) {
  ASSIGN_OR_RETURN(const IpAddress address, AddressFromProto(prefix.address(), "prefix.address"));
  const int length = prefix.length() > 128 ? 129 : static_cast<int>(prefix.length());
  const absl::StatusOr<Prefix> parsed = Prefix::Make(address, length, "prefix");
  if (!parsed.ok()) {
    return InvalidField("prefix", absl::StrCat(address.ToString(), "/", prefix.length()),
                        "its length must fit its family, and bits beyond be 0");
  }
  return RouteKey{*parsed, path_id};
}

absl::StatusOr<AsPath> PathFromProto(const iv::Route& route) {
  AsPath path;
  int asns = 0;
  for (const iv::AsPathSegment& segment : route.as_path()) {
    if (segment.kind() != iv::AsPathSegment::KIND_SET && segment.kind() != iv::AsPathSegment::KIND_SEQUENCE) {
      return InvalidField("as_path.kind", absl::StrCat(static_cast<int>(segment.kind())), "must be SET or SEQUENCE");
    }
    // An empty segment counts too, or a path of nothing but segments had no bound.
    asns += segment.asns_size() + 1;
    RETURN_IF_ERROR(CheckCount(asns, Limits::kMostAsns, "as_path"));
    AsPathSegment value;
    value.kind = static_cast<AsPathSegment::Kind>(segment.kind());
    value.asns.assign(segment.asns().begin(), segment.asns().end());
    path.push_back(std::move(value));
  }
  return path;
}

absl::StatusOr<AnnouncedRoute> RouteFromProto(const iv::Route& route) {
  AnnouncedRoute announced;
  ASSIGN_OR_RETURN(announced.route.key, KeyFromProto(route.prefix(), route.path_id()));
  ASSIGN_OR_RETURN(announced.route.as_path, PathFromProto(route));
  if (!route.next_hop().empty()) {
    ASSIGN_OR_RETURN(const IpAddress hop, AddressFromProto(route.next_hop(), "next_hop"));
    announced.next_hop = hop;
  }
  RETURN_IF_ERROR(CheckCount(route.communities_size(), Limits::kMostCommunities, "communities"));
  if (route.origin() > 2) return InvalidField("origin", absl::StrCat(route.origin()), "must be 0, 1 or 2");
  if (route.has_med()) announced.route.med = route.med();
  announced.route.communities.assign(route.communities().begin(), route.communities().end());
  announced.route.origin = static_cast<RouteOrigin>(route.origin());
  return announced;
}

absl::StatusOr<SessionEvent> EventFromProto(const iv::SessionChange& change) {
  switch (change.kind()) {
    case iv::SessionChange::KIND_UP:
      return SessionEvent::kUp;
    case iv::SessionChange::KIND_LOST:
      return SessionEvent::kLost;
    case iv::SessionChange::KIND_CLOSED:
      return SessionEvent::kClosed;
    default:
      return InvalidField("session_change.kind", absl::StrCat(static_cast<int>(change.kind())), "must be UP, LOST or CLOSED");
  }
}

absl::StatusOr<TrafficRow> TrafficRowFromProto(const iv::TrafficRow& row) {
  TrafficRow value;
  if (!row.title().empty()) {
    ASSIGN_OR_RETURN(const TitleId title, TitleId::ParseName(row.title(), "title"));
    value.key.title = title.value();
  }
  if (!row.version().empty()) RETURN_IF_ERROR(ValidateId(row.version(), "version"));
  value.key.version = row.version();
  if (row.rank() < 0 || row.rank() > 3) return InvalidField("rank", absl::StrCat(row.rank()), "must be in [0, 3]");
  value.key.rank = row.rank();
  if (row.position() < 0 || row.position() > 255) return InvalidField("position", absl::StrCat(row.position()), "must be in [0, 255]");
  value.key.position = row.position();
  if (row.cause() < 0 || row.cause() > common::v1::MissCause_MAX) {
    return InvalidField("cause", absl::StrCat(static_cast<int>(row.cause())), "unknown");
  }
  value.key.cause = static_cast<MissCause>(row.cause());
  if (row.family() < 0 || row.family() > common::v1::AddressFamily_MAX) {
    return InvalidField("family", absl::StrCat(static_cast<int>(row.family())), "unknown");
  }
  value.key.family = static_cast<AddressFamily>(row.family());
  value.key.fill = row.fill();
  RETURN_IF_ERROR(CheckNotNegative(row.requests(), "requests"));
  RETURN_IF_ERROR(CheckNotNegative(row.bytes(), "bytes"));
  RETURN_IF_ERROR(CheckNotNegative(row.refused_requests(), "refused_requests"));
  value.counts = {.requests = row.requests(), .bytes = row.bytes(), .refused_requests = row.refused_requests()};
  return value;
}

common::v1::Prefix PrefixToProto(const Prefix& prefix) {
  common::v1::Prefix proto;
  proto.set_address(prefix.address().ToBytes());
  proto.set_length(static_cast<uint32_t>(prefix.length()));
  return proto;
}

}  // namespace

absl::Status CheckHello(const iv::Hello& hello) {
  RETURN_IF_ERROR(ApplianceId::ParseName(hello.appliance(), "hello.appliance").status());
  RETURN_IF_ERROR(CheckText(hello.agent_version(), "hello.agent_version"));
  RETURN_IF_ERROR(CheckText(hello.config_generation(), "hello.config_generation"));
  return CheckText(hello.manifest_generation(), "hello.manifest_generation");
}

absl::StatusOr<HealthFigures> FiguresFromProto(const iv::Heartbeat& heartbeat, bool serves) {
  HealthFigures figures;
  absl::Status filled = FillFigures(heartbeat, serves, figures);
  if (filled.ok()) filled = CheckSessions(heartbeat);
  if (filled.ok()) filled = CheckCount(heartbeat.tiers_size(), Limits::kMostTiers, "tiers");
  if (!filled.ok()) return WithFieldPrefix(filled, "heartbeat.");
  for (int i = 0; i < heartbeat.tiers_size(); ++i) {
    absl::StatusOr<TierFigures> tier = TierFromProto(heartbeat.tiers(i));
    if (!tier.ok()) return WithFieldPrefix(tier.status(), absl::StrCat("heartbeat.tiers[", i, "]."));
    if (serves) figures.tiers.push_back(*std::move(tier));
  }
  return figures;
}

absl::StatusOr<RouteChange> RouteChangeFromProto(const iv::RouteUpdate& update) {
  RouteChange change;
  ASSIGN_OR_RETURN(change.session, BgpSessionId::ParseName(update.session(), "route_update.session"));
  RETURN_IF_ERROR(CheckCount(update.announced_size() + update.withdrawn_size(), Limits::kMostRoutes, "route_update.announced"));
  change.restart = update.restart();
  change.announced.reserve(static_cast<size_t>(update.announced_size()));
  for (int i = 0; i < update.announced_size(); ++i) {
    absl::StatusOr<AnnouncedRoute> route = RouteFromProto(update.announced(i));
    if (!route.ok()) return WithFieldPrefix(route.status(), absl::StrCat("route_update.announced[", i, "]."));
    change.announced.push_back(*std::move(route));
  }
  for (int i = 0; i < update.withdrawn_size(); ++i) {
    const absl::StatusOr<RouteKey> key = KeyFromProto(update.withdrawn(i).prefix(), update.withdrawn(i).path_id());
    if (!key.ok()) return WithFieldPrefix(key.status(), absl::StrCat("route_update.withdrawn[", i, "]."));
    change.withdrawn.push_back(*key);
  }
  RETURN_IF_ERROR(CheckCount(update.end_of_rib_size(), 2, "route_update.end_of_rib"));
  for (const int family : update.end_of_rib()) {
    ASSIGN_OR_RETURN(const AddressFamily value, FamilyFromProto(static_cast<common::v1::AddressFamily>(family), "route_update.end_of_rib"));
    change.end_of_rib.push_back(value);
  }
  if (update.has_session_change()) {
    absl::StatusOr<SessionEvent> event = EventFromProto(update.session_change());
    if (!event.ok()) return WithFieldPrefix(event.status(), "route_update.");
    change.event = *event;
    change.reason = update.session_change().reason().substr(0, Limits::kMostText);
  }
  return change;
}

absl::StatusOr<TrafficReport> TrafficFromProto(const iv::TrafficSummary& summary) {
  TrafficReport report;
  RETURN_IF_ERROR(CheckCount(summary.rows_size(), Limits::kMostTrafficRows, "traffic_summary.rows"));
  const google::protobuf::Timestamp& start = summary.start_time();
  // The years that protobuf and PostgreSQL both know.
  if (start.seconds() < 0 || start.seconds() > 253'402'300'799 || start.nanos() < 0 || start.nanos() > 999'999'999) {
    return InvalidField("traffic_summary.start_time", absl::StrCat(start.seconds(), "s"), "must be a time from 1970 to 9999");
  }
  report.start = absl::FromUnixSeconds(start.seconds()) + absl::Nanoseconds(start.nanos());
  ASSIGN_OR_RETURN(const absl::Duration length, DurationFromProto(summary.length(), "traffic_summary.length"));
  static_cast<void>(length);  // Only checked: a summary counts for the hour in which it begins.
  report.rows.reserve(static_cast<size_t>(summary.rows_size()));
  for (int i = 0; i < summary.rows_size(); ++i) {
    absl::StatusOr<TrafficRow> row = TrafficRowFromProto(summary.rows(i));
    if (!row.ok()) return WithFieldPrefix(row.status(), absl::StrCat("traffic_summary.rows[", i, "]."));
    report.rows.push_back(*std::move(row));
  }
  return report;
}

absl::Status CheckFillProgress(const iv::FillProgress& progress) {
  RETURN_IF_ERROR(CheckText(progress.manifest_generation(), "fill_progress.manifest_generation"));
  RETURN_IF_ERROR(CheckCount(progress.files_size(), Limits::kMostFills, "fill_progress.files"));
  for (int i = 0; i < progress.files_size(); ++i) {
    const iv::FileFill& file = progress.files(i);
    absl::Status checked = CheckText(file.detail(), "detail");
    if (checked.ok()) checked = CheckText(file.source(), "source");
    if (checked.ok()) checked = CheckText(file.source_class(), "source_class");
    if (checked.ok()) checked = CheckNotNegative(file.bytes_done(), "bytes_done");
    if (!checked.ok()) return WithFieldPrefix(checked, absl::StrCat("fill_progress.files[", i, "]."));
  }
  return absl::OkStatus();
}

std::string StateKey(const ApplianceId& appliance) {
  return absl::StrCat("state/", appliance.value());
}
std::string HoldingsKey(const ApplianceId& appliance) {
  return absl::StrCat("holdings/", appliance.value());
}
std::string RouteEntryKey(const BgpSessionId& session, const RouteKey& key) {
  return absl::StrCat("route/", session.value(), "/", key.prefix.ToString(), "/", key.path_id);
}
std::string SessionKey(const BgpSessionId& session) {
  return absl::StrCat("session/", session.value());
}

iv::AdmittedRoute RouteToProto(const ApplianceId& appliance, const BgpSessionId& session, const KeptRoute& kept) {
  iv::AdmittedRoute proto;
  proto.set_session(session.name());
  proto.set_appliance(appliance.name());
  *proto.mutable_prefix() = PrefixToProto(kept.route.key.prefix);
  proto.set_path_id(kept.route.key.path_id);
  proto.set_as_path_length(static_cast<uint32_t>(PathLength(kept.route.as_path)));
  proto.set_neighbour_as(FirstAs(kept.route.as_path).value_or(0));
  proto.set_origin_as(OriginAs(kept.route.as_path).value_or(0));
  if (kept.route.med.has_value()) proto.set_med(*kept.route.med);
  proto.set_demoted(kept.demoted);
  proto.mutable_communities()->Add(kept.route.communities.begin(), kept.route.communities.end());
  for (const AsPathSegment& segment : kept.route.as_path) proto.mutable_as_path()->Add(segment.asns.begin(), segment.asns.end());
  return proto;
}

iv::ReportedRoute ReportedRouteToProto(const ApplianceId& appliance, const BookRoute& route) {
  iv::ReportedRoute proto;
  *proto.mutable_route() = RouteToProto(appliance, route.session, *route.kept);
  proto.set_admitted(route.admitted());
  if (route.admitted()) return proto;
  proto.set_drop_reason(std::string(route.reason()));
  proto.set_drop_detail(route.unknown_next_hop ? absl::StrCat("no VIA_ROUTER session of this feed has the peer address ", route.next_hop)
                                               : route.kept->admission.sentence);
  return proto;
}

iv::SessionState SessionToProto(const ApplianceId& appliance, const SessionSummary& summary) {
  iv::SessionState proto;
  proto.set_session(summary.session.name());
  proto.set_appliance(appliance.name());
  proto.set_established(summary.established);
  proto.set_in_grace(summary.in_grace);
  proto.set_detail(summary.detail);
  proto.set_admitted_routes(summary.admitted);
  proto.set_incarnation(summary.whole_at.incarnation);
  proto.set_sequence(summary.whole_at.sequence);
  DropsToProto(summary.dropped, proto.mutable_dropped_routes());
  return proto;
}

void DropsToProto(const DropCounts& drops, google::protobuf::RepeatedPtrField<iv::DropCount>* out) {
  for (const auto& [reason, count] : drops) {
    iv::DropCount* drop = out->Add();
    drop->set_reason(reason);
    drop->set_count(count);
  }
}

google::protobuf::Duration DurationToProto(absl::Duration duration) {
  google::protobuf::Duration proto;
  absl::Duration rest;
  proto.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &rest));
  proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
  return proto;
}

}  // namespace fairlead::ingest
