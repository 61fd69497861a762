// The half of FleetState that gives its state to a checkpoint and takes it back.
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/log/log.h"
#include "services/ingest/fleet_state.h"

namespace fairlead::ingest {
namespace {

// Routes of a box written without letting its lock go, and how often that is done before the rest is written at once.
constexpr size_t kMostRoutesAtOnce = 20'000;
constexpr int kMostSlices = 1'000;
constexpr int kMostLogged = 10;

}  // namespace

// Takes the entries in the order of their keys: a box is made as soon as its last one is there.
class FleetState::Restorer {
 public:
  Restorer(const FleetState& fleet, std::shared_ptr<const VrpTable> vrps) : fleet_(fleet), vrps_(std::move(vrps)), now_(fleet.Now()) {}

  void Take(absl::string_view key, absl::string_view value) {
    if (key == kHeadKey) return TakeHead(value);
    if (absl::StartsWith(key, kConfigKeys)) return TakeConfig(value);
    const absl::StatusOr<BoxKey> parsed = ParseBoxKey(key);
    if (!parsed.ok()) return LeaveOut(parsed.status());
    if (parsed->box != box_) {
      EndBox();
      box_ = parsed->box;
    }
    const absl::Status taken = TakeBoxEntry(*parsed, std::string(value));
    if (!taken.ok()) LeaveOut(taken);
  }
  void End() { EndBox(); }

  RestoredFleet result;
  CheckpointClock clock;
  ConfigTable config;
  Boxes boxes;
  std::vector<ApplianceId> unregistered;

 private:
  void TakeHead(absl::string_view value) {
    v1::CheckpointHead head;
    if (!head.ParseFromArray(value.data(), static_cast<int>(value.size()))) return LeaveOut(absl::DataLossError("the head can't be read"));
    clock = CheckpointClock::At(now_, head.time_us());
    result.config_position = {head.config_position().epoch(), head.config_position().version()};
  }
  void TakeConfig(absl::string_view value) {
    registry::v1::ConfigEntry& entry = config_change_.entries.emplace_back();
    if (entry.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
      result.config_keys.Insert(entry.key());
      return;
    }
    config_change_.entries.pop_back();
    LeaveOut(absl::DataLossError("an entry of the configuration can't be read"));
  }
  absl::Status TakeBoxEntry(const BoxKey& key, const std::string& value) {
    const absl::Status unreadable = absl::DataLossError(absl::StrCat("an entry of ", key.box.name(), " can't be read"));
    switch (key.kind) {
      case BoxKey::Kind::kRecord:
        has_record_ = kept_.record.ParseFromString(value);
        return has_record_ ? absl::OkStatus() : unreadable;
      case BoxKey::Kind::kHoldings:
        return kept_.holdings.emplace().ParseFromString(value) ? absl::OkStatus() : unreadable;
      case BoxKey::Kind::kRoute: {
        if (!route_.ParseFromString(value)) return unreadable;
        ASSIGN_OR_RETURN(RestoredRoute route, RouteFromRecord(key.route, route_));
        kept_.routes[key.session].push_back(std::move(route));
        ++result.routes;
        return absl::OkStatus();
      }
    }
    return unreadable;
  }
  void ApplyConfig() {
    if (config.received() || result.config_position.nothing()) return;
    config_change_.snapshot = true;
    config_change_.position = result.config_position;
    config.Apply(config_change_);
    config_change_ = {};
  }
  void EndBox() {
    ApplyConfig();
    if (box_.empty()) return;
    RestoredBox kept = std::exchange(kept_, {});
    const std::shared_ptr<const BoxConfig> registered = config.Find(box_);
    if (!std::exchange(has_record_, false)) return LeaveOut(absl::DataLossError(absl::StrCat(box_.name(), ": without a record")));
    if (registered == nullptr || boxes.size() >= fleet_.options_.most_appliances) {
      unregistered.push_back(box_);
      return LeaveOut(absl::NotFoundError(absl::StrCat(box_.name(), ": isn't registered, or is one too many")));
    }
    Box box(registered, fleet_.options_.cell, fleet_.options_.routes, config.policy(), now_);
    box.SetVrps(vrps_);
    box.Restore(std::move(kept), clock, now_);
    boxes[box_] = std::make_shared<Slot>(std::move(box));
    ++result.boxes;
  }
  void LeaveOut(const absl::Status& why) {
    if (result.left_out++ < kMostLogged) LogWarning("an entry of the checkpoint is left out", {{"why", why}});
  }

  const FleetState& fleet_;
  const std::shared_ptr<const VrpTable> vrps_;
  const absl::Time now_;
  FeedChange<registry::v1::ConfigEntry> config_change_;
  ApplianceId box_;
  bool has_record_ = false;
  RestoredBox kept_;
  v1::RouteRecord route_;
};

absl::StatusOr<RestoredFleet> FleetState::Restore(const Checkpoint& checkpoint) {
  std::shared_ptr<const VrpTable> vrps;
  {
    absl::MutexLock lock(&config_mu_);
    vrps = vrps_;
  }
  Restorer restorer(*this, std::move(vrps));
  RETURN_IF_ERROR(checkpoint.ForEach([&restorer](absl::string_view key, absl::string_view value) { restorer.Take(key, value); }));
  restorer.End();
  checkpoint_clock_ = restorer.clock;
  absl::MutexLock config_lock(&config_mu_);
  config_ = std::move(restorer.config);
  config_position_ = restorer.result.config_position;
  absl::MutexLock boxes_lock(&boxes_mu_);
  boxes_ = std::move(restorer.boxes);
  removed_unsaved_ = std::move(restorer.unregistered);
  return std::move(restorer.result);
}

void FleetState::NoteConfig(const FeedChange<registry::v1::ConfigEntry>& change) {
  config_position_ = change.position;
  if (change.snapshot) {
    config_unsaved_.clear();
    config_whole_unsaved_ = true;
  }
  for (const registry::v1::ConfigEntry& entry : change.entries) {
    config_unsaved_[entry.key()] = IsRemoval(entry) ? std::nullopt : std::make_optional(entry.SerializeAsString());
  }
}

void FleetState::SaveConfig(ChangeBatch& batch) {
  absl::MutexLock lock(&config_mu_);
  v1::CheckpointHead head;
  head.set_time_us(checkpoint_clock_.Save(Now()));
  head.mutable_config_position()->set_epoch(config_position_.epoch);
  head.mutable_config_position()->set_version(config_position_.version);
  batch.Set(kHeadKey, head.SerializeAsString());
  if (std::exchange(config_whole_unsaved_, false)) batch.RemoveAll(kConfigKeys);
  for (const auto& [key, value] : std::exchange(config_unsaved_, {})) {
    if (value.has_value()) {
      batch.Set(absl::StrCat(kConfigKeys, key), *value);
    } else {
      batch.Remove(absl::StrCat(kConfigKeys, key));
    }
  }
}

bool FleetState::Save(size_t most_bytes, ApplianceId& after, ChangeBatch& batch) {
  if (after.empty()) SaveConfig(batch);
  std::vector<std::pair<ApplianceId, std::shared_ptr<Slot>>> slots;
  {
    // Together: a box that was removed and came again is forgotten before its new self is saved.
    absl::MutexLock lock(&boxes_mu_);
    for (const ApplianceId& id : std::exchange(removed_unsaved_, {})) batch.RemoveAll(BoxKeys(id));
    for (auto at = boxes_.upper_bound(after); at != boxes_.end(); ++at) slots.push_back(*at);
  }
  for (const auto& [id, slot] : slots) {
    if (batch.bytes() >= most_bytes) return false;
    after = id;
    for (int slice = 0; slice <= kMostSlices; ++slice) {
      absl::MutexLock lock(&slot->mu);
      if (slot->gone || slot->box.Save(checkpoint_clock_, slice < kMostSlices ? kMostRoutesAtOnce : SIZE_MAX, batch)) break;
    }
  }
  return true;
}

}  // namespace fairlead::ingest
