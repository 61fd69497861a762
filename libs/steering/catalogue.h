// Catalogue: titles, their versions and files, and which files one play needs. An immutable value; any thread.
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

  // Null if unknown.
  const TitleView* FindTitle(const TitleId& id) const;
  // `version` empty: the current one. Null if unknown.
  static const VersionView* FindVersion(const TitleView& title, absl::string_view version);
  // Null if the version has no such set.
  static const PlayableSetView* FindSet(const VersionView& version, absl::string_view name);
  // By "<title>/<version>/<rendition>/<file>", or by number. Null members if unknown.
  FileRef FindPath(absl::string_view path) const;
  FileRef FindFile(uint32_t number) const;

  const std::vector<TitleView>& titles() const { return titles_; }
  size_t file_count() const { return by_number_.size(); }

 private:
  Catalogue() = default;

  std::vector<TitleView> titles_;
  absl::flat_hash_map<std::string, size_t> by_id_;
  absl::flat_hash_map<uint32_t, FileRef> by_number_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_CATALOGUE_H_
