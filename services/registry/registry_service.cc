#include "services/registry/registry_service.h"

namespace fairlead::registry {

absl::Status CheckTrusted(const Principal& caller) {
  if (caller.trusted()) return absl::OkStatus();
  if (caller.kind == Principal::Kind::kAnonymous) return absl::UnauthenticatedError("who calls? this is for operators and services");
  return absl::PermissionDeniedError("this is for operators and services, not for appliances");
}

RegistryService::Reactor RegistryService::ApplyFleet(Context context, const v1::ApplyFleetRequest* request,
                                                     v1::ApplyFleetResponse* response) {
  return Run(context, "ApplyFleet", [=, this](const std::string& caller) { return special_.ApplyFleet(caller, *request, *response); });
}

RegistryService::Reactor RegistryService::SetAdminState(Context context, const v1::SetAdminStateRequest* request, v1::Appliance* response) {
  return Run(context, "SetAdminState",
             [=, this](const std::string& caller) { return special_.SetAdminState(caller, *request, *response); });
}

RegistryService::Reactor RegistryService::IssueEnrollmentToken(Context context, const v1::IssueEnrollmentTokenRequest* request,
                                                               v1::IssueEnrollmentTokenResponse* response) {
  return Run(context, "IssueEnrollmentToken",
             [=, this](const std::string& caller) { return special_.IssueEnrollmentToken(caller, *request, *response); });
}

// A box that enrols has no credential yet: the token is what it shows.
RegistryService::Reactor RegistryService::Enroll(Context context, const v1::EnrollRequest* request, v1::EnrollResponse* response) {
  return RunUnary(*context, pool_, [=, this](const Principal&) {
    absl::Status status = special_.Enroll(*request, *response);
    metrics_.CountRequest("Enroll", status);
    return status;
  });
}

RegistryService::Reactor RegistryService::CreateSigningKey(Context context, const v1::CreateSigningKeyRequest* request,
                                                           v1::SigningKey* response) {
  return Run(context, "CreateSigningKey",
             [=, this](const std::string& caller) { return special_.CreateSigningKey(caller, *request, *response); });
}

RegistryService::Reactor RegistryService::ListSigningKeys(Context context, const v1::ListSigningKeysRequest*,
                                                          v1::ListSigningKeysResponse* response) {
  return Run(context, "ListSigningKeys", [=, this](const std::string&) { return special_.ListSigningKeys(*response); });
}

RegistryService::Reactor RegistryService::RevokeSigningKey(Context context, const v1::RevokeSigningKeyRequest* request,
                                                           v1::SigningKey* response) {
  return Run(context, "RevokeSigningKey",
             [=, this](const std::string& caller) { return special_.RevokeSigningKey(caller, *request, *response); });
}

RegistryService::Reactor RegistryService::CreateDrain(Context context, const v1::CreateDrainRequest* request, v1::Drain* response) {
  return Run(context, "CreateDrain", [=, this](const std::string& caller) { return drains_.CreateDrain(caller, *request, *response); });
}

RegistryService::Reactor RegistryService::GetDrain(Context context, const v1::GetDrainRequest* request, v1::Drain* response) {
  return Run(context, "GetDrain", [=, this](const std::string&) { return standard_.Get<Drain>(*request, *response); });
}

RegistryService::Reactor RegistryService::ListDrains(Context context, const v1::ListDrainsRequest* request,
                                                     v1::ListDrainsResponse* response) {
  return Run(context, "ListDrains", [=, this](const std::string&) { return standard_.List<Drain>(*request, *response); });
}

RegistryService::Reactor RegistryService::CancelDrain(Context context, const v1::CancelDrainRequest* request, v1::Drain* response) {
  return Run(context, "CancelDrain", [=, this](const std::string& caller) { return drains_.CancelDrain(caller, *request, *response); });
}

RegistryService::Reactor RegistryService::ListAuditRecords(Context context, const v1::ListAuditRecordsRequest* request,
                                                           v1::ListAuditRecordsResponse* response) {
  return Run(context, "ListAuditRecords", [=, this](const std::string&) { return special_.ListAuditRecords(*request, *response); });
}

}  // namespace fairlead::registry
