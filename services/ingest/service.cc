#include "services/ingest/service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/status.h"
#include "libs/rpc/unary.h"

namespace fairlead::ingest {
namespace {

absl::StatusOr<size_t> PageSize(int wanted) {
  if (wanted < 0) return InvalidField("page_size", absl::StrCat(wanted), "must not be negative");
  if (wanted == 0) return FleetQueryServiceImpl::kDefaultPage;
  return static_cast<size_t>(std::min(wanted, FleetQueryServiceImpl::kMostPage));
}

// What the fleet holds and hears is for operators and our own services: boxes know only of themselves.
absl::Status CheckTrusted(const Principal& caller) {
  if (caller.trusted()) return absl::OkStatus();
  if (caller.kind == Principal::Kind::kAnonymous) return absl::UnauthenticatedError("who calls? this is for operators and services");
  return absl::PermissionDeniedError("this is for operators and services, not for appliances");
}

// Runs a query for a caller who may ask.
template <typename Work>
grpc::ServerUnaryReactor* RunTrusted(grpc::CallbackServerContext& context, Work work) {
  return RunUnaryInline(context, [work = std::move(work)](const Principal& caller) -> absl::Status {
    RETURN_IF_ERROR(CheckTrusted(caller));
    return work();
  });
}

}  // namespace

FeedReactor* FleetFeedServiceImpl::WatchFleet(grpc::CallbackServerContext* context, const grpc::ByteBuffer* raw) {
  const absl::StatusOr<v1::WatchFleetRequest> request = ParseFeedRequest<v1::WatchFleetRequest>(*raw);
  absl::Status status = request.status();
  if (status.ok()) status = CheckTrusted(PrincipalOf(*context));
  if (!status.ok()) return RefuseFeed(ToGrpcStatus(status));
  return publisher_.Subscribe(context, FeedPositionFromProto(request->held()), request->subscriber());
}

grpc::ServerUnaryReactor* FleetQueryServiceImpl::GetApplianceState(grpc::CallbackServerContext* context,
                                                                   const v1::GetApplianceStateRequest* request,
                                                                   v1::ApplianceState* response) {
  return RunTrusted(*context, [=, this] { return DoGetApplianceState(*request, *response); });
}

grpc::ServerUnaryReactor* FleetQueryServiceImpl::ListApplianceStates(grpc::CallbackServerContext* context,
                                                                     const v1::ListApplianceStatesRequest* request,
                                                                     v1::ListApplianceStatesResponse* response) {
  return RunTrusted(*context, [=, this] { return DoListApplianceStates(*request, *response); });
}

grpc::ServerUnaryReactor* FleetQueryServiceImpl::ListRoutes(grpc::CallbackServerContext* context, const v1::ListRoutesRequest* request,
                                                            v1::ListRoutesResponse* response) {
  return RunTrusted(*context, [=, this] { return DoListRoutes(*request, *response); });
}

absl::Status FleetQueryServiceImpl::DoGetApplianceState(const v1::GetApplianceStateRequest& request, v1::ApplianceState& response) const {
  ASSIGN_OR_RETURN(const ApplianceId id, ApplianceId::ParseName(request.name(), "name"));
  ASSIGN_OR_RETURN(response, fleet_.GetState(id));
  return absl::OkStatus();
}

// The page token is the last id of the page before.
absl::Status FleetQueryServiceImpl::DoListApplianceStates(const v1::ListApplianceStatesRequest& request,
                                                          v1::ListApplianceStatesResponse& response) const {
  ASSIGN_OR_RETURN(const size_t size, PageSize(request.page_size()));
  if (!request.page_token().empty()) RETURN_IF_ERROR(ValidateId(request.page_token(), "page_token"));
  std::vector<v1::ApplianceState> states = fleet_.ListStates(request.page_token(), size + 1);
  const bool more = states.size() > size;
  if (more) states.pop_back();
  if (more) {
    ASSIGN_OR_RETURN(const std::string last, ParseResourceName(states.back().appliance(), ApplianceTag::kCollection, "appliance"));
    response.set_next_page_token(last);
  }
  for (v1::ApplianceState& state : states) *response.add_appliance_states() = std::move(state);
  return absl::OkStatus();
}

absl::Status FleetQueryServiceImpl::DoListRoutes(const v1::ListRoutesRequest& request, v1::ListRoutesResponse& response) const {
  ASSIGN_OR_RETURN(const size_t size, PageSize(request.page_size()));
  ASSIGN_OR_RETURN(const ApplianceId id, ApplianceId::ParseName(request.appliance(), "appliance"));
  if (request.filter() < 0 || request.filter() > v1::ListRoutesRequest::Filter_MAX) {
    return InvalidField("filter", absl::StrCat(static_cast<int>(request.filter())), "unknown");
  }
  ASSIGN_OR_RETURN(response, fleet_.ListRoutes(id, request, size));
  return absl::OkStatus();
}

}  // namespace fairlead::ingest
