#include "libs/importdir/copy_to_origin.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/status_macros.h"
#include "libs/importdir/sha256_file.h"

namespace fairlead {
namespace {

constexpr size_t kBlock = 1 << 20;
// NGINX runs as another user.
constexpr mode_t kFileMode = 0644;
constexpr mode_t kFolderMode = 0755;

std::string FolderOf(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

absl::Status SyncFolder(const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, folder);
  const absl::Cleanup close_fd = [fd] { close(fd); };
  return fsync(fd) == 0 ? absl::OkStatus() : ErrnoStatus(errno, folder);
}

// Makes the folders between the root and the file, each durably.
absl::Status MakeFolders(const std::string& root, const std::string& content_path) {
  const std::vector<std::string> parts = absl::StrSplit(content_path, '/');
  std::string folder = root;
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    const std::string parent = folder;
    absl::StrAppend(&folder, "/", parts[i]);
    if (mkdir(folder.c_str(), kFolderMode) != 0) {
      if (errno == EEXIST) continue;
      return ErrnoStatus(errno, folder);
    }
    RETURN_IF_ERROR(SyncFolder(parent));
  }
  return absl::OkStatus();
}

absl::Status CopyBytes(int from, const std::string& from_path, int to, const std::string& to_path) {
  std::vector<char> block(kBlock);
  while (true) {
    const ssize_t got = read(from, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, from_path);
    if (got == 0) return absl::OkStatus();
    for (ssize_t done = 0; done < got;) {
      const ssize_t put = write(to, block.data() + done, static_cast<size_t>(got - done));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return ErrnoStatus(errno, to_path);
      done += put;
    }
  }
}

// Fills `part_path`, open and locked as `to`, and proves what is in it.
absl::Status FillPart(const SourceFile& file, int to, const std::string& part_path) {
  const int from = open(file.disk_path.c_str(), O_RDONLY | O_CLOEXEC);
  if (from < 0) return ErrnoStatus(errno, file.disk_path);
  const absl::Cleanup close_from = [from] { close(from); };
  if (ftruncate(to, 0) != 0) return ErrnoStatus(errno, part_path);
  RETURN_IF_ERROR(CopyBytes(from, file.disk_path, to, part_path));
  if (fchmod(to, kFileMode) != 0 || fsync(to) != 0) return ErrnoStatus(errno, part_path);
  ASSIGN_OR_RETURN(const FileDigest written, DigestFile(part_path));
  if (written.sha256 == file.sha256) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("'", file.disk_path, "': the copy's SHA-256 isn't the one read before; did the file change?"));
}

absl::Status CopyOne(const SourceFile& file, const std::string& target) {
  const std::string part_path = absl::StrCat(FolderOf(target), "/.", target.substr(target.rfind('/') + 1), ".part");
  const int to = open(part_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (to < 0) return ErrnoStatus(errno, part_path);
  const absl::Cleanup close_to = [to] { close(to); };
  if (flock(to, LOCK_EX | LOCK_NB) != 0) return absl::AbortedError(absl::StrCat("'", part_path, "': another import is at work on it"));
  const absl::Status filled = FillPart(file, to, part_path);
  if (!filled.ok()) {
    unlink(part_path.c_str());
    return filled;
  }
  if (rename(part_path.c_str(), target.c_str()) != 0) return ErrnoStatus(errno, target);
  return SyncFolder(FolderOf(target));
}

// True if the target holds exactly the file, false if nothing is there.
absl::StatusOr<bool> IsThere(const SourceFile& file, const std::string& target) {
  const absl::StatusOr<FileDigest> there = DigestFile(target);
  if (absl::IsNotFound(there.status())) return false;
  RETURN_IF_ERROR(there.status());
  if (there->sha256 == file.sha256) return true;
  return absl::AlreadyExistsError(absl::StrCat("'", target, "' is there with other content; changed content needs a new version"));
}

}  // namespace

absl::StatusOr<CopyReport> CopyToOrigin(const ImportedTitle& title, const std::string& content_root) {
  struct stat info = {};
  if (stat(content_root.c_str(), &info) != 0) return ErrnoStatus(errno, content_root);
  if (!S_ISDIR(info.st_mode)) return absl::FailedPreconditionError(absl::StrCat("'", content_root, "': not a folder"));
  CopyReport report;
  for (const SourceFile& file : title.files) {
    const std::string target = absl::StrCat(content_root, "/", file.content_path);
    ASSIGN_OR_RETURN(const bool there, IsThere(file, target));
    if (there) {
      ++report.files_already_there;
      continue;
    }
    RETURN_IF_ERROR(MakeFolders(content_root, file.content_path));
    RETURN_IF_ERROR(CopyOne(file, target));
    ++report.files_copied;
    report.bytes_copied += file.size_bytes;
  }
  return report;
}

}  // namespace fairlead
