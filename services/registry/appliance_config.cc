#include "services/registry/appliance_config.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/signing/digest.h"
#include "services/registry/codec.h"
#include "xxhash.h"

namespace fairlead::registry {
namespace {

// 64 bits tell 20,000 boxes' configs apart for longer than anything lives.
constexpr size_t kGenerationDigits = 16;

// What says nothing to a box but would change its generation.
template <typename Proto>
void Trim(Proto& message) {
  message.clear_create_time();
  message.clear_update_time();
  message.clear_etag();
}

template <typename T>
bool Touches(const ChangeSet& changes) {
  return !changes.Of<T>().put.empty() || !changes.Of<T>().deleted.empty();
}

bool TouchesHealthPolicy(const ChangeSet& changes) {
  const PolicyId health("health");
  const KindChanges<Policy>& policies = changes.Of<Policy>();
  return std::any_of(policies.put.begin(), policies.put.end(), [&](const auto& record) { return record->value.id == health; }) ||
         std::find(policies.deleted.begin(), policies.deleted.end(), health) != policies.deleted.end();
}

}  // namespace

ConfigView::ConfigView(std::shared_ptr<const Fleet> fleet, const ChangeSet& changes, const ConfigView* previous)
    : fleet_(std::move(fleet)) {
  Index();
  const bool all = previous == nullptr || changes.whole || Touches<Cell>(changes) || Touches<SigningKey>(changes) ||
                   Touches<Setting>(changes) || TouchesHealthPolicy(changes);
  absl::flat_hash_set<ApplianceId> concerned;
  if (!all) concerned = Concerned(changes, *previous);
  for (const auto& [id, record] : fleet_->All<Appliance>()) {
    const std::string* before = previous == nullptr ? nullptr : previous->GenerationOf(id);
    std::string& generation = generations_[id];
    if (!all && before != nullptr && !concerned.contains(id)) {
      generation = *before;
      continue;
    }
    generation = Sha256Hex(RenderWithoutGeneration(id).SerializeAsString()).substr(0, kGenerationDigits);
    if (before == nullptr || *before != generation) changed_.push_back(id);
  }
  if (previous == nullptr) return;
  for (const auto& [id, generation] : previous->generations_) {
    if (!generations_.contains(id)) changed_.push_back(id);
  }
}

void ConfigView::Index() {
  for (const auto& [id, record] : fleet_->All<BgpSession>()) sessions_[record->value.appliance].push_back(id);
  for (const auto& [id, record] : fleet_->All<Appliance>()) {
    by_site_[record->value.site].push_back(id);
    if (!record->value.credential_sha256.empty()) by_credential_.emplace(record->value.credential_sha256, id);
  }
  for (const auto& [id, record] : fleet_->All<Cell>()) {
    for (const SiteId& site : record->value.sites) cell_of_.emplace(site, id);
  }
}

absl::flat_hash_set<ApplianceId> ConfigView::Concerned(const ChangeSet& changes, const ConfigView& previous) const {
  absl::flat_hash_set<ApplianceId> concerned;
  for (const RecordPtr<Appliance>& record : changes.Of<Appliance>().put) concerned.insert(record->value.id);
  for (const RecordPtr<Site>& record : changes.Of<Site>().put) {
    const auto boxes = by_site_.find(record->value.id);
    if (boxes != by_site_.end()) concerned.insert(boxes->second.begin(), boxes->second.end());
  }
  // A session concerns the box that has it and the one that had it.
  const auto add_former = [&](const BgpSessionId& id) {
    const RecordPtr<BgpSession> former = previous.fleet().Find<BgpSession>(id);
    if (former != nullptr) concerned.insert(former->value.appliance);
  };
  for (const RecordPtr<BgpSession>& record : changes.Of<BgpSession>().put) {
    concerned.insert(record->value.appliance);
    add_former(record->value.id);
  }
  for (const BgpSessionId& id : changes.Of<BgpSession>().deleted) add_former(id);
  return concerned;
}

const std::string* ConfigView::GenerationOf(const ApplianceId& id) const {
  const auto found = generations_.find(id);
  return found == generations_.end() ? nullptr : &found->second;
}

const ApplianceId* ConfigView::FindByCredential(const std::string& sha256) const {
  const auto found = by_credential_.find(sha256);
  return found == by_credential_.end() ? nullptr : &found->second;
}

// The own site's cell first. The others in an order of the site's own, so that the boxes of a lost cell spread over the rest.
void ConfigView::AddCells(const SiteId& site, v1::ApplianceConfig& config) const {
  struct Candidate {
    bool foreign;
    uint64_t weight;
    const Record<Cell>* cell;
  };
  const auto own = cell_of_.find(site);
  std::vector<Candidate> candidates;
  for (const auto& [id, record] : fleet_->All<Cell>()) {
    const std::string pair = absl::StrCat(site.value(), "/", id.value());
    candidates.push_back({own == cell_of_.end() || own->second != id, XXH3_64bits(pair.data(), pair.size()), record.get()});
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return std::pair(a.foreign, a.weight) < std::pair(b.foreign, b.weight); });
  for (const Candidate& candidate : candidates) {
    v1::Cell& cell = *config.add_cells();
    cell = ToProto(*candidate.cell);
    cell.clear_sites();  // A box of one site has no use for the others.
    Trim(cell);
  }
}

v1::ApplianceConfig ConfigView::RenderWithoutGeneration(const ApplianceId& id) const {
  v1::ApplianceConfig config;
  const Record<Appliance>& appliance = *fleet_->Find<Appliance>(id);
  *config.mutable_appliance() = ToProto(appliance);
  config.mutable_appliance()->clear_credential_sha256();
  Trim(*config.mutable_appliance());
  const RecordPtr<Site> site = fleet_->Find<Site>(appliance.value.site);
  if (site != nullptr) {
    *config.mutable_site() = ToProto(*site);
    Trim(*config.mutable_site());
  }
  const auto sessions = sessions_.find(id);
  if (sessions != sessions_.end()) {
    for (const BgpSessionId& session : sessions->second) {
      *config.add_bgp_sessions() = ToProto(*fleet_->Find<BgpSession>(session));
      Trim(*config.mutable_bgp_sessions(config.bgp_sessions_size() - 1));
    }
  }
  AddCells(appliance.value.site, config);
  for (const auto& [key_id, key] : fleet_->All<SigningKey>()) {
    if (key->value.state == SigningKeyState::kRevoked) continue;
    *config.add_signing_keys() = ToProto(*key);
    Trim(*config.mutable_signing_keys(config.signing_keys_size() - 1));
  }
  const RecordPtr<Setting> fill = fleet_->Find<Setting>(SettingId(kFillAddressesSetting));
  if (fill != nullptr) {
    for (const absl::string_view address : absl::StrSplit(fill->value.value, ',', absl::SkipEmpty()))
      config.add_fill_addresses(std::string(address));
  }
  const RecordPtr<Policy> health = fleet_->Find<Policy>(PolicyId("health"));
  if (health != nullptr) *config.mutable_health_policy() = ToProto(*health).health();
  return config;
}

v1::ApplianceConfig ConfigView::Render(const ApplianceId& id) const {
  v1::ApplianceConfig config = RenderWithoutGeneration(id);
  config.set_generation(*GenerationOf(id));
  return config;
}

}  // namespace fairlead::registry
