#include "libs/steering/catalogue.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_split.h"
#include "libs/steering/catalogue_in_image.h"
#include "libs/steering/spread.h"

namespace fairlead {
namespace {

constexpr size_t kLine = 64;
constexpr size_t kMostWordsFetched = 256;  // The rest comes by itself while these are compared.

}  // namespace

Catalogue::Catalogue() = default;
Catalogue::~Catalogue() = default;

std::shared_ptr<const Catalogue> Catalogue::Build(std::vector<TitleView> titles) {
  const std::shared_ptr<Catalogue> catalogue(new Catalogue());
  catalogue->titles_ = std::move(titles);
  for (size_t i = 0; i < catalogue->titles_.size(); ++i) {
    IndexRenditions(catalogue->titles_[i]);
    const TitleView& title = catalogue->titles_[i];
    catalogue->by_id_[title.id.value()] = i;
    for (const VersionView& version : title.versions) {
      for (const FileView& file : version.files) catalogue->by_number_[file.number] = {&title, &version, &file};
    }
  }
  catalogue->file_count_ = catalogue->by_number_.size();
  return catalogue;
}

uint32_t Catalogue::RenditionWord(absl::string_view rendition) {
  return static_cast<uint32_t>(HashBytes(rendition)) | 1;
}

void Catalogue::IndexRenditions(TitleView& title) {
  for (VersionView& version : title.versions) {
    version.rendition_words.assign((version.files.size() + kWordsAtOnce - 1) / kWordsAtOnce * kWordsAtOnce, 0);
    for (size_t i = 0; i < version.files.size(); ++i) version.rendition_words[i] = RenditionWord(version.files[i].rendition);
  }
}

size_t Catalogue::title_count() const {
  return in_image_ != nullptr ? in_image_->title_count() : titles_.size();
}

void Catalogue::FetchTitle(const TitleId& id) const {
  if (in_image_ == nullptr) by_id_.prefetch(id.value());
}

void Catalogue::FetchVersions(const TitleView& title) {
  const char* const versions = reinterpret_cast<const char*>(title.versions.data());
  for (size_t at = 0; at < sizeof(VersionView); at += kLine) __builtin_prefetch(versions + at);
}

void Catalogue::FetchRenditions(const VersionView& version) {
  const size_t words = std::min(version.rendition_words.size(), kMostWordsFetched);
  for (size_t at = 0; at < words; at += kWordsAtOnce) __builtin_prefetch(&version.rendition_words[at]);
}

const TitleView* Catalogue::FindTitle(const TitleId& id) const {
  if (in_image_ != nullptr) return in_image_->FindTitle(id.value());
  const auto at = by_id_.find(id.value());
  return at == by_id_.end() ? nullptr : &titles_[at->second];
}

const VersionView* Catalogue::FindVersion(const TitleView& title, absl::string_view version) {
  if (version.empty()) version = title.current_version;
  if (version.empty()) return title.versions.empty() ? nullptr : &title.versions.back();
  for (const VersionView& candidate : title.versions) {
    if (candidate.version == version) return &candidate;
  }
  return nullptr;
}

const PlayableSetView* Catalogue::FindSet(const VersionView& version, absl::string_view name) {
  for (const PlayableSetView& set : version.playable_sets) {
    if (set.name == name) return &set;
  }
  return nullptr;
}

Catalogue::FileRef Catalogue::FindPath(absl::string_view path) const {
  const std::vector<absl::string_view> parts = absl::StrSplit(path, '/');
  if (parts.size() < 3 || parts[1].empty()) return {};
  const TitleView* title = FindTitle(TitleId(std::string(parts[0])));
  const VersionView* version = title == nullptr ? nullptr : FindVersion(*title, parts[1]);
  if (version == nullptr) return {};
  for (const FileView& file : version->files) {
    if (file.path == path) return {title, version, &file};
  }
  return {};
}

Catalogue::FileRef Catalogue::FindFile(uint32_t number) const {
  if (in_image_ != nullptr) return in_image_->FindFile(number);
  const auto at = by_number_.find(number);
  return at == by_number_.end() ? FileRef() : at->second;
}

}  // namespace fairlead
