#include "libs/checkpoint/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"

namespace fairlead {

absl::Status FileError(absl::string_view action, const std::string& path) {
  return absl::UnavailableError(absl::StrCat(action, " ", path, ": ", strerror(errno)));
}

absl::StatusOr<OpenFile> OpenFile::Open(const std::string& path, int flags, unsigned mode) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0 && errno == ENOENT && (flags & O_CREAT) == 0) return absl::NotFoundError(absl::StrCat(path, " isn't there"));
  if (fd < 0) return FileError("open", path);
  return OpenFile(fd, path);
}

OpenFile& OpenFile::operator=(OpenFile&& other) noexcept {
  Close();
  fd_ = std::exchange(other.fd_, -1);
  path_ = std::move(other.path_);
  return *this;
}

void OpenFile::Close() {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

absl::Status OpenFile::Write(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FileError("write", path_);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status OpenFile::Sync() {
  return fsync(fd_) == 0 ? absl::OkStatus() : FileError("fsync", path_);
}

absl::Status OpenFile::Truncate(uint64_t size) {
  if (ftruncate(fd_, static_cast<off_t>(size)) != 0) return FileError("truncate", path_);
  if (lseek(fd_, static_cast<off_t>(size), SEEK_SET) < 0) return FileError("seek", path_);
  return absl::OkStatus();
}

absl::Status OpenFile::Lock() {
  if (flock(fd_, LOCK_EX | LOCK_NB) == 0) return absl::OkStatus();
  if (errno == EWOULDBLOCK) return absl::FailedPreconditionError(absl::StrCat(path_, " is held by another process"));
  return FileError("lock", path_);
}

absl::StatusOr<uint64_t> OpenFile::Size() const {
  struct stat info;
  if (fstat(fd_, &info) != 0) return FileError("stat", path_);
  return static_cast<uint64_t>(info.st_size);
}

absl::StatusOr<FileReader> FileReader::Open(const std::string& path) {
  absl::StatusOr<OpenFile> file = OpenFile::Open(path, O_RDONLY);
  if (!file.ok()) return file.status();
  return FileReader(*std::move(file));
}

absl::Status FileReader::Fill(size_t count) {
  constexpr size_t kLeastStep = 4'096;
  constexpr size_t kMostStep = size_t{1} << 20;  // Of a small file less: the room is cleared first.
  if (buffer_.size() - begin_ >= count) return absl::OkStatus();
  const size_t step = std::clamp<size_t>(file_.Size().value_or(kMostStep), kLeastStep, kMostStep);
  buffer_.erase(0, std::exchange(begin_, 0));
  while (buffer_.size() < count && !at_end_) {
    const size_t before = buffer_.size();
    buffer_.resize(before + step);
    const ssize_t got = read(file_.fd(), buffer_.data() + before, step);
    buffer_.resize(before + static_cast<size_t>(got > 0 ? got : 0));
    if (got < 0 && errno != EINTR) return FileError("read", file_.path());
    at_end_ = got == 0;
  }
  return absl::OkStatus();
}

absl::StatusOr<absl::string_view> FileReader::Read(size_t count) {
  if (const absl::Status filled = Fill(count); !filled.ok()) return filled;
  const absl::string_view bytes = absl::string_view(buffer_).substr(begin_, count);
  begin_ += bytes.size();
  return bytes;
}

absl::StatusOr<absl::string_view> FileReader::ReadLine(size_t most) {
  if (const absl::Status filled = Fill(most); !filled.ok()) return filled;
  const absl::string_view bytes = absl::string_view(buffer_).substr(begin_, most);
  const size_t end = bytes.find('\n');
  if (end == absl::string_view::npos) return absl::string_view();
  begin_ += end + 1;
  return bytes.substr(0, end);
}

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t most_bytes) {
  const absl::StatusOr<OpenFile> file = OpenFile::Open(path, O_RDONLY);
  if (!file.ok()) return file.status();
  std::string bytes;
  std::vector<char> chunk(1 << 20);
  while (true) {
    const ssize_t count = read(file->fd(), chunk.data(), chunk.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return FileError("read", path);
    if (count == 0) return bytes;
    bytes.append(chunk.data(), static_cast<size_t>(count));
    if (bytes.size() > most_bytes) return absl::ResourceExhaustedError(absl::StrCat("read ", path, ": more than ", most_bytes, " bytes"));
  }
}

absl::Status WriteFileDurably(const std::string& path, absl::string_view bytes) {
  absl::StatusOr<OpenFile> file = OpenFile::Open(path, O_WRONLY | O_CREAT | O_TRUNC);
  if (!file.ok()) return file.status();
  const absl::Status written = file->Write(bytes);
  return written.ok() ? file->Sync() : written;
}

absl::Status SyncFolder(const std::string& folder) {
  absl::StatusOr<OpenFile> opened = OpenFile::Open(folder, O_RDONLY | O_DIRECTORY);
  return opened.ok() ? opened->Sync() : opened.status();
}

absl::Status RenameFile(const std::string& from, const std::string& to) {
  return rename(from.c_str(), to.c_str()) == 0 ? absl::OkStatus() : FileError("rename", from);
}

absl::Status RemoveFile(const std::string& path) {
  return unlink(path.c_str()) == 0 || errno == ENOENT ? absl::OkStatus() : FileError("unlink", path);
}

}  // namespace fairlead
