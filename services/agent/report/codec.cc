#include "services/agent/report/codec.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/ids.h"
#include "libs/base/status_macros.h"

namespace fairlead::agent {
namespace {

constexpr size_t kMaxUpdateBytes = 512 * 1024;
constexpr size_t kMaxDetail = 300;
constexpr size_t kMaxText = 900;
// A neighbour chooses how long these are; beyond what any route of use has, they are cut so that the report is not refused for them.
constexpr int kMaxPathItems = 500;  // ASNs and segments.
// Appended to a cut path, which might pass for a short one otherwise: more hops than any session admits, of an AS that nobody has.
constexpr int kCutMarkHops = 300;
constexpr uint32_t kCutMarkAs = 23456;  // AS_TRANS, RFC 6793.
constexpr int kMaxCommunities = 512;
constexpr int64_t kStorageFillBps = 1'200'000'000;
constexpr int64_t kFlashFillBps = 300'000'000;
constexpr absl::Duration kHeartbeat = absl::Seconds(2);

// Text that others wrote (NGINX, BIRD, through it a neighbour): at most `most` bytes, and ASCII, since a field with broken UTF-8 would have
// the whole message refused.
std::string Clean(absl::string_view text, size_t most) {
  std::string out(text.substr(0, most));
  for (char& c : out) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) c = c == '\n' || c == '\t' ? ' ' : '?';
  }
  return out;
}

void FillPrefix(const Prefix& prefix, common::v1::Prefix& out) {
  out.set_address(prefix.address().ToBytes());
  out.set_length(prefix.length());
}

void FillAsPath(const AsPath& path, ingest::v1::Route& out) {
  int items = 0;
  for (const AsPathSegment& segment : path) {
    // Confederation segments are internal to the neighbour and count for nothing.
    if (segment.kind != AsPathSegment::Kind::kSet && segment.kind != AsPathSegment::Kind::kSequence) continue;
    items += static_cast<int>(segment.asns.size()) + 1;
    ingest::v1::AsPathSegment& to = *out.add_as_path();
    if (items > kMaxPathItems) {
      to.set_kind(ingest::v1::AsPathSegment::KIND_SEQUENCE);
      to.mutable_asns()->Resize(kCutMarkHops, kCutMarkAs);
      return;
    }
    to.set_kind(segment.kind == AsPathSegment::Kind::kSet ? ingest::v1::AsPathSegment::KIND_SET : ingest::v1::AsPathSegment::KIND_SEQUENCE);
    to.mutable_asns()->Add(segment.asns.begin(), segment.asns.end());
  }
}

void FillRoute(const ReportedRoute& route, ingest::v1::Route& out) {
  const bgp::PathAttributes& attributes = *route.attributes;
  FillPrefix(route.key.prefix, *out.mutable_prefix());
  out.set_path_id(route.key.path_id);
  FillAsPath(attributes.as_path, out);
  out.set_next_hop(attributes.next_hop);
  if (attributes.med) out.set_med(*attributes.med);
  if (attributes.local_pref) out.set_local_pref(*attributes.local_pref);
  const bool shutting_down =
      std::find(attributes.communities.begin(), attributes.communities.end(), kGracefulShutdown) != attributes.communities.end();
  if (shutting_down) out.add_communities(kGracefulShutdown);
  for (const uint32_t community : attributes.communities) {
    if (out.communities_size() == kMaxCommunities) break;
    if (community != kGracefulShutdown) out.add_communities(community);
  }
  out.set_origin(static_cast<uint32_t>(attributes.origin));
}

ingest::v1::SessionChange ToProto(const SessionChange& change) {
  ingest::v1::SessionChange out;
  switch (change.kind) {
    case SessionChange::Kind::kUp:
      out.set_kind(ingest::v1::SessionChange::KIND_UP);
      break;
    case SessionChange::Kind::kLost:
      out.set_kind(ingest::v1::SessionChange::KIND_LOST);
      break;
    case SessionChange::Kind::kClosed:
      out.set_kind(ingest::v1::SessionChange::KIND_CLOSED);
      break;
  }
  out.set_reason(Clean(change.reason, kMaxDetail));
  return out;
}

absl::StatusOr<BirdSession> ToBirdSession(const registry::v1::BgpSession& session) {
  BirdSession out;
  ASSIGN_OR_RETURN(out.id, BgpSessionId::ParseName(session.name(), "name"));
  ASSIGN_OR_RETURN(out.peer_address, IpAddress::Parse(session.peer_address(), "peer_address"));
  out.router_feed = session.role() == registry::v1::BgpSession::ROLE_ROUTER_FEED;
  out.peer_port = session.peer_port() == 0 ? 179 : session.peer_port();
  out.peer_asn = session.peer_asn();
  for (const int family : session.families()) {
    out.ipv4 |= family == common::v1::ADDRESS_FAMILY_IPV4;
    out.ipv6 |= family == common::v1::ADDRESS_FAMILY_IPV6;
  }
  return out;
}

StoredFile ToStored(const std::string& path, int64_t size, const std::string& sha256) {
  return {path, size, sha256, 0};
}

}  // namespace

std::vector<ingest::v1::RouteUpdate> ToProto(const SessionReport& report) {
  std::vector<ingest::v1::RouteUpdate> updates(1);
  size_t bytes = 0;
  // Every route is small; communities without end are what makes a message large.
  const auto room_for = [&](size_t size) -> ingest::v1::RouteUpdate& {
    bytes += size;
    if (bytes > kMaxUpdateBytes) {
      updates.emplace_back();
      bytes = size;
    }
    return updates.back();
  };
  for (const ReportedRoute& route : report.announced) {
    ingest::v1::Route out;
    FillRoute(route, out);
    *room_for(out.ByteSizeLong() + 8).add_announced() = std::move(out);
  }
  for (const RouteKey& key : report.withdrawn) {
    ingest::v1::WithdrawnRoute out;
    FillPrefix(key.prefix, *out.mutable_prefix());
    out.set_path_id(key.path_id);
    *room_for(out.ByteSizeLong() + 8).add_withdrawn() = std::move(out);
  }
  for (ingest::v1::RouteUpdate& update : updates) update.set_session(report.session.name());
  updates.front().set_restart(report.restart);
  if (report.change) *updates.front().mutable_session_change() = ToProto(*report.change);
  for (const AddressFamily family : report.end_of_rib) updates.back().add_end_of_rib(static_cast<common::v1::AddressFamily>(family));
  return updates;
}

ingest::v1::TrafficSummary ToProto(const std::map<TrafficKey, TrafficSums>& rows, absl::Time start, absl::Duration length) {
  ingest::v1::TrafficSummary summary;
  summary.mutable_start_time()->set_seconds(absl::ToUnixSeconds(start));
  summary.mutable_length()->set_seconds(absl::ToInt64Seconds(length));
  for (const auto& [key, sums] : rows) {
    ingest::v1::TrafficRow& row = *summary.add_rows();
    if (!key.title.empty()) row.set_title(TitleId(key.title).name());
    row.set_version(key.version);
    row.set_rank(key.rank);
    row.set_position(key.position);
    row.set_cause(static_cast<common::v1::MissCause>(key.cause));
    row.set_family(static_cast<common::v1::AddressFamily>(key.family));
    row.set_fill(key.fill);
    row.set_requests(sums.requests);
    row.set_bytes(sums.bytes);
    row.set_refused_requests(sums.refused);
  }
  return summary;
}

ingest::v1::FillProgress ToProto(const std::vector<FileProgress>& files, const std::string& manifest_generation) {
  ingest::v1::FillProgress progress;
  progress.set_manifest_generation(manifest_generation);
  for (const FileProgress& file : files) {
    ingest::v1::FileFill& out = *progress.add_files();
    out.set_file_number(file.number);
    switch (file.state) {
      case FileProgress::State::kRunning:
        out.set_state(ingest::v1::FileFill::STATE_RUNNING);
        break;
      case FileProgress::State::kDone:
        out.set_state(ingest::v1::FileFill::STATE_DONE);
        break;
      case FileProgress::State::kFailed:
        out.set_state(ingest::v1::FileFill::STATE_FAILED);
        break;
    }
    out.set_bytes_done(file.bytes_done);
    out.set_source(file.source);
    out.set_source_class(file.source_class);
    out.set_detail(Clean(file.detail, kMaxDetail));
  }
  return progress;
}

ingest::v1::NginxStatus ToProto(const NginxReport& report) {
  ingest::v1::NginxStatus status;
  switch (report.state) {
    case NginxReport::State::kRunning:
      status.set_state(ingest::v1::NginxStatus::STATE_RUNNING);
      break;
    case NginxReport::State::kStopped:
      status.set_state(ingest::v1::NginxStatus::STATE_STOPPED);
      break;
    case NginxReport::State::kConfigRefused:
      status.set_state(ingest::v1::NginxStatus::STATE_CONFIG_REFUSED);
      break;
    case NginxReport::State::kUnresponsive:
      status.set_state(ingest::v1::NginxStatus::STATE_UNRESPONSIVE);
      break;
    case NginxReport::State::kRefusing:
      status.set_state(ingest::v1::NginxStatus::STATE_REFUSING);
      break;
  }
  status.set_active_connections(report.counters.active_connections);
  status.set_accepted_total(report.counters.accepted);
  status.set_handled_total(report.counters.handled);
  status.set_requests_total(report.counters.requests);
  status.set_detail(Clean(report.detail, kMaxText));
  return status;
}

ingest::v1::FillStatus ToProto(const FillerStatus& fill, int64_t rate_bps) {
  ingest::v1::FillStatus status;
  status.set_active(fill.active);
  status.set_rate_bps(rate_bps);
  status.set_files_wanted(fill.files_wanted);
  status.set_files_held(fill.files_held);
  status.set_bytes_missing(fill.bytes_missing);
  status.set_detail(Clean(fill.detail, kMaxText));
  status.set_disk_full(fill.disk_full);
  return status;
}

ingest::v1::BgpSessionStatus ToProto(const RoutingStatus::Session& session) {
  ingest::v1::BgpSessionStatus status;
  status.set_session(session.id.name());
  status.set_state(session.protocol.name.empty() ? "Down" : session.protocol.state);
  status.set_established(session.protocol.established());
  status.set_last_error(Clean(session.protocol.last_error, kMaxText));
  status.set_routes_v4(session.protocol.imported_v4);
  status.set_routes_v6(session.protocol.imported_v6);
  return status;
}

absl::StatusOr<BirdConfigInput> BirdConfigOf(const registry::v1::ApplianceConfig& config) {
  BirdConfigInput input;
  const registry::v1::BgpSpeaker& speaker = config.appliance().bgp();
  ASSIGN_OR_RETURN(input.address, IpAddress::Parse(speaker.address(), "appliance.bgp.address"));
  input.port = speaker.port() == 0 ? 179 : speaker.port();
  input.asn = speaker.asn();
  for (const registry::v1::BgpSession& session : config.bgp_sessions()) {
    if (session.role() == registry::v1::BgpSession::ROLE_VIA_ROUTER) continue;
    auto converted = ToBirdSession(session);
    if (!converted.ok()) return WithFieldPrefix(converted.status(), absl::StrCat("bgp_sessions['", session.name(), "']."));
    input.sessions.push_back(*std::move(converted));
  }
  return input;
}

NginxConfigInput NginxConfigOf(const registry::v1::ApplianceConfig& config) {
  NginxConfigInput input;
  for (const registry::v1::Endpoint& endpoint : config.appliance().endpoints()) {
    input.listens.push_back({static_cast<AddressFamily>(endpoint.family()), endpoint.scheme(), endpoint.host(), endpoint.port()});
  }
  for (const registry::v1::SigningKey& key : config.signing_keys()) {
    if (key.state() == registry::v1::SigningKey::STATE_REVOKED) continue;
    const auto id = SigningKeyId::ParseName(key.name(), "signing_keys.name");
    // An id that isn't one is refused by the renderer, which names it.
    input.keys.push_back({id.ok() ? id->value() : key.name(), key.public_key_pem()});
  }
  input.mode = ServingModeOf(config.appliance());
  return input;
}

ServingMode ServingModeOf(const registry::v1::Appliance& appliance) {
  switch (appliance.admin_state()) {
    // Also by an operator's hand: DRAINED means that the box may be switched off, DISABLED that nobody is to get anything from it.
    case common::v1::ADMIN_STATE_DRAINED:
    case common::v1::ADMIN_STATE_DISABLED:
    case common::v1::ADMIN_STATE_RETIRED:
      return ServingMode::kRefusing;
    default:
      break;
  }
  switch (appliance.drain().phase()) {
    case registry::v1::Drain::PHASE_EVACUATING:
      return ServingMode::kEvacuating;
    case registry::v1::Drain::PHASE_LAME_DUCK:
    case registry::v1::Drain::PHASE_DRAINED:
      return ServingMode::kRefusing;
    default:
      return ServingMode::kOpen;
  }
}

std::vector<HeldFile> WantedOf(const fill::v1::Manifest& manifest) {
  std::vector<HeldFile> wanted;
  for (const fill::v1::ManifestEntry& entry : manifest.entries()) {
    HeldFile& file = wanted.emplace_back();
    file.number = entry.file().file_number();
    file.tier = entry.tier() == common::v1::TIER_FLASH ? Tier::kFlash : Tier::kDisk;
    file.media = ToStored(entry.file().path(), entry.file().size_bytes(), entry.file().sha256());
    if (entry.file().has_playlist()) {
      file.playlist = ToStored(entry.file().playlist().path(), entry.file().playlist().size_bytes(), entry.file().playlist().sha256());
    }
  }
  return wanted;
}

std::map<Tier, int64_t> CapacitiesOf(const registry::v1::Appliance& appliance) {
  std::map<Tier, int64_t> capacities;
  for (const registry::v1::TierCapacity& tier : appliance.tiers()) capacities[static_cast<Tier>(tier.tier())] += tier.capacity_bytes();
  return capacities;
}

int64_t FillRateOf(const registry::v1::Appliance& appliance) {
  if (appliance.fill_rate_bps() > 0) return appliance.fill_rate_bps();
  return appliance.kind() == common::v1::APPLIANCE_KIND_FLASH ? kFlashFillBps : kStorageFillBps;
}

absl::Duration HeartbeatIntervalOf(const registry::v1::ApplianceConfig& config) {
  const auto& interval = config.health_policy().heartbeat_interval();
  const absl::Duration wanted = absl::Seconds(interval.seconds()) + absl::Nanoseconds(interval.nanos());
  return wanted <= absl::ZeroDuration() ? kHeartbeat : std::clamp(wanted, absl::Milliseconds(100), absl::Minutes(1));
}

}  // namespace fairlead::agent
