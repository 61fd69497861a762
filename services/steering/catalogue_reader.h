// The catalogue feed's entries → the catalogue that decisions are made from, and what answers and playlists need beside it. A record that
// contradicts itself is left out and named in `issues`.
//
// Remembers what it made: a title whose record is the same object as last time isn't read again, so that one import in a hundred thousand
// titles costs O(titles) and not O(files). One thread; what it gives are values for any.
//
//   CatalogueReader reader;
//   const CatalogueViews views = reader.Read(sources.catalog().Held());
#ifndef FAIRLEAD_SERVICES_STEERING_CATALOGUE_READER_H_
#define FAIRLEAD_SERVICES_STEERING_CATALOGUE_READER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "libs/base/ids.h"
#include "libs/steering/catalogue.h"
#include "services/steering/catalogue_record.h"
#include "services/steering/feed_store.h"

namespace fairlead {

// Names of companion playlists where they aren't the usual "media.m3u8" beside the file; empty: the file has none.
using PlaylistPaths = absl::flat_hash_map<uint32_t, std::string>;

// Titles as the feed tells them, which holds them anyway: what a playlist says of a track and no decision needs.
using TitleRecords = absl::flat_hash_map<TitleId, std::shared_ptr<const CatalogueRecord>>;

struct CatalogueViews {
  static constexpr size_t kMaxIssues = 100;

  std::shared_ptr<const Catalogue> catalogue;
  std::shared_ptr<const TitleRecords> records;
  std::shared_ptr<const PlaylistPaths> unusual_playlists;
  std::vector<std::string> issues;  // At most kMaxIssues sentences.
};

class CatalogueReader {
 public:
  CatalogueViews Read(const HeldFeed<CatalogueRecord>& held);

 private:
  struct Title {
    std::shared_ptr<const CatalogueRecord> record;
    std::shared_ptr<const CatalogueTitle> title;  // Null: it isn't about a title, or there is an issue.
    PlaylistPaths unusual_playlists;
    std::string issue;
  };
  static Title ReadTitle(std::shared_ptr<const CatalogueRecord> record);

  std::vector<Title> titles_;  // In the order of their keys.
};

// Where the playlist of a file stands by default: "<title>/<version>/<rendition>/media.m3u8".
std::string UsualPlaylistPath(absl::string_view file_path);

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_CATALOGUE_READER_H_
