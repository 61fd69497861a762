#include "services/steering/catalogue_record.h"

namespace fairlead {
namespace {

namespace cv1 = content::v1;

cv1::CatalogEntry WithoutHashes(const cv1::CatalogEntry& entry) {
  cv1::CatalogEntry slim = entry;
  if (!slim.has_title()) return slim;
  for (cv1::TitleVersion& version : *slim.mutable_title()->mutable_versions()) {
    for (cv1::Rendition& rendition : *version.mutable_renditions()) {
      if (!rendition.has_file()) continue;
      rendition.mutable_file()->clear_sha256();
      if (rendition.file().has_playlist()) rendition.mutable_file()->mutable_playlist()->clear_sha256();
    }
  }
  return slim;
}

}  // namespace

CatalogueRecord::CatalogueRecord(const cv1::CatalogEntry& entry) : key_(entry.key()), bytes_(WithoutHashes(entry).SerializeAsString()) {}

cv1::CatalogEntry CatalogueRecord::Unpack() const {
  cv1::CatalogEntry entry;
  entry.ParseFromString(bytes_);
  return entry;
}

}  // namespace fairlead
