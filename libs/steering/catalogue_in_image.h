// The titles of a catalogue that lie in a table image, made when they are first asked for. Private to libs/steering; any thread.
#ifndef FAIRLEAD_LIBS_STEERING_CATALOGUE_IN_IMAGE_H_
#define FAIRLEAD_LIBS_STEERING_CATALOGUE_IN_IMAGE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/steering/catalogue.h"
#include "libs/steering/views.h"

namespace fairlead {

// "<title>/<version>/<rendition>/": what a file's path usually begins with, and isn't stored then.
std::string CatalogueFolder(absl::string_view title, absl::string_view version, absl::string_view rendition);

// What is told of a file in a record, as bits of one number.
inline constexpr uint64_t kUsualPath = 1;
inline constexpr uint64_t kUnusualPlaylist = 2;

class Catalogue::InImage {
 public:
  // `starts`: of each title's record, in the order of their ids, and one behind; rising, within `records`. `runs`: rising, of titles that
  // there are. `keeper` keeps them all.
  InImage(absl::string_view records, absl::Span<const uint64_t> starts, absl::Span<const FileRun> runs, std::shared_ptr<const void> keeper);
  ~InImage();

  size_t title_count() const { return made_.size(); }
  // As those of Catalogue, with KeyOf(id); of a title that has been found before.
  [[gnu::always_inline]] void FetchPlaceOfTitle(uint32_t key) const { __builtin_prefetch(&found_[PlaceOf(key)]); }
  void FetchTitle(uint32_t key) const;
  // One that was found before in O(1), else in O(log titles) and what its making takes.
  const CatalogueTitle* FindTitle(absl::string_view id) const;
  FileRef FindFile(uint32_t number) const;
  // Null if its record can't be read.
  const CatalogueTitle* TitleAt(size_t number) const;

 private:
  absl::string_view RecordAt(size_t number) const { return records_.substr(starts_[number], starts_[number + 1] - starts_[number]); }

  size_t PlaceOf(uint32_t key) const { return key & (found_.size() - 1); }
  const CatalogueTitle* Search(absl::string_view id) const;

  const absl::string_view records_;
  const absl::Span<const uint64_t> starts_;
  const absl::Span<const FileRun> runs_;
  const std::shared_ptr<const void> keeper_;
  mutable std::vector<std::atomic<const CatalogueTitle*>> made_;
  // At the place of its id's key, or the next that was free. Nothing ever leaves it, so whoever finds a place free, or taken by its title,
  // may stop there. A power of two, at least twice as many as titles.
  mutable std::vector<std::atomic<const CatalogueTitle*>> found_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_CATALOGUE_IN_IMAGE_H_
