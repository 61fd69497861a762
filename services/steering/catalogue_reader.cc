#include "services/steering/catalogue_reader.h"

#include <utility>

namespace fairlead {

CatalogueViews ReadCatalogue(const HeldFeed<CatalogueRecord>& held) {
  CatalogueViews views;
  std::vector<std::shared_ptr<const CatalogueTitle>> titles;
  titles.reserve(held.entries.size());
  for (const auto& record : held.entries) {
    if (record->title() != nullptr) titles.push_back(record->title());
    if (!record->issue().empty() && views.issues.size() < CatalogueViews::kMaxIssues) views.issues.push_back(record->issue());
  }
  views.catalogue = Catalogue::Of(std::move(titles));
  return views;
}

}  // namespace fairlead
