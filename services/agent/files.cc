#include "services/agent/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"

namespace fairlead::agent {
namespace {

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status WriteAll(int fd, absl::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return SystemError("write", path);
    content.remove_prefix(written);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadAll(int fd, const std::string& path, size_t most) {
  std::string content;
  char buffer[65536];
  while (true) {
    const ssize_t count = read(fd, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return SystemError("read", path);
    if (count == 0) return content;
    content.append(buffer, count);
    if (content.size() > most) return absl::ResourceExhaustedError(absl::StrCat("'", path, "' is larger than ", most, " bytes"));
  }
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    Reset();
    fd_ = other.Release();
  }
  return *this;
}

void Fd::Reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

absl::Status SystemError(absl::string_view what, absl::string_view path) {
  const int error = errno;
  const std::string message = absl::StrCat(what, " '", path, "': ", strerror(error));
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(message);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::ResourceExhaustedError(message);
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(message);
    default:
      return absl::UnavailableError(message);
  }
}

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t most) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return SystemError("open", path);
  return ReadAll(fd.get(), path, most);
}

absl::StatusOr<std::string> ReadTail(const std::string& path, size_t most) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info;
  if (!fd.valid() || fstat(fd.get(), &info) != 0) return SystemError("open", path);
  const off_t start = std::max<off_t>(0, info.st_size - static_cast<off_t>(most));
  if (lseek(fd.get(), start, SEEK_SET) < 0) return SystemError("seek", path);
  // It may grow meanwhile.
  return ReadAll(fd.get(), path, most + (size_t{1} << 20));
}

absl::Status WriteFileAtomically(const std::string& path, absl::string_view content, mode_t mode) {
  const std::string aside = path + ".new";
  {
    const Fd fd(open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
    if (!fd.valid()) return SystemError("create", aside);
    if (fchmod(fd.get(), mode) != 0) return SystemError("chmod", aside);
    RETURN_IF_ERROR(WriteAll(fd.get(), content, aside));
    if (fsync(fd.get()) != 0) return SystemError("sync", aside);
  }
  if (rename(aside.c_str(), path.c_str()) != 0) return SystemError("rename", aside);
  return SyncFolder(FolderOf(path));
}

absl::Status MakeFolder(const std::string& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) == 0) return absl::OkStatus();
  if (errno == EEXIST) {
    struct stat info;
    if (stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return absl::OkStatus();
    errno = ENOTDIR;
    return SystemError("mkdir", path);
  }
  if (errno != ENOENT || FolderOf(path) == path) return SystemError("mkdir", path);
  RETURN_IF_ERROR(MakeFolder(FolderOf(path), mode));
  if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return SystemError("mkdir", path);
  return absl::OkStatus();
}

absl::Status SyncFolder(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return SystemError("open", path);
  if (fsync(fd.get()) != 0) return SystemError("sync", path);
  return absl::OkStatus();
}

}  // namespace fairlead::agent
