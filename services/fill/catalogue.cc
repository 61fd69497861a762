#include "services/fill/catalogue.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/log/log.h"
#include "services/fill/codec.h"

namespace fairlead::fill {
namespace {

constexpr FeedTableLimits kFeedLimits = {};

content::v1::CatalogEntry EntryOf(const Title& title) {
  content::v1::CatalogEntry entry;
  entry.set_key(title.id.name());
  *entry.mutable_title() = TitleToProto(title);
  return entry;
}

content::v1::CatalogEntry EntryOf(const BoxManifest& manifest) {
  content::v1::CatalogEntry entry;
  entry.set_key(absl::StrCat("manifests/", manifest.appliance.value()));
  entry.set_manifest_generation(manifest.generation);
  return entry;
}

std::vector<content::v1::CatalogEntry> ManifestEntries(const CatalogueView& view) {
  std::vector<content::v1::CatalogEntry> entries;
  if (view.plan() == nullptr) return entries;
  for (const ClusterFillPlan& cluster : view.plan()->plan().clusters) {
    for (const BoxManifest& manifest : cluster.boxes) entries.push_back(EntryOf(manifest));
  }
  return entries;
}

void LogIfFailed(const char* feed, const absl::Status& status) {
  if (!status.ok()) LogError("the catalogue feed can't go on", {{"feed", feed}, {"why", status}});
}

}  // namespace

Catalogue::Catalogue(Store& store, FillMetrics& metrics)
    : store_(store),
      metrics_(metrics),
      view_(std::make_shared<const CatalogueView>()),
      steering_({.name = "catalogue/steering", .limits = kFeedLimits}),
      cell_({.name = "catalogue/cell", .limits = kFeedLimits}) {}

absl::Status Catalogue::Refresh() {
  absl::MutexLock lock(&refresh_mu_);
  const std::shared_ptr<const CatalogueView> before = view_.Get();
  absl::StatusOr<StoreChanges> changes = store_.Load(before->position(), before->plan() == nullptr ? 0 : before->plan()->plan().number);
  if (changes.ok() && before->loaded() && changes->position < before->position()) {
    changes = absl::FailedPreconditionError(absl::StrCat("the database went back from version ", before->position().ToString(), " to ",
                                                         changes->position.ToString(), "; after a restore, run SELECT fill.raise_epoch()"));
  }
  metrics_.store_up.Set(changes.ok() ? 1 : 0);
  if (changes.ok() != store_was_up_) {
    store_was_up_ = changes.ok();
    if (changes.ok()) LogInfo("the catalogue is read from the database again");
    if (!changes.ok())
      LogWarning("the catalogue can't be read from the database; reads go on from memory",
                 {{"why", changes.status()}, {"loaded", before->loaded()}});
  }
  if (!changes.ok()) {
    metrics_.store_failures.Increment();
    return changes.status();
  }
  if (changes->position == before->position()) return absl::OkStatus();
  const std::shared_ptr<const CatalogueView> next = CatalogueView::Next(*before, *changes);
  view_.Set(next);
  metrics_.titles.Set(static_cast<double>(next->titles().size()));
  metrics_.files.Set(static_cast<double>(next->file_count()));
  if (next->plan() != nullptr) {
    size_t short_files = 0;
    for (const ClusterFillPlan& cluster : next->plan()->plan().clusters) short_files += cluster.short_files.size();
    metrics_.plan_number.Set(static_cast<double>(next->plan()->plan().number));
    metrics_.short_files.Set(static_cast<double>(short_files));
  }
  PublishFeeds(*changes, *next);
  return absl::OkStatus();
}

std::vector<EncodedEntry> Catalogue::Encode(const std::vector<content::v1::CatalogEntry>& entries) {
  std::vector<EncodedEntry> encoded = EncodeEntries(entries);
  std::erase_if(encoded, [this](const EncodedEntry& entry) {
    const size_t most = kFeedLimits.most_entry_bytes;
    if (entry.bytes().size() <= most) return false;
    metrics_.feed_left_out.Increment();
    LogError("an entry is too large for the catalogue feed and left out",
             {{"key", std::string(entry.key())}, {"bytes", entry.bytes().size()}, {"most", most}});
    return true;
  });
  return encoded;
}

void Catalogue::PublishFeeds(const StoreChanges& changes, const CatalogueView& view) {
  std::vector<content::v1::CatalogEntry> titles;
  for (const Title& title : changes.titles) titles.push_back(EntryOf(title));
  std::vector<EncodedEntry> encoded = Encode(titles);
  // Both scopes stand at the store's position, whether the change concerns them or not.
  if (changes.whole) {
    LogIfFailed("steering", steering_.PublishWhole(changes.position, std::move(encoded)));
  } else {
    LogIfFailed("steering", steering_.PublishAt(changes.position, std::move(encoded)));
  }
  if (changes.whole || changes.plan.has_value()) {
    LogIfFailed("cell", cell_.PublishWhole(changes.position, Encode(ManifestEntries(view))));
  } else {
    LogIfFailed("cell", cell_.PublishAt(changes.position, {}));
  }
}

void Catalogue::ShutdownFeeds() {
  steering_.Shutdown();
  cell_.Shutdown();
}

}  // namespace fairlead::fill
