// FeedReplica: the subscriber's half of a feed: assembles the messages of a change and says whether it may be applied.
//
// It holds positions and a 64-bit hash of each key (to know the size of the table), never the entries: those go to the owner, who
// answers by Commit. Rules: versions never go back within an epoch, and epochs never go back; a delta applies to exactly what is
// held; a change is whole or not at all; a snapshot much smaller than what is held is reported, so that the owner can refuse it.
// Not thread-safe. No I/O, no clock.
//
//   FeedReplica<v1::WatchConfigResponse> replica;
//   absl::StatusOr<std::optional<FeedChange<v1::ConfigEntry>>> offered = replica.Offer(std::move(response));
//   if (!offered.ok()) { replica.Restart(); … }          // Drop the stream, subscribe again with replica.ask().
//   else if (offered->has_value() && Apply(**offered)) replica.Commit(**offered);
#ifndef FAIRLEAD_LIBS_FEED_FEED_REPLICA_H_
#define FAIRLEAD_LIBS_FEED_FEED_REPLICA_H_

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "fairlead/common/v1/feed.pb.h"
#include "libs/feed/position.h"

namespace fairlead {

// A whole change. Of several entries with one key the last counts.
template <typename Entry>
struct FeedChange {
  bool snapshot = false;  // The entries are the whole state; else changes against `base`.
  FeedPosition base;
  FeedPosition position;
  std::vector<Entry> entries;
  size_t held_entries = 0;  // How many the subscriber holds before it.
};

template <typename Entry>
bool IsRemoval(const Entry& entry) {
  return entry.value_case() == Entry::VALUE_NOT_SET;
}

// The entry type of a feed's response.
template <typename Response>
using FeedEntryOf = std::decay_t<decltype(*std::declval<Response>().entries().begin())>;

// A change of more entry bytes than this is refused: the bound on what a subscriber assembles.
constexpr size_t kMostFeedChangeBytes = size_t{4} << 30;

// The keys of a table, so that its size is known: 64 bits each, however long they are.
class FeedKeys {
 public:
  void Insert(absl::string_view key) { hashes_.insert(absl::HashOf(key)); }
  void Erase(absl::string_view key) { hashes_.erase(absl::HashOf(key)); }
  void Clear() { hashes_.clear(); }
  size_t size() const { return hashes_.size(); }

 private:
  absl::flat_hash_set<uint64_t> hashes_;
};

// The rules on positions alone.
class FeedReplicaRules {
 public:
  FeedReplicaRules() = default;
  explicit FeedReplicaRules(FeedPosition held) : held_(held), ask_(held) {}

  FeedPosition held() const { return held_; }
  // What to subscribe with: held(), or nothing after a delta that didn't fit.
  FeedPosition ask() const { return ask_; }
  // True while the publisher is behind what is held: it is another replica or was restored; what is held stays.
  bool publisher_behind() const { return publisher_behind_; }

 protected:
  // OK if the message fits; FAILED_PRECONDITION if the publisher goes back, DATA_LOSS if something was missed (ask() is then
  // nothing), INVALID_ARGUMENT for a malformed frame.
  absl::Status Check(const common::v1::FeedFrame& frame, size_t bytes);
  void Committed(FeedPosition position) { held_ = ask_ = position; }
  void RestartRules() {
    assembling_.reset();
    assembled_bytes_ = 0;
    publisher_behind_ = false;
  }
  // The first frame of the change being assembled.
  const std::optional<common::v1::FeedFrame>& assembling() const { return assembling_; }

 private:
  absl::Status CheckHeartbeat(FeedPosition position);
  absl::Status CheckFirst(const common::v1::FeedFrame& frame);
  absl::Status Missed(absl::string_view what);

  FeedPosition held_;
  FeedPosition ask_;
  std::optional<common::v1::FeedFrame> assembling_;
  size_t assembled_bytes_ = 0;
  bool publisher_behind_ = false;
};

template <typename Response>
class FeedReplica : public FeedReplicaRules {
 public:
  using Entry = FeedEntryOf<Response>;
  using Change = FeedChange<Entry>;

  FeedReplica() = default;
  // With what a copy on disk holds.
  FeedReplica(FeedPosition held, FeedKeys keys) : FeedReplicaRules(held), keys_(std::move(keys)) {}

  // A whole change, or none if the message was a heartbeat or the change goes on. After an error: Restart and subscribe again.
  absl::StatusOr<std::optional<Change>> Offer(Response&& response) {
    const absl::Status fits = Check(response.frame(), response.ByteSizeLong());
    if (!fits.ok()) return fits;
    if (response.frame().kind() == common::v1::FeedFrame::KIND_HEARTBEAT) return std::optional<Change>();
    entries_.insert(entries_.end(), std::make_move_iterator(response.mutable_entries()->begin()),
                    std::make_move_iterator(response.mutable_entries()->end()));
    if (response.frame().more()) return std::optional<Change>();
    Change change;
    change.snapshot = response.frame().kind() == common::v1::FeedFrame::KIND_SNAPSHOT;
    change.base = {response.frame().base().epoch(), response.frame().base().version()};
    change.position = {response.frame().position().epoch(), response.frame().position().version()};
    change.entries = std::move(entries_);
    change.held_entries = keys_.size();
    Restart();
    return std::optional<Change>(std::move(change));
  }

  // The owner has applied the change that Offer gave last.
  void Commit(const Change& change) {
    if (change.snapshot) keys_.Clear();
    for (const Entry& entry : change.entries) {
      if (IsRemoval(entry)) {
        keys_.Erase(entry.key());
      } else {
        keys_.Insert(entry.key());
      }
    }
    Committed(change.position);
  }

  // The stream ended: what was assembled so far is void.
  void Restart() {
    entries_.clear();
    RestartRules();
  }

  size_t held_entries() const { return keys_.size(); }

 private:
  FeedKeys keys_;
  std::vector<Entry> entries_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_FEED_FEED_REPLICA_H_
