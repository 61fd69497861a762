#include "libs/steering/catalogue.h"

#include <algorithm>
#include <iterator>
#include <tuple>
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

std::shared_ptr<const CatalogueTitle> Catalogue::Share(TitleView title) {
  auto shared = std::make_shared<CatalogueTitle>();
  shared->view = std::move(title);
  IndexRenditions(shared->view);
  std::vector<uint32_t> numbers;
  for (const VersionView& version : shared->view.versions) {
    for (const FileView& file : version.files) numbers.push_back(file.number);
  }
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  for (const uint32_t number : numbers) {
    const bool goes_on = !shared->runs.empty() && number - shared->runs.back().first == shared->runs.back().count;
    if (!goes_on) shared->runs.push_back({.first = number, .count = 0});
    ++shared->runs.back().count;
  }
  return shared;
}

std::shared_ptr<const Catalogue> Catalogue::Of(std::vector<std::shared_ptr<const CatalogueTitle>> titles) {
  const std::shared_ptr<Catalogue> catalogue(new Catalogue());
  catalogue->titles_ = std::move(titles);
  catalogue->by_id_.reserve(catalogue->titles_.size());
  for (const auto& title : catalogue->titles_) catalogue->by_id_[title->view.id.value()] = &title->view;
  catalogue->IndexNumbers();
  return catalogue;
}

std::shared_ptr<const Catalogue> Catalogue::Build(std::vector<TitleView> titles) {
  std::vector<std::shared_ptr<const CatalogueTitle>> shared;
  shared.reserve(titles.size());
  for (TitleView& title : titles) shared.push_back(Share(std::move(title)));
  return Of(std::move(shared));
}

// Numbers are given once, so titles' runs don't overlap, and a few hundred thousand of them are put in order; where they do, each number
// is.
void Catalogue::IndexNumbers() {
  struct Claim {
    CatalogueTitle::Run run;
    uint32_t title;
  };
  std::vector<Claim> claims;
  for (uint32_t i = 0; i < titles_.size(); ++i) {
    for (const CatalogueTitle::Run& run : titles_[i]->runs) claims.push_back({run, i});
  }
  const auto in_order = [&] {
    std::stable_sort(claims.begin(), claims.end(), [](const Claim& a, const Claim& b) { return a.run.first < b.run.first; });
  };
  in_order();
  const auto overlap = std::adjacent_find(claims.begin(), claims.end(),
                                          [](const Claim& a, const Claim& b) { return uint64_t{a.run.first} + a.run.count > b.run.first; });
  if (overlap != claims.end()) {
    std::vector<Claim> each;
    for (const Claim& claim : claims) {
      for (uint32_t i = 0; i < claim.run.count; ++i) each.push_back({{.first = claim.run.first + i, .count = 1}, claim.title});
    }
    std::sort(each.begin(), each.end(),
              [](const Claim& a, const Claim& b) { return std::tie(a.run.first, b.title) < std::tie(b.run.first, a.title); });
    each.erase(std::unique(each.begin(), each.end(), [](const Claim& a, const Claim& b) { return a.run.first == b.run.first; }),
               each.end());
    claims = std::move(each);
  }
  for (const Claim& claim : claims) {
    file_count_ += claim.run.count;
    if (runs_.empty() || runs_.back().title != claim.title) runs_.push_back({claim.run.first, claim.title});
  }
}

std::optional<uint32_t> Catalogue::TitleOfFile(absl::Span<const FileRun> runs, uint32_t number) {
  const auto behind = std::upper_bound(runs.begin(), runs.end(), number, [](uint32_t n, const FileRun& run) { return n < run.first; });
  return behind == runs.begin() ? std::nullopt : std::optional<uint32_t>(std::prev(behind)->title);
}

Catalogue::FileRef Catalogue::FileOf(const TitleView& title, uint32_t number) {
  for (auto version = title.versions.rbegin(); version != title.versions.rend(); ++version) {
    for (auto file = version->files.rbegin(); file != version->files.rend(); ++file) {
      if (file->number == number) return {&title, &*version, &*file};
    }
  }
  return {};
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
  if (in_image_ == nullptr) by_id_.prefetch(absl::string_view(id.value()));
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
  const auto at = by_id_.find(absl::string_view(id.value()));
  return at == by_id_.end() ? nullptr : at->second;
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
  const std::optional<uint32_t> title = TitleOfFile(runs_, number);
  return title.has_value() ? FileOf(titles_[*title]->view, number) : FileRef();
}

}  // namespace fairlead
