// A cluster: the appliances of a site that together hold a number of copies of a ranked catalogue.
#ifndef FAIRLEAD_LIBS_REGISTRY_CLUSTER_H_
#define FAIRLEAD_LIBS_REGISTRY_CLUSTER_H_

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

struct FillPolicy {
  bool forbid_origin = false;
  absl::Duration escalation_wait;
  int32_t fill_masters = 0;

  template <typename Visit>
  static void Fields(Visit&& visit) {
    visit(Field("forbid_origin", &FillPolicy::forbid_origin));
    visit(Field("escalation_wait", &FillPolicy::escalation_wait));
    visit(Field("fill_masters", &FillPolicy::fill_masters));
  }
  friend bool operator==(const FillPolicy&, const FillPolicy&) = default;
};

struct Cluster {
  using IdType = ClusterId;
  // Names the table, and leads the fields in errors: "cluster.display_name".
  static constexpr absl::string_view kKind = "cluster";

  ClusterId id;
  std::string display_name;
  SiteId site;
  std::string content_region;
  std::string popularity_feed;
  int32_t copies = 0;
  std::optional<FillPolicy> fill_policy;

  template <typename Visit>
  static void Fields(Visit&& visit) {
    visit(Field("display_name", &Cluster::display_name));
    visit(Field("site", &Cluster::site));
    visit(Field("content_region", &Cluster::content_region));
    visit(Field("popularity_feed", &Cluster::popularity_feed));
    visit(Field("copies", &Cluster::copies));
    visit(Field("fill_policy", &Cluster::fill_policy));
  }
  friend bool operator==(const Cluster&, const Cluster&) = default;
};

// Fills in defaults and brings text to its canonical form; what is invalid is left for Validate.
void Normalize(Cluster& cluster);
// What can be said of the values alone.
absl::Status Validate(const Cluster& cluster);
// What depends on the resources that it refers to; all of them exist.
absl::Status CheckIn(const Fleet& fleet, const Cluster& cluster);
std::vector<UniqueKey> UniqueKeys(const Cluster& cluster);

}  // namespace fairlead::registry

#endif  // FAIRLEAD_LIBS_REGISTRY_CLUSTER_H_
