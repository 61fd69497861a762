#include "services/fill/catalogue_view.h"

#include <algorithm>
#include <utility>

namespace fairlead::fill {

bool PlanIndex::Box::Wants(uint32_t number) const {
  return std::binary_search(numbers.begin(), numbers.end(), number);
}

PlanIndex::PlanIndex(FillPlan plan) : plan_(std::move(plan)) {
  for (const ClusterFillPlan& cluster : plan_.clusters) {
    for (const BoxManifest& manifest : cluster.boxes) {
      Box box{.manifest = &manifest, .cluster = &cluster, .numbers = {}};
      box.numbers.reserve(manifest.files.size());
      for (const PlacedFile& file : manifest.files) box.numbers.push_back(file.number);
      std::sort(box.numbers.begin(), box.numbers.end());
      boxes_.insert_or_assign(manifest.appliance, std::move(box));
    }
  }
}

const PlanIndex::Box* PlanIndex::Find(const ApplianceId& appliance) const {
  const auto at = boxes_.find(appliance);
  return at == boxes_.end() ? nullptr : &at->second;
}

std::shared_ptr<const CatalogueView> CatalogueView::Next(const CatalogueView& before, StoreChanges changes) {
  auto next = std::make_shared<CatalogueView>();
  if (!changes.whole) *next = before;
  next->position_ = changes.position;
  next->title_changes_ = before.title_changes_ + (changes.titles.empty() && !changes.whole ? 0 : 1);
  for (Title& title : changes.titles) next->Put(std::move(title));
  if (changes.plan.has_value()) next->plan_ = std::make_shared<const PlanIndex>(*std::move(changes.plan));
  return next;
}

void CatalogueView::Put(Title title) {
  const auto stored = std::make_shared<const Title>(std::move(title));
  titles_[stored->id] = stored;
  for (const TitleVersion& version : stored->versions) {
    for (const Rendition& rendition : version.renditions) {
      const size_t number = rendition.file.number;
      if (number >= files_.size()) files_.resize(number + 1);
      file_count_ += files_[number].title == nullptr ? 1 : 0;
      // Files are never taken out of a title, so no reference to the title before is left.
      files_[number] = {.title = stored.get(), .version = &version, .rendition = &rendition};
    }
  }
}

}  // namespace fairlead::fill
