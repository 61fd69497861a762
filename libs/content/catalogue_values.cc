#include "libs/content/catalogue_values.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/content/paths.h"

namespace fairlead {
namespace {

constexpr size_t kSha256Size = 32;
constexpr size_t kMaxCodecs = 128;
constexpr size_t kMaxLanguage = 35;  // RFC 5646 §4.4.1.

template <typename Value>
absl::Status Bad(absl::string_view field, const Value& value, absl::string_view why) {
  return InvalidField(field, absl::StrCat(value), why);
}

absl::Status ValidateText(absl::string_view text, size_t most, absl::string_view field) {
  if (text.size() > most) return Bad(field, text, absl::StrCat(text.size(), " bytes, at most ", most));
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == 127) return Bad(field, absl::CHexEscape(text), "has a control character");
  }
  return absl::OkStatus();
}

absl::Status ValidateBlob(int64_t size, absl::string_view sha256, absl::string_view field) {
  if (size <= 0) return Bad(absl::StrCat(field, ".size_bytes"), size, "want more than 0");
  if (sha256.size() != kSha256Size)
    return Bad(absl::StrCat(field, ".sha256"), absl::BytesToHexString(sha256), absl::StrCat(sha256.size(), " bytes, want 32"));
  return absl::OkStatus();
}

absl::Status ValidatePath(absl::string_view text, const TitleImport& import, const Rendition& rendition, absl::string_view field) {
  ASSIGN_OR_RETURN(const ContentPath path, ContentPath::Parse(text, field));
  if (path.title == import.title.value() && path.version == import.version.version && path.rendition == rendition.id)
    return absl::OkStatus();
  return Bad(field, text, absl::StrCat("doesn't lie in '", import.title.value(), "/", import.version.version, "/", rendition.id, "/'"));
}

absl::Status ValidateRendition(const TitleImport& import, const Rendition& rendition, const std::string& field) {
  RETURN_IF_ERROR(ValidateId(rendition.id, absl::StrCat(field, ".rendition")));
  if (rendition.kind == RenditionKind::kUnspecified) return Bad(absl::StrCat(field, ".kind"), "UNSPECIFIED", "want VIDEO, AUDIO or TEXT");
  if (rendition.bandwidth_bps < 0) return Bad(absl::StrCat(field, ".bandwidth_bps"), rendition.bandwidth_bps, "negative");
  if (rendition.width < 0 || rendition.height < 0) {
    return Bad(absl::StrCat(field, ".width, .height"), absl::StrCat(rendition.width, " × ", rendition.height), "negative");
  }
  RETURN_IF_ERROR(ValidateText(rendition.codecs, kMaxCodecs, absl::StrCat(field, ".codecs")));
  RETURN_IF_ERROR(ValidateText(rendition.language, kMaxLanguage, absl::StrCat(field, ".language")));
  const MediaFile& file = rendition.file;
  const std::string file_field = absl::StrCat(field, ".file");
  RETURN_IF_ERROR(ValidatePath(file.path, import, rendition, absl::StrCat(file_field, ".path")));
  RETURN_IF_ERROR(ValidateBlob(file.size_bytes, file.sha256, file_field));
  if (!std::isfinite(file.duration_seconds) || file.duration_seconds <= 0) {
    return Bad(absl::StrCat(file_field, ".duration_seconds"), file.duration_seconds, "want more than 0");
  }
  if (file.segment_count <= 0) return Bad(absl::StrCat(file_field, ".segment_count"), file.segment_count, "want more than 0");
  if (file.number != 0) return Bad(absl::StrCat(file_field, ".file_number"), file.number, "numbers are given by the server");
  const std::string playlist_field = absl::StrCat(file_field, ".playlist");
  RETURN_IF_ERROR(ValidatePath(file.playlist.path, import, rendition, absl::StrCat(playlist_field, ".path")));
  RETURN_IF_ERROR(ValidateBlob(file.playlist.size_bytes, file.playlist.sha256, playlist_field));
  if (file.playlist.path == file.path) return Bad(absl::StrCat(playlist_field, ".path"), file.path, "is the file itself");
  if (file.playlist.size_bytes > std::numeric_limits<int64_t>::max() - file.size_bytes)
    return Bad(absl::StrCat(playlist_field, ".size_bytes"), file.playlist.size_bytes, "out of range");
  return absl::OkStatus();
}

absl::Status Changed(absl::string_view path, absl::string_view what) {
  return absl::AlreadyExistsError(
      absl::StrCat("'", path, "' is already in this version with another ", what, "; changed content needs a new version"));
}

absl::Status CheckSameContent(const MediaFile& known, const MediaFile& given) {
  if (known.path != given.path) return Changed(known.path, absl::StrCat("path ('", given.path, "')"));
  if (known.size_bytes != given.size_bytes) return Changed(known.path, "size");
  if (known.sha256 != given.sha256) return Changed(known.path, "SHA-256");
  if (known.playlist.path != given.playlist.path) return Changed(known.playlist.path, absl::StrCat("path ('", given.playlist.path, "')"));
  if (known.playlist.size_bytes != given.playlist.size_bytes) return Changed(known.playlist.path, "size");
  if (known.playlist.sha256 != given.playlist.sha256) return Changed(known.playlist.path, "SHA-256");
  return absl::OkStatus();
}

bool ById(const Rendition& a, const Rendition& b) {
  return a.id < b.id;
}

// The version with this id, added at the end if it is new.
TitleVersion& ReachVersion(Title& title, const std::string& version) {
  const auto at = std::find_if(title.versions.begin(), title.versions.end(), [&](const TitleVersion& v) { return v.version == version; });
  if (at != title.versions.end()) return *at;
  title.versions.push_back({.version = version, .renditions = {}});
  title.current_version = version;
  return title.versions.back();
}

absl::Status MergeRendition(const Rendition& given, TitleVersion& version, ImportOutcome& outcome) {
  const auto at = std::lower_bound(version.renditions.begin(), version.renditions.end(), given, ById);
  Rendition merged = given;
  if (at != version.renditions.end() && at->id == given.id) {
    RETURN_IF_ERROR(CheckSameContent(at->file, given.file));
    merged.file.number = at->file.number;
    *at = std::move(merged);
    return absl::OkStatus();
  }
  if (version.renditions.size() == TitleImport::kMaxRenditions) {
    return absl::ResourceExhaustedError(
        absl::StrCat("version '", version.version, "' has ", TitleImport::kMaxRenditions, " renditions, the most"));
  }
  if (outcome.next_number == std::numeric_limits<uint32_t>::max()) return absl::ResourceExhaustedError("no file numbers are left");
  merged.file.number = outcome.next_number++;
  outcome.new_numbers.push_back(merged.file.number);
  version.renditions.insert(at, std::move(merged));
  return absl::OkStatus();
}

// At least what the title takes in a message, but for its own few fields.
size_t EncodedBytes(const Title& title) {
  // Tags, lengths, numbers and durations of a rendition with its file and its playlist: eleven numbers of up to ten bytes.
  constexpr size_t kRenditionOverhead = 192;
  constexpr size_t kVersionOverhead = 16;
  size_t bytes = 0;
  for (const TitleVersion& version : title.versions) {
    bytes += kVersionOverhead + version.version.size();
    for (const Rendition& rendition : version.renditions) {
      const MediaFile& file = rendition.file;
      bytes += kRenditionOverhead + rendition.id.size() + rendition.codecs.size() + rendition.language.size() + file.path.size() +
               file.sha256.size() + file.playlist.path.size() + file.playlist.sha256.size();
    }
  }
  return bytes;
}

absl::Status CheckSize(const Title& title) {
  size_t files = 0;
  for (const TitleVersion& version : title.versions) files += version.renditions.size();
  if (files > Title::kMaxFiles) {
    return absl::ResourceExhaustedError(
        absl::StrCat("title '", title.id.value(), "' would have ", files, " files over all its versions, at most ", Title::kMaxFiles));
  }
  const size_t bytes = EncodedBytes(title);
  if (bytes <= Title::kMaxEncodedBytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("title '", title.id.value(), "' with ", files, " files would take ", bytes,
                                                   " bytes in the catalogue feed, at most ", Title::kMaxEncodedBytes));
}

}  // namespace

absl::string_view ToString(RenditionKind kind) {
  switch (kind) {
    case RenditionKind::kVideo:
      return "VIDEO";
    case RenditionKind::kAudio:
      return "AUDIO";
    case RenditionKind::kText:
      return "TEXT";
    case RenditionKind::kUnspecified:
      break;
  }
  return "UNSPECIFIED";
}

bool FromString(absl::string_view text, RenditionKind& kind) {
  for (const RenditionKind known : {RenditionKind::kVideo, RenditionKind::kAudio, RenditionKind::kText}) {
    if (ToString(known) == text) {
      kind = known;
      return true;
    }
  }
  return false;
}

std::ostream& operator<<(std::ostream& out, RenditionKind kind) {
  return out << ToString(kind);
}

int64_t MeanBandwidth(int64_t size_bytes, double duration_seconds) {
  return duration_seconds > 0 ? static_cast<int64_t>(std::llround(8.0 * static_cast<double>(size_bytes) / duration_seconds)) : 0;
}

absl::Status ValidateImport(const TitleImport& import) {
  RETURN_IF_ERROR(ValidateId(import.title.value(), "title"));
  RETURN_IF_ERROR(ValidateText(import.display_name, TitleImport::kMaxDisplayName, "display_name"));
  if (!std::isfinite(import.popularity) || import.popularity < 0) {
    return Bad("popularity", import.popularity, "want a number of at least 0");
  }
  RETURN_IF_ERROR(ValidateId(import.version.version, "version.version"));
  const std::vector<Rendition>& renditions = import.version.renditions;
  if (renditions.empty()) return Bad("version.renditions", "", "want at least one");
  if (renditions.size() > TitleImport::kMaxRenditions) {
    return Bad("version.renditions", renditions.size(), absl::StrCat("at most ", TitleImport::kMaxRenditions));
  }
  std::vector<std::string> ids;
  for (size_t i = 0; i < renditions.size(); ++i) {
    RETURN_IF_ERROR(ValidateRendition(import, renditions[i], absl::StrCat("version.renditions[", i, "]")));
    ids.push_back(renditions[i].id);
  }
  std::sort(ids.begin(), ids.end());
  const auto twice = std::adjacent_find(ids.begin(), ids.end());
  if (twice != ids.end()) return Bad("version.renditions", *twice, "given twice");
  return absl::OkStatus();
}

absl::StatusOr<ImportOutcome> ApplyImport(const std::optional<Title>& existing, const TitleImport& import, uint32_t next_number,
                                          absl::Time now) {
  ImportOutcome outcome;
  outcome.next_number = next_number;
  if (existing.has_value()) {
    outcome.title = *existing;
  } else {
    outcome.title.id = import.title;
    outcome.title.create_time = now;
  }
  outcome.title.display_name = import.display_name;
  outcome.title.popularity = import.popularity;
  std::vector<Rendition> given = import.version.renditions;
  std::sort(given.begin(), given.end(), ById);
  TitleVersion& version = ReachVersion(outcome.title, import.version.version);
  for (const Rendition& rendition : given) RETURN_IF_ERROR(MergeRendition(rendition, version, outcome));
  RETURN_IF_ERROR(CheckSize(outcome.title));
  outcome.changed = !existing.has_value() || *existing != outcome.title;
  return outcome;
}

}  // namespace fairlead
