#include "services/ingest/checkpoint_writer.h"

#include <utility>

#include "libs/base/status_macros.h"
#include "libs/log/log.h"

namespace fairlead::ingest {
namespace {

constexpr absl::Duration kCompactionCheck = absl::Seconds(1);

}  // namespace

absl::Status CheckpointWriter::Open() {
  absl::StatusOr<std::unique_ptr<Checkpoint>> opened =
      Checkpoint::Open({.folder = options_.folder, .name = "fleet", .least_log_bytes = options_.least_log_bytes});
  RETURN_IF_ERROR(opened.status());
  for (const absl::Status& fault : (*opened)->faults()) {
    metrics_.checkpoint_failures.Increment();
    LogWarning("the checkpoint was damaged", {{"why", fault}});
  }
  if (!(*opened)->cut().ok()) LogWarning("the checkpoint ended within a step: cut back", {{"why", (*opened)->cut()}});
  absl::MutexLock lock(&mu_);
  checkpoint_ = *std::move(opened);
  return absl::OkStatus();
}

absl::StatusOr<RestoredFleet> CheckpointWriter::OpenAndRestore() {
  RETURN_IF_ERROR(Open());
  return fleet_.Restore(*OpenCheckpoint());
}

absl::StatusOr<RestoredFleet> CheckpointWriter::Restore() {
  absl::MutexLock save_lock(&save_mu_);
  const absl::Duration start = clock_.Monotonic();
  const absl::StatusOr<RestoredFleet> restored = OpenAndRestore();
  if (absl::IsFailedPrecondition(restored.status())) return restored.status();
  if (!restored.ok()) {
    void_on_disk_ = true;
    metrics_.checkpoint_failures.Increment();
    LogError("the checkpoint can't be read; starting without it", {{"folder", options_.folder}, {"why", restored.status()}});
    return RestoredFleet();
  }
  metrics_.restored_appliances.Set(static_cast<double>(restored->boxes));
  LogInfo("started from the checkpoint", {{"appliances", restored->boxes},
                                          {"routes", restored->routes},
                                          {"left_out", restored->left_out},
                                          {"config", restored->config_position.ToString()},
                                          {"took", absl::FormatDuration(clock_.Monotonic() - start)}});
  return restored;
}

std::shared_ptr<Checkpoint> CheckpointWriter::OpenCheckpoint() {
  absl::MutexLock lock(&mu_);
  return checkpoint_;
}

void CheckpointWriter::Start() {
  saver_ = std::thread([this] { SaveLoop(); });
  compactor_ = std::thread([this] { CompactLoop(); });
}

void CheckpointWriter::Stop() {
  std::shared_ptr<Checkpoint> checkpoint;
  {
    absl::MutexLock lock(&mu_);
    if (std::exchange(stopping_, true)) return;
    checkpoint = checkpoint_;
  }
  if (checkpoint != nullptr) checkpoint->Cancel();
  if (!saver_.joinable()) return;
  saver_.join();
  compactor_.join();
  SaveNow().IgnoreError();  // Logged.
}

absl::Status CheckpointWriter::SaveNow() {
  absl::MutexLock lock(&save_mu_);
  const absl::Status saved = Save();
  Note(saved);
  return saved;
}

absl::Status CheckpointWriter::Save() {
  if (OpenCheckpoint() == nullptr) RETURN_IF_ERROR(Open());
  // Nothing of the fleet is on disk then, so all of it is still to be taken.
  if (std::exchange(void_on_disk_, false)) pending_.RemoveAll("");
  RETURN_IF_ERROR(Append());
  ApplianceId after;
  for (bool all = false; !all;) {
    all = fleet_.Save(kMostStepBytes, after, pending_);
    RETURN_IF_ERROR(Append());
  }
  return absl::OkStatus();
}

absl::Status CheckpointWriter::Append() {
  RETURN_IF_ERROR(OpenCheckpoint()->Append(pending_));
  pending_.Clear();
  return absl::OkStatus();
}

void CheckpointWriter::Note(const absl::Status& saved) {
  bool failed_before = false;
  {
    absl::MutexLock lock(&mu_);
    failed_before = std::exchange(failing_, !saved.ok());
    if (saved.ok()) saved_at_ = clock_.Monotonic();
  }
  if (!saved.ok()) metrics_.checkpoint_failures.Increment();
  // Once, not with each try.
  if (!saved.ok() && !failed_before) LogError("the checkpoint can't be written; it is tried again", {{"why", saved}});
  if (saved.ok() && failed_before) LogInfo("the checkpoint is written again");
}

void CheckpointWriter::SaveLoop() {
  while (Wait(options_.interval)) SaveNow().IgnoreError();  // Logged.
}

void CheckpointWriter::CompactLoop() {
  absl::Duration pause = kCompactionCheck;
  while (Wait(pause)) {
    const std::shared_ptr<Checkpoint> checkpoint = OpenCheckpoint();
    pause = kCompactionCheck;
    if (checkpoint == nullptr || !checkpoint->wants_compaction()) continue;
    const absl::Status compacted = checkpoint->Compact();
    if (compacted.ok()) metrics_.checkpoint_compactions.Increment();
    if (compacted.ok() || absl::IsCancelled(compacted)) continue;
    metrics_.checkpoint_failures.Increment();
    LogError("the checkpoint can't be compacted; it is tried again", {{"why", compacted}});
    pause = kCompactionPause;
  }
}

bool CheckpointWriter::Wait(absl::Duration time) {
  absl::MutexLock lock(&mu_);
  return !mu_.AwaitWithTimeout(absl::Condition(&stopping_), time);
}

void CheckpointWriter::Measure() {
  absl::MutexLock lock(&mu_);
  const bool ever = saved_at_ > -absl::InfiniteDuration();
  metrics_.checkpoint_age.Set(ever ? absl::ToDoubleSeconds(clock_.Monotonic() - saved_at_) : -1);
  metrics_.checkpoint_bytes.Set(checkpoint_ == nullptr ? 0 : static_cast<double>(checkpoint_->bytes()));
}

}  // namespace fairlead::ingest
