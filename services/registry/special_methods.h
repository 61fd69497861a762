// The verbs beside the standard methods: whole fleets, administrative states, enrolment, signing keys, audit. Thread-safe; blocks on the
// store.
#ifndef FAIRLEAD_SERVICES_REGISTRY_SPECIAL_METHODS_H_
#define FAIRLEAD_SERVICES_REGISTRY_SPECIAL_METHODS_H_

#include <string>

#include "absl/status/status.h"
#include "fairlead/registry/v1/registry_service.pb.h"
#include "services/registry/fleet_state.h"
#include "services/registry/writer.h"

namespace fairlead::registry {

class SpecialMethods {
 public:
  // All must outlive this. Private halves of signing keys are written to `signing_key_dir`; "" = none can be made.
  SpecialMethods(Store& store, FleetState& state, Writer& writer, std::string signing_key_dir)
      : store_(store), state_(state), writer_(writer), signing_key_dir_(std::move(signing_key_dir)) {}

  absl::Status ApplyFleet(const std::string& principal, const v1::ApplyFleetRequest& request, v1::ApplyFleetResponse& response);
  absl::Status SetAdminState(const std::string& principal, const v1::SetAdminStateRequest& request, v1::Appliance& response);
  absl::Status IssueEnrollmentToken(const std::string& principal, const v1::IssueEnrollmentTokenRequest& request,
                                    v1::IssueEnrollmentTokenResponse& response);
  absl::Status Enroll(const v1::EnrollRequest& request, v1::EnrollResponse& response);
  absl::Status CreateSigningKey(const std::string& principal, const v1::CreateSigningKeyRequest& request, v1::SigningKey& response);
  absl::Status ListSigningKeys(v1::ListSigningKeysResponse& response);
  absl::Status RevokeSigningKey(const std::string& principal, const v1::RevokeSigningKeyRequest& request, v1::SigningKey& response);
  absl::Status ListAuditRecords(const v1::ListAuditRecordsRequest& request, v1::ListAuditRecordsResponse& response);

 private:
  absl::StatusOr<WritePlan> PlanEnroll(const Fleet& fleet, const Rules& rules, const v1::EnrollRequest& request,
                                       v1::EnrollResponse& response);

  Store& store_;
  FleetState& state_;
  Writer& writer_;
  const std::string signing_key_dir_;
};

}  // namespace fairlead::registry

#endif  // FAIRLEAD_SERVICES_REGISTRY_SPECIAL_METHODS_H_
