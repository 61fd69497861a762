// A title as catalogues hold it: all of it in one piece of memory, what every answer reads in front. Ten million files take little that
// way, and an answer waits for few lines of it. Immutable, shared by the catalogues that follow one another; any thread.
//
//   const std::shared_ptr<const CatalogueTitle> title = CatalogueTitle::Pack(view);
//   for (const CatalogueVersion& version : title->versions()) {
//     for (const CatalogueFile& file : version.files()) Serve(version.PathOf(file).Join());
//   }
//
// In memory, in this order: the title and its versions, their names, then of each version two bytes a file to find renditions by, 32 bytes
// a file, the ends of their paths, and what an answer doesn't read: tracks, sets, runs of numbers.
#ifndef FAIRLEAD_LIBS_STEERING_CATALOGUE_TITLE_H_
#define FAIRLEAD_LIBS_STEERING_CATALOGUE_TITLE_H_

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/content/catalogue_values.h"
#include "libs/content/paths.h"
#include "libs/steering/views.h"

namespace fairlead {

// So many of T, so many bytes behind this object itself: it is where it is.
template <typename T>
class PackedSpan {
 public:
  PackedSpan(const PackedSpan&) = delete;
  PackedSpan& operator=(const PackedSpan&) = delete;
  absl::Span<const T> get() const { return {reinterpret_cast<const T*>(reinterpret_cast<const char*>(this) + offset_), count_}; }

 private:
  friend class TitlePacker;
  uint32_t offset_;
  uint32_t count_;
};

class PackedText : public PackedSpan<char> {
 public:
  absl::string_view get() const { return {PackedSpan::get().data(), PackedSpan::get().size()}; }
};

// A path as it stands in URLs, in the parts that it is kept in.
struct PathParts {
  absl::string_view folder = {};  // Of a version, "<title>/<version>/"; empty: the path is an unusual one.
  absl::string_view rest = {};
  absl::string_view name = {};  // "media.m3u8", if it isn't in `rest`.

  size_t size() const { return folder.size() + rest.size() + name.size(); }
  std::string Join() const;
};

class CatalogueFile {
 public:
  uint32_t number() const { return number_; }
  uint64_t size_bytes() const { return size_bytes_; }
  uint64_t bitrate_bps() const { return bitrate_bps_; }  // Mean; 0: not told.
  absl::string_view rendition() const { return {usual_ != 0 ? rest() : rest() - rendition_size_, rendition_size_}; }
  // Asks for the memory of its names. Always inlined: of a function that only prefetches g++ finds that it does nothing, and leaves out its
  // calls.
  [[gnu::always_inline]] void FetchNames() const { __builtin_prefetch(rest()); }

 private:
  friend class TitlePacker;
  friend class CatalogueVersion;
  const char* rest() const { return reinterpret_cast<const char*>(this) + rest_; }

  uint32_t number_;
  uint32_t rest_;  // Of the path, behind the folder of the version; from here.
  uint32_t rest_size_ : 31;
  uint32_t usual_ : 1;  // The rest begins with the rendition. Else it is all of the path, and the rendition lies before it.
  uint32_t rendition_size_;
  uint64_t size_bytes_;
  uint64_t bitrate_bps_;
};
static_assert(sizeof(CatalogueFile) == 32);

// What a master playlist tells of a file.
class CatalogueTrack {
 public:
  RenditionKind kind() const { return kind_; }
  absl::string_view codecs() const { return codecs_.get(); }
  uint32_t width() const { return width_; }
  uint32_t height() const { return height_; }
  absl::string_view language() const { return language_.get(); }

 private:
  friend class TitlePacker;
  PackedText codecs_;
  PackedText language_;
  uint32_t width_;
  uint32_t height_;
  RenditionKind kind_;
};

// The companion playlist of a file where it isn't the usual one.
class UnusualPlaylist {
 public:
  uint32_t file() const { return file_; }                 // Its index in the version.
  absl::string_view path() const { return path_.get(); }  // Empty: there is none.

 private:
  friend class TitlePacker;
  uint32_t file_;
  PackedText path_;
};

class CatalogueSet {
 public:
  absl::string_view name() const { return name_.get(); }
  absl::Span<const uint32_t> files() const { return files_.get(); }  // Numbers.

 private:
  friend class TitlePacker;
  PackedText name_;
  PackedSpan<uint32_t> files_;
};

class CatalogueVersion {
 public:
  absl::string_view version() const { return version_.get(); }
  absl::Span<const CatalogueFile> files() const { return files_.get(); }
  absl::Span<const CatalogueSet> sets() const { return sets_.get(); }
  // Null if there is no such set.
  const CatalogueSet* FindSet(absl::string_view name) const;
  // Of a file of this version.
  PathParts PathOf(const CatalogueFile& file) const {
    return {.folder = file.usual_ != 0 ? folder_.get() : absl::string_view(), .rest = {file.rest(), file.rest_size_}};
  }
  bool IsAt(const CatalogueFile& file, absl::string_view path) const;
  // Of its companion playlist; empty: it has none.
  PathParts PlaylistOf(const CatalogueFile& file) const {
    if (!unusual_playlists_.get().empty()) {
      if (const auto unusual = UnusualPlaylistOf(file); unusual.has_value()) return {.rest = *unusual};
    }
    const PathParts path = PathOf(file);  // There may be no folder, then it is nothing from npos + 1 = 0.
    return {.folder = path.folder, .rest = path.rest.substr(0, path.rest.rfind('/') + 1), .name = kPlaylistFileName};
  }
  // Nothing: the playlist is "media.m3u8" beside the file.
  std::optional<absl::string_view> UnusualPlaylistOf(const CatalogueFile& file) const;
  const CatalogueTrack& TrackOf(const CatalogueFile& file) const { return tracks()[track_of_.get()[IndexOf(file)]]; }
  // All different.
  absl::Span<const CatalogueTrack> tracks() const { return tracks_.get(); }
  // Asks for what ForEachOfRendition reads first.
  void FetchRenditions() const;
  // visit(index into files()) for each file of the rendition, ascending. A version has a hundred files, most requests want one or few of
  // them, and each is two cache lines: so words are compared first, a line of them at once.
  template <typename Visit>
  void ForEachOfRendition(absl::string_view rendition, Visit&& visit) const {
    const uint16_t wanted = RenditionWord(rendition);
    const absl::Span<const uint16_t> words = words_.get();
    for (size_t begin = 0; begin < words.size(); begin += kWordsALine) {
      for (uint32_t alike = AlikeInLine(words, begin, wanted); alike != 0; alike &= alike - 1) {
        const size_t i = begin + static_cast<size_t>(std::countr_zero(alike));
        if (files()[i].rendition() == rendition) visit(i);
      }
    }
  }
  // The first file that may be of the rendition, by its word: to ask for its memory. Null: none is.
  const CatalogueFile* GuessFile(absl::string_view rendition) const {
    const uint16_t wanted = RenditionWord(rendition);
    const absl::Span<const uint16_t> words = words_.get();
    for (size_t begin = 0; begin < words.size(); begin += kWordsALine) {
      const uint32_t alike = AlikeInLine(words, begin, wanted);
      if (alike != 0) return &files()[begin + static_cast<size_t>(std::countr_zero(alike))];
    }
    return nullptr;
  }

 private:
  friend class TitlePacker;
  static constexpr size_t kWordsALine = 32;
  static uint16_t RenditionWord(absl::string_view rendition);  // Never 0.
  // The places in a line where the word stands, as bits.
  static uint32_t AlikeInLine(absl::Span<const uint16_t> words, size_t begin, uint16_t wanted) {
    const uint16_t* const line = words.subspan(begin, kWordsALine).data();
    uint32_t alike = 0;
#if defined(__SSE2__)
    const __m128i sought = _mm_set1_epi16(static_cast<int16_t>(wanted));
    const auto half_alike = [&](size_t from) {
      const auto eight_alike = [&](size_t at) {
        return _mm_cmpeq_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(line + at)), sought);
      };
      return static_cast<uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(eight_alike(from), eight_alike(from + 8))));
    };
    alike = half_alike(0) | half_alike(16) << 16;
#else
    for (size_t i = 0; i < kWordsALine; ++i) alike |= uint32_t{line[i] == wanted} << i;
#endif
    return alike;
  }
  size_t IndexOf(const CatalogueFile& file) const {
    return static_cast<size_t>(&file - files().data());
  }

  PackedText version_;
  PackedSpan<uint16_t> words_;  // Of the rendition of each file, and zeros up to the end of a line.
  PackedSpan<CatalogueFile> files_;
  PackedText folder_;
  PackedSpan<UnusualPlaylist> unusual_playlists_;  // By their files' indexes, rising.
  PackedSpan<CatalogueTrack> tracks_;
  PackedSpan<uint32_t> track_of_;  // Of each file: its index.
  PackedSpan<CatalogueSet> sets_;
};

class CatalogueTitle {
 public:
  struct Run {
    uint32_t first = 0;
    uint32_t count = 0;
  };

  struct Free {
    void operator()(const CatalogueTitle* title) const;
  };
  using Owned = std::unique_ptr<const CatalogueTitle, Free>;

  // Titles are of at most 4 GB.
  static Owned Pack(const TitleView& view);

  absl::string_view id() const { return id_.get(); }
  absl::string_view current_version() const { return current_version_.get(); }  // Empty: the last of versions().
  absl::Span<const CatalogueVersion> versions() const { return versions_.get(); }
  // `version` empty: the current one. Null if there is no such version.
  const CatalogueVersion* FindVersion(absl::string_view version) const;
  double popularity() const { return popularity_; }
  // Asks for what its id, and finding a version, read.
  [[gnu::always_inline]] void FetchFront() const {
    __builtin_prefetch(this);
    __builtin_prefetch(reinterpret_cast<const char*>(this) + 64);
  }
  // Of the numbers of its files, rising.
  absl::Span<const Run> runs() const { return runs_.get(); }

 private:
  friend class TitlePacker;

  PackedText id_;
  PackedText current_version_;
  PackedSpan<CatalogueVersion> versions_;
  PackedSpan<Run> runs_;
  double popularity_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_CATALOGUE_TITLE_H_
