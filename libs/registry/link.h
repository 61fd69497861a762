// A link: something with a capacity between a site's boxes and viewers.
#ifndef FAIRLEAD_LIBS_REGISTRY_LINK_H_
#define FAIRLEAD_LIBS_REGISTRY_LINK_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/ids.h"
#include "libs/base/vocabulary.h"
#include "libs/registry/field.h"
#include "libs/registry/unique_key.h"
#include "libs/registry/words.h"

namespace fairlead::registry {

class Fleet;

struct Link {
  using IdType = LinkId;
  // Names the table, and leads the fields in errors: "link.display_name".
  static constexpr absl::string_view kKind = "link";

  LinkId id;
  std::string display_name;
  SiteId site;
  LinkKind kind = LinkKind::kUnspecified;
  PartnerId partner;
  int64_t capacity_bps = 0;
  int64_t contract_cap_bps = 0;

  template <typename Visit>
  static void Fields(Visit&& visit) {
    visit(Field("display_name", &Link::display_name));
    visit(Field("site", &Link::site));
    visit(Field("kind", &Link::kind));
    visit(Field("partner", &Link::partner));
    visit(Field("capacity_bps", &Link::capacity_bps));
    visit(Field("contract_cap_bps", &Link::contract_cap_bps));
  }
  friend bool operator==(const Link&, const Link&) = default;
};

// Fills in defaults and brings text to its canonical form; what is invalid is left for Validate.
void Normalize(Link& link);
// What can be said of the values alone.
absl::Status Validate(const Link& link);
// What depends on the resources that it refers to; all of them exist.
absl::Status CheckIn(const Fleet& fleet, const Link& link);
std::vector<UniqueKey> UniqueKeys(const Link& link);

}  // namespace fairlead::registry

#endif  // FAIRLEAD_LIBS_REGISTRY_LINK_H_
