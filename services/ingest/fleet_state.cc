#include "services/ingest/fleet_state.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/log/log.h"
#include "libs/signing/digest.h"
#include "services/ingest/codec.h"

namespace fairlead::ingest {
namespace {

constexpr absl::string_view kManifests = "manifests/";

// Page tokens of ListRoutes: "<prefix>#<path id>#<session>", of the last route looked at.
std::string ToToken(const BookRoute& route) {
  const RouteKey& key = route.kept->route.key;
  return absl::StrCat(key.prefix.ToString(), "#", key.path_id, "#", route.session.value());
}

struct RouteCursor {
  RouteKey key;
  std::string session;
};
absl::StatusOr<RouteCursor> FromToken(const std::string& token) {
  const std::vector<std::string> parts = absl::StrSplit(token, '#');
  RouteCursor cursor;
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[1], &cursor.key.path_id)) {
    return InvalidField("page_token", token, "isn't one that this method gave");
  }
  ASSIGN_OR_RETURN(cursor.key.prefix, Prefix::Parse(parts[0], "page_token"));
  cursor.session = parts[2];
  return cursor;
}

bool Matches(const v1::ListRoutesRequest& request, const BookRoute& route) {
  if (request.filter() == v1::ListRoutesRequest::FILTER_ADMITTED && !route.admitted()) return false;
  if (request.filter() == v1::ListRoutesRequest::FILTER_DROPPED && route.admitted()) return false;
  return request.reason().empty() || (!route.admitted() && route.reason() == request.reason());
}

// Whether the box that shows `credential` is the one that `config` (null: none) registers.
absl::Status CheckCredential(const BoxConfig* config, const ApplianceId& id, absl::string_view credential) {
  if (credential.empty()) return absl::UnauthenticatedError("metadata authorization: 'Bearer <credential>' is missing");
  if (config == nullptr || config->credential_sha256.empty() || !EqualInConstantTime(config->credential_sha256, Sha256Hex(credential))) {
    return absl::PermissionDeniedError(absl::StrCat("hello.appliance '", id.name(), "': no such appliance, or not its credential"));
  }
  if (!config->may_report) return absl::PermissionDeniedError(absl::StrCat("hello.appliance '", id.name(), "': is retired"));
  return absl::OkStatus();
}

}  // namespace

FleetState::FleetState(FleetOptions options, const Clock& clock, TrafficBuffer* traffic, IngestMetrics& metrics)
    : options_(std::move(options)), clock_(clock), traffic_(traffic), metrics_(metrics) {}

absl::Status FleetState::ApplyConfig(const FeedChange<registry::v1::ConfigEntry>& change) {
  std::vector<std::pair<ApplianceId, std::shared_ptr<const BoxConfig>>> changed;
  FleetPolicy before;
  FleetPolicy policy;
  {
    absl::MutexLock lock(&config_mu_);
    before = config_.policy();
    NoteConfig(change);
    for (const ApplianceId& id : config_.Apply(change)) changed.emplace_back(id, config_.Find(id));
    policy = config_.policy();
  }
  for (auto& [id, config] : changed) {
    if (config == nullptr) {
      Remove(id);
    } else {
      Reconfigure(id, std::move(config), policy);
    }
  }
  if (policy != before) {
    for (const std::shared_ptr<Slot>& slot : AllSlots()) {
      absl::MutexLock lock(&slot->mu);
      slot->box.SetPolicy(policy);
    }
  }
  return absl::OkStatus();
}

void FleetState::Reconfigure(const ApplianceId& id, std::shared_ptr<const BoxConfig> config, const FleetPolicy& policy) {
  const std::shared_ptr<Slot> slot = Find(id);
  if (slot == nullptr) return;
  absl::MutexLock lock(&slot->mu);
  const bool stays = config->may_report && config->credential_sha256 == slot->box.config().credential_sha256;
  slot->box.SetPolicy(policy);
  const Outgoing outgoing = slot->box.Configure(std::move(config));
  if (slot->link == nullptr) return;
  if (!stays) {
    slot->link->Close(absl::PermissionDeniedError(absl::StrCat(id.name(), ": its credential was changed or it was retired")));
    slot->link = nullptr;
  } else if (!outgoing.empty()) {
    slot->link->Send(outgoing);
  }
}

void FleetState::Remove(const ApplianceId& id, const Slot* only) {
  std::shared_ptr<Slot> slot;
  {
    absl::MutexLock lock(&boxes_mu_);
    const auto found = boxes_.find(id);
    if (found == boxes_.end() || (only != nullptr && found->second.get() != only)) return;
    slot = std::move(found->second);
    boxes_.erase(found);
    removed_unsaved_.push_back(id);
  }
  std::vector<EncodedEntry> removals;
  {
    absl::MutexLock lock(&slot->mu);
    slot->gone = true;
    if (slot->link != nullptr) slot->link->Close(absl::PermissionDeniedError(absl::StrCat(id.name(), ": is no longer registered")));
    slot->link = nullptr;
    slot->box.TakeRemovals(removals);
  }
  absl::MutexLock lock(&boxes_mu_);
  removals_.insert(removals_.end(), std::make_move_iterator(removals.begin()), std::make_move_iterator(removals.end()));
}

absl::Status FleetState::ApplyCatalog(const FeedChange<content::v1::CatalogEntry>& change) {
  absl::flat_hash_map<ApplianceId, std::string> changed;
  {
    absl::MutexLock lock(&config_mu_);
    if (change.snapshot) {
      for (const auto& [id, generation] : manifests_) changed[id] = "";
      manifests_.clear();
    }
    for (const content::v1::CatalogEntry& entry : change.entries) {
      if (!absl::StartsWith(entry.key(), kManifests)) continue;
      const ApplianceId id(std::string(absl::StripPrefix(entry.key(), kManifests)));
      changed[id] = entry.manifest_generation();
      if (IsRemoval(entry)) {
        manifests_.erase(id);
      } else {
        manifests_[id] = entry.manifest_generation();
      }
    }
  }
  for (const auto& [id, generation] : changed) {
    const std::shared_ptr<Slot> slot = Find(id);
    if (slot == nullptr) continue;
    absl::MutexLock lock(&slot->mu);
    const Outgoing outgoing = slot->box.SetManifestGeneration(generation);
    if (slot->link != nullptr && !outgoing.empty()) slot->link->Send(outgoing);
  }
  return absl::OkStatus();
}

void FleetState::SetVrps(std::shared_ptr<const VrpTable> vrps) {
  {
    absl::MutexLock lock(&config_mu_);
    vrps_ = vrps;
  }
  for (const std::shared_ptr<Slot>& slot : AllSlots()) {
    absl::MutexLock lock(&slot->mu);
    if (!slot->gone) slot->box.SetVrps(vrps);
  }
}

absl::StatusOr<std::shared_ptr<const BoxConfig>> FleetState::Authenticate(const ApplianceId& id, absl::string_view credential) const {
  std::shared_ptr<const BoxConfig> config;
  {
    absl::MutexLock lock(&config_mu_);
    if (!config_.received()) return absl::UnavailableError("the configuration has not been received yet; try again");
    config = config_.Find(id);
  }
  RETURN_IF_ERROR(CheckCredential(config.get(), id, credential));
  return config;
}

absl::StatusOr<std::pair<std::shared_ptr<FleetState::Slot>, bool>> FleetState::FindOrAdd(const std::shared_ptr<const BoxConfig>& config) {
  const absl::Time now = Now();
  absl::MutexLock lock(&boxes_mu_);
  std::shared_ptr<Slot>& slot = boxes_[config->id];
  if (slot != nullptr) return std::make_pair(slot, false);
  if (boxes_.size() > options_.most_appliances) {
    boxes_.erase(config->id);
    metrics_.refused_appliances.Increment();
    return absl::ResourceExhaustedError(absl::StrCat(options_.cell, " takes at most ", options_.most_appliances, " appliances"));
  }
  slot = std::make_shared<Slot>(Box(config, options_.cell, options_.routes, FleetPolicy(), now));
  return std::make_pair(slot, true);
}

absl::Status FleetState::CatchUp(Slot& slot, const ApplianceId& id, absl::string_view credential) {
  absl::MutexLock lock(&config_mu_);
  const std::shared_ptr<const BoxConfig> newest = config_.Find(id);
  RETURN_IF_ERROR(CheckCredential(newest.get(), id, credential));
  slot.box.SetPolicy(config_.policy());
  slot.box.SetVrps(vrps_);
  if (newest.get() != &slot.box.config()) slot.box.Configure(newest);
  const auto manifest = manifests_.find(id);
  slot.box.SetManifestGeneration(manifest == manifests_.end() ? "" : manifest->second);
  return absl::OkStatus();
}

std::shared_ptr<FleetState::Slot> FleetState::Find(const ApplianceId& id) const {
  absl::MutexLock lock(&boxes_mu_);
  const auto found = boxes_.find(id);
  return found == boxes_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<FleetState::Slot>> FleetState::AllSlots() const {
  absl::MutexLock lock(&boxes_mu_);
  std::vector<std::shared_ptr<Slot>> slots;
  slots.reserve(boxes_.size());
  for (const auto& [id, slot] : boxes_) slots.push_back(slot);
  return slots;
}

absl::StatusOr<FleetState::Lease> FleetState::Hello(const v1::Report& report, absl::string_view credential, std::shared_ptr<Link> link) {
  if (!report.has_hello()) return absl::FailedPreconditionError("the first report of a stream must be a hello");
  ASSIGN_OR_RETURN(const CheckedReport checked, CheckReport(report, /*serves=*/true));
  ASSIGN_OR_RETURN(const ApplianceId id, ApplianceId::ParseName(report.hello().appliance(), "report.hello.appliance"));
  ASSIGN_OR_RETURN(const std::shared_ptr<const BoxConfig> config, Authenticate(id, credential));
  ASSIGN_OR_RETURN(const auto found, FindOrAdd(config));
  const auto& [slot, fresh] = found;
  absl::Status refused;
  {
    absl::MutexLock lock(&slot->mu);
    if (slot->gone) return absl::UnavailableError(absl::StrCat(id.name(), ": its configuration is changing; try again"));
    refused = CatchUp(*slot, id, credential);
    if (refused.ok()) return Attach(slot, checked, std::move(link));
    // Nobody may come in between: it goes from the table at once.
    if (fresh && slot->link == nullptr) slot->gone = true;
    if (!slot->gone) return refused;
  }
  Remove(id, slot.get());
  return refused;
}

absl::StatusOr<FleetState::Lease> FleetState::Attach(const std::shared_ptr<Slot>& slot, const CheckedReport& checked,
                                                     std::shared_ptr<Link> link) {
  ASSIGN_OR_RETURN(const Outgoing outgoing, slot->box.Hello(checked, Now()));
  if (slot->link != nullptr) {
    metrics_.replaced_streams.Increment();
    slot->link->Close(absl::AbortedError("replaced by a newer stream of the same box"));
  }
  slot->link = std::move(link);
  slot->link->Send(outgoing);
  metrics_.reports_hello.Increment();
  Lease lease;
  lease.slot_ = slot;
  lease.link_ = slot->link.get();
  return lease;
}

absl::Status FleetState::Take(const Lease& lease, const v1::Report& report) {
  Slot& slot = *lease.slot_;
  if (report.has_hello()) return absl::FailedPreconditionError("a second hello on one stream");
  bool serves = true;
  {
    absl::MutexLock lock(&slot.mu);
    serves = slot.box.config().serves;
  }
  // Parsing and checking is the larger part of the work, and needs no lock.
  absl::StatusOr<CheckedReport> checked = CheckReport(report, serves);
  if (!checked.ok()) {
    metrics_.invalid_reports.Increment();
    return checked.status();
  }
  std::optional<TrafficReport> traffic = std::move(checked->traffic);
  ApplianceId id;
  bool urgent = false;
  {
    absl::MutexLock lock(&slot.mu);
    if (slot.gone || slot.link.get() != lease.link_) return absl::AbortedError("replaced by a newer stream of the same box");
    bool taken = false;
    absl::StatusOr<Outgoing> outgoing = slot.box.Take(*std::move(checked), Now(), taken);
    if (!outgoing.ok()) {
      metrics_.invalid_reports.Increment();
      return outgoing.status();
    }
    slot.link->Send(*outgoing);
    metrics_.CountReport(report.body_case(), taken);
    if (!taken) return absl::OkStatus();
    id = slot.box.id();
    urgent = slot.box.urgent() && !std::exchange(slot.queued, true);
  }
  if (urgent) {
    absl::MutexLock lock(&urgent_mu_);
    urgent_.push_back(lease.slot_);
  }
  if (traffic.has_value() && traffic_ != nullptr) traffic_->Add(id, *traffic, clock_.Now());
  return absl::OkStatus();
}

void FleetState::StreamEnded(Lease lease) {
  if (!lease) return;
  absl::MutexLock lock(&lease.slot_->mu);
  if (lease.slot_->link.get() == lease.link_) lease.slot_->link = nullptr;
}

void FleetState::Tick() {
  const absl::Time now = Now();
  for (const std::shared_ptr<Slot>& slot : AllSlots()) {
    absl::MutexLock lock(&slot->mu);
    slot->box.Tick(now);
  }
}

std::vector<EncodedEntry> FleetState::TakeChanges() {
  const absl::Time now = Now();
  std::vector<EncodedEntry> entries;
  {
    absl::MutexLock lock(&boxes_mu_);
    entries.swap(removals_);
  }
  {
    absl::MutexLock lock(&urgent_mu_);
    urgent_.clear();
  }
  for (const std::shared_ptr<Slot>& slot : AllSlots()) {
    absl::MutexLock lock(&slot->mu);
    slot->queued = false;
    if (!slot->gone) slot->box.TakeChanges(now, kMostRoutesATick, entries);
  }
  return entries;
}

bool FleetState::AwaitUrgent(absl::Duration patience) {
  absl::MutexLock lock(&urgent_mu_);
  const auto something = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(urgent_mu_) { return !urgent_.empty(); };
  return urgent_mu_.AwaitWithTimeout(absl::Condition(&something), patience);
}

std::vector<EncodedEntry> FleetState::TakeUrgent() {
  const absl::Time now = Now();
  std::vector<std::shared_ptr<Slot>> slots;
  {
    absl::MutexLock lock(&urgent_mu_);
    slots.swap(urgent_);
  }
  std::vector<EncodedEntry> entries;
  for (const std::shared_ptr<Slot>& slot : slots) {
    absl::MutexLock lock(&slot->mu);
    slot->queued = false;
    if (!slot->gone) slot->box.TakeUrgent(now, kMostUrgentRoutes, entries);
  }
  return entries;
}

absl::StatusOr<v1::ApplianceState> FleetState::GetState(const ApplianceId& id) const {
  const std::shared_ptr<Slot> slot = Find(id);
  if (slot == nullptr) {
    return FieldError(absl::StatusCode::kNotFound, "name", id.name(), absl::StrCat("has not been heard by ", options_.cell));
  }
  absl::MutexLock lock(&slot->mu);
  return slot->box.State(Now());
}

std::vector<v1::ApplianceState> FleetState::ListStates(absl::string_view after, size_t most) const {
  std::vector<std::shared_ptr<Slot>> slots;
  {
    absl::MutexLock lock(&boxes_mu_);
    for (auto at = boxes_.upper_bound(ApplianceId(std::string(after))); at != boxes_.end() && slots.size() < most; ++at) {
      slots.push_back(at->second);
    }
  }
  std::vector<v1::ApplianceState> states;
  for (const std::shared_ptr<Slot>& slot : slots) {
    absl::MutexLock lock(&slot->mu);
    states.push_back(slot->box.State(Now()));
  }
  return states;
}

absl::StatusOr<v1::ListRoutesResponse> FleetState::ListRoutes(const ApplianceId& id, const v1::ListRoutesRequest& request,
                                                              size_t most) const {
  RouteCursor from;
  if (!request.page_token().empty()) {
    ASSIGN_OR_RETURN(from, FromToken(request.page_token()));
  }
  const std::shared_ptr<Slot> slot = Find(id);
  if (slot == nullptr) {
    return FieldError(absl::StatusCode::kNotFound, "appliance", id.name(), absl::StrCat("has not been heard by ", options_.cell));
  }
  v1::ListRoutesResponse response;
  std::string last;
  int scanned = 0;
  absl::MutexLock lock(&slot->mu);
  slot->box.routes().ForEachFrom(from.key, from.session, request.page_token().empty(), [&](const BookRoute& route) {
    if (static_cast<size_t>(response.routes_size()) == most || scanned++ == kMostScanned) {
      response.set_next_page_token(last);
      return false;
    }
    last = ToToken(route);
    if (Matches(request, route)) *response.add_routes() = ReportedRouteToProto(id, route);
    return true;
  });
  return response;
}

bool FleetState::config_received() const {
  absl::MutexLock lock(&config_mu_);
  return config_.received();
}

void FleetState::Measure() const {
  size_t states[6] = {};
  size_t admitted = 0;
  size_t kept = 0;
  size_t linked = 0;
  for (const std::shared_ptr<Slot>& slot : AllSlots()) {
    absl::MutexLock lock(&slot->mu);
    ++states[static_cast<size_t>(slot->box.verdict().state)];
    admitted += slot->box.routes().admitted();
    kept += slot->box.routes().kept();
    linked += slot->link != nullptr ? 1 : 0;
  }
  metrics_.SetFleet(states, admitted, kept, linked);
}

}  // namespace fairlead::ingest
