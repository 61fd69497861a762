// FeedTable: what a publisher holds of one feed: the whole state by key, and a bounded log of the newest changes from which deltas
// are made. The pure half of a feed; feed_publisher.h puts it behind gRPC.
//
// Entries are held encoded (protobuf wire format), so an entry is encoded once however many subscribers get it. All positions are
// exact: a delta is only made from a position that this table stood at, because a change from in between could leave a vanished
// key behind.
// Not thread-safe. Apply: O(changes · log n). Snapshot: O(n). Delta: O(changes since base · log).
//
//   FeedTable table(FeedPosition{epoch, 0}, {});
//   table.Apply({epoch, 1}, {EncodedEntry::Upsert("sites/lhr001", site_bytes)});
//   if (table.CanDelta(held)) Send(table.Delta(held)); else Send(table.Snapshot());
#ifndef FAIRLEAD_LIBS_FEED_FEED_TABLE_H_
#define FAIRLEAD_LIBS_FEED_FEED_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/feed/position.h"

namespace fairlead {

// An entry message in wire format, whose field 1 is the key. A removal has the key and nothing else.
class EncodedEntry {
 public:
  // `bytes` is a serialised entry message with field 1 set and a value: INVALID_ARGUMENT else.
  static absl::StatusOr<EncodedEntry> FromBytes(std::string bytes);
  static EncodedEntry Removal(absl::string_view key);

  absl::string_view key() const { return absl::string_view(bytes_).substr(key_begin_, key_end_ - key_begin_); }
  bool removal() const { return key_end_ == bytes_.size(); }
  const std::string& bytes() const { return bytes_; }

 private:
  EncodedEntry(std::string bytes, uint32_t key_begin, uint32_t key_end)
      : bytes_(std::move(bytes)), key_begin_(key_begin), key_end_(key_end) {}

  std::string bytes_;
  uint32_t key_begin_;
  uint32_t key_end_;
};

struct FeedTableLimits {
  // Well under gRPC's default limit of 4 MiB a message, with room for the frame.
  size_t most_entry_bytes = size_t{3} << 20;
  // A message of a feed is closed when it has reached this size.
  size_t chunk_bytes = size_t{512} << 10;
  // The change log forgets its oldest change beyond either.
  size_t log_entries = 200'000;
  size_t log_bytes = size_t{64} << 20;
};

// One change as messages in wire format (field 1 = frame, field 2 = entries): all but the last have more = true.
struct EncodedChange {
  FeedPosition base;  // Of a delta; nothing for a snapshot.
  FeedPosition position;
  size_t entries = 0;
  std::vector<std::string> messages;
};

class FeedTable {
 public:
  explicit FeedTable(FeedPosition start, FeedTableLimits limits = {}) : limits_(limits), position_(start), floor_(start) {}

  // Goes to `next` with these changes; of several with one key the last counts, and those that change nothing are left out.
  // FAILED_PRECONDITION if `next` isn't newer than position(), INVALID_ARGUMENT if an entry is too large: then nothing is changed.
  // A new epoch empties the log, so that every subscriber gets a snapshot.
  absl::Status Apply(FeedPosition next, std::vector<EncodedEntry> changes);
  // The changes that make the state equal to `whole`: upserts of what is new or different, removals of what is missing in it.
  std::vector<EncodedEntry> ChangesTo(std::vector<EncodedEntry> whole) const;
  // True if Apply would leave the state as it is.
  bool Unchanged(const std::vector<EncodedEntry>& changes) const;

  FeedPosition position() const { return position_; }
  size_t size() const { return entries_.size(); }
  size_t bytes() const { return bytes_; }
  size_t log_entries() const { return log_entries_; }
  // The encoded entry of `key`; null if there is none.
  const EncodedEntry* Find(absl::string_view key) const;

  bool CanDelta(FeedPosition base) const;
  // Call only if CanDelta(base).
  EncodedChange Delta(FeedPosition base) const;
  EncodedChange Snapshot() const;
  // Nothing changed: one message.
  std::string Heartbeat() const;

 private:
  using Entry = std::shared_ptr<const EncodedEntry>;
  struct ByKey {
    using is_transparent = void;
    static absl::string_view KeyOf(const Entry& entry) { return entry->key(); }
    static absl::string_view KeyOf(absl::string_view key) { return key; }
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return KeyOf(a) < KeyOf(b);
    }
  };
  struct Record {
    FeedPosition position;
    std::vector<Entry> changes;
    size_t bytes = 0;
  };

  bool IsNoChange(const EncodedEntry& change) const;
  void Put(Entry entry);
  void TrimLog();

  FeedTableLimits limits_;
  FeedPosition position_;
  // The position before the first record of the log.
  FeedPosition floor_;
  absl::btree_set<Entry, ByKey> entries_;
  size_t bytes_ = 0;
  std::deque<Record> log_;
  size_t log_entries_ = 0;
  size_t log_bytes_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_FEED_FEED_TABLE_H_
