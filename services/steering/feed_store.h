// What steerd holds of one feed: the entries by key, and the position they stand at.
//
// Entries are immutable and shared, so that the table builder and the writer of the last-known-good copy read them without keeping
// the feed's thread waiting for longer than a walk over pointers. Thread-safe.
//
//   FeedStore<v1::ConfigEntry> config;
//   config.Apply(change);            // The feed client's thread; OK always.
//   config.Held().entries;           // The builder's.
#ifndef FAIRLEAD_SERVICES_STEERING_FEED_STORE_H_
#define FAIRLEAD_SERVICES_STEERING_FEED_STORE_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/synchronization/mutex.h"
#include "libs/feed/feed_replica.h"
#include "libs/feed/position.h"

namespace fairlead {

template <typename Entry>
struct HeldFeed {
  FeedPosition position;
  std::vector<std::shared_ptr<const Entry>> entries;  // In the order of their keys.
};

// Keys whose entries may be others than before.
struct KeyChanges {
  bool all = false;  // Too many to remember one by one: any may, also one that is gone.
  std::vector<std::string> keys;
};

// `Kept`: how an entry is held, made of one, with its key().
template <typename Entry, typename Kept = Entry>
class FeedStore {
 public:
  // As many changed keys are remembered one by one.
  static constexpr size_t kMostChanges = size_t{1} << 20;

  // Only entries with keep(const Entry&) are held, if it is given.
  template <typename Keep>
  absl::Status Apply(const FeedChange<Entry>& change, Keep&& keep) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    if (change.snapshot) {
      for (const auto& [key, entry] : entries_) Note(key);
      entries_.clear();
    }
    for (const Entry& entry : change.entries) {
      if (!keep(entry)) continue;
      Note(entry.key());
      if (IsRemoval(entry)) {
        entries_.erase(entry.key());
      } else {
        entries_[entry.key()] = std::make_shared<const Kept>(entry);
      }
    }
    position_ = change.position;
    ++generation_;
    return absl::OkStatus();
  }

  absl::Status Apply(const FeedChange<Entry>& change) ABSL_LOCKS_EXCLUDED(mu_) {
    return Apply(change, [](const Entry&) { return true; });
  }

  // What a copy on disk held.
  void Restore(FeedPosition position, std::vector<Entry> entries) {
    static_cast<void>(Apply({.snapshot = true, .base = {}, .position = position, .entries = std::move(entries), .held_entries = 0}));
  }

  HeldFeed<Kept> Held() const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    HeldFeed<Kept> held{.position = position_, .entries = {}};
    held.entries.reserve(entries_.size());
    for (const auto& [key, entry] : entries_) held.entries.push_back(entry);
    return held;
  }
  // Those whose keys begin with none of `prefixes`; the others aren't walked over.
  HeldFeed<Kept> HeldOutside(const std::vector<std::string>& prefixes) const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    HeldFeed<Kept> held{.position = position_, .entries = {}};
    for (auto at = entries_.begin(); at != entries_.end();) {
      const auto in = std::find_if(prefixes.begin(), prefixes.end(), [&](const std::string& p) { return absl::StartsWith(at->first, p); });
      if (in != prefixes.end()) {
        at = Behind(*in);
      } else {
        held.entries.push_back((at++)->second);
      }
    }
    return held;
  }
  // Null: not held.
  std::shared_ptr<const Kept> Find(const std::string& key) const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    const auto at = entries_.find(key);
    return at == entries_.end() ? nullptr : at->second;
  }
  // Of one reader: what has changed since it took it last; at first, all. Costs nothing before the first time.
  KeyChanges TakeChanges() ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    KeyChanges changes = {.all = std::exchange(all_changed_, false), .keys = {changed_.begin(), changed_.end()}};
    changed_ = {};
    return changes;
  }
  std::vector<std::string> Keys() const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    std::vector<std::string> keys;
    keys.reserve(entries_.size());
    for (const auto& [key, entry] : entries_) keys.push_back(key);
    return keys;
  }
  FeedPosition position() const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return position_;
  }
  // Grows with each change.
  uint64_t generation() const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return generation_;
  }

 private:
  // The first entry behind those whose keys begin with `prefix`, which ends in a letter or '/'.
  using Entries = absl::btree_map<std::string, std::shared_ptr<const Kept>>;
  void Note(const std::string& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (all_changed_) return;
    changed_.insert(key);
    all_changed_ = changed_.size() > kMostChanges;
    if (all_changed_) changed_ = {};
  }
  typename Entries::const_iterator Behind(std::string prefix) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    ++prefix.back();
    return entries_.lower_bound(prefix);
  }

  mutable absl::Mutex mu_;
  Entries entries_ ABSL_GUARDED_BY(mu_);
  FeedPosition position_ ABSL_GUARDED_BY(mu_);
  uint64_t generation_ ABSL_GUARDED_BY(mu_) = 0;
  absl::flat_hash_set<std::string> changed_ ABSL_GUARDED_BY(mu_);
  bool all_changed_ ABSL_GUARDED_BY(mu_) = true;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_FEED_STORE_H_
