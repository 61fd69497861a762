#include "libs/checkpoint/checkpoint.h"

#include <fcntl.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <limits>
#include <system_error>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/checkpoint/record_file.h"

namespace fairlead {
namespace {

constexpr absl::string_view kFormat = "fairlead checkpoint 1";

absl::Status Fault(const std::string& path, const absl::Status& why) {
  return absl::Status(why.code(), absl::StrCat(path, ": ", why.message()));
}

// Of a base: every key once, in order.
absl::Status CheckEntries(absl::string_view block, std::string& last_key) {
  bool in_order = true;
  RETURN_IF_ERROR(ForEachChange(block, [&](const Change& entry) {
    in_order = in_order && entry.kind == Change::Kind::kSet && (last_key.empty() || last_key < entry.key);
    last_key.assign(entry.key.data(), entry.key.size());
  }));
  return in_order ? absl::OkStatus() : absl::DataLossError(absl::StrCat("its entries aren't in order at ", Quoted(last_key)));
}

// What the logs say, as the last change of each key.
class Overlay {
 public:
  void Apply(const Change& change) {
    switch (change.kind) {
      case Change::Kind::kSet:
        latest_[change.key] = std::string(change.value);
        return;
      case Change::Kind::kRemove:
        latest_[change.key] = std::nullopt;
        return;
      case Change::Kind::kRemoveAll:
        RemoveAll(change.key);
        return;
    }
  }
  // Visits what comes before `key`, and forgets it.
  absl::Status EmitBefore(absl::string_view key, absl::FunctionRef<absl::Status(absl::string_view, absl::string_view)> visit) {
    while (!latest_.empty() && latest_.begin()->first < key) RETURN_IF_ERROR(EmitFirst(visit));
    return absl::OkStatus();
  }
  absl::Status EmitRest(absl::FunctionRef<absl::Status(absl::string_view, absl::string_view)> visit) {
    while (!latest_.empty()) RETURN_IF_ERROR(EmitFirst(visit));
    return absl::OkStatus();
  }
  // Whether what the base says of `key` is out of date.
  bool Hides(absl::string_view key) const {
    if (latest_.contains(key)) return true;
    // None of the removed beginnings begins another, so that only the last one before the key can be its beginning.
    const auto after = removed_.upper_bound(key);
    return after != removed_.begin() && absl::StartsWith(key, *std::prev(after));
  }

 private:
  void RemoveAll(absl::string_view prefix) {
    const auto begins = [&prefix](absl::string_view key) { return absl::StartsWith(key, prefix); };
    for (auto at = latest_.lower_bound(prefix); at != latest_.end() && begins(at->first);) at = latest_.erase(at);
    if (Hides(prefix)) return;
    for (auto at = removed_.lower_bound(prefix); at != removed_.end() && begins(*at);) at = removed_.erase(at);
    removed_.insert(std::string(prefix));
  }
  absl::Status EmitFirst(absl::FunctionRef<absl::Status(absl::string_view, absl::string_view)> visit) {
    const auto first = latest_.begin();
    if (first->second.has_value()) RETURN_IF_ERROR(visit(first->first, *first->second));
    latest_.erase(first);
    return absl::OkStatus();
  }

  absl::btree_map<std::string, std::optional<std::string>> latest_;
  absl::btree_set<std::string> removed_;
};

}  // namespace

uint64_t Checkpoint::Files::log_bytes() const {
  uint64_t bytes = 0;
  for (const Log& log : logs) bytes += log.bytes;
  return bytes;
}

std::string Checkpoint::BasePath(uint64_t serial) const {
  return absl::StrCat(options_.folder, "/", options_.name, ".base.", serial);
}
std::string Checkpoint::LogPath(uint64_t serial) const {
  return absl::StrCat(options_.folder, "/", options_.name, ".log.", serial);
}
std::string Checkpoint::BaseLine(uint64_t serial) const {
  return absl::StrCat(kFormat, " base ", options_.name, " ", serial);
}
std::string Checkpoint::LogLine(uint64_t serial, uint64_t before) const {
  return absl::StrCat(kFormat, " log ", options_.name, " ", serial, " ", before);
}

absl::StatusOr<std::unique_ptr<Checkpoint>> Checkpoint::Open(CheckpointOptions options) {
  std::unique_ptr<Checkpoint> checkpoint(new Checkpoint(std::move(options)));
  const std::string lock_path = absl::StrCat(checkpoint->options_.folder, "/", checkpoint->options_.name, ".lock");
  ASSIGN_OR_RETURN(checkpoint->lock_, OpenFile::Open(lock_path, O_RDWR | O_CREAT));
  RETURN_IF_ERROR(checkpoint->lock_.Lock());
  absl::MutexLock lock(&checkpoint->mu_);
  RETURN_IF_ERROR(checkpoint->Find());
  return checkpoint;
}

absl::Status Checkpoint::Find() {
  ASSIGN_OR_RETURN(const Serials serials, ListFiles());
  if (FindBase(serials)) {
    ChainLogs(serials);
    return absl::OkStatus();
  }
  // Nothing of what is there can be used. An empty base behind it all says so from now on.
  const uint64_t highest = std::max(serials.bases.empty() ? 0 : serials.bases.front(), serials.logs.empty() ? 0 : serials.logs.back());
  ASSIGN_OR_RETURN(files_.base_bytes, WriteBase(Files(), highest + 1));
  files_.base = highest + 1;
  RemoveOlderThan(files_.base);
  return absl::OkStatus();
}

absl::StatusOr<Checkpoint::Serials> Checkpoint::ListFiles() const {
  Serials serials;
  std::error_code error;
  std::filesystem::directory_iterator entries(options_.folder, error);
  for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    const std::string file = entries->path().filename().string();
    absl::string_view rest = file;
    if (!absl::ConsumePrefix(&rest, absl::StrCat(options_.name, "."))) continue;
    uint64_t serial = 0;
    if (absl::ConsumePrefix(&rest, "base.") && absl::SimpleAtoi(rest, &serial)) serials.bases.push_back(serial);
    if (absl::ConsumePrefix(&rest, "log.") && absl::SimpleAtoi(rest, &serial)) serials.logs.push_back(serial);
    if (absl::EndsWith(rest, ".tmp")) RemoveFile(entries->path().string()).IgnoreError();
  }
  if (error) return absl::UnavailableError(absl::StrCat("list ", options_.folder, ": ", error.message()));
  std::sort(serials.bases.begin(), serials.bases.end(), std::greater<>());
  std::sort(serials.logs.begin(), serials.logs.end());
  return serials;
}

bool Checkpoint::FindBase(const Serials& serials) {
  for (const uint64_t serial : serials.bases) {
    const absl::StatusOr<uint64_t> bytes = CheckBase(serial);
    if (bytes.ok()) {
      files_.base = serial;
      files_.base_bytes = *bytes;
      return true;
    }
    faults_.push_back(Fault(BasePath(serial), bytes.status()));
    // One that the disk doesn't give may be whole.
    if (absl::IsUnavailable(bytes.status())) continue;
    RenameFile(BasePath(serial), absl::StrCat(options_.folder, "/", options_.name, ".base.refused")).IgnoreError();
  }
  const bool from_the_beginning = !serials.logs.empty() && serials.logs.front() == 0;
  return from_the_beginning || (serials.logs.empty() && serials.bases.empty());
}

absl::StatusOr<uint64_t> Checkpoint::CheckBase(uint64_t serial) const {
  ASSIGN_OR_RETURN(RecordReader reader, RecordReader::Open(BasePath(serial), serial));
  ASSIGN_OR_RETURN(const std::string line, reader.ReadLine());
  if (line != BaseLine(serial)) return absl::DataLossError("its first line isn't that of this base");
  std::string last_key;
  while (true) {
    const absl::StatusOr<Record> record = reader.Next();
    if (absl::IsOutOfRange(record.status())) return absl::DataLossError(absl::StrCat("it is cut at ", reader.offset()));
    if (!record.ok()) return record.status();
    if (record->kind == RecordKind::kEnd) break;
    RETURN_IF_ERROR(CheckEntries(record->payload, last_key));
  }
  const uint64_t bytes = reader.offset();
  if (!absl::IsOutOfRange(reader.Next().status())) return absl::DataLossError("there is something behind its end");
  return bytes;
}

absl::StatusOr<Checkpoint::Log> Checkpoint::ScanLog(uint64_t serial, uint64_t& before, absl::Status& fault) const {
  ASSIGN_OR_RETURN(RecordReader reader, RecordReader::Open(LogPath(serial), serial));
  ASSIGN_OR_RETURN(const std::string line, reader.ReadLine());
  const std::vector<std::string> words = absl::StrSplit(line, ' ');
  uint64_t said = 0;
  if (!absl::SimpleAtoi(words.back(), &said) || line != LogLine(serial, said))
    return absl::DataLossError("its first line isn't that of this log");
  if (said > before) return absl::DataLossError(absl::StrCat("it goes on behind ", said, " bytes, of which ", before, " are left"));
  before = said;
  Log log{.serial = serial, .line = reader.offset(), .bytes = reader.offset()};
  while (true) {
    const absl::StatusOr<Record> record = reader.Next();
    if (absl::IsOutOfRange(record.status())) break;
    fault = record.ok() ? ForEachChange(record->payload, [](const Change&) {}) : record.status();
    if (!fault.ok()) return log;
    if (record->kind == RecordKind::kGroup) log.bytes = reader.offset();
  }
  if (log.bytes < reader.offset()) fault = absl::DataLossError(absl::StrCat("its last group, from ", log.bytes, ", is cut"));
  return log;
}

void Checkpoint::ChainLogs(const Serials& serials) {
  absl::Status fault;  // Of the newest log looked at.
  bool only_cut = true;
  uint64_t next = files_.base;
  for (; std::binary_search(serials.logs.begin(), serials.logs.end(), next); ++next) {
    // What the first one follows is in the base.
    uint64_t before = files_.logs.empty() ? std::numeric_limits<uint64_t>::max() : files_.logs.back().bytes;
    absl::Status behind;
    absl::StatusOr<Log> log = ScanLog(next, before, behind);
    if (!log.ok()) {
      only_cut = false;
      if (fault.ok()) fault = Fault(LogPath(next), log.status());
      break;
    }
    if (!files_.logs.empty()) files_.logs.back().bytes = before;
    files_.logs.push_back(*log);
    fault = behind.ok() ? absl::OkStatus()
                        : Fault(LogPath(next), absl::DataLossError(absl::StrCat(behind.message(), ": cut back to ", log->bytes)));
  }
  only_cut = only_cut && (serials.logs.empty() || serials.logs.back() < next);
  if (only_cut) cut_ = fault;
  if (!only_cut && !fault.ok()) faults_.push_back(fault);
  for (const uint64_t serial : serials.logs) {
    if (serial < next) continue;
    faults_.push_back(absl::DataLossError(absl::StrCat(LogPath(serial), ": not used: it stands behind a fault or a gap")));
    RemoveFile(LogPath(serial)).IgnoreError();
  }
  if (files_.logs.empty()) return;
  const Log& last = files_.logs.back();
  absl::StatusOr<OpenFile> file = OpenFile::Open(LogPath(last.serial), O_WRONLY);
  if (file.ok() && file->Truncate(last.bytes).ok()) log_ = *std::move(file);
}

absl::Status Checkpoint::NextLog() {
  Log log;
  log.serial = files_.logs.empty() ? files_.base : files_.logs.back().serial + 1;
  // The first one behind a base follows on nothing that could be checked: no other base may lead into it.
  const uint64_t before = files_.logs.empty() ? std::numeric_limits<uint64_t>::max() : files_.logs.back().bytes;
  const std::string line = FrameLine(LogLine(log.serial, before));
  log.line = log.bytes = line.size();
  ASSIGN_OR_RETURN(OpenFile file, OpenFile::Open(LogPath(log.serial), O_WRONLY | O_CREAT | O_TRUNC));
  RETURN_IF_ERROR(file.Write(line));
  RETURN_IF_ERROR(file.Sync());
  RETURN_IF_ERROR(SyncFolder(options_.folder));
  log_ = std::move(file);
  files_.logs.push_back(log);
  return absl::OkStatus();
}

absl::Status Checkpoint::Append(const ChangeBatch& batch) {
  if (batch.empty()) return absl::OkStatus();
  absl::MutexLock lock(&mu_);
  if (files_.log_bytes() > kMostLogs * options_.most_log_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(options_.folder, ": the logs have ", files_.log_bytes(), " bytes and wait for a compaction"));
  }
  if (!log_.is_open()) RETURN_IF_ERROR(NextLog());
  const absl::StatusOr<uint64_t> end = WriteGroup(batch);
  Log& log = files_.logs.back();
  if (end.ok()) {
    log.bytes = *end;
    return absl::OkStatus();
  }
  // What may stand there of it is cut off; if that fails too, the next log goes on from where this one is whole.
  if (!log_.Truncate(log.bytes).ok()) log_.Close();
  return end.status();
}

absl::StatusOr<uint64_t> Checkpoint::WriteGroup(const ChangeBatch& batch) {
  const Log& log = files_.logs.back();
  uint64_t offset = log.bytes;
  std::string bytes;
  for (size_t i = 0; i < batch.blocks().size(); ++i) {
    const RecordKind kind = i + 1 == batch.blocks().size() ? RecordKind::kGroup : RecordKind::kMore;
    bytes.clear();
    FrameRecord(batch.blocks()[i], kind, log.serial, offset, bytes);
    RETURN_IF_ERROR(log_.Write(bytes));
    offset += bytes.size();
  }
  RETURN_IF_ERROR(log_.Sync());
  return offset;
}

absl::Status Checkpoint::ForEach(absl::FunctionRef<void(absl::string_view key, absl::string_view value)> visit) const {
  Files files;
  {
    absl::MutexLock lock(&mu_);
    files = files_;
  }
  return Merge(files, [&visit](absl::string_view key, absl::string_view value) {
    visit(key, value);
    return absl::OkStatus();
  });
}

absl::Status Checkpoint::Merge(const Files& files, absl::FunctionRef<absl::Status(absl::string_view, absl::string_view)> visit) const {
  Overlay overlay;
  for (const Log& log : files.logs) {
    ASSIGN_OR_RETURN(RecordReader reader, RecordReader::Open(LogPath(log.serial), log.serial));
    RETURN_IF_ERROR(reader.ReadLine().status());
    while (reader.offset() < log.bytes) {
      ASSIGN_OR_RETURN(const Record record, reader.Next());
      RETURN_IF_ERROR(ForEachChange(record.payload, [&overlay](const Change& change) { overlay.Apply(change); }));
    }
  }
  if (files.base == 0) return overlay.EmitRest(visit);
  ASSIGN_OR_RETURN(RecordReader reader, RecordReader::Open(BasePath(files.base), files.base));
  RETURN_IF_ERROR(reader.ReadLine().status());
  while (true) {
    ASSIGN_OR_RETURN(const Record record, reader.Next());
    if (record.kind == RecordKind::kEnd) return overlay.EmitRest(visit);
    absl::Status visited;
    RETURN_IF_ERROR(ForEachChange(record.payload, [&](const Change& entry) {
      if (visited.ok()) visited = overlay.EmitBefore(entry.key, visit);
      if (visited.ok() && !overlay.Hides(entry.key)) visited = visit(entry.key, entry.value);
    }));
    RETURN_IF_ERROR(visited);
  }
}

absl::StatusOr<uint64_t> Checkpoint::WriteBase(const Files& from, uint64_t serial) const {
  const std::string temporary = BasePath(serial) + ".tmp";
  ASSIGN_OR_RETURN(OpenFile file, OpenFile::Open(temporary, O_WRONLY | O_CREAT | O_TRUNC));
  std::string bytes = FrameLine(BaseLine(serial));
  uint64_t offset = bytes.size();
  ChangeBatch batch;
  const auto write = [&](RecordKind kind) -> absl::Status {
    if (cancelled_) return absl::CancelledError("the compaction was ended");
    for (const std::string& block : batch.blocks()) {
      const size_t before = bytes.size();
      FrameRecord(block, kind, serial, offset, bytes);
      offset += bytes.size() - before;
    }
    if (kind == RecordKind::kEnd) {
      const size_t before = bytes.size();
      FrameRecord("", kind, serial, offset, bytes);
      offset += bytes.size() - before;
    }
    batch.Clear();
    const absl::Status written = file.Write(bytes);
    bytes.clear();
    return written;
  };
  RETURN_IF_ERROR(Merge(from, [&](absl::string_view key, absl::string_view value) {
    batch.Set(key, value);
    return batch.bytes() < ChangeBatch::kBlockBytes ? absl::OkStatus() : write(RecordKind::kGroup);
  }));
  RETURN_IF_ERROR(write(RecordKind::kGroup));
  RETURN_IF_ERROR(write(RecordKind::kEnd));
  RETURN_IF_ERROR(file.Sync());
  RETURN_IF_ERROR(RenameFile(temporary, BasePath(serial)));
  RETURN_IF_ERROR(SyncFolder(options_.folder));
  return offset;
}

absl::Status Checkpoint::Compact() {
  Files from;
  uint64_t serial = 0;
  {
    absl::MutexLock lock(&mu_);
    if (files_.logs.empty()) return absl::OkStatus();
    // A try before that failed may have left a log without a change.
    if (files_.logs.back().bytes > files_.logs.back().line || !log_.is_open()) RETURN_IF_ERROR(NextLog());
    from = files_;
    serial = files_.logs.back().serial;
    from.logs.pop_back();
    if (from.logs.empty()) return absl::OkStatus();
  }
  const absl::StatusOr<uint64_t> bytes = WriteBase(from, serial);
  if (!bytes.ok()) {
    RemoveFile(BasePath(serial) + ".tmp").IgnoreError();
    return bytes.status();
  }
  absl::MutexLock lock(&mu_);
  files_.base = serial;
  files_.base_bytes = *bytes;
  files_.logs.erase(files_.logs.begin(), files_.logs.begin() + static_cast<std::ptrdiff_t>(from.logs.size()));
  RemoveOlderThan(from.base);
  return absl::OkStatus();
}

void Checkpoint::RemoveOlderThan(uint64_t serial) const {
  const absl::StatusOr<Serials> serials = ListFiles();
  if (!serials.ok()) return;
  for (const uint64_t each : serials->bases) {
    if (each < serial) RemoveFile(BasePath(each)).IgnoreError();
  }
  for (const uint64_t each : serials->logs) {
    if (each < serial) RemoveFile(LogPath(each)).IgnoreError();
  }
}

bool Checkpoint::wants_compaction() const {
  absl::MutexLock lock(&mu_);
  return files_.log_bytes() > std::clamp<uint64_t>(files_.base_bytes, options_.least_log_bytes, options_.most_log_bytes);
}

uint64_t Checkpoint::bytes() const {
  absl::MutexLock lock(&mu_);
  return files_.base_bytes + files_.log_bytes();
}

}  // namespace fairlead
