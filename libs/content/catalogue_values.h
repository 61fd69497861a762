// Titles, versions, renditions and files as values, the rules for an import, and what an import does to a title.
//
// A file is one rendition's track, with its playlist as companion; it gets a number that is dense, given once per (title version,
// path) and never reused. Pure; any thread. Sizes are bytes, rates bit/s.
//
//   RETURN_IF_ERROR(ValidateImport(import));
//   ASSIGN_OR_RETURN(const ImportOutcome outcome, ApplyImport(existing, import, next_file_number, now));
#ifndef FAIRLEAD_LIBS_CONTENT_CATALOGUE_VALUES_H_
#define FAIRLEAD_LIBS_CONTENT_CATALOGUE_VALUES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/ids.h"

namespace fairlead {

// The numbers are those of the proto.
enum class RenditionKind : uint8_t { kUnspecified = 0, kVideo = 1, kAudio = 2, kText = 3 };
absl::string_view ToString(RenditionKind kind);  // "VIDEO", …
// False, and `kind` untouched, for anything but "VIDEO", "AUDIO" and "TEXT".
bool FromString(absl::string_view text, RenditionKind& kind);
std::ostream& operator<<(std::ostream& out, RenditionKind kind);

struct PlaylistFile {
  std::string path;  // Beside the media file.
  int64_t size_bytes = 0;
  std::string sha256;  // 32 bytes.

  friend bool operator==(const PlaylistFile&, const PlaylistFile&) = default;
};

struct MediaFile {
  uint32_t number = 0;  // 0: not yet given.
  std::string path;     // "<title>/<version>/<rendition>/<file>"
  int64_t size_bytes = 0;
  std::string sha256;  // 32 bytes.
  double duration_seconds = 0;
  PlaylistFile playlist;
  int32_t segment_count = 0;

  // What the file takes on a disk: it and its playlist go together.
  int64_t stored_bytes() const { return size_bytes + playlist.size_bytes; }

  friend bool operator==(const MediaFile&, const MediaFile&) = default;
};

struct Rendition {
  std::string id;
  RenditionKind kind = RenditionKind::kUnspecified;
  int64_t bandwidth_bps = 0;
  std::string codecs;
  int32_t width = 0;
  int32_t height = 0;
  std::string language;
  MediaFile file;

  friend bool operator==(const Rendition&, const Rendition&) = default;
};

struct TitleVersion {
  std::string version;
  std::vector<Rendition> renditions;  // By id.

  friend bool operator==(const TitleVersion&, const TitleVersion&) = default;
};

struct Title {
  // Of all versions together. A title is told in one feed message, of at most 3 MiB.
  static constexpr size_t kMaxFiles = 5000;
  static constexpr size_t kMaxEncodedBytes = 2'900'000;

  TitleId id;
  std::string display_name;
  double popularity = 0;  // Bytes served ÷ bytes stored, relative.
  std::string current_version;
  std::vector<TitleVersion> versions;  // Oldest first.
  absl::Time create_time;

  friend bool operator==(const Title&, const Title&) = default;
};

struct TitleImport {
  static constexpr size_t kMaxRenditions = 2000;
  static constexpr size_t kMaxDisplayName = 256;

  TitleId title;
  std::string display_name;
  double popularity = 0;
  TitleVersion version;
};

// Mean bit rate; 0 if the duration isn't positive.
int64_t MeanBandwidth(int64_t size_bytes, double duration_seconds);

// INVALID_ARGUMENT naming the field. Fills in nothing; expects the file numbers to be 0.
absl::Status ValidateImport(const TitleImport& import);

struct ImportOutcome {
  Title title;
  std::vector<uint32_t> new_numbers;  // Ascending, dense from the `next_number` given.
  uint32_t next_number = 1;
  bool changed = false;  // Anything at all, so that feeds must tell.
};

// The title after the import. Files whose hashes are known keep their numbers; new renditions of a known version are added, and
// those that the import doesn't name stay. ALREADY_EXISTS, naming the path, if a hash or size differs under the same version.
// A new version becomes the current one; confirming an old version doesn't.
// RESOURCE_EXHAUSTED if the numbers (32 bits) run out, or, naming the title and the figures, if it would have more than Title::kMaxFiles
// files or be told in more than about Title::kMaxEncodedBytes.
absl::StatusOr<ImportOutcome> ApplyImport(const std::optional<Title>& existing, const TitleImport& import, uint32_t next_number,
                                          absl::Time now);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_CONTENT_CATALOGUE_VALUES_H_
