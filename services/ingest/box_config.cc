#include "services/ingest/box_config.h"

#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "libs/base/status_macros.h"
#include "libs/log/log.h"
#include "libs/net/prefix.h"

namespace fairlead::ingest {
namespace {

namespace rv = registry::v1;

constexpr uint32_t kDefaultMaxPrefixes = 100'000;
constexpr absl::string_view kGenerations = "generations/";
constexpr absl::string_view kHealthPolicy = "policies/health";

LengthBounds Bounds(int least, int most, LengthBounds fallback) {
  return {least > 0 ? least : fallback.least, most > 0 ? most : fallback.most};
}

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

SessionRole RoleOf(rv::BgpSession::Role role) {
  switch (role) {
    case rv::BgpSession::ROLE_VIA_ROUTER:
      return SessionRole::kViaRouter;
    case rv::BgpSession::ROLE_ROUTER_FEED:
      return SessionRole::kRouterFeed;
    default:
      return SessionRole::kDirect;
  }
}

std::string IdIn(absl::string_view name) {
  const size_t slash = name.find('/');
  return std::string(slash == absl::string_view::npos ? name : name.substr(slash + 1));
}

void Skip(absl::string_view key, const absl::Status& why) {
  LogWarning("config entry skipped", {{"key", key.substr(0, 200)}, {"why", why}});
}

}  // namespace

std::vector<ApplianceId> ConfigTable::Apply(const FeedChange<rv::ConfigEntry>& change) {
  absl::btree_set<ApplianceId> touched;
  if (change.snapshot) Clear(touched);
  for (const rv::ConfigEntry& entry : change.entries) ApplyEntry(entry, touched);
  received_ = true;
  std::vector<ApplianceId> changed;
  for (const ApplianceId& id : touched) {
    if (!appliances_.contains(id)) {
      if (built_.erase(id) > 0) changed.push_back(id);
      continue;
    }
    Built& built = built_[id];
    Built next;
    auto config = std::make_shared<BoxConfig>(*Build(id));
    config->sessions = BuildSessions(appliances_[id], next.sessions_fingerprint);
    if (built.config != nullptr && built.sessions_fingerprint == next.sessions_fingerprint) config->sessions = built.config->sessions;
    next.config = std::move(config);
    built = std::move(next);
    changed.push_back(id);
  }
  return changed;
}

void ConfigTable::Clear(absl::btree_set<ApplianceId>& touched) {
  for (const auto& [id, built] : built_) touched.insert(id);
  appliances_.clear();
  generations_.clear();
  partners_.clear();
  sessions_.clear();
  sessions_of_.clear();
  policy_ = {};
}

void ConfigTable::ApplyEntry(const rv::ConfigEntry& entry, absl::btree_set<ApplianceId>& touched) {
  const bool removed = IsRemoval(entry);
  const std::string& key = entry.key();
  if (absl::StartsWith(key, kGenerations)) {
    const ApplianceId id(IdIn(key));
    if (removed) {
      generations_.erase(id);
    } else {
      generations_[id] = entry.generation().generation();
    }
    touched.insert(id);
  } else if (absl::StartsWith(key, "appliances/")) {
    const ApplianceId id(IdIn(key));
    if (removed) {
      appliances_.erase(id);
    } else {
      appliances_[id] = entry.appliance();
    }
    touched.insert(id);
  } else if (absl::StartsWith(key, "partners/")) {
    SetPartner(key, removed ? nullptr : &entry.partner(), touched);
  } else if (absl::StartsWith(key, "bgpSessions/")) {
    SetSession(key, removed ? nullptr : &entry.bgp_session(), touched);
  } else if (key == kHealthPolicy) {
    SetPolicy(removed ? nullptr : &entry.policy());
  }
}

void ConfigTable::SetPartner(const std::string& name, const rv::Partner* partner, absl::btree_set<ApplianceId>& touched) {
  partners_.erase(name);
  if (partner != nullptr) {
    PartnerRules& rules = partners_[name];
    rules.asns.assign(partner->asns().begin(), partner->asns().end());
    auto allowed = std::make_shared<PrefixSet>();
    for (const std::string& text : partner->allowed_prefixes()) {
      const absl::StatusOr<Prefix> prefix = Prefix::Parse(text, "partner.allowed_prefixes");
      if (!prefix.ok()) {
        Skip(name, prefix.status());
        continue;
      }
      allowed->Insert(*prefix, {});
      rules.fingerprint = absl::HashOf(rules.fingerprint, *prefix);
    }
    if (!allowed->empty()) rules.allowed = std::move(allowed);
    rules.fingerprint = absl::HashOf(rules.fingerprint, rules.asns);
  }
  for (const auto& [session_name, session] : sessions_) {
    if (session.partner() == name) touched.insert(ApplianceId(IdIn(session.appliance())));
  }
}

void ConfigTable::SetSession(const std::string& name, const rv::BgpSession* session, absl::btree_set<ApplianceId>& touched) {
  const auto held = sessions_.find(name);
  if (held != sessions_.end()) {
    touched.insert(ApplianceId(IdIn(held->second.appliance())));
    sessions_of_[held->second.appliance()].erase(name);
    sessions_.erase(held);
  }
  if (session == nullptr) return;
  touched.insert(ApplianceId(IdIn(session->appliance())));
  sessions_of_[session->appliance()].insert(name);
  sessions_[name] = *session;
}

void ConfigTable::SetPolicy(const rv::Policy* policy) {
  policy_ = {};
  if (policy == nullptr || !policy->has_health()) return;
  const rv::HealthPolicy& health = policy->health();
  if (health.has_lost_after() && FromProto(health.lost_after()) > absl::ZeroDuration()) policy_.lost_after = FromProto(health.lost_after());
  if (health.has_session_grace() && FromProto(health.session_grace()) >= absl::ZeroDuration()) {
    policy_.session_grace = FromProto(health.session_grace());
  }
}

std::shared_ptr<const BoxConfig> ConfigTable::Find(const ApplianceId& id) const {
  const auto found = built_.find(id);
  return found == built_.end() ? nullptr : found->second.config;
}

std::shared_ptr<const BoxConfig> ConfigTable::Build(const ApplianceId& id) const {
  const rv::Appliance& appliance = appliances_.find(id)->second;
  auto config = std::make_shared<BoxConfig>();
  config->id = id;
  config->serves = appliance.kind() != common::v1::APPLIANCE_KIND_COLLECTOR;
  config->may_report = appliance.admin_state() != common::v1::ADMIN_STATE_RETIRED;
  config->credential_sha256 = appliance.credential_sha256();
  const auto generation = generations_.find(id);
  if (generation != generations_.end()) config->generation = generation->second;
  return config;
}

std::shared_ptr<const std::vector<SessionConfig>> ConfigTable::BuildSessions(const rv::Appliance& appliance, uint64_t& fingerprint) const {
  auto configs = std::make_shared<std::vector<SessionConfig>>();
  fingerprint = absl::HashOf(appliance.bgp().asn());
  const auto names = sessions_of_.find(appliance.name());
  if (names == sessions_of_.end()) return configs;
  for (const std::string& name : names->second) {
    const rv::BgpSession& session = sessions_.find(name)->second;
    const auto partner = partners_.find(session.partner());
    const uint64_t of_partner = partner == partners_.end() ? 0 : partner->second.fingerprint;
    fingerprint = absl::HashOf(fingerprint, session.SerializeAsString(), of_partner);
    SessionConfig config;
    if (BuildSession(session, appliance.bgp().asn(), config)) configs->push_back(std::move(config));
  }
  return configs;
}

bool ConfigTable::BuildSession(const rv::BgpSession& session, uint32_t local_asn, SessionConfig& config) const {
  config.id = BgpSessionId(IdIn(session.name()));
  config.role = RoleOf(session.role());
  config.router_feed = BgpSessionId(IdIn(session.router_feed()));
  const absl::StatusOr<IpAddress> peer = IpAddress::Parse(session.peer_address(), "bgp_session.peer_address");
  if (peer.ok()) {
    config.peer_address = *peer;
  } else if (config.role == SessionRole::kViaRouter) {
    Skip(session.name(), peer.status());
    return false;
  }
  SessionRecord& record = config.record;
  record.id = config.id;
  record.partner = PartnerId(IdIn(session.partner()));
  record.transport = static_cast<TransportClass>(session.transport_class());
  if (session.families_size() == 1) record.family = static_cast<AddressFamily>(session.families(0));
  record.v4 = Bounds(session.min_length_v4(), session.max_length_v4(), record.v4);
  record.v6 = Bounds(session.min_length_v6(), session.max_length_v6(), record.v6);
  record.max_prefix = session.max_prefixes() > 0 ? static_cast<uint32_t>(session.max_prefixes()) : kDefaultMaxPrefixes;
  record.local_asn = local_asn;
  if (!session.link().empty()) record.link = LinkId(IdIn(session.link()));
  const auto partner = partners_.find(session.partner());
  if (partner == partners_.end()) return true;  // No allow-list: admits nothing.
  record.allowed = partner->second.allowed;
  // A neighbour that isn't the partner itself is a route server or a transit: then any first AS may stand in the path.
  const std::vector<uint32_t>& asns = partner->second.asns;
  if (record.transport != TransportClass::kTransit && std::find(asns.begin(), asns.end(), session.peer_asn()) != asns.end()) {
    record.partner_asns = asns;
  }
  return true;
}

}  // namespace fairlead::ingest
