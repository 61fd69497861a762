#include "services/registry/poller.h"

#include <memory>
#include <utility>

#include "libs/base/status_macros.h"
#include "libs/log/log.h"
#include "libs/registry/plan.h"
#include "services/registry/appliance_config.h"
#include "services/registry/codec.h"
#include "services/registry/secrets.h"
#include "services/registry/writer.h"

namespace fairlead::registry {
namespace {

void AddSetting(const Fleet& fleet, const char* id, const std::string& value, absl::Time now, Batch& batch) {
  const RecordPtr<Setting> before = fleet.Find<Setting>(SettingId(id));
  if (before != nullptr && before->value.value == value) return;
  Setting setting;
  setting.id = SettingId(id);
  setting.value = value;
  Write<Setting> write = before == nullptr ? MakeCreate(std::move(setting), now) : MakeUpdate(before, std::move(setting), now);
  if (before == nullptr) {
    Record<Setting> record = *write.after;
    record.meta.uid = NewUid();
    write.after = std::make_shared<const Record<Setting>>(std::move(record));
  }
  AuditEntry audit;
  audit.time = now;
  audit.principal = "service/registryd";
  audit.method = "Start";
  audit.resource = write.name();
  audit.before_json = RecordJson(write.before);
  audit.after_json = RecordJson(write.after);
  batch.audit.push_back(std::move(audit));
  batch.writes.push_back(std::move(write));
}

}  // namespace

absl::Status Poller::Tick() {
  const absl::Status status = TickOnce();
  Report(status);
  return status;
}

absl::Status Poller::TickOnce() {
  RETURN_IF_ERROR(state_.Refresh().status());
  if (!settings_shared_) RETURN_IF_ERROR(ShareSettings());
  return PruneIfDue();
}

absl::Status Poller::ShareSettings() {
  const std::shared_ptr<const Fleet> fleet = state_.Get();
  Batch batch;
  batch.base = fleet->position();
  const absl::Time now = StoredTime(clock_.Now());
  AddSetting(*fleet, kFillAddressesSetting, options_.fill_addresses, now, batch);
  AddSetting(*fleet, kRenderVersionSetting, kRenderVersion, now, batch);
  if (!batch.writes.empty()) {
    const absl::Status status = store_.Commit(batch).status();
    if (absl::IsAborted(status)) return absl::OkStatus();  // Somebody else wrote: at the next tick again.
    RETURN_IF_ERROR(status);
    RETURN_IF_ERROR(state_.Refresh().status());
  }
  settings_shared_ = true;
  return absl::OkStatus();
}

absl::Status Poller::PruneIfDue() {
  const absl::Duration now = clock_.Monotonic();
  if (now - last_prune_ < options_.prune_interval) return absl::OkStatus();
  ASSIGN_OR_RETURN(const int64_t pruned, store_.PruneRequests(clock_.Now() - options_.request_age));
  last_prune_ = now;
  if (pruned > 0) LogInfo("forgot old request ids", {{"count", pruned}});
  return absl::OkStatus();
}

void Poller::Report(const absl::Status& status) {
  const absl::Duration now = clock_.Monotonic();
  if (status.ok() || last_success_ == absl::ZeroDuration()) last_success_ = now;
  metrics_.store_up.Set(status.ok() ? 1 : 0);
  metrics_.store_age_seconds.Set(absl::ToDoubleSeconds(now - last_success_));
  const std::shared_ptr<const Fleet> fleet = state_.Get();
  if (fleet != nullptr) {
    metrics_.config_version.Set(static_cast<double>(fleet->position().version));
    metrics_.config_epoch.Set(static_cast<double>(fleet->position().epoch));
  }
  if (!status.ok()) metrics_.store_failures.Increment();
  if (failing_ == !status.ok()) return;
  failing_ = !status.ok();
  if (failing_) {
    LogError("the store can't be used; feeds go on from memory", {{"status", status}});
  } else {
    LogInfo("the store can be used again");
  }
}

}  // namespace fairlead::registry
