// Catalogue: titles, their versions and files, and which files one play needs. An immutable value; any thread.
//
// Built of views, it has them all at hand; the next catalogue shares the titles that stayed as they were, so that it costs O(titles), not
// O(files). From a table image (table_image.h) it makes a title when it is first asked for, some microseconds, and keeps it; whoever asks
// next, or at the same time, gets the same one.
#ifndef FAIRLEAD_LIBS_STEERING_CATALOGUE_H_
#define FAIRLEAD_LIBS_STEERING_CATALOGUE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/base/ids.h"
#include "libs/steering/catalogue_title.h"
#include "libs/steering/views.h"

namespace fairlead {

class Catalogue {
 public:
  // Where a file stands. Null members if it isn't known.
  struct FileRef {
    const CatalogueTitle* title = nullptr;
    const CatalogueVersion* version = nullptr;
    const CatalogueFile* file = nullptr;

    PathParts path() const { return version->PathOf(*file); }
    PathParts playlist() const { return version->PlaylistOf(*file); }
  };

  // Of two titles with one id, or two files with one number, the last is found.
  static std::shared_ptr<const Catalogue> Build(const std::vector<TitleView>& titles);
  static std::shared_ptr<const Catalogue> Of(std::vector<std::shared_ptr<const CatalogueTitle>> titles);
  ~Catalogue();

  // Each asks for memory that FindTitle reads, the second for what the first one's leads to.
  void FetchPlaceOfTitle(const TitleId& id) const;
  void FetchTitle(const TitleId& id) const;
  // Null if unknown.
  const CatalogueTitle* FindTitle(const TitleId& id) const;
  // By "<title>/<version>/<rendition>/<file>", or by number.
  FileRef FindPath(absl::string_view path) const;
  FileRef FindFile(uint32_t number) const;

  // Of one that was built; empty of one from an image.
  const std::vector<std::shared_ptr<const CatalogueTitle>>& titles() const { return titles_; }
  size_t title_count() const;
  size_t file_count() const { return file_count_; }

 private:
  friend struct ImageParts;
  class InImage;
  // From this number on, up to the next run's, files are of this title, if there are any.
  struct FileRun {
    uint32_t first = 0;
    uint32_t title = 0;
  };
  Catalogue();
  static uint32_t KeyOf(absl::string_view id);
  void IndexIds();
  void IndexNumbers();
  // Where the title of this id stands, or would.
  size_t PlaceOf(absl::string_view id, uint32_t key) const;
  // The title that the file is of, if it is of any; none: `runs` has no such.
  static std::optional<uint32_t> TitleOfFile(absl::Span<const FileRun> runs, uint32_t number);
  static FileRef FileOf(const CatalogueTitle& title, uint32_t number);

  std::vector<std::shared_ptr<const CatalogueTitle>> titles_;
  // At the place of its id's key, or the next that was free: so a title's memory can be asked for before its id is looked at. A power of
  // two, more than twice as many as titles. (What absl's maps offer to ask for memory with, g++ leaves out.)
  std::vector<const CatalogueTitle*> places_;
  std::vector<FileRun> runs_;
  size_t file_count_ = 0;
  std::unique_ptr<const InImage> in_image_;  // Then the three above are empty.
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_CATALOGUE_H_
