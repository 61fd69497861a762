#include "services/registry/config_service.h"

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/status.h"
#include "libs/rpc/unary.h"
#include "libs/signing/digest.h"
#include "services/registry/registry_service.h"

namespace fairlead::registry {
namespace {

// A box may read its own config, and speak for itself, only.
absl::Status CheckReader(const Principal& caller, const ConfigView& view, const ApplianceId& id) {
  if (caller.kind != Principal::Kind::kAppliance) return CheckTrusted(caller);
  const ApplianceId* owner = view.FindByCredential(Sha256Hex(caller.credential));
  if (owner == nullptr) return absl::UnauthenticatedError("the credential is of no appliance; enroll again");
  if (*owner == id) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat("the credential is of ", owner->name(), ", not of ", id.name()));
}

}  // namespace

FeedReactor* ConfigService::WatchConfig(grpc::CallbackServerContext* context, const grpc::ByteBuffer* raw) {
  const absl::StatusOr<v1::WatchConfigRequest> request = ParseFeedRequest<v1::WatchConfigRequest>(*raw);
  absl::Status status = request.status();
  if (status.ok()) status = CheckTrusted(PrincipalOf(*context));
  if (!status.ok()) return RefuseFeed(ToGrpcStatus(status));
  FeedPublisher* publisher = feeds_.Of(request->scope());
  if (publisher == nullptr) {
    return RefuseFeed(
        ToGrpcStatus(InvalidField("scope", absl::StrCat(static_cast<int>(request->scope())), "must be one of CELL, STEERING, FILL")));
  }
  return publisher->Subscribe(context, FeedPositionFromProto(request->held()), request->subscriber());
}

grpc::ServerUnaryReactor* ConfigService::GetApplianceConfig(grpc::CallbackServerContext* context,
                                                            const v1::GetApplianceConfigRequest* request, v1::ApplianceConfig* response) {
  return RunUnaryInline(*context, [&](const Principal& caller) {
    absl::Status status = DoGetApplianceConfig(caller, *request, *response);
    metrics_.CountRequest("GetApplianceConfig", status);
    return status;
  });
}

absl::Status ConfigService::DoGetApplianceConfig(const Principal& caller, const v1::GetApplianceConfigRequest& request,
                                                 v1::ApplianceConfig& response) {
  ASSIGN_OR_RETURN(const ApplianceId id, ApplianceId::ParseName(request.name()));
  const std::shared_ptr<const ConfigView> view = feeds_.view();
  if (view == nullptr) return absl::UnavailableError("the configuration has not been read from PostgreSQL yet");
  RETURN_IF_ERROR(CheckReader(caller, *view, id));
  const std::string* generation = view->GenerationOf(id);
  if (generation == nullptr) return FieldError(absl::StatusCode::kNotFound, "name", id.name(), "does not exist");
  if (!request.if_generation().empty() && request.if_generation() == *generation) {
    response.set_generation(*generation);
    response.set_unchanged(true);
    return absl::OkStatus();
  }
  response = view->Render(id);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* ConfigService::ReportDrain(grpc::CallbackServerContext* context, const v1::ReportDrainRequest* request,
                                                     v1::ReportDrainResponse* response) {
  return RunUnary(*context, pool_, [=, this](const Principal& caller) {
    absl::Status status = DoReportDrain(caller, *request, *response);
    metrics_.CountRequest("ReportDrain", status);
    return status;
  });
}

absl::Status ConfigService::DoReportDrain(const Principal& caller, const v1::ReportDrainRequest& request,
                                          v1::ReportDrainResponse& response) {
  ASSIGN_OR_RETURN(const ApplianceId id, ApplianceId::ParseName(request.appliance(), "appliance"));
  const std::shared_ptr<const ConfigView> view = feeds_.view();
  if (view == nullptr) return absl::UnavailableError("the configuration has not been read from PostgreSQL yet");
  RETURN_IF_ERROR(CheckReader(caller, *view, id));
  const bool is_box = caller.kind == Principal::Kind::kAppliance;
  return drains_.ReportDrain(is_box ? absl::StrCat("appliance/", id.value()) : caller.ToString(), request, response);
}

}  // namespace fairlead::registry
