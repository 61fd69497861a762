#include "libs/steering/catalogue_title.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <type_traits>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace fairlead {
namespace {

constexpr size_t kLine = 64;
constexpr size_t kMostLinesFetched = 8;  // The rest comes by itself while these are compared.

std::vector<CatalogueTitle::Run> RunsOf(const TitleView& view) {
  std::vector<uint32_t> numbers;
  for (const VersionView& version : view.versions) {
    for (const FileView& file : version.files) numbers.push_back(file.number);
  }
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  std::vector<CatalogueTitle::Run> runs;
  for (const uint32_t number : numbers) {
    const bool goes_on = !runs.empty() && number - runs.back().first == runs.back().count;
    if (!goes_on) runs.push_back({.first = number, .count = 0});
    ++runs.back().count;
  }
  return runs;
}

}  // namespace

// Lays a title out in a buffer that grows: places in it are offsets until it is copied to where it stays.
class TitlePacker {
 public:
  CatalogueTitle::Owned Pack(const TitleView& view) {
    const size_t title = Room<CatalogueTitle>(1);
    const size_t versions = Room<CatalogueVersion>(view.versions.size());
    Point(At<CatalogueTitle>(title).versions_, versions, view.versions.size());
    At<CatalogueTitle>(title).popularity_ = view.popularity;
    PutText([&]() -> PackedText& { return At<CatalogueTitle>(title).id_; }, view.id.value());
    PutText([&]() -> PackedText& { return At<CatalogueTitle>(title).current_version_; }, view.current_version);
    for (size_t i = 0; i < view.versions.size(); ++i) PutNames(versions + i * sizeof(CatalogueVersion), view, view.versions[i]);
    for (size_t i = 0; i < view.versions.size(); ++i) PutFiles(versions + i * sizeof(CatalogueVersion), view, view.versions[i]);
    PutArray([&]() -> PackedSpan<CatalogueTitle::Run>& { return At<CatalogueTitle>(title).runs_; }, RunsOf(view));
    return Placed();
  }

 private:
  // Zeroed room for so many; where it is.
  template <typename T>
  size_t Room(size_t count, size_t alignment = alignof(T)) {
    static_assert(std::is_trivially_destructible_v<T>);
    const size_t at = (bytes_.size() + alignment - 1) / alignment * alignment;
    bytes_.resize(at + count * sizeof(T));
    return at;
  }
  // Until there is more room.
  template <typename T>
  T& At(size_t at) {
    return *reinterpret_cast<T*>(bytes_.data() + at);
  }
  size_t Append(absl::string_view text) {
    const size_t at = bytes_.size();
    bytes_.append(text.data(), text.size());
    return at;
  }

  template <typename T>
  void Point(PackedSpan<T>& span, size_t at, size_t count) {
    span.offset_ = static_cast<uint32_t>(at - static_cast<size_t>(reinterpret_cast<const char*>(&span) - bytes_.data()));
    span.count_ = static_cast<uint32_t>(count);
  }
  // `span()` gives it as it stands when asked.
  template <typename Span>
  void PutText(Span&& span, absl::string_view text) {
    const size_t at = Append(text);
    Point<char>(span(), at, text.size());
  }
  template <typename Span, typename T>
  void PutArray(Span&& span, const std::vector<T>& values) {
    const size_t at = Room<T>(values.size());
    if (!values.empty()) std::memcpy(bytes_.data() + at, values.data(), values.size() * sizeof(T));
    Point<T>(span(), at, values.size());
  }

  void PutNames(size_t version, const TitleView& title, const VersionView& view) {
    PutText([&]() -> PackedText& { return At<CatalogueVersion>(version).version_; }, view.version);
    PutText([&]() -> PackedText& { return At<CatalogueVersion>(version).folder_; }, FolderOf(title, view));
  }

  void PutFiles(size_t version, const TitleView& title, const VersionView& view) {
    constexpr size_t kWords = CatalogueVersion::kWordsALine;
    const size_t words = (view.files.size() + kWords - 1) / kWords * kWords;
    const size_t first_word = Room<uint16_t>(words, kLine);
    Point(At<CatalogueVersion>(version).words_, first_word, words);
    const size_t first_file = Room<CatalogueFile>(view.files.size(), sizeof(CatalogueFile));
    Point(At<CatalogueVersion>(version).files_, first_file, view.files.size());
    const std::string folder = FolderOf(title, view);
    for (size_t i = 0; i < view.files.size(); ++i) {
      At<uint16_t>(first_word + i * sizeof(uint16_t)) = CatalogueVersion::RenditionWord(view.files[i].rendition);
      PutFile(first_file + i * sizeof(CatalogueFile), folder, view.files[i]);
    }
    PutPlaylists(version, view);
    PutTracks(version, view);
    PutSets(version, view);
  }

  void PutFile(size_t file, absl::string_view folder, const FileView& view) {
    const absl::string_view path = view.path;
    const bool usual = absl::StartsWith(path, folder) && absl::StartsWith(path.substr(folder.size()), view.rendition);
    if (!usual) Append(view.rendition);
    const absl::string_view rest = path.substr(usual ? folder.size() : 0);
    const size_t at = Append(rest);
    CatalogueFile& packed = At<CatalogueFile>(file);
    packed.number_ = view.number;
    packed.rest_ = static_cast<uint32_t>(at - file);
    packed.rest_size_ = static_cast<uint32_t>(rest.size()) & 0x7fffffff;
    packed.usual_ = usual ? 1 : 0;
    packed.rendition_size_ = static_cast<uint32_t>(view.rendition.size());
    packed.size_bytes_ = view.size_bytes;
    packed.bitrate_bps_ = view.bitrate_bps;
  }

  void PutPlaylists(size_t version, const VersionView& view) {
    std::vector<uint32_t> unusual;
    for (uint32_t i = 0; i < view.files.size(); ++i) {
      if (view.files[i].playlist.has_value()) unusual.push_back(i);
    }
    const size_t first = Room<UnusualPlaylist>(unusual.size());
    Point(At<CatalogueVersion>(version).unusual_playlists_, first, unusual.size());
    for (size_t i = 0; i < unusual.size(); ++i) {
      const size_t playlist = first + i * sizeof(UnusualPlaylist);
      At<UnusualPlaylist>(playlist).file_ = unusual[i];
      PutText([&]() -> PackedText& { return At<UnusualPlaylist>(playlist).path_; }, *view.files[unusual[i]].playlist);
    }
  }

  // Of a hundred files, few differ in what is told of them.
  void PutTracks(size_t version, const VersionView& view) {
    absl::flat_hash_map<TrackView, uint32_t> numbers;
    std::vector<const TrackView*> tracks;
    std::vector<uint32_t> track_of;
    for (const FileView& file : view.files) {
      const auto [at, is_new] = numbers.try_emplace(file.track, static_cast<uint32_t>(tracks.size()));
      if (is_new) tracks.push_back(&file.track);
      track_of.push_back(at->second);
    }
    const size_t first = Room<CatalogueTrack>(tracks.size());
    Point(At<CatalogueVersion>(version).tracks_, first, tracks.size());
    for (size_t i = 0; i < tracks.size(); ++i) PutTrack(first + i * sizeof(CatalogueTrack), *tracks[i]);
    PutArray([&]() -> PackedSpan<uint32_t>& { return At<CatalogueVersion>(version).track_of_; }, track_of);
  }

  void PutTrack(size_t track, const TrackView& view) {
    At<CatalogueTrack>(track).kind_ = view.kind;
    At<CatalogueTrack>(track).width_ = view.width;
    At<CatalogueTrack>(track).height_ = view.height;
    PutText([&]() -> PackedText& { return At<CatalogueTrack>(track).codecs_; }, view.codecs);
    PutText([&]() -> PackedText& { return At<CatalogueTrack>(track).language_; }, view.language);
  }

  void PutSets(size_t version, const VersionView& view) {
    const size_t first = Room<CatalogueSet>(view.playable_sets.size());
    Point(At<CatalogueVersion>(version).sets_, first, view.playable_sets.size());
    for (size_t i = 0; i < view.playable_sets.size(); ++i) {
      const size_t set = first + i * sizeof(CatalogueSet);
      PutText([&]() -> PackedText& { return At<CatalogueSet>(set).name_; }, view.playable_sets[i].name);
      PutArray([&]() -> PackedSpan<uint32_t>& { return At<CatalogueSet>(set).files_; }, view.playable_sets[i].files);
    }
  }

  static std::string FolderOf(const TitleView& title, const VersionView& version) {
    return absl::StrCat(title.id.value(), "/", version.version, "/");
  }

  CatalogueTitle::Owned Placed() const {
    void* const room = ::operator new(bytes_.size(), std::align_val_t(kLine));
    std::memcpy(room, bytes_.data(), bytes_.size());
    return CatalogueTitle::Owned(static_cast<const CatalogueTitle*>(room));
  }

  std::string bytes_;
};

std::string PathParts::Join() const {
  return absl::StrCat(folder, rest, name);
}

bool CatalogueVersion::IsAt(const CatalogueFile& file, absl::string_view path) const {
  const PathParts parts = PathOf(file);
  return path.size() == parts.size() && absl::StartsWith(path, parts.folder) && absl::EndsWith(path, parts.rest);
}

const CatalogueSet* CatalogueVersion::FindSet(absl::string_view name) const {
  for (const CatalogueSet& set : sets()) {
    if (set.name() == name) return &set;
  }
  return nullptr;
}

std::optional<absl::string_view> CatalogueVersion::UnusualPlaylistOf(const CatalogueFile& file) const {
  const absl::Span<const UnusualPlaylist> playlists = unusual_playlists_.get();
  const size_t index = IndexOf(file);
  const auto at = std::lower_bound(playlists.begin(), playlists.end(), index,
                                   [](const UnusualPlaylist& playlist, size_t wanted) { return playlist.file() < wanted; });
  return at != playlists.end() && at->file() == index ? std::optional(at->path()) : std::nullopt;
}

void CatalogueVersion::FetchRenditions() const {
  const absl::Span<const uint16_t> words = words_.get();
  for (size_t at = 0; at < std::min(words.size(), kMostLinesFetched * kWordsALine); at += kWordsALine) __builtin_prefetch(&words[at]);
}

uint16_t CatalogueVersion::RenditionWord(absl::string_view rendition) {
  return static_cast<uint16_t>(absl::HashOf(rendition) | 1);
}

CatalogueTitle::Owned CatalogueTitle::Pack(const TitleView& view) {
  return TitlePacker().Pack(view);
}

void CatalogueTitle::Free::operator()(const CatalogueTitle* title) const {
  ::operator delete(const_cast<CatalogueTitle*>(title), std::align_val_t(kLine));
}

const CatalogueVersion* CatalogueTitle::FindVersion(absl::string_view version) const {
  if (version.empty()) version = current_version();
  if (version.empty()) return versions().empty() ? nullptr : &versions().back();
  for (const CatalogueVersion& candidate : versions()) {
    if (candidate.version() == version) return &candidate;
  }
  return nullptr;
}

}  // namespace fairlead
