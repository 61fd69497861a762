#include "libs/content/hls_playlist.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/status_macros.h"

namespace fairlead {
namespace {

constexpr size_t kMaxQuoted = 80;
// EXT-X-MAP in a playlist that isn't I-frames only (RFC 8216 §7).
constexpr int kMinVersion = 6;
constexpr double kMaxSegmentSeconds = 3600;

// Tags that would make it another kind of playlist than a finished one over one clear file.
constexpr absl::string_view kRefusedTags[] = {"#EXT-X-STREAM-INF",
                                              "#EXT-X-I-FRAME-STREAM-INF",
                                              "#EXT-X-MEDIA:",
                                              "#EXT-X-I-FRAMES-ONLY",
                                              "#EXT-X-SESSION-",
                                              "#EXT-X-PART",
                                              "#EXT-X-SKIP",
                                              "#EXT-X-PRELOAD-HINT",
                                              "#EXT-X-SERVER-CONTROL",
                                              "#EXT-X-GAP",
                                              "#EXT-X-DEFINE",
                                              "#EXT-X-CONTENT-STEERING",
                                              "#EXT-X-RENDITION-REPORT"};

std::string Quote(absl::string_view text) {
  return absl::StrCat("'", text.substr(0, kMaxQuoted), text.size() > kMaxQuoted ? "…" : "", "'");
}

// Digits only: SimpleAtoi would take signs and spaces.
bool ParseDecimal(absl::string_view text, int64_t& value) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
         absl::SimpleAtoi(text, &value);
}

// The attributes of "NAME=value,NAME="quoted, value""; none if the list is broken.
std::optional<std::vector<std::pair<absl::string_view, absl::string_view>>> ParseAttributes(absl::string_view text) {
  std::vector<std::pair<absl::string_view, absl::string_view>> attributes;
  while (!text.empty()) {
    const size_t equals = text.find('=');
    if (equals == absl::string_view::npos || equals == 0) return std::nullopt;
    const absl::string_view name = text.substr(0, equals);
    text.remove_prefix(equals + 1);
    const bool quoted = absl::ConsumePrefix(&text, "\"");
    const size_t end = quoted ? text.find('"') : std::min(text.find(','), text.size());
    if (end == absl::string_view::npos) return std::nullopt;
    attributes.emplace_back(name, text.substr(0, end));
    text.remove_prefix(end + (quoted ? 1 : 0));
    if (!text.empty() && !absl::ConsumePrefix(&text, ",")) return std::nullopt;
  }
  return attributes;
}

class Parser {
 public:
  explicit Parser(const HlsExpectation& expected) : expected_(expected) {}

  absl::StatusOr<HlsPlaylist> Parse(absl::string_view text) {
    if (text.size() > HlsPlaylist::kMaxBytes) {
      return absl::InvalidArgumentError(absl::StrCat("playlist: ", text.size(), " bytes, at most ", HlsPlaylist::kMaxBytes));
    }
    for (absl::string_view line : absl::StrSplit(text, '\n')) {
      ++line_;
      absl::ConsumeSuffix(&line, "\r");
      RETURN_IF_ERROR(ReadLine(line));
    }
    return Finish();
  }

 private:
  absl::Status Bad(absl::string_view why) const { return absl::InvalidArgumentError(absl::StrCat("line ", line_, ": ", why)); }

  absl::Status ReadLine(absl::string_view line) {
    if (line_ == 1) return line == "#EXTM3U" ? absl::OkStatus() : Bad("the first line must be #EXTM3U");
    for (const char c : line) {
      if (static_cast<unsigned char>(c) < ' ' || c == 127) return Bad("a control character");
    }
    const bool is_tag = absl::StartsWith(line, "#EXT");
    if (line.empty() || (line[0] == '#' && !is_tag)) return absl::OkStatus();
    if (ended_) return Bad(absl::StrCat(Quote(line), " after #EXT-X-ENDLIST"));
    return is_tag ? ReadTag(line) : ReadUri(line);
  }

  absl::Status ReadTag(absl::string_view line) {
    absl::string_view value = line;
    if (absl::ConsumePrefix(&value, "#EXTINF:")) return ReadDuration(value);
    if (absl::ConsumePrefix(&value, "#EXT-X-BYTERANGE:")) return ReadByteRange(value);
    if (absl::ConsumePrefix(&value, "#EXT-X-MAP:")) return ReadMap(value);
    if (absl::ConsumePrefix(&value, "#EXT-X-VERSION:")) return ReadNumber(value, "#EXT-X-VERSION", kMinVersion, playlist_.version);
    if (absl::ConsumePrefix(&value, "#EXT-X-TARGETDURATION:")) {
      return ReadNumber(value, "#EXT-X-TARGETDURATION", 1, playlist_.target_duration_seconds);
    }
    if (absl::ConsumePrefix(&value, "#EXT-X-PLAYLIST-TYPE:")) {
      return value == "VOD" ? absl::OkStatus() : Bad(absl::StrCat("#EXT-X-PLAYLIST-TYPE ", Quote(value), ", want 'VOD'"));
    }
    if (absl::ConsumePrefix(&value, "#EXT-X-KEY:")) {
      return value == "METHOD=NONE" ? absl::OkStatus() : Bad("#EXT-X-KEY: encrypted segments are not supported");
    }
    if (line == "#EXT-X-ENDLIST") {
      ended_ = true;
      return absl::OkStatus();
    }
    if (line == "#EXTM3U") return Bad("#EXTM3U again");
    for (const absl::string_view tag : kRefusedTags) {
      if (absl::StartsWith(line, tag)) return Bad(absl::StrCat(Quote(line), ": not a tag of a finished single-file media playlist"));
    }
    // Unknown tags are to be ignored (RFC 8216 §6.3.1), but nothing may point elsewhere.
    return absl::StrContains(line, "URI=") ? Bad(absl::StrCat(Quote(line), ": points to another resource")) : absl::OkStatus();
  }

  absl::Status ReadNumber(absl::string_view text, absl::string_view tag, int least, int& value) {
    int64_t number = 0;
    if (value != 0) return Bad(absl::StrCat(tag, " again"));
    if (!ParseDecimal(text, number) || number < least || number > 1'000'000) {
      return Bad(absl::StrCat(tag, " ", Quote(text), ": want a number of at least ", least));
    }
    value = static_cast<int>(number);
    return absl::OkStatus();
  }

  absl::Status ReadDuration(absl::string_view value) {
    const absl::string_view number = value.substr(0, value.find(','));
    double seconds = 0;
    if (duration_.has_value()) return Bad("a second #EXTINF for one segment");
    const bool plain = std::all_of(number.begin(), number.end(), [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
    if (!plain || !absl::SimpleAtod(number, &seconds) || seconds <= 0 || seconds > kMaxSegmentSeconds) {
      return Bad(absl::StrCat("#EXTINF ", Quote(number), ": want seconds above 0 and at most ", kMaxSegmentSeconds));
    }
    duration_ = seconds;
    return absl::OkStatus();
  }

  // "length[@offset]"; without an offset it continues where the range before ended.
  absl::StatusOr<ByteRange> ParseRange(absl::string_view text, int64_t default_offset) const {
    ByteRange range;
    const size_t at = text.find('@');
    range.offset = default_offset;
    if (!ParseDecimal(text.substr(0, at), range.length) || range.length == 0 ||
        (at != absl::string_view::npos && !ParseDecimal(text.substr(at + 1), range.offset))) {
      return Bad(absl::StrCat("byte range ", Quote(text), ": want '<length>@<offset>' with a length above 0"));
    }
    if (range.length > expected_.file_size || range.offset > expected_.file_size - range.length) {
      return Bad(absl::StrCat("byte range ", Quote(text), " at offset ", range.offset, ": ends beyond the file's ", expected_.file_size,
                              " bytes"));
    }
    return range;
  }

  absl::Status ReadByteRange(absl::string_view value) {
    if (range_.has_value()) return Bad("a second #EXT-X-BYTERANGE for one segment");
    if (playlist_.segments.empty() && !absl::StrContains(value, '@')) return Bad("the first #EXT-X-BYTERANGE needs an offset");
    ASSIGN_OR_RETURN(range_, ParseRange(value, covered_));
    return absl::OkStatus();
  }

  absl::Status ReadMap(absl::string_view value) {
    if (has_map_) return Bad("a second #EXT-X-MAP");
    if (!playlist_.segments.empty()) return Bad("#EXT-X-MAP after the first segment");
    const auto attributes = ParseAttributes(value);
    if (!attributes.has_value()) return Bad(absl::StrCat("#EXT-X-MAP: broken attribute list ", Quote(value)));
    absl::string_view uri;
    absl::string_view range;
    for (const auto& [name, text] : *attributes) {
      if (name == "URI") uri = text;
      if (name == "BYTERANGE") range = text;
    }
    if (uri != expected_.file_name) return Bad(absl::StrCat("#EXT-X-MAP URI ", Quote(uri), ", want ", Quote(expected_.file_name)));
    if (range.empty()) return Bad("#EXT-X-MAP without BYTERANGE: the whole file would be its own header");
    ASSIGN_OR_RETURN(playlist_.map, ParseRange(range, 0));
    has_map_ = true;
    return Cover(playlist_.map);
  }

  absl::Status ReadUri(absl::string_view uri) {
    if (uri != expected_.file_name) return Bad(absl::StrCat("URI ", Quote(uri), ", want ", Quote(expected_.file_name)));
    if (!has_map_) return Bad("a segment before #EXT-X-MAP");
    if (!duration_.has_value()) return Bad("a segment without #EXTINF");
    if (!range_.has_value()) return Bad("a segment without #EXT-X-BYTERANGE");
    if (playlist_.segments.size() == HlsPlaylist::kMaxSegments)
      return Bad(absl::StrCat("more than ", HlsPlaylist::kMaxSegments, " segments"));
    longest_ = std::max(longest_, *duration_);
    playlist_.duration_seconds += *duration_;
    playlist_.segments.push_back({*range_, *duration_});
    const ByteRange range = *range_;
    duration_.reset();
    range_.reset();
    return Cover(range);
  }

  // Ranges must come in the order of the file.
  absl::Status Cover(const ByteRange& range) {
    if (range.offset < covered_) {
      return Bad(absl::StrCat("byte range ", range.length, "@", range.offset, ": overlaps or goes back behind byte ", covered_));
    }
    AddGap(range.offset);
    covered_ = range.end();
    return absl::OkStatus();
  }

  void AddGap(int64_t until) {
    if (until == covered_) return;
    playlist_.gaps.push_back({covered_, until - covered_});
    playlist_.gap_bytes += until - covered_;
  }

  absl::StatusOr<HlsPlaylist> Finish() {
    if (!ended_) return Bad("no #EXT-X-ENDLIST");
    if (playlist_.version == 0) return Bad("no #EXT-X-VERSION");
    if (playlist_.target_duration_seconds == 0) return Bad("no #EXT-X-TARGETDURATION");
    if (playlist_.segments.empty()) return Bad("no segments");
    if (duration_.has_value() || range_.has_value()) return Bad("the last #EXTINF or #EXT-X-BYTERANGE has no URI");
    if (std::llround(longest_) > playlist_.target_duration_seconds) {
      return Bad(absl::StrCat("a segment of ", longest_, " s is longer than #EXT-X-TARGETDURATION ", playlist_.target_duration_seconds));
    }
    AddGap(expected_.file_size);
    return std::move(playlist_);
  }

  const HlsExpectation expected_;
  HlsPlaylist playlist_;
  int line_ = 0;
  int64_t covered_ = 0;  // The end of the last range.
  double longest_ = 0;
  bool has_map_ = false;
  bool ended_ = false;
  std::optional<double> duration_;  // Of the segment whose URI is still to come.
  std::optional<ByteRange> range_;
};

}  // namespace

absl::StatusOr<HlsPlaylist> ParseHlsPlaylist(absl::string_view text, const HlsExpectation& expected) {
  return Parser(expected).Parse(text);
}

}  // namespace fairlead
