#include "libs/feed/feed_table.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "libs/feed/wire.h"

namespace fairlead {
namespace {

constexpr uint32_t kKeyField = 1;      // In an entry.
constexpr uint32_t kFrameField = 1;    // In a message.
constexpr uint32_t kEntriesField = 2;  // In a message.
constexpr char kKeyTag = kKeyField << 3 | 2;

// Packs entries into messages of about `chunk_bytes`.
class Packer {
 public:
  Packer(FrameKind kind, FeedPosition base, FeedPosition position, size_t chunk_bytes)
      : kind_(kind), chunk_bytes_(chunk_bytes), change_{.base = base, .position = position, .entries = 0, .messages = {}} {}

  void Add(const EncodedEntry& entry) {
    if (!body_.empty() && body_.size() + DelimitedSize(kEntriesField, entry.bytes().size()) > chunk_bytes_) Close(/*more=*/true);
    AppendDelimited(kEntriesField, entry.bytes(), body_);
    ++change_.entries;
  }
  EncodedChange Finish() {
    Close(/*more=*/false);
    return std::move(change_);
  }

 private:
  void Close(bool more) {
    std::string message;
    const std::string frame = EncodeFrame(kind_, change_.base, change_.position, more);
    message.reserve(DelimitedSize(kFrameField, frame.size()) + body_.size());
    AppendDelimited(kFrameField, frame, message);
    message.append(body_);
    body_.clear();
    change_.messages.push_back(std::move(message));
  }

  FrameKind kind_;
  size_t chunk_bytes_;
  std::string body_;
  EncodedChange change_;
};

}  // namespace

absl::StatusOr<EncodedEntry> EncodedEntry::FromBytes(std::string bytes) {
  absl::string_view rest = bytes;
  uint64_t length = 0;
  if (rest.empty() || rest.front() != kKeyTag) return absl::InvalidArgumentError("feed entry: field 1, its key, must be set");
  rest.remove_prefix(1);
  if (!ConsumeVarint(rest, length) || length == 0 || length > rest.size() || bytes.size() > std::numeric_limits<uint32_t>::max()) {
    return absl::InvalidArgumentError("feed entry: its key is malformed");
  }
  const uint32_t begin = static_cast<uint32_t>(bytes.size() - rest.size());
  const uint32_t end = begin + static_cast<uint32_t>(length);
  if (end == bytes.size()) {
    return absl::InvalidArgumentError(absl::StrCat("feed entry '", rest, "': has no value; a removal must be asked for as such"));
  }
  return EncodedEntry(std::move(bytes), begin, end);
}

EncodedEntry EncodedEntry::Removal(absl::string_view key) {
  std::string bytes;
  AppendDelimited(kKeyField, key, bytes);
  const uint32_t end = static_cast<uint32_t>(bytes.size());
  return EncodedEntry(std::move(bytes), end - static_cast<uint32_t>(key.size()), end);
}

bool FeedTable::IsNoChange(const EncodedEntry& change) const {
  const EncodedEntry* held = Find(change.key());
  if (change.removal()) return held == nullptr;
  return held != nullptr && held->bytes() == change.bytes();
}

bool FeedTable::Unchanged(const std::vector<EncodedEntry>& changes) const {
  return std::all_of(changes.begin(), changes.end(), [this](const EncodedEntry& change) { return IsNoChange(change); });
}

const EncodedEntry* FeedTable::Find(absl::string_view key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : found->get();
}

void FeedTable::Put(Entry entry) {
  const auto found = entries_.find(entry->key());
  if (found != entries_.end()) {
    bytes_ -= (*found)->bytes().size();
    entries_.erase(found);
  }
  if (entry->removal()) return;
  bytes_ += entry->bytes().size();
  entries_.insert(std::move(entry));
}

absl::Status FeedTable::Apply(FeedPosition next, std::vector<EncodedEntry> changes) {
  if (next <= position_) {
    return absl::FailedPreconditionError(absl::StrCat("feed position ", next.ToString(), " isn't newer than ", position_.ToString()));
  }
  for (const EncodedEntry& change : changes) {
    if (change.bytes().size() > limits_.most_entry_bytes) {
      return absl::InvalidArgumentError(absl::StrCat("feed entry '", change.key().substr(0, 200), "': ", change.bytes().size(),
                                                     " bytes, at most ", limits_.most_entry_bytes));
    }
  }
  Record record{.position = next, .changes = {}, .bytes = 0};
  for (EncodedEntry& change : changes) {
    if (IsNoChange(change)) continue;
    Entry entry = std::make_shared<const EncodedEntry>(std::move(change));
    record.bytes += entry->bytes().size();
    record.changes.push_back(entry);
    Put(std::move(entry));
  }
  if (next.epoch != position_.epoch) {
    log_.clear();
    log_entries_ = 0;
    log_bytes_ = 0;
    floor_ = next;
  } else {
    log_entries_ += record.changes.size() + 1;
    log_bytes_ += record.bytes;
    log_.push_back(std::move(record));
  }
  position_ = next;
  TrimLog();
  return absl::OkStatus();
}

// An empty record counts one, or publishing nothing for long would grow the log.
void FeedTable::TrimLog() {
  while (!log_.empty() && (log_entries_ > limits_.log_entries || log_bytes_ > limits_.log_bytes)) {
    floor_ = log_.front().position;
    log_entries_ -= log_.front().changes.size() + 1;
    log_bytes_ -= log_.front().bytes;
    log_.pop_front();
  }
}

std::vector<EncodedEntry> FeedTable::ChangesTo(std::vector<EncodedEntry> whole) const {
  std::vector<EncodedEntry> changes;
  absl::flat_hash_set<std::string> keys;
  keys.reserve(whole.size());
  for (EncodedEntry& entry : whole) {
    keys.emplace(entry.key());
    if (!IsNoChange(entry)) changes.push_back(std::move(entry));
  }
  for (const Entry& held : entries_) {
    if (!keys.contains(held->key())) changes.push_back(EncodedEntry::Removal(held->key()));
  }
  return changes;
}

bool FeedTable::CanDelta(FeedPosition base) const {
  if (base.nothing() || base.epoch != position_.epoch) return false;
  if (base == floor_ || base == position_) return true;
  const auto found = std::lower_bound(log_.begin(), log_.end(), base,
                                      [](const Record& record, const FeedPosition& wanted) { return record.position < wanted; });
  return found != log_.end() && found->position == base;
}

EncodedChange FeedTable::Delta(FeedPosition base) const {
  const auto first = std::upper_bound(log_.begin(), log_.end(), base,
                                      [](const FeedPosition& wanted, const Record& record) { return wanted < record.position; });
  absl::btree_map<absl::string_view, const EncodedEntry*> newest;
  for (auto record = first; record != log_.end(); ++record) {
    // The key's bytes live in the entry, so a newer entry brings its own; the older one stays alive in the log.
    for (const Entry& change : record->changes) newest[change->key()] = change.get();
  }
  Packer packer(FrameKind::kDelta, base, position_, limits_.chunk_bytes);
  for (const auto& [key, entry] : newest) packer.Add(*entry);
  return packer.Finish();
}

EncodedChange FeedTable::Snapshot() const {
  Packer packer(FrameKind::kSnapshot, {}, position_, limits_.chunk_bytes);
  for (const Entry& entry : entries_) packer.Add(*entry);
  return packer.Finish();
}

std::string FeedTable::Heartbeat() const {
  std::string message;
  AppendDelimited(kFrameField, EncodeFrame(FrameKind::kHeartbeat, {}, position_, /*more=*/false), message);
  return message;
}

}  // namespace fairlead
