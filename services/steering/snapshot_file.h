// The last-known-good copy on disk of what is small and must be fresh of the feeds (configuration, the state of boxes and sessions, whom
// the guard believes gone), from which a steerd serves when everything else is dead. The bulk has files of its own: feed_checkpoint.h.
//
// A file: a line of text with the format's name and version, then a section a feed and one of the guard's (a line of text: name,
// position, when it was saved, how old it was then, count, size, XXH3 checksum; then the entries, each with its length before it), then a
// last line with the number of sections and a checksum of their lines. A section's checksum covers its line up to itself and all its bytes,
// so a flipped bit anywhere is noticed; by the last line's, so is a section that is missing, there twice or from another copy, and so is a
// cut. A copy without any section is none. Written whole, with the file before beside it: libs/checkpoint/whole_file.h.
//
//   RETURN_IF_ERROR(WriteSnapshot("/var/lib/fairlead/steerd", sections));
//   const LoadedSnapshot loaded = LoadSnapshot("/var/lib/fairlead/steerd");   // The newest that is whole.
#ifndef FAIRLEAD_SERVICES_STEERING_SNAPSHOT_FILE_H_
#define FAIRLEAD_SERVICES_STEERING_SNAPSHOT_FILE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/feed/position.h"

namespace fairlead {

// One feed's entries, serialised.
struct SnapshotSection {
  std::string name;  // "registry", "catalog", "cells/x", "guard"; no spaces.
  FeedPosition position;
  absl::Time saved_at;  // Wall time: nothing else survives a restart of the machine. To the millisecond.
  absl::Duration age;   // Of the feed at that time.
  std::vector<std::string> entries;
};

// The bytes of the file, and back. Errors are DATA_LOSS saying what is wrong and where.
std::string EncodeSnapshot(const std::vector<SnapshotSection>& sections);
absl::StatusOr<std::vector<SnapshotSection>> DecodeSnapshot(absl::string_view bytes);

// The names inside the folder.
inline constexpr char kSnapshotFile[] = "steering.snapshot";
inline constexpr char kPreviousSnapshotFile[] = "steering.snapshot.previous";

// UNAVAILABLE naming the file and the system's reason.
absl::Status WriteSnapshot(const std::string& folder, const std::vector<SnapshotSection>& sections, absl::string_view name = kSnapshotFile);

struct LoadedSnapshot {
  std::optional<std::vector<SnapshotSection>> sections;  // None: start empty.
  std::string file;                                      // Which one they come from.
  std::vector<absl::Status> refused;                     // The files that were there and could not be used, newest first.
};
LoadedSnapshot LoadSnapshot(const std::string& folder, absl::string_view name = kSnapshotFile);

// A refused file is put aside under this name so that the next write doesn't make it the one before.
inline constexpr char kRefusedSnapshotFile[] = "steering.snapshot.refused";

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_SNAPSHOT_FILE_H_
