#include "libs/checkpoint/whole_file.h"

#include <unistd.h>

#include "libs/base/status_macros.h"
#include "libs/checkpoint/file.h"

namespace fairlead {

absl::Status ReplaceFile(const std::string& folder, absl::string_view name, absl::string_view bytes) {
  RETURN_IF_ERROR(WriteFileDurably(absl::StrCat(folder, "/", TemporaryName(name)), bytes));
  return PutInPlace(folder, name);
}

// The link keeps the file before under its second name, so that at no moment there is none under the first.
absl::Status PutInPlace(const std::string& folder, absl::string_view name) {
  const std::string path = absl::StrCat(folder, "/", name);
  const std::string previous = absl::StrCat(folder, "/", PreviousName(name));
  if (access(path.c_str(), F_OK) == 0) {
    RETURN_IF_ERROR(RemoveFile(previous));
    if (link(path.c_str(), previous.c_str()) != 0) return FileError("link", previous);
  }
  RETURN_IF_ERROR(RenameFile(absl::StrCat(folder, "/", TemporaryName(name)), path));
  return SyncFolder(folder);
}

std::string FindNewestFile(const std::string& folder, absl::string_view name,
                           const std::function<absl::Status(const std::string& path)>& use, std::vector<absl::Status>& refused) {
  for (const std::string& candidate : {std::string(name), PreviousName(name)}) {
    const std::string path = absl::StrCat(folder, "/", candidate);
    if (access(path.c_str(), F_OK) != 0) continue;
    const absl::Status used = use(path);
    if (used.ok()) return path;
    refused.push_back(used);
    // What the disk or the memory couldn't give may be whole all the same.
    const bool spoilt = !absl::IsUnavailable(used) && !absl::IsResourceExhausted(used);
    if (spoilt) RenameFile(path, absl::StrCat(folder, "/", RefusedName(name))).IgnoreError();
  }
  return "";
}

std::string FindNewest(const std::string& folder, absl::string_view name, size_t most_bytes,
                       const std::function<absl::Status(absl::string_view bytes)>& use, std::vector<absl::Status>& refused) {
  const auto use_file = [&](const std::string& path) {
    const absl::StatusOr<std::string> bytes = ReadFile(path, most_bytes);
    const absl::Status used = bytes.ok() ? use(*bytes) : bytes.status();
    return used.ok() ? used : absl::Status(used.code(), absl::StrCat(path, ": ", used.message()));
  };
  return FindNewestFile(folder, name, use_file, refused);
}

}  // namespace fairlead
