// The verbs of drains: making, calling off, and a box's word. What they mean is in libs/registry/drain_plan.h. Thread-safe; blocks on the
// store.
#ifndef FAIRLEAD_SERVICES_REGISTRY_DRAIN_METHODS_H_
#define FAIRLEAD_SERVICES_REGISTRY_DRAIN_METHODS_H_

#include <string>

#include "absl/status/status.h"
#include "fairlead/registry/v1/config_service.pb.h"
#include "fairlead/registry/v1/registry_service.pb.h"
#include "libs/base/clock.h"
#include "services/registry/fleet_state.h"
#include "services/registry/writer.h"

namespace fairlead::registry {

class DrainMethods {
 public:
  // All must outlive this.
  DrainMethods(FleetState& state, Writer& writer, const Clock& clock) : state_(state), writer_(writer), clock_(clock) {}

  absl::Status CreateDrain(const std::string& principal, const v1::CreateDrainRequest& request, v1::Drain& response);
  absl::Status CancelDrain(const std::string& principal, const v1::CancelDrainRequest& request, v1::Drain& response);
  // Answered from memory unless something follows from it. The caller has checked that `principal` may speak for the box.
  absl::Status ReportDrain(const std::string& principal, const v1::ReportDrainRequest& request, v1::ReportDrainResponse& response);

 private:
  FleetState& state_;
  Writer& writer_;
  const Clock& clock_;
};

}  // namespace fairlead::registry

#endif  // FAIRLEAD_SERVICES_REGISTRY_DRAIN_METHODS_H_
