#include "libs/checkpoint/whole_file.h"

#include <unistd.h>

#include "libs/base/status_macros.h"
#include "libs/checkpoint/file.h"

namespace fairlead {

// The link keeps the file before under its second name, so that at no moment there is none under the first.
absl::Status ReplaceFile(const std::string& folder, absl::string_view name, absl::string_view bytes) {
  const std::string path = absl::StrCat(folder, "/", name);
  const std::string previous = absl::StrCat(folder, "/", PreviousName(name));
  const std::string temporary = path + ".tmp";
  RETURN_IF_ERROR(WriteFileDurably(temporary, bytes));
  if (access(path.c_str(), F_OK) == 0) {
    RETURN_IF_ERROR(RemoveFile(previous));
    if (link(path.c_str(), previous.c_str()) != 0) return FileError("link", previous);
  }
  RETURN_IF_ERROR(RenameFile(temporary, path));
  return SyncFolder(folder);
}

std::string FindNewest(const std::string& folder, absl::string_view name, size_t most_bytes,
                       const std::function<absl::Status(absl::string_view bytes)>& use, std::vector<absl::Status>& refused) {
  for (const std::string& candidate : {std::string(name), PreviousName(name)}) {
    const std::string path = absl::StrCat(folder, "/", candidate);
    const absl::StatusOr<std::string> bytes = ReadFile(path, most_bytes);
    if (absl::IsNotFound(bytes.status())) continue;
    const absl::Status used = bytes.ok() ? use(*bytes) : bytes.status();
    if (used.ok()) return path;
    refused.push_back(absl::Status(used.code(), absl::StrCat(path, ": ", used.message())));
    if (bytes.ok()) RenameFile(path, absl::StrCat(folder, "/", RefusedName(name))).IgnoreError();
  }
  return "";
}

}  // namespace fairlead
