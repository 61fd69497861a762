// A title of the catalogue as steerd keeps it: read once, when it comes, and then what decisions, answers and playlists are made from. What
// only those who move and check files need is left out (hashes, durations, sizes of playlists). Immutable; any thread.
//
//   FeedStore<content::v1::CatalogEntry, CatalogueRecord> store;
//   store.Held().entries[0]->title()->id();
#ifndef FAIRLEAD_SERVICES_STEERING_CATALOGUE_RECORD_H_
#define FAIRLEAD_SERVICES_STEERING_CATALOGUE_RECORD_H_

#include <memory>
#include <string>

#include "fairlead/content/v1/catalog_service.pb.h"
#include "libs/steering/catalogue_title.h"

namespace fairlead {

class CatalogueRecord {
 public:
  explicit CatalogueRecord(const content::v1::CatalogEntry& entry);

  const std::string& key() const { return key_; }
  // Null: it isn't about a title, or contradicts itself.
  const std::shared_ptr<const CatalogueTitle>& title() const { return title_; }
  const std::string& issue() const { return issue_; }  // How it contradicts itself; empty: not at all.
  // For the disk: an entry that makes the same record.
  std::string SerializeAsString() const;

 private:
  std::string key_;
  std::shared_ptr<const CatalogueTitle> title_;
  std::string issue_;
  std::string bytes_;  // Of the entry, if it makes no title.
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_CATALOGUE_RECORD_H_
