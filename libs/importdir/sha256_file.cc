#include "libs/importdir/sha256_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "libs/signing/digest.h"

namespace fairlead {
namespace {

constexpr size_t kBlock = 1 << 20;

}  // namespace

absl::Status ErrnoStatus(int error, absl::string_view path) {
  const std::string message = absl::StrCat("'", path, "': ", std::strerror(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(message);
    case EIO:
      return absl::DataLossError(message);
    default:
      return absl::FailedPreconditionError(message);
  }
}

absl::StatusOr<FileDigest> DigestFile(const std::string& path, const std::function<void(int64_t)>& progress) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return ErrnoStatus(errno, path);
  const absl::Cleanup close_fd = [fd] { close(fd); };
  struct stat info = {};
  if (fstat(fd, &info) != 0) return ErrnoStatus(errno, path);
  if (!S_ISREG(info.st_mode)) return absl::FailedPreconditionError(absl::StrCat("'", path, "': not a regular file"));
  Sha256Hasher hasher;
  std::vector<char> block(kBlock);
  FileDigest digest;
  while (true) {
    const ssize_t got = read(fd, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, path);
    if (got == 0) break;
    hasher.Update(absl::string_view(block.data(), static_cast<size_t>(got)));
    digest.size_bytes += got;
    if (progress) progress(got);
  }
  digest.sha256 = hasher.Finish();
  return digest;
}

}  // namespace fairlead
