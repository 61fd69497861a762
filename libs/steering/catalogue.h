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

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/base/ids.h"
#include "libs/steering/views.h"

namespace fairlead {

// A title as catalogues share it: made once, by Catalogue::Share.
struct CatalogueTitle {
  struct Run {
    uint32_t first = 0;
    uint32_t count = 0;
  };

  TitleView view;
  std::vector<Run> runs;  // Of the numbers of its files, rising.
};

class Catalogue {
 public:
  // Where a file stands.
  struct FileRef {
    const TitleView* title = nullptr;
    const VersionView* version = nullptr;
    const FileView* file = nullptr;
  };

  // Of two titles with one id, or two files with one number, the last is found.
  static std::shared_ptr<const Catalogue> Build(std::vector<TitleView> titles);
  static std::shared_ptr<const CatalogueTitle> Share(TitleView title);
  static std::shared_ptr<const Catalogue> Of(std::vector<std::shared_ptr<const CatalogueTitle>> titles);
  ~Catalogue();

  // Each asks for memory that a later step will read, so that it comes in while others are asked for: FindTitle, FindVersion,
  // ForEachOfRendition.
  void FetchTitle(const TitleId& id) const;
  static void FetchVersions(const TitleView& title);
  static void FetchRenditions(const VersionView& version);
  // Null if unknown.
  const TitleView* FindTitle(const TitleId& id) const;
  // `version` empty: the current one. Null if unknown.
  static const VersionView* FindVersion(const TitleView& title, absl::string_view version);
  // Null if the version has no such set.
  static const PlayableSetView* FindSet(const VersionView& version, absl::string_view name);
  // visit(index into version.files) for each file of the rendition, ascending; `version` is one of a catalogue. A version has a hundred
  // files, most requests want one or few of them, and each is three cache lines: so words are compared first, sixteen at once.
  template <typename Visit>
  static void ForEachOfRendition(const VersionView& version, absl::string_view rendition, Visit&& visit) {
    const uint32_t wanted = RenditionWord(rendition);
    const std::vector<uint32_t>& words = version.rendition_words;
    for (size_t begin = 0; begin < words.size(); begin += kWordsAtOnce) {
      uint32_t found = 0;
      for (size_t i = 0; i < kWordsAtOnce; ++i) found |= words[begin + i] == wanted ? ~0u : 0u;
      for (size_t i = begin; found != 0 && i < begin + kWordsAtOnce; ++i) {
        if (words[i] == wanted && version.files[i].rendition == rendition) visit(i);
      }
    }
  }
  // By "<title>/<version>/<rendition>/<file>", or by number. Null members if unknown.
  FileRef FindPath(absl::string_view path) const;
  FileRef FindFile(uint32_t number) const;

  // Of one that was built; empty of one from an image.
  const std::vector<std::shared_ptr<const CatalogueTitle>>& titles() const { return titles_; }
  size_t title_count() const;
  size_t file_count() const { return file_count_; }

 private:
  friend struct ImageParts;
  class InImage;
  static constexpr size_t kWordsAtOnce = 16;
  // From this number on, up to the next run's, files are of this title, if there are any.
  struct FileRun {
    uint32_t first = 0;
    uint32_t title = 0;
  };
  Catalogue();
  static uint32_t RenditionWord(absl::string_view rendition);  // Never 0.
  // Makes what ForEachOfRendition reads.
  static void IndexRenditions(TitleView& title);
  void IndexNumbers();
  // The title that the file is of, if it is of any; none: `runs` has no such.
  static std::optional<uint32_t> TitleOfFile(absl::Span<const FileRun> runs, uint32_t number);
  static FileRef FileOf(const TitleView& title, uint32_t number);

  std::vector<std::shared_ptr<const CatalogueTitle>> titles_;
  absl::flat_hash_map<absl::string_view, const TitleView*> by_id_;
  std::vector<FileRun> runs_;
  size_t file_count_ = 0;
  std::unique_ptr<const InImage> in_image_;  // Then the three above are empty.
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_CATALOGUE_H_
