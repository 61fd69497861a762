// The catalogue in a table image: a record a title, in the order of ids. Of a file's path only what its title, version and rendition don't
// say is stored, of its number only the step from the one before.
#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/steering/catalogue_in_image.h"
#include "libs/steering/image_codec.h"
#include "libs/steering/image_parts.h"

namespace fairlead {
namespace {

void Put(const TitleView& title, ImageWriter& out) {
  out.Text(title.id.value());
  out.Text(title.current_version);
  out.Number(title.versions.size());
  int64_t before = 0;
  for (const VersionView& version : title.versions) {
    out.Text(version.version);
    out.Number(version.files.size());
    for (const FileView& file : version.files) {
      out.Signed(int64_t{file.number} - before);
      before = file.number;
      out.Text(file.rendition);
      const std::string folder = CatalogueFolder(title.id, version.version, file.rendition);
      const bool usual = absl::StartsWith(file.path, folder);
      out.Number(usual ? 1 : 0);
      out.Text(usual ? absl::string_view(file.path).substr(folder.size()) : file.path);
      out.Number(file.size_bytes);
      out.Number(file.bitrate_bps);
    }
    out.Number(version.playable_sets.size());
    for (const PlayableSetView& set : version.playable_sets) {
      out.Text(set.name);
      out.Number(set.files.size());
      for (const uint32_t file : set.files) out.Number(file);
    }
  }
}

}  // namespace

void ImageParts::WriteCatalogue(const Catalogue& catalogue, ImageSink& sink) {
  // In the order of ids; the last of equal ones, which is the one that is found.
  std::vector<const TitleView*> titles;
  if (catalogue.in_image_ != nullptr) {
    for (size_t i = 0; i < catalogue.in_image_->title_count(); ++i) {
      if (const TitleView* title = catalogue.in_image_->TitleAt(i); title != nullptr) titles.push_back(title);
    }
  } else {
    for (const auto& [id, title] : catalogue.by_id_) titles.push_back(title);
    std::sort(titles.begin(), titles.end(), [](const TitleView* a, const TitleView* b) { return a->id < b->id; });
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
    for (const VersionView& version : titles[i]->versions) {
      for (const FileView& file : version.files) {
        if (catalogue.FindFile(file.number).title == titles[i]) files.push_back({file.number, static_cast<uint32_t>(i)});
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
