#include "services/agent/holdings/holdings_index.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/content/paths.h"
#include "libs/log/log.h"
#include "libs/signing/digest.h"
#include "roaring/roaring.hh"

namespace fairlead::agent {
namespace {

struct FileFacts {
  int64_t size_bytes = 0;
  int64_t mtime_nanos = 0;
};

std::optional<FileFacts> Look(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  return FileFacts{info.st_size, int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec};
}

bool Unchanged(const StoredFile& file, const std::string& folder) {
  if (file.path.empty()) return true;
  const std::optional<FileFacts> facts = Look(folder + "/" + file.path);
  return facts && facts->size_bytes == file.size_bytes && facts->mtime_nanos == file.mtime_nanos;
}

// Hashes a file whose facts differ; takes over the new facts if the content is right.
bool Reverify(StoredFile& file, const std::string& folder) {
  if (Unchanged(file, folder)) return true;
  const std::optional<FileFacts> facts = Look(folder + "/" + file.path);
  const auto right = IsInPlace(file, folder);
  if (!right.ok()) LogWarning("held file can't be read", {{"path", file.path}, {"error", right.status()}});
  if (!facts || !right.ok() || !*right) return false;
  file.mtime_nanos = facts->mtime_nanos;
  return true;
}

absl::StatusOr<StoredFile> ParseStored(absl::Span<const absl::string_view> fields) {
  StoredFile file;
  file.path = std::string(fields[0]);
  file.sha256 = absl::HexStringToBytes(fields[2]);
  if (!absl::SimpleAtoi(fields[1], &file.size_bytes) || !absl::SimpleAtoi(fields[3], &file.mtime_nanos) || file.size_bytes < 0) {
    return InvalidField("holdings line", fields[0], "has no size or time");
  }
  if (!file.path.empty()) RETURN_IF_ERROR(ContentPath::Parse(file.path, "holdings path").status());
  return file;
}

std::string FormatStored(const StoredFile& file) {
  return absl::StrCat(file.path, "\t", file.size_bytes, "\t", absl::BytesToHexString(file.sha256), "\t", file.mtime_nanos);
}

std::string Portable(const Roaring& bitmap) {
  std::string bytes(bitmap.getSizeInBytes(/*portable=*/true), '\0');
  bitmap.write(bytes.data(), /*portable=*/true);
  return bytes;
}

absl::StatusOr<Roaring> ReadPortable(const std::string& bytes) {
  if (bytes.empty()) return Roaring();
  roaring_bitmap_t* raw = roaring_bitmap_portable_deserialize_safe(bytes.data(), bytes.size());
  if (raw == nullptr) return absl::InvalidArgumentError("bitmap of file numbers is not in roaring's portable format");
  return Roaring(raw);
}

}  // namespace

std::string FormatHeldFile(const HeldFile& file) {
  return absl::StrCat("+\t", file.number, "\t", ToString(file.tier), "\t", FormatStored(file.media), "\t", FormatStored(file.playlist));
}

absl::StatusOr<HeldFile> ParseHeldFile(absl::string_view line) {
  const std::vector<absl::string_view> fields = absl::StrSplit(line, '\t');
  HeldFile file;
  if (fields.size() != 11 || fields[0] != "+" || !absl::SimpleAtoi(fields[1], &file.number) || !FromString(fields[2], file.tier)) {
    return InvalidField("holdings line", line, "is not of the known form");
  }
  ASSIGN_OR_RETURN(file.media, ParseStored(absl::MakeConstSpan(fields).subspan(3, 4)));
  ASSIGN_OR_RETURN(file.playlist, ParseStored(absl::MakeConstSpan(fields).subspan(7, 4)));
  return file;
}

absl::StatusOr<std::string> HashFile(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return SystemError("open", path);
  Sha256Hasher hasher;
  std::string buffer(1 << 20, '\0');
  while (true) {
    const ssize_t count = read(fd.get(), buffer.data(), buffer.size());
    if (count < 0) return SystemError("read", path);
    if (count == 0) break;
    hasher.Update(absl::string_view(buffer.data(), static_cast<size_t>(count)));
  }
  return hasher.Finish();
}

absl::StatusOr<bool> IsInPlace(const StoredFile& file, const std::string& folder) {
  const std::string path = folder + "/" + file.path;
  const auto hash = HashFile(path);
  if (absl::IsNotFound(hash.status())) return false;
  if (!hash.ok()) return hash.status();
  if (*hash == file.sha256) return true;
  unlink(path.c_str());
  return false;
}

absl::StatusOr<BitmapChange> DiffBitmaps(const std::string& before, const std::string& after) {
  ASSIGN_OR_RETURN(const Roaring old_set, ReadPortable(before));
  ASSIGN_OR_RETURN(const Roaring new_set, ReadPortable(after));
  return BitmapChange{Portable(new_set - old_set), Portable(old_set - new_set)};
}

absl::StatusOr<std::unique_ptr<HoldingsIndex>> HoldingsIndex::Open(std::string log_path, TierFolders tiers) {
  std::unique_ptr<HoldingsIndex> index(new HoldingsIndex(std::move(log_path), std::move(tiers)));
  RETURN_IF_ERROR(index->Load());
  return index;
}

absl::Status HoldingsIndex::Load() {
  const auto text = ReadFile(log_path_, size_t{1} << 30);
  if (!text.ok() && !absl::IsNotFound(text.status())) return text.status();
  absl::MutexLock lock(&mu_);
  for (const absl::string_view line : absl::StrSplit(text.ok() ? *text : "", '\n', absl::SkipEmpty())) {
    uint32_t number = 0;
    if (absl::StartsWith(line, "-\t") && absl::SimpleAtoi(line.substr(2), &number)) {
      files_.erase(number);
      continue;
    }
    auto file = ParseHeldFile(line);
    // A line cut off by a power cut is that of an Add that never returned.
    if (file.ok()) files_[file->number] = *std::move(file);
  }
  for (auto at = files_.begin(); at != files_.end();) {
    if (VerifyAtStart(at->second)) {
      used_[at->second.tier] += at->second.stored_bytes();
      ++at;
    } else {
      LogWarning("held file is gone or changed; no longer held", {{"path", at->second.media.path}});
      at = files_.erase(at);
    }
  }
  return Rewrite();
}

bool HoldingsIndex::VerifyAtStart(HeldFile& file) const {
  const auto folder = tiers_.find(file.tier);
  if (folder == tiers_.end()) return false;
  return Reverify(file.media, folder->second) && Reverify(file.playlist, folder->second);
}

absl::Status HoldingsIndex::Rewrite() {
  std::string text;
  for (const auto& [number, file] : files_) absl::StrAppend(&text, FormatHeldFile(file), "\n");
  RETURN_IF_ERROR(WriteFileAtomically(log_path_, text, 0600));
  log_ = Fd(open(log_path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  return log_.valid() ? absl::OkStatus() : SystemError("open", log_path_);
}

absl::Status HoldingsIndex::Append(const std::string& line) {
  const std::string text = line + "\n";
  struct stat before;
  if (fstat(log_.get(), &before) != 0) return SystemError("stat", log_path_);
  const ssize_t written = write(log_.get(), text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size())) {
    if (written >= 0) errno = ENOSPC;  // The system says so only at the next try.
    const absl::Status failed = SystemError("write", log_path_);
    // Or the next record would go on in the middle of this one's line.
    if (ftruncate(log_.get(), before.st_size) != 0) LogError("holdings can't be cut back", {{"error", SystemError("truncate", log_path_)}});
    return failed;
  }
  if (fdatasync(log_.get()) != 0) return SystemError("sync", log_path_);
  return absl::OkStatus();
}

absl::Status HoldingsIndex::Add(HeldFile file) {
  const auto folder = tiers_.find(file.tier);
  if (folder == tiers_.end()) return InvalidField("tier", ToString(file.tier), "the box has no such folder");
  for (StoredFile* stored : {&file.media, &file.playlist}) {
    if (stored->path.empty()) continue;
    const std::optional<FileFacts> facts = Look(folder->second + "/" + stored->path);
    if (!facts || facts->size_bytes != stored->size_bytes) return absl::DataLossError(absl::StrCat("'", stored->path, "' is not in place"));
    stored->mtime_nanos = facts->mtime_nanos;
  }
  absl::MutexLock lock(&mu_);
  if (files_.size() >= kMaxFiles) return absl::ResourceExhaustedError(absl::StrCat("more than ", kMaxFiles, " files"));
  RETURN_IF_ERROR(Append(FormatHeldFile(file)));
  const auto old = files_.find(file.number);
  if (old != files_.end()) used_[old->second.tier] -= old->second.stored_bytes();
  used_[file.tier] += file.stored_bytes();
  files_[file.number] = std::move(file);
  ++version_;
  return absl::OkStatus();
}

absl::Status HoldingsIndex::Remove(uint32_t number) {
  absl::MutexLock lock(&mu_);
  const auto file = files_.find(number);
  if (file == files_.end()) return absl::OkStatus();
  RETURN_IF_ERROR(Append(absl::StrCat("-\t", number)));
  used_[file->second.tier] -= file->second.stored_bytes();
  files_.erase(file);
  ++version_;
  return absl::OkStatus();
}

std::vector<uint32_t> HoldingsIndex::Sweep() {
  std::vector<HeldFile> files;
  {
    absl::MutexLock lock(&mu_);
    for (const auto& [number, file] : files_) files.push_back(file);
  }
  std::vector<uint32_t> dropped;
  for (const HeldFile& file : files) {
    const std::string& folder = tiers_.at(file.tier);
    if (Unchanged(file.media, folder) && Unchanged(file.playlist, folder)) continue;
    HeldFile again = file;
    if (VerifyAtStart(again) && Add(again).ok()) continue;  // Touched, but right.
    LogWarning("held file is gone or changed; no longer held", {{"path", file.media.path}});
    if (Remove(file.number).ok()) dropped.push_back(file.number);
  }
  return dropped;
}

bool HoldingsIndex::Holds(uint32_t number, const std::string& sha256) const {
  absl::MutexLock lock(&mu_);
  const auto file = files_.find(number);
  return file != files_.end() && file->second.media.sha256 == sha256;
}

size_t HoldingsIndex::size() const {
  absl::MutexLock lock(&mu_);
  return files_.size();
}

int64_t HoldingsIndex::used_bytes(Tier tier) const {
  absl::MutexLock lock(&mu_);
  const auto used = used_.find(tier);
  return used == used_.end() ? 0 : used->second;
}

uint64_t HoldingsIndex::version() const {
  absl::MutexLock lock(&mu_);
  return version_;
}

std::string HoldingsIndex::Bitmap() const {
  Roaring bitmap;
  {
    absl::MutexLock lock(&mu_);
    for (const auto& [number, file] : files_) bitmap.add(number);
  }
  bitmap.runOptimize();
  return Portable(bitmap);
}

}  // namespace fairlead::agent
