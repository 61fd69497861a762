#include "services/steering/snapshot_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "xxhash.h"

namespace fairlead {
namespace {

constexpr absl::string_view kFirstLine = "fairlead steering snapshot 1\n";
constexpr size_t kMostFileBytes = size_t{16} << 30;

// XXH3, 128 bits: against decay and cuts, not against somebody who may write here.
std::string Checksum(absl::string_view head, absl::string_view body) {
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), &XXH3_freeState);
  XXH3_128bits_reset(state.get());
  XXH3_128bits_update(state.get(), head.data(), head.size());
  XXH3_128bits_update(state.get(), body.data(), body.size());
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state.get()));
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(canonical.digest), sizeof(canonical.digest)));
}

void AppendLength(size_t length, std::string& out) {
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>((length >> shift) & 0xff));
}

absl::Status Broken(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("not a whole snapshot: ", what));
}

// Takes the line at the front, without its line feed.
absl::StatusOr<absl::string_view> TakeLine(absl::string_view& bytes) {
  const size_t end = bytes.substr(0, 1024).find('\n');
  if (end == absl::string_view::npos) return Broken("it ends within a line");
  const absl::string_view line = bytes.substr(0, end);
  bytes.remove_prefix(end + 1);
  return line;
}

absl::StatusOr<std::vector<std::string>> TakeEntries(absl::string_view body, size_t count) {
  std::vector<std::string> entries;
  while (!body.empty()) {
    if (body.size() < 4) return Broken("an entry's length is cut");
    size_t length = 0;
    for (int i = 3; i >= 0; --i) length = length << 8 | static_cast<unsigned char>(body[static_cast<size_t>(i)]);
    body.remove_prefix(4);
    if (length > body.size()) return Broken("an entry is cut");
    entries.emplace_back(body.substr(0, length));
    body.remove_prefix(length);
  }
  if (entries.size() != count) return Broken(absl::StrCat("it has ", entries.size(), " entries instead of ", count));
  return entries;
}

// "section <name> <epoch> <version> <saved, Unix ms> <age, ms> <entries> <bytes> <checksum>"
absl::StatusOr<SnapshotSection> TakeSection(absl::string_view line, absl::string_view& bytes) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  SnapshotSection section;
  int64_t saved_ms = 0, age_ms = 0;
  uint64_t count = 0, size = 0;
  if (words.size() != 9 || words[0] != "section" || !absl::SimpleAtoi(words[2], &section.position.epoch) ||
      !absl::SimpleAtoi(words[3], &section.position.version) || !absl::SimpleAtoi(words[4], &saved_ms) ||
      !absl::SimpleAtoi(words[5], &age_ms) || !absl::SimpleAtoi(words[6], &count) || !absl::SimpleAtoi(words[7], &size)) {
    return Broken(absl::StrCat("unreadable line ", Quoted(line)));
  }
  section.name = std::string(words[1]);
  if (size > bytes.size()) return Broken(absl::StrCat("section ", section.name, " is cut"));
  const absl::string_view body = bytes.substr(0, size);
  const absl::string_view covered = line.substr(0, line.size() - words[8].size());
  if (Checksum(covered, body) != words[8]) return Broken(absl::StrCat("section ", section.name, " has another checksum"));
  bytes.remove_prefix(size);
  section.saved_at = absl::FromUnixMillis(saved_ms);
  section.age = absl::Milliseconds(age_ms);
  ASSIGN_OR_RETURN(section.entries, TakeEntries(body, count));
  return section;
}

absl::Status SystemError(absl::string_view action, const std::string& path) {
  return absl::UnavailableError(absl::StrCat(action, " ", path, ": ", strerror(errno)));
}

absl::Status Sync(const std::string& path, int flags) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) return SystemError("open", path);
  const bool synced = fsync(fd) == 0;
  const absl::Status status = synced ? absl::OkStatus() : SystemError("fsync", path);
  close(fd);
  return status;
}

absl::Status WriteAndSync(const std::string& path, absl::string_view bytes) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (fd < 0) return SystemError("open", path);
  absl::Status status;
  while (!bytes.empty() && status.ok()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written > 0) bytes.remove_prefix(static_cast<size_t>(written));
    if (written < 0 && errno != EINTR) status = SystemError("write", path);
  }
  if (status.ok() && fsync(fd) != 0) status = SystemError("fsync", path);
  if (close(fd) != 0 && status.ok()) status = SystemError("close", path);
  return status;
}

absl::StatusOr<std::string> ReadAll(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? absl::NotFoundError(absl::StrCat(path, " isn't there")) : SystemError("open", path);
  std::string bytes;
  std::vector<char> chunk(1 << 20);
  absl::Status status;
  while (status.ok()) {
    const ssize_t count = read(fd, chunk.data(), chunk.size());
    if (count == 0) break;
    if (count < 0 && errno != EINTR) status = SystemError("read", path);
    if (count > 0) bytes.append(chunk.data(), static_cast<size_t>(count));
    if (bytes.size() > kMostFileBytes) status = Broken("it is too large");
  }
  close(fd);
  if (!status.ok()) return status;
  return bytes;
}

}  // namespace

std::string EncodeSnapshot(const std::vector<SnapshotSection>& sections) {
  std::string bytes(kFirstLine);
  for (const SnapshotSection& section : sections) {
    std::string body;
    for (const std::string& entry : section.entries) {
      AppendLength(entry.size(), body);
      body.append(entry);
    }
    const std::string line = absl::StrCat("section ", section.name, " ", section.position.epoch, " ", section.position.version, " ",
                                          absl::ToUnixMillis(section.saved_at), " ", absl::ToInt64Milliseconds(section.age), " ",
                                          section.entries.size(), " ", body.size(), " ");
    absl::StrAppend(&bytes, line, Checksum(line, body), "\n", body);
  }
  absl::StrAppend(&bytes, "end ", sections.size(), "\n");
  return bytes;
}

absl::StatusOr<std::vector<SnapshotSection>> DecodeSnapshot(absl::string_view bytes) {
  if (bytes.substr(0, kFirstLine.size()) != kFirstLine) return Broken("it doesn't begin with the format's name and a version known here");
  bytes.remove_prefix(kFirstLine.size());
  std::vector<SnapshotSection> sections;
  while (true) {
    ASSIGN_OR_RETURN(const absl::string_view line, TakeLine(bytes));
    if (line == absl::StrCat("end ", sections.size())) break;
    ASSIGN_OR_RETURN(SnapshotSection section, TakeSection(line, bytes));
    sections.push_back(std::move(section));
  }
  if (!bytes.empty()) return Broken("there is something behind its end");
  return sections;
}

// The link keeps the file before under its second name, so that at no moment there is none under the first.
absl::Status WriteSnapshot(const std::string& folder, const std::vector<SnapshotSection>& sections) {
  const std::string path = absl::StrCat(folder, "/", kSnapshotFile);
  const std::string previous = absl::StrCat(folder, "/", kPreviousSnapshotFile);
  const std::string temporary = path + ".tmp";
  RETURN_IF_ERROR(WriteAndSync(temporary, EncodeSnapshot(sections)));
  if (access(path.c_str(), F_OK) == 0) {
    if (unlink(previous.c_str()) != 0 && errno != ENOENT) return SystemError("unlink", previous);
    if (link(path.c_str(), previous.c_str()) != 0) return SystemError("link", previous);
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) return SystemError("rename", temporary);
  return Sync(folder, O_RDONLY | O_DIRECTORY);
}

LoadedSnapshot LoadSnapshot(const std::string& folder) {
  LoadedSnapshot loaded;
  for (const char* name : {kSnapshotFile, kPreviousSnapshotFile}) {
    const std::string path = absl::StrCat(folder, "/", name);
    const absl::StatusOr<std::string> bytes = ReadAll(path);
    if (absl::IsNotFound(bytes.status())) continue;
    absl::StatusOr<std::vector<SnapshotSection>> sections = bytes.ok() ? DecodeSnapshot(*bytes) : bytes.status();
    if (sections.ok()) {
      loaded.sections = *std::move(sections);
      loaded.file = path;
      return loaded;
    }
    loaded.refused.push_back(absl::Status(sections.status().code(), absl::StrCat(path, ": ", sections.status().message())));
    if (bytes.ok()) rename(path.c_str(), absl::StrCat(folder, "/", kRefusedSnapshotFile).c_str());
  }
  return loaded;
}

}  // namespace fairlead
