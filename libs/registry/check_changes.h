// Whether a set of changes leaves a consistent fleet: references, uniqueness, overlaps, and everything else that depends on what changed.
//
// Cost: O(records of the fleet) for updates and deletions, O(records of the changed kinds) for creations alone.
#ifndef FAIRLEAD_LIBS_REGISTRY_CHECK_CHANGES_H_
#define FAIRLEAD_LIBS_REGISTRY_CHECK_CHANGES_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "libs/registry/fleet.h"

namespace fairlead::registry {

struct Problem {
  // The changed resource to blame, "sites/lhr001".
  std::string resource;
  // Its field and value are those of FieldOf and ValueOf.
  absl::Status status;
};

// `next` is the fleet with the changes applied; each changed value has passed Validate. Empty = consistent. Problems are in the order of
// the changes.
//   NOT_FOUND: a reference to what is not there · ALREADY_EXISTS: a value that must be unique · INVALID_ARGUMENT: what it refers to does
//   not fit · FAILED_PRECONDITION: something else uses it or would no longer fit.
std::vector<Problem> CheckChanges(const Fleet& next, const std::vector<AnyWrite>& writes);

}  // namespace fairlead::registry

#endif  // FAIRLEAD_LIBS_REGISTRY_CHECK_CHANGES_H_
