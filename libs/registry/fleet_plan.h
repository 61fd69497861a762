// The changes that make the registry equal to one declared fleet.
//
// Creations and updates come in the order of kinds, so that each refers to what is there; then deletions in the reverse order. The same
// declaration again gives no change. Output-only fields (admin state, credentials) are never touched.
#ifndef FAIRLEAD_LIBS_REGISTRY_FLEET_PLAN_H_
#define FAIRLEAD_LIBS_REGISTRY_FLEET_PLAN_H_

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "libs/registry/check_changes.h"
#include "libs/registry/fleet.h"
#include "libs/registry/plan.h"
#include "libs/registry/render.h"

namespace fairlead::registry {

// As read from a file.
struct DeclaredFleet {
  template <typename T>
  using List = std::vector<T>;
  DeclaredKinds::Tuple<List> lists;

  template <typename T>
  std::vector<T>& Of() {
    return std::get<std::vector<T>>(lists);
  }
  template <typename T>
  const std::vector<T>& Of() const {
    return std::get<std::vector<T>>(lists);
  }
};

struct FleetPlan {
  std::vector<AnyWrite> writes;
  int unchanged = 0;
  // In the registry but not declared, and kept because pruning was not asked for.
  std::vector<std::string> unlisted;
  // If there are any, nothing may be written.
  std::vector<Problem> problems;
};

FleetPlan PlanFleet(const Fleet& fleet, const DeclaredFleet& declared, bool prune, const Rules& rules);

// What a write does to each field; nothing for a deletion.
std::vector<FieldChange> FieldChanges(const AnyWrite& write);

}  // namespace fairlead::registry

#endif  // FAIRLEAD_LIBS_REGISTRY_FLEET_PLAN_H_
