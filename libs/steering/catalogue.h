// Catalogue: titles, their versions and files, and which files one play needs. An immutable value; any thread.
//
// Built of views, it has them all at hand. From a table image (table_image.h) it makes a title when it is first asked for, some
// microseconds, and keeps it; whoever asks next, or at the same time, gets the same one.
#ifndef FAIRLEAD_LIBS_STEERING_CATALOGUE_H_
#define FAIRLEAD_LIBS_STEERING_CATALOGUE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "libs/base/ids.h"
#include "libs/steering/views.h"

namespace fairlead {

class Catalogue {
 public:
  // Where a file stands.
  struct FileRef {
    const TitleView* title = nullptr;
    const VersionView* version = nullptr;
    const FileView* file = nullptr;
  };

  static std::shared_ptr<const Catalogue> Build(std::vector<TitleView> titles);
  ~Catalogue();

  // Null if unknown.
  const TitleView* FindTitle(const TitleId& id) const;
  // `version` empty: the current one. Null if unknown.
  static const VersionView* FindVersion(const TitleView& title, absl::string_view version);
  // Null if the version has no such set.
  static const PlayableSetView* FindSet(const VersionView& version, absl::string_view name);
  // By "<title>/<version>/<rendition>/<file>", or by number. Null members if unknown.
  FileRef FindPath(absl::string_view path) const;
  FileRef FindFile(uint32_t number) const;

  size_t title_count() const;
  size_t file_count() const { return file_count_; }

 private:
  friend struct ImageParts;
  class InImage;
  Catalogue();

  std::vector<TitleView> titles_;
  absl::flat_hash_map<std::string, size_t> by_id_;
  absl::flat_hash_map<uint32_t, FileRef> by_number_;
  size_t file_count_ = 0;
  std::unique_ptr<const InImage> in_image_;  // Then the three above are empty.
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_CATALOGUE_H_
