#include "libs/steering/catalogue.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <tuple>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/str_split.h"
#include "libs/steering/catalogue_in_image.h"

namespace fairlead {

Catalogue::Catalogue() = default;
Catalogue::~Catalogue() = default;

std::shared_ptr<const Catalogue> Catalogue::Of(std::vector<std::shared_ptr<const CatalogueTitle>> titles) {
  const std::shared_ptr<Catalogue> catalogue(new Catalogue());
  catalogue->titles_ = std::move(titles);
  catalogue->IndexIds();
  catalogue->IndexNumbers();
  return catalogue;
}

std::shared_ptr<const Catalogue> Catalogue::Build(const std::vector<TitleView>& titles) {
  std::vector<std::shared_ptr<const CatalogueTitle>> shared;
  shared.reserve(titles.size());
  for (const TitleView& title : titles) shared.push_back(CatalogueTitle::Pack(title));
  return Of(std::move(shared));
}

void Catalogue::IndexIds() {
  places_.resize(std::bit_ceil(2 * titles_.size() + 1));
  for (const auto& title : titles_) places_[PlaceOf(title->id(), KeyOf(title->id()))] = title.get();
}

size_t Catalogue::PlaceOf(absl::string_view id, uint32_t key) const {
  const size_t mask = places_.size() - 1;
  size_t place = key & mask;
  while (places_[place] != nullptr && places_[place]->id() != id) place = (place + 1) & mask;
  return place;
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
    for (const CatalogueTitle::Run& run : titles_[i]->runs()) claims.push_back({run, i});
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

Catalogue::FileRef Catalogue::FileOf(const CatalogueTitle& title, uint32_t number) {
  const absl::Span<const CatalogueVersion> versions = title.versions();
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    const absl::Span<const CatalogueFile> files = version->files();
    for (auto file = files.rbegin(); file != files.rend(); ++file) {
      if (file->number() == number) return {&title, &*version, &*file};
    }
  }
  return {};
}

size_t Catalogue::title_count() const {
  return in_image_ != nullptr ? in_image_->title_count() : titles_.size();
}

uint32_t Catalogue::KeyOf(absl::string_view id) {
  return static_cast<uint32_t>(absl::HashOf(id));
}

void Catalogue::FetchPlaceOfTitle(const TitleId& id) const {
  const uint32_t key = KeyOf(id.value());
  if (in_image_ != nullptr) return in_image_->FetchPlaceOfTitle(key);
  __builtin_prefetch(&places_[key & (places_.size() - 1)]);
}

void Catalogue::FetchTitle(const TitleId& id) const {
  const uint32_t key = KeyOf(id.value());
  if (in_image_ != nullptr) return in_image_->FetchTitle(key);
  const CatalogueTitle* const title = places_[key & (places_.size() - 1)];
  if (title != nullptr) title->FetchFront();
}

const CatalogueTitle* Catalogue::FindTitle(const TitleId& id) const {
  if (in_image_ != nullptr) return in_image_->FindTitle(id.value());
  return places_[PlaceOf(id.value(), KeyOf(id.value()))];
}

Catalogue::FileRef Catalogue::FindPath(absl::string_view path) const {
  const std::vector<absl::string_view> parts = absl::StrSplit(path, '/');
  if (parts.size() < 3 || parts[1].empty()) return {};
  const CatalogueTitle* title = FindTitle(TitleId(std::string(parts[0])));
  const CatalogueVersion* version = title == nullptr ? nullptr : title->FindVersion(parts[1]);
  if (version == nullptr) return {};
  for (const CatalogueFile& file : version->files()) {
    if (version->IsAt(file, path)) return {title, version, &file};
  }
  return {};
}

Catalogue::FileRef Catalogue::FindFile(uint32_t number) const {
  if (in_image_ != nullptr) return in_image_->FindFile(number);
  const std::optional<uint32_t> title = TitleOfFile(runs_, number);
  return title.has_value() ? FileOf(*titles_[*title], number) : FileRef();
}

}  // namespace fairlead
