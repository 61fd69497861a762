// Puts into a fleet what the configuration, reports and the guard say of its boxes: the boxes whose condition is another are replaced, all
// others shared with the fleet before. To each site uplink goes the sum of what its site's boxes send. The use of peering ports and partner
// agreements isn't reported by anyone yet: they count as empty.
//
// Pure; one thread. O(boxes) to look, little more where nothing changed.
//
//   FleetCondition condition;
//   condition.Follow(config, *fleet);                                  // Whenever one of them isn't what Apply made of the one before.
//   fleet = condition.Apply(fleet, guard.reports(), guard.words());
#ifndef FAIRLEAD_SERVICES_STEERING_FLEET_CONDITION_H_
#define FAIRLEAD_SERVICES_STEERING_FLEET_CONDITION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "libs/base/ids.h"
#include "libs/steering/fleet.h"
#include "services/steering/cell_store.h"
#include "services/steering/config_views.h"

namespace fairlead {

class FleetCondition {
 public:
  using Reports = absl::flat_hash_map<ApplianceId, BoxReport>;
  using Words = absl::flat_hash_map<ApplianceId, std::string>;

  // `fleet` was built of the views of `config`, or of one with the same topology, sites and links.
  void Follow(std::shared_ptr<const ConfigViews> config, const Fleet& fleet);

  // A box that nobody has heard is SILENT; one without a word has none. The same fleet again if nothing changed.
  std::shared_ptr<const Fleet> Apply(const std::shared_ptr<const Fleet>& fleet, const Reports& reports, const Words& words);

 private:
  std::shared_ptr<const ConfigViews> config_;
  std::vector<const ApplianceView*> configured_;  // By box.
  bool other_config_ = false;                     // Than what the fleet at hand has: everything may differ, and not the condition alone.
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_FLEET_CONDITION_H_
