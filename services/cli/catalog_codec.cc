#include "services/cli/catalog_codec.h"

namespace fairlead::cli {
namespace {

void Fill(const MediaFile& from, content::v1::File& to) {
  to.set_file_number(from.number);
  to.set_path(from.path);
  to.set_size_bytes(from.size_bytes);
  to.set_sha256(from.sha256);
  to.set_duration_seconds(from.duration_seconds);
  to.set_segment_count(from.segment_count);
  to.mutable_playlist()->set_path(from.playlist.path);
  to.mutable_playlist()->set_size_bytes(from.playlist.size_bytes);
  to.mutable_playlist()->set_sha256(from.playlist.sha256);
}

void Fill(const Rendition& from, content::v1::Rendition& to) {
  to.set_rendition(from.id);
  // The numbers are those of the proto.
  to.set_kind(static_cast<content::v1::Rendition::Kind>(from.kind));
  to.set_bandwidth_bps(from.bandwidth_bps);
  to.set_codecs(from.codecs);
  to.set_width(from.width);
  to.set_height(from.height);
  to.set_language(from.language);
  Fill(from.file, *to.mutable_file());
}

}  // namespace

content::v1::ImportTitleVersionRequest ImportRequest(const TitleImport& import) {
  content::v1::ImportTitleVersionRequest request;
  request.set_title(import.title.name());
  request.set_display_name(import.display_name);
  request.set_popularity(import.popularity);
  request.mutable_version()->set_version(import.version.version);
  for (const Rendition& rendition : import.version.renditions) Fill(rendition, *request.mutable_version()->add_renditions());
  return request;
}

}  // namespace fairlead::cli
