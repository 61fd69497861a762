#include "tests/lab/control_plane.h"

#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpcpp/client_context.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/status.h"

namespace fairlead {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(20);
constexpr absl::Duration kWriteTimeout = absl::Seconds(5);
constexpr int kPageSize = 1000;
constexpr int kMaxPages = 1000;

// One call: the method of the stub, the request, the response or what went wrong.
template <typename Response, typename Stub, typename Request>
absl::StatusOr<Response> Call(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                              const Request& request, absl::Duration timeout = kTimeout) {
  grpc::ClientContext context;
  SetTimeout(context, timeout);
  SetPrincipal(context, "operator/lab");
  Response response;
  RETURN_IF_ERROR(FromGrpcStatus((stub.*method)(&context, request, &response)));
  return response;
}

// All pages of a list; `items` takes them out of a response.
template <typename Item, typename Response, typename Stub, typename Request, typename Items>
absl::StatusOr<std::vector<Item>> List(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                       Request request, Items items) {
  std::vector<Item> all;
  request.set_page_size(kPageSize);
  for (int page = 0; page < kMaxPages; ++page) {
    ASSIGN_OR_RETURN(const Response response, Call(stub, method, request));
    for (const Item& item : items(response)) all.push_back(item);
    if (response.next_page_token().empty()) return all;
    request.set_page_token(response.next_page_token());
  }
  return absl::ResourceExhaustedError("the list does not end");
}

}  // namespace

ControlPlane::ControlPlane(const Layout& layout)
    : registry_(registry::v1::RegistryService::NewStub(MakeChannel(layout.registryd))),
      fleet_(ingest::v1::FleetQueryService::NewStub(MakeChannel(layout.ingestd))),
      catalog_(content::v1::CatalogService::NewStub(MakeChannel(layout.filld))),
      fill_(fill::v1::FillService::NewStub(MakeChannel(layout.filld))),
      steering_(steering::v1::SteeringService::NewStub(MakeChannel(layout.front_grpc))) {}

absl::Status ControlPlane::AwaitServer(const std::string& target, absl::Duration timeout) {
  const auto deadline = std::chrono::system_clock::now() + absl::ToChronoMilliseconds(timeout);
  if (MakeChannel(target)->WaitForConnected(deadline)) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("nothing answers at ", target));
}

absl::StatusOr<registry::v1::SigningKey> ControlPlane::CreateSigningKey() {
  return Call(*registry_, &registry::v1::RegistryService::Stub::CreateSigningKey, registry::v1::CreateSigningKeyRequest());
}

absl::StatusOr<std::string> ControlPlane::IssueEnrollmentToken(const std::string& appliance) {
  registry::v1::IssueEnrollmentTokenRequest request;
  request.set_appliance(appliance);
  ASSIGN_OR_RETURN(const auto response, Call(*registry_, &registry::v1::RegistryService::Stub::IssueEnrollmentToken, request));
  return response.token();
}

absl::Status ControlPlane::SetAdminState(const std::string& appliance, common::v1::AdminState state, const std::string& reason) {
  registry::v1::SetAdminStateRequest request;
  request.set_name(appliance);
  request.set_admin_state(state);
  request.set_reason(reason);
  return Call(*registry_, &registry::v1::RegistryService::Stub::SetAdminState, request).status();
}

absl::StatusOr<std::vector<registry::v1::Appliance>> ControlPlane::ListAppliances() {
  return List<registry::v1::Appliance>(*registry_, &registry::v1::RegistryService::Stub::ListAppliances,
                                       registry::v1::ListAppliancesRequest(), [](const auto& response) { return response.appliances(); });
}

absl::StatusOr<std::string> ControlPlane::CreateDrain(const std::string& target, const std::string& reason) {
  registry::v1::CreateDrainRequest request;
  request.set_drain_id(absl::StrCat("lab-", absl::ToUnixMillis(absl::Now())));
  request.mutable_drain()->set_target(target);
  request.mutable_drain()->set_reason(reason);
  ASSIGN_OR_RETURN(const registry::v1::Drain drain, Call(*registry_, &registry::v1::RegistryService::Stub::CreateDrain, request));
  return drain.name();
}

absl::StatusOr<registry::v1::Drain> ControlPlane::GetDrain(const std::string& name) {
  registry::v1::GetDrainRequest request;
  request.set_name(name);
  return Call(*registry_, &registry::v1::RegistryService::Stub::GetDrain, request);
}

absl::Status ControlPlane::CancelDrain(const std::string& name) {
  registry::v1::CancelDrainRequest request;
  request.set_name(name);
  return Call(*registry_, &registry::v1::RegistryService::Stub::CancelDrain, request).status();
}

absl::Status ControlPlane::SetDisplayName(const std::string& link, const std::string& display_name, const std::string& request_id) {
  registry::v1::UpdateLinkRequest request;
  request.mutable_link()->set_name(link);
  request.mutable_link()->set_display_name(display_name);
  request.mutable_update_mask()->add_paths("display_name");
  request.set_request_id(request_id);
  return Call(*registry_, &registry::v1::RegistryService::Stub::UpdateLink, request, kWriteTimeout).status();
}

absl::StatusOr<std::vector<registry::v1::AuditRecord>> ControlPlane::ListAuditRecords(const std::string& resource) {
  registry::v1::ListAuditRecordsRequest request;
  request.set_resource(resource);
  return List<registry::v1::AuditRecord>(*registry_, &registry::v1::RegistryService::Stub::ListAuditRecords, request,
                                         [](const auto& response) { return response.audit_records(); });
}

absl::Status ControlPlane::SetContractCap(const std::string& link, int64_t contract_cap_bps) {
  registry::v1::UpdateLinkRequest request;
  request.mutable_link()->set_name(link);
  request.mutable_link()->set_contract_cap_bps(contract_cap_bps);
  request.mutable_update_mask()->add_paths("contract_cap_bps");
  return Call(*registry_, &registry::v1::RegistryService::Stub::UpdateLink, request).status();
}

absl::StatusOr<std::vector<ingest::v1::ApplianceState>> ControlPlane::ListApplianceStates() {
  return List<ingest::v1::ApplianceState>(*fleet_, &ingest::v1::FleetQueryService::Stub::ListApplianceStates,
                                          ingest::v1::ListApplianceStatesRequest(),
                                          [](const auto& response) { return response.appliance_states(); });
}

absl::StatusOr<std::vector<ingest::v1::ReportedRoute>> ControlPlane::ListRoutes(const std::string& appliance) {
  ingest::v1::ListRoutesRequest request;
  request.set_appliance(appliance);
  return List<ingest::v1::ReportedRoute>(*fleet_, &ingest::v1::FleetQueryService::Stub::ListRoutes, request,
                                         [](const auto& response) { return response.routes(); });
}

absl::StatusOr<std::vector<content::v1::Title>> ControlPlane::ListTitles() {
  return List<content::v1::Title>(*catalog_, &content::v1::CatalogService::Stub::ListTitles, content::v1::ListTitlesRequest(),
                                  [](const auto& response) { return response.titles(); });
}

absl::StatusOr<fill::v1::Plan> ControlPlane::CreatePlan() {
  return Call(*fill_, &fill::v1::FillService::Stub::CreatePlan, fill::v1::CreatePlanRequest());
}

absl::StatusOr<std::vector<fill::v1::ApplianceProgress>> ControlPlane::ListFillProgress() {
  return List<fill::v1::ApplianceProgress>(*fill_, &fill::v1::FillService::Stub::ListFillProgress, fill::v1::ListFillProgressRequest(),
                                           [](const auto& response) { return response.appliances(); });
}

absl::StatusOr<steering::v1::SteerResponse> ControlPlane::Steer(const steering::v1::SteerRequest& request, absl::Duration timeout) {
  return Call(*steering_, &steering::v1::SteeringService::Stub::Steer, request, timeout);
}

}  // namespace fairlead
