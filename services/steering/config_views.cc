#include "services/steering/config_views.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/net/prefix.h"
#include "libs/steering/spread.h"

namespace fairlead {
namespace {

namespace rv1 = registry::v1;
using AllowList = PrefixTable<std::monostate>;

constexpr uint32_t kDefaultFullPermille = 950;  // Of steering.full_at.

// Enum numbers of the protos equal ours (libs/base/vocabulary.h); one that is newer than this program reads as unspecified.
template <typename Ours>
Ours EnumOr(int number, Ours last) {
  return number > 0 && number <= static_cast<int>(last) ? static_cast<Ours>(number) : Ours::kUnspecified;
}

// "EVACUATING"
absl::string_view PhaseWord(rv1::Drain::Phase phase) {
  absl::string_view word = rv1::Drain::Phase_Name(phase);
  absl::ConsumePrefix(&word, "PHASE_");
  return word;
}

DrainStage StageOf(rv1::Drain::Phase phase) {
  switch (phase) {
    case rv1::Drain::PHASE_DRAINING:
      return DrainStage::kNoNewSessions;
    case rv1::Drain::PHASE_EVACUATING:
      return DrainStage::kMovingPlayers;
    case rv1::Drain::PHASE_LAME_DUCK:
    case rv1::Drain::PHASE_DRAINED:
      return DrainStage::kRefusing;
    default:
      return DrainStage::kNone;
  }
}

uint64_t NotNegative(int64_t number) {
  return static_cast<uint64_t>(std::max<int64_t>(0, number));
}

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

uint64_t HashOf(const AllowList& list) {
  uint64_t hash = list.size();
  list.ForEach([&](const Prefix& prefix, const std::monostate&) {
    hash = Mix(hash, Mix(prefix.address().high(), Mix(prefix.address().low(), static_cast<uint64_t>(prefix.length()))));
  });
  return Mix(hash);
}

// ConfigViews::ladder_rules.
uint64_t RulesOf(const ConfigViews& views) {
  uint64_t rules = 0;
  const auto add = [&rules](uint64_t value) { rules = Mix(rules, value); };
  const auto add_steps = [&](const std::vector<ProximityStep>& steps) {
    add(steps.size());
    for (const ProximityStep step : steps) add(static_cast<uint64_t>(step));
  };
  const SteeringPolicy& policy = views.policy;
  add_steps(policy.steps);
  for (const ClassSteps& rule : policy.class_steps) {
    add(static_cast<uint64_t>(rule.transport));
    add(rule.partner.has_value() ? HashBytes(rule.partner->value()) : 0);
    add_steps(rule.steps);
  }
  add(static_cast<uint64_t>(policy.more_specific_scope) << 32 | static_cast<uint64_t>(policy.med_scope));
  add(static_cast<uint64_t>(policy.distance_step_km));
  absl::flat_hash_map<const AllowList*, uint64_t> lists;  // Shared by the sessions of a partner.
  for (const SessionView& session : views.sessions) {
    add(HashBytes(session.id.value()));
    add(HashBytes(session.partner.value()));
    add(static_cast<uint64_t>(session.transport));
    add(HashBytes(session.site.value()));
    add(HashBytes(views.session_index.at(session.id).appliance.value()) + (session.appliance.has_value() ? 1 : 0));
    add(session.link.has_value() ? HashBytes(session.link->value()) : 0);
    const auto [list, is_new] = lists.try_emplace(session.allowed.get(), 0);
    if (is_new && session.allowed != nullptr) list->second = HashOf(*session.allowed);
    add(list->second);
  }
  return rules;
}

// ConfigViews::topology.
uint64_t TopologyOf(const ConfigViews& views) {
  uint64_t topology = 0;
  const auto add = [&topology](uint64_t value) { topology = Mix(topology, value); };
  for (const SiteView& site : views.sites) {
    add(HashBytes(site.id.value()));
    add(static_cast<uint64_t>(site.kind) << 1 | (site.open_to_unrouted ? 1 : 0));
    add(static_cast<uint64_t>(site.at.latitude_microdegrees));
    add(static_cast<uint64_t>(site.at.longitude_microdegrees));
  }
  add(views.sites.size());
  for (const ApplianceView& box : views.appliances) {
    add(HashBytes(box.id.value()));
    add(Mix(HashBytes(box.site.value()), static_cast<uint64_t>(box.kind)));
  }
  add(views.appliances.size());
  for (const LinkView& link : views.links) add(HashBytes(link.id.value()));
  return topology;
}

// True if the routes of one may be served as those of the other, as far as both may announce them.
bool SameSession(const SessionView& a, const SessionView& b) {
  return a.partner == b.partner && a.transport == b.transport && a.site == b.site && a.appliance == b.appliance && a.link == b.link;
}

absl::Status ReadEndpoint(const rv1::Endpoint& endpoint, ApplianceView& view) {
  Endpoint read;
  read.family = EnumOr(endpoint.family(), AddressFamily::kIpv6);
  read.scheme = endpoint.scheme();
  read.host = endpoint.host();
  if (read.family == AddressFamily::kUnspecified || (read.scheme != "http" && read.scheme != "https") || read.host.empty()) {
    return InvalidField("appliance.endpoints", endpoint.ShortDebugString(), "needs a family, a scheme (http or https) and a host");
  }
  if (endpoint.port() < 1 || endpoint.port() > 65535) {
    return InvalidField("appliance.endpoints.port", absl::StrCat(endpoint.port()), "must be in [1, 65535]");
  }
  read.port = static_cast<uint16_t>(endpoint.port());
  view.endpoints.push_back(std::move(read));
  return absl::OkStatus();
}

// Whose id or site can't be read has no site, and is none; an endpoint that is wrong is left out.
absl::Status ReadBox(const rv1::Appliance& appliance, ApplianceView& view) {
  ASSIGN_OR_RETURN(view.id, ApplianceId::ParseName(appliance.name(), "appliance.name"));
  ASSIGN_OR_RETURN(view.site, SiteId::ParseName(appliance.site(), "appliance.site"));
  view.kind = EnumOr(appliance.kind(), ApplianceKind::kOrigin);
  view.admin = EnumOr(appliance.admin_state(), AdminState::kRetired);
  if (appliance.has_drain()) {
    view.drain_stage = StageOf(appliance.drain().phase());
    view.drain = absl::StrCat(appliance.drain().drain(), ", ", PhaseWord(appliance.drain().phase()));
  }
  view.capacity_bps = NotNegative(appliance.capacity_bps());
  absl::Status worst;
  for (const rv1::Endpoint& endpoint : appliance.endpoints()) {
    worst.Update(ReadEndpoint(endpoint, view));
  }
  return worst;
}

// Reads the entries in two passes: what others refer to first.
class ConfigReader {
 public:
  ConfigReader() { views_.policy.full_permille = kDefaultFullPermille; }

  ConfigViews Read(const HeldFeed<rv1::ConfigEntry>& config) && {
    MakeRoom(config);
    for (const auto& entry : config.entries) Note(entry->key(), ReadFirst(*entry));
    for (const auto& entry : config.entries) Note(entry->key(), ReadSecond(*entry));
    for (SiteView& site : views_.sites) {
      const auto uplinks = uplinks_.find(site.id);
      if (uplinks != uplinks_.end()) site.uplinks = uplinks->second;
    }
    // Newest first; equal times by name, so that every steerd signs with the same key.
    std::sort(keys_.begin(), keys_.end(), std::greater<>());
    for (auto& [seconds, nanos, id] : keys_) views_.settings.active_key_ids.push_back(std::move(id));
    Fingerprint(views_);
    return std::move(views_);
  }

 private:
  // To move tens of thousands of views while their vectors grow takes longer than to count them.
  void MakeRoom(const HeldFeed<rv1::ConfigEntry>& config) {
    std::array<size_t, 16> counts = {};
    for (const auto& entry : config.entries) ++counts[static_cast<size_t>(entry->value_case()) % counts.size()];
    views_.sites.reserve(counts[rv1::ConfigEntry::kSite]);
    views_.links.reserve(counts[rv1::ConfigEntry::kLink]);
    views_.appliances.reserve(counts[rv1::ConfigEntry::kAppliance]);
    views_.sessions.reserve(counts[rv1::ConfigEntry::kBgpSession]);
    appliances_.reserve(counts[rv1::ConfigEntry::kAppliance]);
    views_.session_index.reserve(counts[rv1::ConfigEntry::kBgpSession]);
  }

  void Note(const std::string& key, const absl::Status& status) {
    if (status.ok() || views_.issues.size() >= ConfigViews::kMaxIssues) return;
    views_.issues.push_back(absl::StrCat(Quoted(key), ": ", status.message()));
  }

  absl::Status ReadFirst(const rv1::ConfigEntry& entry) {
    switch (entry.value_case()) {
      case rv1::ConfigEntry::kPartner:
        return ReadPartner(entry.partner());
      case rv1::ConfigEntry::kSite:
        return ReadSite(entry.site());
      case rv1::ConfigEntry::kLink:
        return ReadLink(entry.link());
      case rv1::ConfigEntry::kAppliance:
        return ReadAppliance(entry.appliance());
      case rv1::ConfigEntry::kCell:
        return ReadCell(entry.cell());
      case rv1::ConfigEntry::kPolicy:
        return ReadPolicy(entry.policy());
      case rv1::ConfigEntry::kSigningKey:
        return ReadSigningKey(entry.signing_key());
      default:
        return absl::OkStatus();
    }
  }

  absl::Status ReadSecond(const rv1::ConfigEntry& entry) {
    return entry.has_bgp_session() ? ReadSession(entry.bgp_session()) : absl::OkStatus();
  }

  // A partner with one bad prefix keeps the others: losing them all would move its clients away.
  absl::Status ReadPartner(const rv1::Partner& partner) {
    ASSIGN_OR_RETURN(const PartnerId id, PartnerId::ParseName(partner.name(), "partner.name"));
    auto allowed = std::make_shared<AllowList>();
    absl::Status worst;
    for (const std::string& text : partner.allowed_prefixes()) {
      const absl::StatusOr<Prefix> prefix = Prefix::Parse(text, "partner.allowed_prefixes");
      if (prefix.ok()) {
        allowed->Insert(*prefix, std::monostate());
      } else {
        worst.Update(prefix.status());
      }
    }
    allow_lists_[id] = std::move(allowed);
    return worst;
  }

  absl::Status ReadSite(const rv1::Site& site) {
    SiteView view;
    ASSIGN_OR_RETURN(view.id, SiteId::ParseName(site.name(), "site.name"));
    view.kind = EnumOr(site.kind(), SiteKind::kOrigin);
    view.at = Coordinates::FromDegrees(site.coordinates().latitude(), site.coordinates().longitude());
    view.country = site.country();
    view.open_to_unrouted = site.open_to_unrouted();
    const absl::StatusOr<PartnerId> partner = PartnerId::ParseName(site.partner(), "site.partner");
    if (view.kind == SiteKind::kEmbedded && partner.ok()) views_.site_partners[view.id] = *partner;
    views_.sites.push_back(std::move(view));
    return absl::OkStatus();
  }

  absl::Status ReadLink(const rv1::Link& link) {
    LinkView view;
    ASSIGN_OR_RETURN(view.id, LinkId::ParseName(link.name(), "link.name"));
    ASSIGN_OR_RETURN(const SiteId site, SiteId::ParseName(link.site(), "link.site"));
    view.capacity_bps = NotNegative(link.capacity_bps());
    view.contract_cap_bps = NotNegative(link.contract_cap_bps());
    if (link.kind() == rv1::Link::KIND_SITE_UPLINK) uplinks_[site].push_back(view.id);
    views_.links.push_back(std::move(view));
    return absl::OkStatus();
  }

  absl::Status ReadAppliance(const rv1::Appliance& appliance) {
    ApplianceView view;
    const absl::Status status = ReadBox(appliance, view);
    if (view.site.empty()) return status;
    appliances_[view.id] = {view.site, view.kind};
    views_.appliances.push_back(std::move(view));
    return status;
  }

  absl::Status ReadCell(const rv1::Cell& cell) {
    CellAddress address;
    ASSIGN_OR_RETURN(address.id, CellId::ParseName(cell.name(), "cell.name"));
    address.address = cell.address();
    if (address.address.empty()) return InvalidField("cell.address", "", "must not be empty");
    views_.cells.push_back(std::move(address));
    return absl::OkStatus();
  }

  absl::Status ReadSigningKey(const rv1::SigningKey& key) {
    if (key.state() != rv1::SigningKey::STATE_ACTIVE) return absl::OkStatus();
    ASSIGN_OR_RETURN(const SigningKeyId id, SigningKeyId::ParseName(key.name(), "signing_key.name"));
    keys_.emplace_back(key.create_time().seconds(), key.create_time().nanos(), id.value());
    return absl::OkStatus();
  }

  absl::Status ReadPolicy(const rv1::Policy& policy) {
    if (policy.has_steering()) return ReadSteeringPolicy(policy.steering());
    const absl::Duration lost_after = ToDuration(policy.health().lost_after());
    if (lost_after > absl::ZeroDuration()) views_.lost_after = lost_after;
    return absl::OkStatus();
  }

  static absl::StatusOr<std::vector<ProximityStep>> ReadSteps(absl::string_view field, const google::protobuf::RepeatedField<int>& told) {
    std::vector<ProximityStep> steps;
    for (const int step : told) {
      if (step < 1 || step > static_cast<int>(ProximityStep::kDistance)) {
        return InvalidField(field, absl::StrCat(step), "not a step that this version knows");
      }
      steps.push_back(static_cast<ProximityStep>(step));
    }
    return steps;
  }

  static absl::StatusOr<std::vector<ClassSteps>> ReadClassSteps(const rv1::SteeringPolicy& policy) {
    std::vector<ClassSteps> rules;
    for (const rv1::ClassSteps& told : policy.class_steps()) {
      ClassSteps& rule = rules.emplace_back();
      rule.transport = static_cast<TransportClass>(told.transport_class());  // An unknown one is ValidatePolicy's to refuse.
      if (!told.partner().empty()) {
        ASSIGN_OR_RETURN(rule.partner, PartnerId::ParseName(told.partner(), "steering.class_steps.partner"));
      }
      ASSIGN_OR_RETURN(rule.steps, ReadSteps("steering.class_steps.steps", told.steps()));
    }
    return rules;
  }

  // A refused policy leaves the defaults in force.
  absl::Status ReadSteeringPolicy(const rv1::SteeringPolicy& policy) {
    SteeringPolicy read;
    if (policy.steps_size() > 0) {
      ASSIGN_OR_RETURN(read.steps, ReadSteps("steering.steps", policy.steps()));
    }
    if (policy.more_specific_scope() > 0 && policy.more_specific_scope() <= 3) {
      read.more_specific_scope = static_cast<MoreSpecificScope>(policy.more_specific_scope());
    }
    if (policy.med_scope() > 0 && policy.med_scope() <= 3) read.med_scope = static_cast<MedScope>(policy.med_scope());
    if (policy.distance_step_km() > 0) read.distance_step_km = policy.distance_step_km();
    read.full_permille = FullPermille(policy.full_at());
    read.congested_permille = std::min(read.congested_permille, read.full_permille);
    read.guard = ReadGuard(policy.guard());
    ASSIGN_OR_RETURN(read.class_steps, ReadClassSteps(policy));
    RETURN_IF_ERROR(ValidatePolicy(read));
    views_.policy = std::move(read);
    if (policy.max_urls() > 0) views_.settings.default_max_urls = std::min(policy.max_urls(), 8);
    const absl::Duration lifetime = ToDuration(policy.token_lifetime());
    if (lifetime > absl::ZeroDuration()) views_.settings.token_lifetime = lifetime;
    return absl::OkStatus();
  }

  // A figure of 0 means the default; one that ValidatePolicy must refuse is passed on to it.
  static GuardPolicy ReadGuard(const rv1::GuardPolicy& guard) {
    GuardPolicy read;
    const auto number = [](int64_t told, uint32_t& figure) {
      if (told != 0) figure = static_cast<uint32_t>(std::clamp<int64_t>(told, 0, std::numeric_limits<uint32_t>::max()));
    };
    const auto time = [](const google::protobuf::Duration& told, absl::Duration& figure) {
      if (told.seconds() != 0 || told.nanos() != 0) figure = ToDuration(told);
    };
    if (guard.mode() > 0 && guard.mode() <= static_cast<int>(GuardMode::kBelieveNone)) read.mode = static_cast<GuardMode>(guard.mode());
    if (guard.removable_share() != 0) read.removable_permille = Permille(guard.removable_share());
    number(guard.removable_boxes(), read.removable_boxes);
    number(guard.wave_sites(), read.wave_sites);
    number(guard.corroborated_sites(), read.corroborated_sites);
    number(guard.failing_networks(), read.failing_networks);
    time(guard.window(), read.window);
    time(guard.thaw_after(), read.thaw_after);
    time(guard.cell_stale_after(), read.cell_stale_after);
    time(guard.answering_lease(), read.answering_lease);
    return read;
  }

  // 0 for what is no share.
  static uint32_t Permille(double share) { return share > 0 && share <= 1 ? static_cast<uint32_t>(std::lround(share * 1000)) : 0; }

  static uint32_t FullPermille(double full_at) {
    return full_at > 0 && full_at <= 1 ? static_cast<uint32_t>(std::max(1L, std::lround(full_at * 1000))) : kDefaultFullPermille;
  }

  absl::Status ReadSession(const rv1::BgpSession& session) {
    if (session.role() == rv1::BgpSession::ROLE_ROUTER_FEED) return absl::OkStatus();  // Has no routes of its own.
    SessionView view;
    ASSIGN_OR_RETURN(view.id, BgpSessionId::ParseName(session.name(), "bgp_session.name"));
    ASSIGN_OR_RETURN(const ApplianceId appliance, ApplianceId::ParseName(session.appliance(), "bgp_session.appliance"));
    ASSIGN_OR_RETURN(view.partner, PartnerId::ParseName(session.partner(), "bgp_session.partner"));
    const auto hearer = appliances_.find(appliance);
    if (hearer == appliances_.end()) return InvalidField("bgp_session.appliance", session.appliance(), "no such appliance");
    view.transport = EnumOr(session.transport_class(), TransportClass::kTransit);
    view.site = hearer->second.site;
    // A collector hears for all boxes of its site.
    if (hearer->second.kind != ApplianceKind::kCollector) view.appliance = appliance;
    if (!session.link().empty()) {
      ASSIGN_OR_RETURN(view.link, LinkId::ParseName(session.link(), "bgp_session.link"));
    }
    const auto allowed = allow_lists_.find(view.partner);
    if (allowed == allow_lists_.end()) return InvalidField("bgp_session.partner", session.partner(), "no such partner");
    // Transit has no registered prefixes: an empty list means all there, and nothing elsewhere.
    if (view.transport != TransportClass::kTransit || !allowed->second->empty()) view.allowed = allowed->second;
    views_.session_index[view.id] = {static_cast<uint32_t>(views_.sessions.size()), appliance};
    views_.sessions.push_back(std::move(view));
    return absl::OkStatus();
  }

  struct Hearer {
    SiteId site;
    ApplianceKind kind = ApplianceKind::kUnspecified;
  };
  ConfigViews views_;
  absl::flat_hash_map<PartnerId, std::shared_ptr<const AllowList>> allow_lists_;
  absl::flat_hash_map<SiteId, std::vector<LinkId>> uplinks_;
  absl::flat_hash_map<ApplianceId, Hearer> appliances_;
  std::vector<std::tuple<int64_t, int32_t, std::string>> keys_;
};

}  // namespace

ConfigViews ReadConfig(const HeldFeed<rv1::ConfigEntry>& config) {
  return ConfigReader().Read(config);
}

std::optional<ConfigViews> FollowBoxes(const ConfigViews& before, const std::vector<std::shared_ptr<const rv1::ConfigEntry>>& changed) {
  if (!before.issues.empty()) return std::nullopt;  // One of them may be these boxes', and have gone.
  std::vector<std::pair<size_t, ApplianceView>> boxes;
  for (const auto& entry : changed) {
    ApplianceView box;
    if (entry == nullptr || !entry->has_appliance() || !ReadBox(entry->appliance(), box).ok()) return std::nullopt;
    if (entry->key() != entry->appliance().name()) return std::nullopt;  // Whose place it took can't be told.
    const auto at = std::find_if(before.appliances.begin(), before.appliances.end(), [&](const auto& old) { return old.id == box.id; });
    if (at == before.appliances.end() || at->site != box.site || at->kind != box.kind) return std::nullopt;
    boxes.emplace_back(at - before.appliances.begin(), std::move(box));
  }
  ConfigViews views = before;
  for (auto& [at, box] : boxes) views.appliances[at] = std::move(box);
  return views;
}

void Fingerprint(ConfigViews& views) {
  views.ladder_rules = RulesOf(views);
  views.topology = TopologyOf(views);
}

ConfigViews KeepTopology(const ConfigViews& old, const ConfigViews& newest) {
  ConfigViews kept = newest;
  kept.sites = old.sites;
  kept.appliances = old.appliances;
  kept.links = old.links;
  kept.sessions = old.sessions;
  kept.session_index = old.session_index;
  kept.ladder_rules = old.ladder_rules;
  kept.topology = old.topology;
  kept.policy.steps = old.policy.steps;
  kept.policy.class_steps = old.policy.class_steps;
  kept.policy.more_specific_scope = old.policy.more_specific_scope;
  kept.policy.med_scope = old.policy.med_scope;
  kept.policy.distance_step_km = old.policy.distance_step_km;
  absl::flat_hash_map<ApplianceId, const ApplianceView*> boxes;
  for (const ApplianceView& box : newest.appliances) boxes[box.id] = &box;
  for (ApplianceView& box : kept.appliances) {
    const auto now = boxes.find(box.id);
    if (now != boxes.end() && now->second->site == box.site && now->second->kind == box.kind) {
      box = *now->second;
    } else {
      box.admin = AdminState::kUnspecified;
    }
  }
  absl::flat_hash_map<LinkId, const LinkView*> links;
  for (const LinkView& link : newest.links) links[link.id] = &link;
  for (LinkView& link : kept.links) {
    if (const auto now = links.find(link.id); now != links.end()) link = *now->second;
  }
  const auto nothing = std::make_shared<const AllowList>();
  for (SessionView& session : kept.sessions) {
    const auto now = newest.session_index.find(session.id);
    const bool still = now != newest.session_index.end() && SameSession(newest.sessions[now->second.index], session) &&
                       now->second.appliance == old.session_index.at(session.id).appliance;
    session.allowed = still ? newest.sessions[now->second.index].allowed : nothing;
  }
  return kept;
}

}  // namespace fairlead
