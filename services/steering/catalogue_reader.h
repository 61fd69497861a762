// The catalogue feed's records → the catalogue that decisions are made from. A record that contradicts itself is left out and named in
// `issues`. Records hold their titles, which catalogues share: one import in a hundred thousand titles costs O(titles) and not O(files).
// Pure; any thread.
//
//   const CatalogueViews views = ReadCatalogue(sources.catalog().Held());
#ifndef FAIRLEAD_SERVICES_STEERING_CATALOGUE_READER_H_
#define FAIRLEAD_SERVICES_STEERING_CATALOGUE_READER_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "libs/steering/catalogue.h"
#include "services/steering/catalogue_record.h"
#include "services/steering/feed_store.h"

namespace fairlead {

struct CatalogueViews {
  static constexpr size_t kMaxIssues = 100;

  std::shared_ptr<const Catalogue> catalogue;
  std::vector<std::string> issues;  // At most kMaxIssues sentences.
};
CatalogueViews ReadCatalogue(const HeldFeed<CatalogueRecord>& held);

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_CATALOGUE_READER_H_
