#include "services/steering/catalogue_record.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/content/paths.h"

namespace fairlead {
namespace {

namespace cv1 = content::v1;

uint64_t NotNegative(int64_t value) {
  return static_cast<uint64_t>(std::max<int64_t>(0, value));
}

// Where the playlist of a file stands by default: "<title>/<version>/<rendition>/media.m3u8".
std::string UsualPlaylistPath(absl::string_view file_path) {
  const size_t slash = file_path.rfind('/');
  return absl::StrCat(file_path.substr(0, slash == absl::string_view::npos ? 0 : slash + 1), kPlaylistFileName);
}

absl::StatusOr<FileView> FileOf(const cv1::Rendition& rendition) {
  const cv1::File& file = rendition.file();
  if (file.path().empty()) return InvalidField("title.versions.renditions.file.path", "", "must not be empty");
  FileView view = {.number = file.file_number(),
                   .path = file.path(),
                   .rendition = rendition.rendition(),
                   .size_bytes = NotNegative(file.size_bytes()),
                   .bitrate_bps = NotNegative(rendition.bandwidth_bps()),
                   .track = {.kind = cv1::Rendition::Kind_IsValid(rendition.kind()) ? static_cast<RenditionKind>(rendition.kind())
                                                                                    : RenditionKind::kUnspecified,
                             .codecs = rendition.codecs(),
                             .width = static_cast<uint32_t>(NotNegative(rendition.width())),
                             .height = static_cast<uint32_t>(NotNegative(rendition.height())),
                             .language = rendition.language()}};
  if (file.playlist().path() != UsualPlaylistPath(file.path())) view.playlist = file.playlist().path();
  return view;
}

absl::StatusOr<TitleView> ViewOf(const cv1::Title& title) {
  TitleView view;
  ASSIGN_OR_RETURN(view.id, TitleId::ParseName(title.name(), "title.name"));
  view.current_version = title.current_version();
  view.popularity = title.popularity();
  for (const cv1::TitleVersion& version : title.versions()) {
    RETURN_IF_ERROR(ValidateId(version.version(), "title.versions.version"));
    VersionView& read = view.versions.emplace_back();
    read.version = version.version();
    read.files.reserve(static_cast<size_t>(version.renditions_size()));
    for (const cv1::Rendition& rendition : version.renditions()) {
      ASSIGN_OR_RETURN(read.files.emplace_back(), FileOf(rendition));
    }
  }
  return view;
}

void Tell(const CatalogueVersion& version, const CatalogueFile& file, cv1::Rendition& out) {
  const CatalogueTrack& track = version.TrackOf(file);
  out.set_rendition(std::string(file.rendition()));
  out.set_kind(static_cast<cv1::Rendition::Kind>(track.kind()));
  out.set_bandwidth_bps(static_cast<int64_t>(file.bitrate_bps()));
  out.set_codecs(std::string(track.codecs()));
  out.set_width(static_cast<int32_t>(track.width()));
  out.set_height(static_cast<int32_t>(track.height()));
  out.set_language(std::string(track.language()));
  out.mutable_file()->set_file_number(file.number());
  out.mutable_file()->set_path(version.PathOf(file).Join());
  out.mutable_file()->set_size_bytes(static_cast<int64_t>(file.size_bytes()));
  const std::string playlist = version.PlaylistOf(file).Join();
  if (!playlist.empty()) out.mutable_file()->mutable_playlist()->set_path(playlist);
}

cv1::CatalogEntry EntryOf(const std::string& key, const CatalogueTitle& title) {
  cv1::CatalogEntry entry;
  entry.set_key(key);
  entry.mutable_title()->set_name(TitleId(std::string(title.id())).name());
  entry.mutable_title()->set_current_version(std::string(title.current_version()));
  entry.mutable_title()->set_popularity(title.popularity());
  for (const CatalogueVersion& version : title.versions()) {
    cv1::TitleVersion& told = *entry.mutable_title()->add_versions();
    told.set_version(std::string(version.version()));
    for (const CatalogueFile& file : version.files()) Tell(version, file, *told.add_renditions());
  }
  return entry;
}

}  // namespace

CatalogueRecord::CatalogueRecord(const cv1::CatalogEntry& entry) : key_(entry.key()) {
  absl::StatusOr<TitleView> view = absl::NotFoundError("not about a title");
  if (entry.has_title()) {
    view = ViewOf(entry.title());
    if (!view.ok()) issue_ = absl::StrCat(Quoted(key_), ": ", view.status().message());
  }
  if (view.ok()) {
    title_ = CatalogueTitle::Pack(*view);
  } else {
    bytes_ = entry.SerializeAsString();
  }
}

std::string CatalogueRecord::SerializeAsString() const {
  return title_ == nullptr ? bytes_ : EntryOf(key_, *title_).SerializeAsString();
}

}  // namespace fairlead
