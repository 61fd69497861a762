// The RPC shell of ConfigService. Serves from memory on gRPC's threads and never touches the store, but for a box's word on its drain.
#ifndef FAIRLEAD_SERVICES_REGISTRY_CONFIG_SERVICE_H_
#define FAIRLEAD_SERVICES_REGISTRY_CONFIG_SERVICE_H_

#include "fairlead/registry/v1/config_service.grpc.pb.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/worker_pool.h"
#include "services/registry/config_feeds.h"
#include "services/registry/drain_methods.h"
#include "services/registry/metrics.h"

namespace fairlead::registry {

// The feed is taken raw, because its messages are encoded once for all subscribers.
class ConfigService final
    : public v1::ConfigService::WithRawCallbackMethod_WatchConfig<v1::ConfigService::WithCallbackMethod_GetApplianceConfig<
          v1::ConfigService::WithCallbackMethod_ReportDrain<v1::ConfigService::Service>>> {
 public:
  // All must outlive the service.
  ConfigService(ConfigFeeds& feeds, DrainMethods& drains, WorkerPool& pool, RegistryMetrics& metrics)
      : feeds_(feeds), drains_(drains), pool_(pool), metrics_(metrics) {}

  FeedReactor* WatchConfig(grpc::CallbackServerContext* context, const grpc::ByteBuffer* raw) override;
  grpc::ServerUnaryReactor* GetApplianceConfig(grpc::CallbackServerContext* context, const v1::GetApplianceConfigRequest* request,
                                               v1::ApplianceConfig* response) override;
  grpc::ServerUnaryReactor* ReportDrain(grpc::CallbackServerContext* context, const v1::ReportDrainRequest* request,
                                        v1::ReportDrainResponse* response) override;

 private:
  absl::Status DoGetApplianceConfig(const Principal& caller, const v1::GetApplianceConfigRequest& request, v1::ApplianceConfig& response);

  absl::Status DoReportDrain(const Principal& caller, const v1::ReportDrainRequest& request, v1::ReportDrainResponse& response);

  ConfigFeeds& feeds_;
  DrainMethods& drains_;
  WorkerPool& pool_;
  RegistryMetrics& metrics_;
};

}  // namespace fairlead::registry

#endif  // FAIRLEAD_SERVICES_REGISTRY_CONFIG_SERVICE_H_
