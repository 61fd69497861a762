#include "libs/feed/epoch_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"

namespace fairlead {
namespace {

absl::Status ErrnoStatus(absl::string_view doing, const std::string& path) {
  const int error = errno;
  const std::string message = absl::StrCat(doing, " '", path, "': ", std::strerror(error));
  return error == ENOENT ? absl::NotFoundError(message) : absl::UnavailableError(message);
}

// Closes at the end of its scope.
class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  int fd_;
};

// 0 if there is no file.
absl::StatusOr<uint64_t> ReadEpoch(const std::string& path) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.ok()) {
    if (errno == ENOENT) return 0;
    return ErrnoStatus("reading", path);
  }
  char buffer[64];
  const ssize_t size = ::read(file.fd(), buffer, sizeof(buffer));
  if (size < 0) return ErrnoStatus("reading", path);
  const absl::string_view text(buffer, static_cast<size_t>(size));
  uint64_t value = 0;
  if (!absl::SimpleAtoi(text, &value)) {
    return absl::DataLossError(absl::StrCat("epoch file '", path, "' holds ", Quoted(text), ", not a number"));
  }
  return value;
}

absl::Status WriteDurably(const std::string& path, absl::string_view text) {
  const std::string temporary = absl::StrCat(path, ".tmp");
  {
    const File file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!file.ok()) return ErrnoStatus("writing", temporary);
    if (::write(file.fd(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) return ErrnoStatus("writing", temporary);
    if (::fsync(file.fd()) != 0) return ErrnoStatus("syncing", temporary);
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) return ErrnoStatus("renaming to", path);
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const File directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.ok() || ::fsync(directory.fd()) != 0) return ErrnoStatus("syncing", folder);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<uint64_t> RaiseEpoch(const std::string& path, absl::Time now) {
  ASSIGN_OR_RETURN(const uint64_t last, ReadEpoch(path));
  const int64_t milliseconds = std::max<int64_t>(absl::ToUnixMillis(now), 1);
  const uint64_t next = std::max(last + 1, static_cast<uint64_t>(milliseconds));
  RETURN_IF_ERROR(WriteDurably(path, absl::StrCat(next, "\n")));
  return next;
}

}  // namespace fairlead
