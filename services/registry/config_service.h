// The RPC shell of ConfigService. Serves from memory on gRPC's threads; never touches the store.
#ifndef FAIRLEAD_SERVICES_REGISTRY_CONFIG_SERVICE_H_
#define FAIRLEAD_SERVICES_REGISTRY_CONFIG_SERVICE_H_

#include "fairlead/registry/v1/config_service.grpc.pb.h"
#include "libs/rpc/principal.h"
#include "services/registry/config_feeds.h"
#include "services/registry/metrics.h"

namespace fairlead::registry {

// The feed is taken raw, because its messages are encoded once for all subscribers.
class ConfigService final : public v1::ConfigService::WithRawCallbackMethod_WatchConfig<
                                v1::ConfigService::WithCallbackMethod_GetApplianceConfig<v1::ConfigService::Service>> {
 public:
  // Both must outlive the service.
  ConfigService(ConfigFeeds& feeds, RegistryMetrics& metrics) : feeds_(feeds), metrics_(metrics) {}

  FeedReactor* WatchConfig(grpc::CallbackServerContext* context, const grpc::ByteBuffer* raw) override;
  grpc::ServerUnaryReactor* GetApplianceConfig(grpc::CallbackServerContext* context, const v1::GetApplianceConfigRequest* request,
                                               v1::ApplianceConfig* response) override;

 private:
  absl::Status DoGetApplianceConfig(const Principal& caller, const v1::GetApplianceConfigRequest& request, v1::ApplianceConfig& response);

  ConfigFeeds& feeds_;
  RegistryMetrics& metrics_;
};

}  // namespace fairlead::registry

#endif  // FAIRLEAD_SERVICES_REGISTRY_CONFIG_SERVICE_H_
