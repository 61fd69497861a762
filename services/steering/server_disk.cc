// What a steerd keeps on disk, and how it starts from that: SteeringServer's other half.
#include <algorithm>
#include <filesystem>
#include <future>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/checkpoint/whole_file.h"
#include "libs/log/log.h"
#include "services/steering/server.h"
#include "services/steering/snapshot_file.h"

namespace fairlead {
namespace {

// The part of the near copy that is no feed: ids of the boxes that the guard believes to be gone.
constexpr char kGuardSection[] = "guard";

size_t BytesOf(const std::vector<SnapshotSection>& sections) {
  size_t bytes = 0;
  for (const SnapshotSection& section : sections) {
    for (const std::string& entry : section.entries) bytes += entry.size();
  }
  return bytes;
}

// Of the file or, where that isn't there, of the one before it; 0: neither is.
uint64_t SizeOnDisk(const std::string& folder, absl::string_view name) {
  for (const std::string& candidate : {std::string(name), PreviousName(name)}) {
    std::error_code error;
    const uint64_t size = std::filesystem::file_size(absl::StrCat(folder, "/", candidate), error);
    if (!error) return size;
  }
  return 0;
}

TableExtras ExtrasOf(const ServingState& state, absl::Time wall, absl::Duration now) {
  TableExtras extras = {.saved_at = wall,
                        .default_max_urls = state.settings.default_max_urls,
                        .token_lifetime = state.settings.token_lifetime,
                        .active_key_ids = state.settings.active_key_ids};
  for (const SourceStatus& source : state.sources) {
    if (source.position.nothing()) continue;
    extras.sources.push_back(
        {.name = source.source, .position = source.position, .age = std::max(absl::ZeroDuration(), now - source.heard_at)});
  }
  return extras;
}

}  // namespace

// ---- Starting ----

// The near copy, and what it says of the configuration, beside the table: nobody is answered meanwhile.
void SteeringServer::LoadFromDisk() {
  std::future<std::optional<TableFile>> table = std::async(std::launch::async, [this] { return ReadTable(options_.stand_in_from_bytes); });
  LoadNear();
  StandIn::Configuration configuration = StandIn::Read(sources_, nullptr);
  StandOn(table.get());
  if (stand_in_ != nullptr) return stand_in_->Expect(std::move(configuration));
  if (!LoadBulk()) StandOn(ReadTable(0));  // A spoilt copy of the feeds leaves the table made of them.
}

// A copy that can't be used is no reason not to start: the sources will come.
void SteeringServer::LoadNear() {
  if (options_.state_dir.empty()) return;
  LoadedSnapshot loaded = LoadSnapshot(options_.state_dir);
  for (const absl::Status& refused : loaded.refused) {
    metrics_.snapshot_failures.Increment();
    LogError("copy on disk refused", {{"why", refused}});
  }
  if (!loaded.sections.has_value()) {
    LogWarning("no copy on disk to start from", {{"state_dir", options_.state_dir}});
    return;
  }
  std::vector<SnapshotSection> feeds;
  for (SnapshotSection& section : *loaded.sections) {
    if (section.name != kGuardSection) {
      feeds.push_back(std::move(section));
      continue;
    }
    for (std::string& id : section.entries) gone_from_copy_.emplace_back(std::move(id));
  }
  if (const absl::Status restored = sources_.RestoreNear(feeds); !restored.ok()) {
    gone_from_copy_.clear();
    metrics_.snapshot_failures.Increment();
    LogError("copy on disk refused", {{"file", loaded.file}, {"why", restored}});
    return;
  }
  LogInfo("starting from the copy on disk", {{"file", loaded.file}, {"sources", feeds.size()}});
  absl::MutexLock lock(&save_mu_);
  saved_generation_ = sources_.generation();
}

bool SteeringServer::LoadBulk() {
  if (feeds_ == nullptr) return false;
  absl::MutexLock lock(&save_feeds_mu_);
  const absl::StatusOr<FeedCheckpoint::Restored> restored = feeds_->Restore();
  bulk_loaded_ = true;
  if (!restored.ok()) {
    metrics_.snapshot_failures.Increment();
    LogError("copy of the feeds on disk refused", {{"why", restored.status()}});
    return false;
  }
  for (const absl::Status& fault : restored->faults) {
    metrics_.snapshot_failures.Increment();
    LogError("copy of the feeds on disk was damaged", {{"why", fault}});
  }
  if (!restored->cut.ok()) LogWarning("copy of the feeds on disk ended within a step: cut back", {{"why", restored->cut}});
  metrics_.feeds_bytes.Set(static_cast<double>(feeds_->bytes()));
  LogInfo("feeds read from disk", {{"entries", restored->entries}, {"prefixes", restored->prefixes}});
  return !restored->empty();
}

std::optional<TableFile> SteeringServer::ReadTable(uint64_t from_bytes) {
  if (options_.state_dir.empty() || SizeOnDisk(options_.state_dir, kTableFile) == 0) return std::nullopt;
  {
    absl::MutexLock lock(&save_table_mu_);
    on_disk_ = CountsOnDisk(options_.state_dir);
  }
  // Without a copy of the feeds the table is all there is.
  const uint64_t bulk = FeedCheckpoint::BytesOnDisk(options_.state_dir);
  if (bulk > 0 && bulk < from_bytes) return std::nullopt;
  LoadedTable loaded = LoadTable(options_.state_dir);
  for (const absl::Status& refused : loaded.refused) {
    metrics_.table_file_failures.Increment();
    LogError("table on disk refused", {{"why", refused}});
  }
  return std::move(loaded.file);
}

void SteeringServer::StandOn(std::optional<TableFile> file) {
  if (!file.has_value()) return;
  LogInfo("serving from the table on disk until the next one is built",
          {{"file", file->path}, {"saved", absl::FormatTime(file->extras.saved_at)}});
  stand_in_ = std::make_unique<StandIn>(StandIn::Options{.rescan_keys_every = options_.builder.rescan_keys_every}, *std::move(file),
                                        &sources_, signer_.get(), metrics_, clock_, serving_);
  absl::MutexLock lock(&save_table_mu_);
  on_disk_ = stand_in_->counts();  // Which may be the one before.
}

absl::Status SteeringServer::StartFromFileAlone() {
  ASSIGN_OR_RETURN(TableFile file, OpenTableFile(options_.snapshot));
  LogInfo("serving from a table file alone", {{"file", file.path}, {"saved", absl::FormatTime(file.extras.saved_at)}});
  stand_in_ = std::make_unique<StandIn>(StandIn::Options{.rescan_keys_every = options_.builder.rescan_keys_every}, std::move(file), nullptr,
                                        signer_.get(), metrics_, clock_, serving_);
  return absl::OkStatus();
}

// ---- From the table on disk to the one that is built ----

bool SteeringServer::stands_in() const {
  absl::MutexLock lock(&stop_mu_);
  return stands_in_;
}

bool SteeringServer::MayReplace(const ImageCounts& held, const ImageCounts& offered, std::optional<absl::Duration>& held_since) {
  const std::optional<std::string> smaller = WhySharplySmaller(held, offered);
  const absl::Duration now = clock_.Monotonic();
  if (smaller.has_value() && !held_since.has_value()) {
    held_since = now;
    LogError("a table is held back for being sharply smaller; remove the table file to let it pass",
             {{"why", *smaller}, {"for", absl::FormatDuration(options_.table_hold)}});
  }
  if (!smaller.has_value()) held_since.reset();
  const bool may = !smaller.has_value() || now - *held_since >= options_.table_hold;
  metrics_.table_held.Set(may ? 0 : 1);
  return may;
}

std::optional<TableBuilder::TakenOver> SteeringServer::TakeOver(const SteeringTable& table) {
  // An operator who removes the file lets the smaller table pass.
  const bool removed = SizeOnDisk(options_.state_dir, kTableFile) == 0;
  if (!removed && !MayReplace(stand_in_->counts(), CountsOf(table), take_over_held_since_)) return std::nullopt;
  metrics_.table_held.Set(0);
  {
    absl::MutexLock lock(&stop_mu_);
    stands_in_ = false;
  }
  stand_in_thread_.join();
  metrics_.table_file_age.Set(0);
  TableBuilder::TakenOver taken = {.version = stand_in_->version(), .gone = stand_in_->gone()};
  LogInfo("the table built from the feeds takes over from the one on disk", {{"version", taken.version}});
  stand_in_.reset();
  return taken;
}

void SteeringServer::RunStandIn() {
  bool serving = false;
  const auto done = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(stop_mu_) { return stopping_ || !stands_in_; };
  while (true) {
    stand_in_->Tick(clock_.Monotonic());
    ShowHealth(serving);
    if (builder_ == nullptr) ShowCounters();
    absl::MutexLock lock(&stop_mu_);
    if (stop_mu_.AwaitWithTimeout(absl::Condition(&done), options_.build_interval)) return;
  }
}

void SteeringServer::ShowHealth(bool& serving) {
  const absl::Status health = steerer_->Health();
  if (health.ok() == serving) return;
  serving = health.ok();
  rpc_->SetServing(serving);
  LogInfo(serving ? "serving" : "not serving", {{"why", health}});
}

void SteeringServer::RunBuilder() {
  if (stands_in() && !bulk_loaded_) LoadBulk();
  sources_.StartRest();
  bool serving = steerer_->Health().ok();
  absl::Duration began;
  do {
    began = clock_.Monotonic();
    builder_->Tick(began);
    ShowCounters();
    if (!stands_in()) ShowHealth(serving);
  } while (builder_->busy() ? Wait(absl::ZeroDuration()) : AwaitTick(clock_.Monotonic() - began));
}

// False once the server stops.
bool SteeringServer::AwaitTick(absl::Duration took) {
  constexpr absl::Duration kLongest = absl::Milliseconds(100);  // Before it is looked at whether the server stops.
  const absl::Duration end = clock_.Monotonic() + RestBehindTick(options_.build_interval, took);
  if (!Wait(LeastRestBehindTick(options_.build_interval, took))) return false;
  while (Wait(absl::ZeroDuration())) {
    const absl::Duration left = end - clock_.Monotonic();
    if (left <= absl::ZeroDuration() || sources_.AwaitNews(std::min(left, kLongest))) return true;
  }
  return false;
}

// ---- Saving ----

void SteeringServer::RunSaver() {
  while (Wait(options_.save_interval)) {
    if (const absl::Status saved = SaveNear(); !saved.ok()) LogError("copy on disk not written", {{"why", saved}});
    if (const absl::Status saved = SaveFeeds(); !saved.ok()) LogError("feeds on disk not written", {{"why", saved}});
  }
}

void SteeringServer::RunTableSaver() {
  while (Wait(options_.table_save_interval)) {
    if (const absl::Status saved = SaveTable(); !saved.ok()) LogError("table on disk not written", {{"why", saved}});
  }
}

absl::Status SteeringServer::SaveNow() {
  absl::Status saved = SaveNear();
  saved.Update(SaveFeeds());
  saved.Update(SaveTable());
  return saved;
}

absl::Status SteeringServer::SaveNear() {
  if (options_.state_dir.empty()) return absl::OkStatus();
  absl::MutexLock lock(&save_mu_);
  const uint64_t generation = sources_.generation();
  const std::shared_ptr<const std::vector<ApplianceId>> gone = serving_.Get()->gone;
  if (generation == saved_generation_ && gone == saved_gone_) return absl::OkStatus();
  std::vector<SnapshotSection> sections = sources_.SaveNear();
  if (sections.empty()) return absl::OkStatus();
  SnapshotSection& guard = sections.emplace_back();
  guard = {.name = kGuardSection, .position = {}, .saved_at = clock_.Now(), .age = {}, .entries = {}};
  for (const ApplianceId& id : *gone) guard.entries.push_back(id.value());
  if (const absl::Status written = WriteSnapshot(options_.state_dir, sections); !written.ok()) {
    metrics_.snapshot_failures.Increment();
    return written;
  }
  saved_generation_ = generation;
  saved_gone_ = gone;
  metrics_.snapshots_written.Increment();
  metrics_.snapshot_bytes.Set(static_cast<double>(BytesOf(sections)));
  return absl::OkStatus();
}

void SteeringServer::StopCompaction() {
  if (feeds_ == nullptr) return;
  absl::MutexLock lock(&save_feeds_mu_);
  feeds_->Stop();
}

absl::Status SteeringServer::SaveFeeds() {
  if (feeds_ == nullptr || !bulk_loaded_) return absl::OkStatus();
  absl::MutexLock lock(&save_feeds_mu_);
  absl::Status saved = feeds_->Save();
  if (absl::IsResourceExhausted(saved)) saved = absl::OkStatus();  // It goes on behind a compaction, as it should.
  if (!saved.ok()) metrics_.snapshot_failures.Increment();
  metrics_.feeds_bytes.Set(static_cast<double>(feeds_->bytes()));
  return saved;
}

absl::Status SteeringServer::SaveTable() {
  if (options_.state_dir.empty()) return absl::OkStatus();
  absl::MutexLock lock(&save_table_mu_);
  const std::shared_ptr<const ServingState> state = serving_.Get();
  const std::shared_ptr<const SteeringTable> table = state->table;
  if (table == nullptr || !bulk_loaded_ || stands_in()) return absl::OkStatus();
  if (saved_table_.Is(*table)) return absl::OkStatus();  // Another topology has other ladders.
  TableExtras extras = ExtrasOf(*state, clock_.Now(), clock_.Monotonic());
  const ImageCounts counts = CountsOf(*table);
  const bool to_compare = on_disk_.has_value() && SizeOnDisk(options_.state_dir, kTableFile) > 0;
  if (to_compare && !MayReplace(*on_disk_, counts, save_held_since_)) return absl::OkStatus();
  extras.shrunken = to_compare && WhySharplySmaller(*on_disk_, counts).has_value();
  const absl::Duration start = clock_.Monotonic();
  if (const absl::Status written = SaveTableFile(options_.state_dir, *table, extras); !written.ok()) {
    metrics_.table_file_failures.Increment();
    return written;
  }
  on_disk_ = counts;
  saved_table_ = {.ladders = table->ladders, .holdings = table->holdings, .catalogue = table->catalogue};
  metrics_.table_files_written.Increment();
  metrics_.table_file_seconds.Set(absl::ToDoubleSeconds(clock_.Monotonic() - start));
  metrics_.table_file_bytes.Set(static_cast<double>(SizeOnDisk(options_.state_dir, kTableFile)));
  return absl::OkStatus();
}

}  // namespace fairlead
