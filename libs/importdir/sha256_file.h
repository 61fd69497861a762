// SHA-256 of files, 32 raw bytes. Thread-safe; reads in blocks, so memory is bounded.
#ifndef FAIRLEAD_LIBS_IMPORTDIR_SHA256_FILE_H_
#define FAIRLEAD_LIBS_IMPORTDIR_SHA256_FILE_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace fairlead {

struct FileDigest {
  int64_t size_bytes = 0;
  std::string sha256;
};

// Errors name the path: NOT_FOUND, PERMISSION_DENIED, FAILED_PRECONDITION (not a regular file), DATA_LOSS (a read error).
// `progress`, if given, hears of each block's bytes.
absl::StatusOr<FileDigest> DigestFile(const std::string& path, const std::function<void(int64_t)>& progress = nullptr);

// The status of errno for `path`: "'/x/y': No such file or directory".
absl::Status ErrnoStatus(int error, absl::string_view path);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_IMPORTDIR_SHA256_FILE_H_
