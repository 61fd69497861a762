// Strict reading of an HLS media playlist (RFC 8216) whose segments are byte ranges of one fMP4 beside it.
//
// What is refused, with the number of the line: anything but #EXTM3U first; a version below 6; a missing or broken target duration;
// a segment without EXTINF or EXT-X-BYTERANGE; a URI other than the file's name; ranges outside the file, overlapping or going back;
// no EXT-X-MAP before the first segment, or a second one; encryption, live, event, low-latency and multivariant tags, or any other tag
// with a URI; a missing EXT-X-ENDLIST or anything after it. Bytes of the file that no range covers are reported, not refused: packagers
// put indexes between fragments.
// Pure function, O(size of the text); any thread.
//
//   ASSIGN_OR_RETURN(const HlsPlaylist playlist, ParseHlsPlaylist(text, {.file_name = "media.mp4", .file_size = size}));
#ifndef FAIRLEAD_LIBS_CONTENT_HLS_PLAYLIST_H_
#define FAIRLEAD_LIBS_CONTENT_HLS_PLAYLIST_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace fairlead {

struct ByteRange {
  int64_t offset = 0;
  int64_t length = 0;
  int64_t end() const { return offset + length; }
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

struct HlsSegment {
  ByteRange range;
  double duration_seconds = 0;
};

struct HlsPlaylist {
  static constexpr size_t kMaxBytes = 8 * 1024 * 1024;
  static constexpr size_t kMaxSegments = 100'000;

  int version = 0;
  int target_duration_seconds = 0;
  ByteRange map;  // The initialisation section.
  std::vector<HlsSegment> segments;
  double duration_seconds = 0;  // Of all segments.
  std::vector<ByteRange> gaps;  // Of the file, covered by neither map nor segment; ascending.
  int64_t gap_bytes = 0;

  // Whether map and segments cover the file from its first byte to its last.
  bool contiguous() const { return gaps.empty(); }
};

struct HlsExpectation {
  absl::string_view file_name;  // The only URI that may occur.
  int64_t file_size = 0;
};

// INVALID_ARGUMENT "line 12: …".
absl::StatusOr<HlsPlaylist> ParseHlsPlaylist(absl::string_view text, const HlsExpectation& expected);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_CONTENT_HLS_PLAYLIST_H_
