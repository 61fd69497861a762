#include "services/registry/config_feeds.h"

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/log/log.h"
#include "services/registry/codec.h"

namespace fairlead::registry {
namespace {

constexpr v1::ConfigScope kScopes[] = {v1::CONFIG_SCOPE_CELL, v1::CONFIG_SCOPE_STEERING, v1::CONFIG_SCOPE_FILL};

// Which kinds a scope has; config_service.proto tells why.
template <typename T>
bool InScope(v1::ConfigScope scope, const typename T::IdType& id) {
  if (scope != v1::CONFIG_SCOPE_CELL) return true;
  if constexpr (std::is_same_v<T, Cluster> || std::is_same_v<T, SigningKey>) return false;
  if constexpr (std::is_same_v<T, Policy>) return id.value() == "health";
  return true;
}

template <typename T>
v1::ConfigEntry EntryOf(const Record<T>& record) {
  v1::ConfigEntry entry;
  entry.set_key(record.name());
  KindTraits<T>::MutableOf(entry) = ToProto(record);
  return entry;
}

v1::ConfigEntry GenerationEntry(const ConfigView& view, const ApplianceId& id) {
  v1::ConfigEntry entry;
  entry.set_key(absl::StrCat("generations/", id.value()));
  const std::string* generation = view.GenerationOf(id);
  if (generation == nullptr) return entry;  // Removed.
  entry.mutable_generation()->set_appliance(id.name());
  entry.mutable_generation()->set_generation(*generation);
  return entry;
}

std::vector<EncodedEntry> Entries(v1::ConfigScope scope, const ConfigView& view, const ChangeSet& changes) {
  std::vector<EncodedEntry> entries;
  FeedKinds::ForEach([&]<typename T>() {
    for (const RecordPtr<T>& record : changes.Of<T>().put) {
      if (InScope<T>(scope, record->value.id)) entries.push_back(EncodeEntry(EntryOf(*record)));
    }
    for (const typename T::IdType& id : changes.Of<T>().deleted) {
      if (InScope<T>(scope, id) && !changes.whole) entries.push_back(EncodedEntry::Removal(id.name()));
    }
  });
  if (scope != v1::CONFIG_SCOPE_CELL) return entries;
  if (changes.whole) {
    for (const auto& [id, record] : view.fleet().All<Appliance>()) entries.push_back(EncodeEntry(GenerationEntry(view, id)));
  } else {
    for (const ApplianceId& id : view.changed()) entries.push_back(EncodeEntry(GenerationEntry(view, id)));
  }
  return entries;
}

}  // namespace

ConfigFeeds::ConfigFeeds() {
  for (size_t i = 0; i < publishers_.size(); ++i) {
    FeedPublisherOptions options;
    options.name = absl::StrCat("config ", v1::ConfigScope_Name(kScopes[i]));
    publishers_[i] = std::make_unique<FeedPublisher>(std::move(options));
  }
}

void ConfigFeeds::Update(const std::shared_ptr<const Fleet>& fleet, const ChangeSet& changes) {
  const std::shared_ptr<const ConfigView> previous = view_.Get();
  const auto view = std::make_shared<const ConfigView>(fleet, changes, previous.get());
  // The boxes' configs first: whoever hears of a new generation must be able to read it.
  view_.Set(view);
  const FeedPosition position{.epoch = changes.position.epoch, .version = changes.position.version};
  for (size_t i = 0; i < publishers_.size(); ++i) {
    std::vector<EncodedEntry> entries = Entries(kScopes[i], *view, changes);
    const absl::Status status = changes.whole || previous == nullptr ? publishers_[i]->PublishWhole(position, std::move(entries))
                                                                     : publishers_[i]->PublishAt(position, std::move(entries));
    if (!status.ok()) LogError("config feed refused a change", {{"scope", v1::ConfigScope_Name(kScopes[i])}, {"status", status}});
  }
}

FeedPublisher* ConfigFeeds::Of(v1::ConfigScope scope) {
  for (size_t i = 0; i < publishers_.size(); ++i) {
    if (kScopes[i] == scope) return publishers_[i].get();
  }
  return nullptr;
}

int ConfigFeeds::subscribers() const {
  int count = 0;
  for (const auto& publisher : publishers_) count += publisher->stats().subscribers;
  return count;
}

void ConfigFeeds::Shutdown() {
  for (const auto& publisher : publishers_) publisher->Shutdown();
}

}  // namespace fairlead::registry
