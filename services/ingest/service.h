// The fleet feed and the queries: what ingestd knows, for steerd, filld and operators.
#ifndef FAIRLEAD_SERVICES_INGEST_SERVICE_H_
#define FAIRLEAD_SERVICES_INGEST_SERVICE_H_

#include "fairlead/ingest/v1/fleet_service.grpc.pb.h"
#include "libs/feed/feed_publisher.h"
#include "services/ingest/fleet_state.h"

namespace fairlead::ingest {

class FleetFeedServiceImpl final : public v1::FleetFeedService::WithRawCallbackMethod_WatchFleet<v1::FleetFeedService::Service> {
 public:
  explicit FleetFeedServiceImpl(FeedPublisher& publisher) : publisher_(publisher) {}

  FeedReactor* WatchFleet(grpc::CallbackServerContext* context, const grpc::ByteBuffer* raw) override;

 private:
  FeedPublisher& publisher_;
};

// Reads memory only, so it answers on gRPC's threads.
class FleetQueryServiceImpl final : public v1::FleetQueryService::CallbackService {
 public:
  static constexpr int kMostPage = 1'000;
  static constexpr int kDefaultPage = 100;

  explicit FleetQueryServiceImpl(const FleetState& fleet) : fleet_(fleet) {}

  grpc::ServerUnaryReactor* GetApplianceState(grpc::CallbackServerContext* context, const v1::GetApplianceStateRequest* request,
                                              v1::ApplianceState* response) override;
  grpc::ServerUnaryReactor* ListApplianceStates(grpc::CallbackServerContext* context, const v1::ListApplianceStatesRequest* request,
                                                v1::ListApplianceStatesResponse* response) override;
  grpc::ServerUnaryReactor* ListRoutes(grpc::CallbackServerContext* context, const v1::ListRoutesRequest* request,
                                       v1::ListRoutesResponse* response) override;

 private:
  absl::Status DoGetApplianceState(const v1::GetApplianceStateRequest& request, v1::ApplianceState& response) const;
  absl::Status DoListApplianceStates(const v1::ListApplianceStatesRequest& request, v1::ListApplianceStatesResponse& response) const;
  absl::Status DoListRoutes(const v1::ListRoutesRequest& request, v1::ListRoutesResponse& response) const;

  const FleetState& fleet_;
};

}  // namespace fairlead::ingest

#endif  // FAIRLEAD_SERVICES_INGEST_SERVICE_H_
