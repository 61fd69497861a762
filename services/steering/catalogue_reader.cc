#include "services/steering/catalogue_reader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/content/paths.h"

namespace fairlead {
namespace {

namespace cv1 = content::v1;

uint64_t NotNegative(int64_t value) {
  return static_cast<uint64_t>(std::max<int64_t>(0, value));
}

absl::StatusOr<TitleView> ViewOf(const cv1::Title& title, PlaylistPaths& unusual) {
  TitleView view;
  ASSIGN_OR_RETURN(view.id, TitleId::ParseName(title.name(), "title.name"));
  view.current_version = title.current_version();
  view.popularity = title.popularity();
  for (const cv1::TitleVersion& version : title.versions()) {
    RETURN_IF_ERROR(ValidateId(version.version(), "title.versions.version"));
    VersionView& read = view.versions.emplace_back();
    read.version = version.version();
    read.files.reserve(static_cast<size_t>(version.renditions_size()));
    for (const cv1::Rendition& rendition : version.renditions()) {
      const cv1::File& file = rendition.file();
      if (file.path().empty()) return InvalidField("title.versions.renditions.file.path", "", "must not be empty");
      read.files.push_back({.number = file.file_number(),
                            .path = file.path(),
                            .rendition = rendition.rendition(),
                            .size_bytes = NotNegative(file.size_bytes()),
                            .bitrate_bps = NotNegative(rendition.bandwidth_bps())});
      if (file.playlist().path() != UsualPlaylistPath(file.path())) unusual[file.file_number()] = file.playlist().path();
    }
  }
  return view;
}

}  // namespace

CatalogueReader::Title CatalogueReader::ReadTitle(std::shared_ptr<const CatalogueRecord> record) {
  Title read = {.record = std::move(record), .title = nullptr, .unusual_playlists = {}, .issue = ""};
  const cv1::CatalogEntry entry = read.record->Unpack();
  if (!entry.has_title()) return read;
  absl::StatusOr<TitleView> view = ViewOf(entry.title(), read.unusual_playlists);
  if (view.ok()) {
    read.title = Catalogue::Share(*std::move(view));
  } else {
    read.issue = absl::StrCat(Quoted(entry.key()), ": ", view.status().message());
  }
  return read;
}

CatalogueViews CatalogueReader::Read(const HeldFeed<CatalogueRecord>& held) {
  std::vector<Title> titles;
  titles.reserve(held.entries.size());
  auto before = titles_.begin();
  for (const auto& record : held.entries) {
    while (before != titles_.end() && before->record->key() < record->key()) ++before;
    const bool same = before != titles_.end() && before->record == record;
    titles.push_back(same ? std::move(*before++) : ReadTitle(record));
  }
  titles_ = std::move(titles);

  std::vector<std::shared_ptr<const CatalogueTitle>> shared;
  auto records = std::make_shared<TitleRecords>();
  auto unusual = std::make_shared<PlaylistPaths>();
  CatalogueViews views;
  records->reserve(titles_.size());
  for (const Title& title : titles_) {
    if (!title.issue.empty() && views.issues.size() < CatalogueViews::kMaxIssues) views.issues.push_back(title.issue);
    if (title.title == nullptr) continue;
    shared.push_back(title.title);
    (*records)[title.title->view.id] = title.record;
    for (const auto& [number, path] : title.unusual_playlists) (*unusual)[number] = path;
  }
  views.catalogue = Catalogue::Of(std::move(shared));
  views.records = std::move(records);
  views.unusual_playlists = std::move(unusual);
  return views;
}

std::string UsualPlaylistPath(absl::string_view file_path) {
  const size_t slash = file_path.rfind('/');
  return absl::StrCat(file_path.substr(0, slash == absl::string_view::npos ? 0 : slash + 1), kPlaylistFileName);
}

}  // namespace fairlead
