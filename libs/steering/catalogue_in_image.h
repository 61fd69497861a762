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
  const CatalogueTitle* FindTitle(absl::string_view id) const;
  FileRef FindFile(uint32_t number) const;
  // Null if its record can't be read.
  const CatalogueTitle* TitleAt(size_t number) const;

 private:
  absl::string_view RecordAt(size_t number) const { return records_.substr(starts_[number], starts_[number + 1] - starts_[number]); }

  const absl::string_view records_;
  const absl::Span<const uint64_t> starts_;
  const absl::Span<const FileRun> runs_;
  const std::shared_ptr<const void> keeper_;
  mutable std::vector<std::atomic<const CatalogueTitle*>> made_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_CATALOGUE_IN_IMAGE_H_
