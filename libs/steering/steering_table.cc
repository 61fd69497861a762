#include "libs/steering/steering_table.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"

namespace fairlead {
namespace {

absl::Status CheckFingerprint(absl::string_view part, uint64_t built_for, const Fleet& fleet) {
  if (built_for == fleet.fingerprint()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(part, ": built for topology ", absl::Hex(built_for), ", but the fleet's is ",
                                                    absl::Hex(fleet.fingerprint()), "; build them again"));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const SteeringTable>> BuildSteeringTable(SteeringInputs inputs) {
  RETURN_IF_ERROR(ValidatePolicy(inputs.policy));
  SteeringTable parts = {.version = inputs.version, .policy = inputs.policy, .ages = std::move(inputs.ages)};
  parts.fleet = Fleet::Build(std::move(inputs.sites), std::move(inputs.appliances), std::move(inputs.links));
  parts.ladders = LadderTable::Build(*parts.fleet, std::move(inputs.sessions), inputs.routes, inputs.places.get(), inputs.policy);
  parts.catalogue = Catalogue::Build(inputs.titles);
  parts.holdings = Holdings::Build(*parts.fleet, inputs.holdings);
  return AssembleSteeringTable(std::move(parts));
}

absl::StatusOr<std::shared_ptr<const SteeringTable>> AssembleSteeringTable(SteeringTable parts) {
  RETURN_IF_ERROR(ValidatePolicy(parts.policy));
  if (parts.fleet == nullptr) parts.fleet = Fleet::Build({}, {}, {});
  if (parts.ladders == nullptr) parts.ladders = LadderTable::Build(*parts.fleet, {}, {}, nullptr, parts.policy);
  if (parts.catalogue == nullptr) parts.catalogue = Catalogue::Build({});
  if (parts.holdings == nullptr) parts.holdings = Holdings::Build(*parts.fleet, {});
  RETURN_IF_ERROR(CheckFingerprint("ladders", parts.ladders->fingerprint(), *parts.fleet));
  RETURN_IF_ERROR(CheckFingerprint("holdings", parts.holdings->fingerprint(), *parts.fleet));
  if (parts.condition == nullptr || !parts.condition->IsOf(*parts.fleet, parts.policy)) {
    parts.condition = Condition::Build(parts.fleet, parts.policy);
  }
  return std::make_shared<const SteeringTable>(std::move(parts));
}

}  // namespace fairlead
