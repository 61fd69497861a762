// The config feed's entries → the views that libs/steering is built from. Pure: entries in, values out; any thread.
//
// A record that contradicts itself is left out and named in `issues` (at most kMaxIssues sentences): one bad record must not stop the
// steering of everything else.
#ifndef FAIRLEAD_SERVICES_STEERING_CONFIG_VIEWS_H_
#define FAIRLEAD_SERVICES_STEERING_CONFIG_VIEWS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "fairlead/registry/v1/config_service.pb.h"
#include "libs/base/ids.h"
#include "libs/steering/policy.h"
#include "libs/steering/views.h"
#include "services/steering/cell_store.h"
#include "services/steering/feed_store.h"
#include "services/steering/fleet_merge.h"

namespace fairlead {

struct CellAddress {
  CellId id;
  std::string address;  // gRPC target.
  friend bool operator==(const CellAddress&, const CellAddress&) = default;
};

// What of the configuration isn't part of the table but of the answers made from it.
struct SteeringSettings {
  int default_max_urls = 3;
  absl::Duration token_lifetime = absl::Hours(4);
  std::vector<std::string> active_key_ids;  // Newest first.
};

struct ConfigViews {
  static constexpr size_t kMaxIssues = 100;

  std::vector<SiteView> sites;
  std::vector<ApplianceView> appliances;  // Without condition: health, weight and use come from reports.
  std::vector<LinkView> links;            // Without use.
  std::vector<SessionView> sessions;
  ConfiguredSessions session_index;
  std::vector<CellAddress> cells;                        // In the order of their ids.
  absl::flat_hash_map<SiteId, PartnerId> site_partners;  // Of the embedded ones: in whose network they stand.
  absl::Duration lost_after = absl::Seconds(10);         // Of policies/health: silence after which cells call a box SILENT.
  SteeringPolicy policy;
  SteeringSettings settings;
  // Fingerprint of what ladders are made from besides the topology: sessions, what they may announce, and the
  // policy's order. While both are the same, ladders stay what they are, whatever befell boxes, keys, capacities and names.
  uint64_t ladder_rules = 0;
  uint64_t topology = 0;  // Fingerprint of what shapes a fleet: which sites, boxes and links there are, where, and of which kind.
  std::vector<std::string> issues;
};
ConfigViews ReadConfig(const HeldFeed<registry::v1::ConfigEntry>& config);

// What ReadConfig would make now that these entries are others, where that takes no reading of all: as long as they are of boxes that stand
// where they stood, as what they were, and nothing is wrong with any record. Null stands for an entry that is gone.
std::optional<ConfigViews> FollowBoxes(const ConfigViews& before,
                                       const std::vector<std::shared_ptr<const registry::v1::ConfigEntry>>& changed);

// Sets ladder_rules and topology: for views that ReadConfig didn't make.
void Fingerprint(ConfigViews& views);

// What of `newest` can be served with ladders that were made for `old`: sites, boxes, links and sessions of the old one, numbered as there,
// with the newest one's capacities, endpoints and admin states; boxes that it doesn't have, or has elsewhere or as something else, are in
// no state that serves; sessions that it doesn't have, or has as others, may announce nothing. All else is of the newest.
ConfigViews KeepTopology(const ConfigViews& old, const ConfigViews& newest);

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_CONFIG_VIEWS_H_
