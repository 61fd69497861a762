// A title of the catalogue as steerd keeps it: its message as bytes, a quarter of what the message itself takes. What only those who move
// and check files need is left out (hashes). Immutable; any thread.
//
//   FeedStore<content::v1::CatalogEntry, CatalogueRecord> store;
//   store.Held().entries[0]->Unpack().title();
#ifndef FAIRLEAD_SERVICES_STEERING_CATALOGUE_RECORD_H_
#define FAIRLEAD_SERVICES_STEERING_CATALOGUE_RECORD_H_

#include <string>

#include "fairlead/content/v1/catalog_service.pb.h"

namespace fairlead {

class CatalogueRecord {
 public:
  explicit CatalogueRecord(const content::v1::CatalogEntry& entry);

  const std::string& key() const { return key_; }
  content::v1::CatalogEntry Unpack() const;
  // For the disk.
  const std::string& SerializeAsString() const { return bytes_; }

 private:
  std::string key_;
  std::string bytes_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_CATALOGUE_RECORD_H_
