// The catalogue in a table image: a record a title, in the order of ids. Of a file's path only what its title, version and rendition don't
// say is stored, of its number only the step from the one before, of what playlists tell of it which of the version's few tracks it is.
#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/steering/catalogue_in_image.h"
#include "libs/steering/image_codec.h"
#include "libs/steering/image_parts.h"

namespace fairlead {
namespace {

void PutTracks(const CatalogueVersion& version, ImageWriter& out) {
  out.Number(version.tracks().size());
  for (const CatalogueTrack& track : version.tracks()) {
    out.Word(track.kind());
    out.Text(track.codecs());
    out.Number(track.width());
    out.Number(track.height());
    out.Text(track.language());
  }
}

void Put(const CatalogueTitle& title, ImageWriter& out) {
  out.Text(title.id());
  out.Text(title.current_version());
  out.Number(title.versions().size());
  int64_t before = 0;
  for (const CatalogueVersion& version : title.versions()) {
    out.Text(version.version());
    PutTracks(version, out);
    out.Number(version.files().size());
    for (const CatalogueFile& file : version.files()) {
      out.Signed(int64_t{file.number()} - before);
      before = file.number();
      out.Text(file.rendition());
      const std::string path = version.PathOf(file).Join();
      const std::string folder = CatalogueFolder(title.id(), version.version(), file.rendition());
      const bool usual = absl::StartsWith(path, folder);
      const std::optional<absl::string_view> playlist = version.UnusualPlaylistOf(file);
      out.Number((usual ? kUsualPath : 0) | (playlist.has_value() ? kUnusualPlaylist : 0));
      out.Text(absl::string_view(path).substr(usual ? folder.size() : 0));
      out.Number(file.size_bytes());
      out.Number(file.bitrate_bps());
      out.Number(static_cast<uint64_t>(&version.TrackOf(file) - version.tracks().data()));
      if (playlist.has_value()) out.Text(*playlist);
    }
    out.Number(version.sets().size());
    for (const CatalogueSet& set : version.sets()) {
      out.Text(set.name());
      out.Number(set.files().size());
      for (const uint32_t file : set.files()) out.Number(file);
    }
  }
}

}  // namespace

void ImageParts::WriteCatalogue(const Catalogue& catalogue, ImageSink& sink) {
  // In the order of ids; the last of equal ones, which is the one that is found.
  std::vector<const CatalogueTitle*> titles;
  if (catalogue.in_image_ != nullptr) {
    for (size_t i = 0; i < catalogue.in_image_->title_count(); ++i) {
      if (const CatalogueTitle* title = catalogue.in_image_->TitleAt(i); title != nullptr) titles.push_back(title);
    }
  } else {
    for (const CatalogueTitle* const title : catalogue.places_) {
      if (title != nullptr) titles.push_back(title);
    }
    std::sort(titles.begin(), titles.end(), [](const CatalogueTitle* a, const CatalogueTitle* b) { return a->id() < b->id(); });
  }
  std::vector<uint64_t> starts = {0};
  std::vector<Catalogue::FileRun> files;  // One each, at first.
  ImageWriter record;
  sink.Begin(ImagePart::kTitles);
  for (size_t i = 0; i < titles.size(); ++i) {
    record.Clear();
    Put(*titles[i], record);
    sink.Append(record.bytes());
    starts.push_back(starts.back() + record.bytes().size());
    for (const CatalogueVersion& version : titles[i]->versions()) {
      for (const CatalogueFile& file : version.files()) {
        if (catalogue.FindFile(file.number()).title == titles[i]) files.push_back({file.number(), static_cast<uint32_t>(i)});
      }
    }
  }
  sink.Begin(ImagePart::kTitleIndex);
  AppendArray(starts.data(), starts.size(), sink);

  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  const auto same_run = [](const auto& a, const auto& b) { return a.title == b.title; };
  files.erase(std::unique(files.begin(), files.end(), same_run), files.end());
  sink.Begin(ImagePart::kFileRuns);
  AppendArray(files.data(), files.size(), sink);
}

absl::StatusOr<std::shared_ptr<const Catalogue>> ImageParts::ReadCatalogue(const TableImage& image, size_t files) {
  using FileRun = Catalogue::FileRun;
  ASSIGN_OR_RETURN(const absl::Span<const uint64_t> starts, ArrayOf<uint64_t>(image, ImagePart::kTitleIndex, "index of titles"));
  ASSIGN_OR_RETURN(const absl::Span<const FileRun> runs, ArrayOf<FileRun>(image, ImagePart::kFileRuns, "numbers of files"));
  const absl::string_view records = image.parts[static_cast<size_t>(ImagePart::kTitles)];
  if (starts.empty() || starts.front() != 0 || starts.back() != records.size() || !std::is_sorted(starts.begin(), starts.end())) {
    return BrokenPart("index of titles", "it isn't that of the titles that are there");
  }
  for (size_t i = 0; i < runs.size(); ++i) {
    if (runs[i].title + size_t{1} >= starts.size() || (i > 0 && runs[i].first <= runs[i - 1].first)) {
      return BrokenPart("numbers of files", absl::StrCat("run ", i, " is of no title, or out of order"));
    }
  }
  const std::shared_ptr<Catalogue> catalogue(new Catalogue());
  catalogue->in_image_ = std::make_unique<const Catalogue::InImage>(records, starts, runs, image.keeper);
  catalogue->file_count_ = files;
  return std::shared_ptr<const Catalogue>(catalogue);
}

}  // namespace fairlead
