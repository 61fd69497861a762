// A file that is replaced whole, with the one before kept beside it: for state that is small enough to be written anew each time.
//
// Written as a temporary file, fsync, rename, fsync of the folder, so that at each moment a whole one is there. What can't be used when
// read is put aside as "<name>.refused", so that the next write doesn't make it the one before.
//
//   RETURN_IF_ERROR(ReplaceFile("/var/lib/fairlead/steerd", "steering.snapshot", bytes));
//   const auto loaded = LoadNewest<Sections>("/var/lib/fairlead/steerd", "steering.snapshot", kMostBytes, DecodeSections);
#ifndef FAIRLEAD_LIBS_CHECKPOINT_WHOLE_FILE_H_
#define FAIRLEAD_LIBS_CHECKPOINT_WHOLE_FILE_H_

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace fairlead {

inline std::string PreviousName(absl::string_view name) {
  return absl::StrCat(name, ".previous");
}
inline std::string TemporaryName(absl::string_view name) {
  return absl::StrCat(name, ".tmp");
}
inline std::string RefusedName(absl::string_view name) {
  return absl::StrCat(name, ".refused");
}

// UNAVAILABLE naming the file and the system's reason; the old one is then still there.
absl::Status ReplaceFile(const std::string& folder, absl::string_view name, absl::string_view bytes);

// The second half of it, for a file too large to be made in memory: what stands under TemporaryName(name), durable already, becomes the
// file, and the file the one before.
absl::Status PutInPlace(const std::string& folder, absl::string_view name);

// The newest that `use` takes, the current or the one before; its errors name the file. See FindNewest.
std::string FindNewestFile(const std::string& folder, absl::string_view name,
                           const std::function<absl::Status(const std::string& path)>& use, std::vector<absl::Status>& refused);

// The newest that `use` takes, the current or the one before. Each refused one's error is added to `refused`, newest first, with its path.
// The path of the one in use; empty if there is none.
std::string FindNewest(const std::string& folder, absl::string_view name, size_t most_bytes,
                       const std::function<absl::Status(absl::string_view bytes)>& use, std::vector<absl::Status>& refused);

template <typename Value>
struct LoadedFile {
  std::optional<Value> value;         // None: start empty.
  std::string file;                   // Which one it comes from.
  std::vector<absl::Status> refused;  // The files that were there and could not be used, newest first.
};

// `decode`: absl::StatusOr<Value>(absl::string_view bytes).
template <typename Value, typename Decode>
LoadedFile<Value> LoadNewest(const std::string& folder, absl::string_view name, size_t most_bytes, Decode decode) {
  LoadedFile<Value> loaded;
  const auto use = [&](absl::string_view bytes) -> absl::Status {
    absl::StatusOr<Value> value = decode(bytes);
    if (!value.ok()) return value.status();
    loaded.value = *std::move(value);
    return absl::OkStatus();
  };
  loaded.file = FindNewest(folder, name, most_bytes, use, loaded.refused);
  return loaded;
}

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_CHECKPOINT_WHOLE_FILE_H_
