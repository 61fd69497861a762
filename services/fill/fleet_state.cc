#include "services/fill/fleet_state.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/log/log.h"
#include "services/fill/codec.h"

namespace fairlead::fill {
namespace {

using registry::v1::ConfigEntry;

std::pair<uint64_t, uint64_t> OrderOf(const ingest::v1::ApplianceState& state) {
  return {state.incarnation(), state.sequence()};
}

// The id in "collection/id", empty if it isn't one.
template <typename IdType>
IdType IdOf(const std::string& name) {
  return IdType::ParseName(name).value_or(IdType());
}

std::vector<SourceEndpoint> EndpointsOf(const registry::v1::Appliance& appliance) {
  std::vector<SourceEndpoint> endpoints;
  for (const registry::v1::Endpoint& from : appliance.endpoints()) {
    endpoints.push_back({static_cast<AddressFamily>(from.family()), from.scheme(), from.host(), from.port()});
  }
  return endpoints;
}

PlanBox PlanBoxOf(const registry::v1::Appliance& appliance, const SourceBox& source) {
  PlanBox box{.id = source.id,
              .cluster = source.cluster,
              .kind = source.kind,
              .admin = source.admin,
              .flash_bytes = 0,
              .disk_bytes = 0,
              .capacity_bps = source.capacity_bps};
  for (const registry::v1::TierCapacity& tier : appliance.tiers()) {
    (tier.tier() == common::v1::TIER_FLASH ? box.flash_bytes : box.disk_bytes) += tier.capacity_bytes();
  }
  return box;
}

}  // namespace

FleetState::FleetState() : snapshot_(std::make_shared<const FleetSnapshot>()) {}

absl::Status FleetState::ApplyConfig(const FeedChange<ConfigEntry>& change) {
  absl::MutexLock lock(&mu_);
  if (change.snapshot) config_.clear();
  bool matters = change.snapshot;
  for (const ConfigEntry& entry : change.entries) {
    matters |= absl::StartsWith(entry.key(), "appliances/") || absl::StartsWith(entry.key(), "clusters/");
    if (IsRemoval(entry)) {
      config_.erase(entry.key());
    } else {
      config_[entry.key()] = entry;
    }
  }
  configured_ = true;
  config_changes_ += matters ? 1 : 0;
  dirty_ = true;
  return absl::OkStatus();
}

absl::Status FleetState::ApplyFleet(const std::string& cell, const FeedChange<ingest::v1::FleetEntry>& change) {
  absl::MutexLock lock(&mu_);
  CellState& state = cells_[cell];
  if (change.snapshot) state = CellState();
  for (const ingest::v1::FleetEntry& entry : change.entries) ApplyFleetEntry(state, entry);
  dirty_ = true;
  return absl::OkStatus();
}

void FleetState::ForgetCell(const std::string& cell) {
  absl::MutexLock lock(&mu_);
  dirty_ |= cells_.erase(cell) > 0;
}

void FleetState::ApplyFleetEntry(CellState& cell, const ingest::v1::FleetEntry& entry) {
  absl::string_view id = entry.key();
  const bool removal = IsRemoval(entry);
  if (absl::ConsumePrefix(&id, "state/")) {
    const std::string name = absl::StrCat("appliances/", id);
    if (removal) {
      cell.states.erase(name);
    } else {
      cell.states[name] = entry.state();
    }
  } else if (absl::ConsumePrefix(&id, "holdings/")) {
    if (removal) {
      cell.holdings.erase(absl::StrCat("appliances/", id));
    } else {
      PutHoldings(cell, entry.holdings());
    }
  } else if (absl::StartsWith(id, "route/")) {
    RemoveRoute(cell, entry.key());
    if (!removal) PutRoute(cell, entry.key(), entry.route());
  }
}

void FleetState::PutHoldings(CellState& cell, const ingest::v1::ApplianceHoldings& holdings) {
  std::shared_ptr<const HeldFiles> files = HeldFiles::FromBytes(holdings.bitmap());
  if (files == nullptr) {
    ++bad_records_;
    LogWarning("holdings that are no bitmap are left out", {{"appliance", holdings.appliance()}});
    cell.holdings.erase(holdings.appliance());
    return;
  }
  cell.holdings[holdings.appliance()] = {{holdings.incarnation(), holdings.sequence()}, std::move(files)};
}

void FleetState::PutRoute(CellState& cell, const std::string& key, const ingest::v1::AdmittedRoute& route) {
  // Demoted routes are the last choice of viewers; filling can do without them.
  if (route.demoted()) return;
  const absl::StatusOr<IpAddress> address = IpAddress::FromBytes(route.prefix().address());
  const absl::StatusOr<Prefix> prefix = address.ok() ? Prefix::Make(*address, static_cast<int>(route.prefix().length())) : address.status();
  if (!prefix.ok()) {
    ++bad_records_;
    return;
  }
  BoxRoutes& routes = cell.routes[route.appliance()];
  routes.by_key.insert_or_assign(key, *prefix);
  routes.table = nullptr;
  cell.route_owner[key] = route.appliance();
}

void FleetState::RemoveRoute(CellState& cell, const std::string& key) {
  const auto owner = cell.route_owner.find(key);
  if (owner == cell.route_owner.end()) return;
  BoxRoutes& routes = cell.routes[owner->second];
  routes.by_key.erase(key);
  routes.table = nullptr;
  cell.route_owner.erase(owner);
}

bool FleetState::Rebuild() {
  absl::MutexLock lock(&mu_);
  if (!dirty_) return false;
  dirty_ = false;
  auto next = std::make_shared<FleetSnapshot>();
  next->configured = configured_;
  next->config_changes = config_changes_;
  BuildClusters(*next);
  BuildKeysAndCells(*next);
  for (const auto& [key, entry] : config_) {
    if (entry.has_appliance()) BuildBox(entry.appliance(), *next);
  }
  for (const auto& [id, box] : next->boxes) next->sources.push_back(box.source);
  snapshot_.Set(std::move(next));
  return true;
}

void FleetState::BuildClusters(FleetSnapshot& next) const {
  for (const auto& [key, entry] : config_) {
    if (!entry.has_cluster()) continue;
    const registry::v1::Cluster& cluster = entry.cluster();
    const ClusterId id = IdOf<ClusterId>(cluster.name());
    next.plan_clusters.push_back({.id = id, .copies = std::max(cluster.copies(), 1)});
    FleetCluster& to = next.clusters[id];
    to.policy.forbid_origin = cluster.fill_policy().forbid_origin();
    to.policy.escalation_wait = DurationFromProto(cluster.fill_policy().escalation_wait());
    to.policy.fill_masters = cluster.has_fill_policy() ? cluster.fill_policy().fill_masters() : kDefaultFillMasters;
    to.fill_cluster = absl::StrCat(cluster.content_region(), "\n", cluster.popularity_feed());
  }
}

void FleetState::BuildKeysAndCells(FleetSnapshot& next) const {
  std::vector<std::pair<absl::Time, std::string>> keys;
  for (const auto& [key, entry] : config_) {
    if (entry.has_cell()) next.cells[IdOf<CellId>(entry.cell().name()).value()] = entry.cell().address();
    if (!entry.has_signing_key() || entry.signing_key().state() != registry::v1::SigningKey::STATE_ACTIVE) continue;
    keys.emplace_back(TimeFromProto(entry.signing_key().create_time()), IdOf<SigningKeyId>(entry.signing_key().name()).value());
  }
  std::sort(keys.rbegin(), keys.rend());
  for (auto& [time, id] : keys) next.active_keys.push_back(std::move(id));
}

void FleetState::BuildBox(const registry::v1::Appliance& appliance, FleetSnapshot& next) {
  const ApplianceId id = IdOf<ApplianceId>(appliance.name());
  const auto site = config_.find(appliance.site());
  if (id.empty() || site == config_.end() || !site->second.has_site()) {
    ++bad_records_;
    LogWarning("an appliance without a known site is left out", {{"appliance", appliance.name()}, {"site", appliance.site()}});
    return;
  }
  FleetBox& box = next.boxes[id];
  box.credential_sha256 = appliance.credential_sha256();
  box.source.id = id;
  box.source.site = IdOf<SiteId>(appliance.site());
  box.source.site_kind = static_cast<SiteKind>(site->second.site().kind());
  if (!appliance.cluster().empty()) box.source.cluster = IdOf<ClusterId>(appliance.cluster());
  box.source.kind = static_cast<ApplianceKind>(appliance.kind());
  box.source.endpoints = EndpointsOf(appliance);
  box.source.admin = static_cast<AdminState>(appliance.admin_state());
  box.source.lame_duck = appliance.drain().phase() == registry::v1::Drain::PHASE_LAME_DUCK;
  box.source.capacity_bps = appliance.capacity_bps();
  AddReports(appliance.name(), box);
  next.plan_boxes.push_back(PlanBoxOf(appliance, box.source));
}

void FleetState::AddReports(const std::string& name, FleetBox& box) {
  const ingest::v1::ApplianceState* newest = nullptr;
  CellState* newest_cell = nullptr;
  const Holdings* holdings = nullptr;
  for (auto& [cell_id, cell] : cells_) {
    const auto state = cell.states.find(name);
    if (state != cell.states.end() && (newest == nullptr || OrderOf(state->second) > OrderOf(*newest))) {
      newest = &state->second;
      newest_cell = &cell;
    }
    const auto held = cell.holdings.find(name);
    if (held != cell.holdings.end() && (holdings == nullptr || held->second.order > holdings->order)) holdings = &held->second;
  }
  if (holdings != nullptr) box.held = holdings->files;
  if (newest == nullptr) return;
  box.source.health = static_cast<HealthState>(newest->health());
  box.source.weight = newest->weight();
  box.source.use_bps = newest->last_heartbeat().network().throughput_bps();
  box.reported_generation = newest->manifest_generation();
  // A collector never asks for a source, and hears nearly all routes there are, one of which changes all the time.
  if (box.source.kind == ApplianceKind::kCollector) return;
  const auto routes = newest_cell->routes.find(name);
  if (routes == newest_cell->routes.end()) return;
  if (routes->second.table == nullptr) {
    auto table = std::make_shared<HeardRoutes>();
    for (const auto& [key, prefix] : routes->second.by_key) table->Insert(prefix, {});
    routes->second.table = std::move(table);
  }
  box.routes = routes->second.table;
}

int64_t FleetState::bad_records() const {
  absl::MutexLock lock(&mu_);
  return bad_records_;
}

}  // namespace fairlead::fill
