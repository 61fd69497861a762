#include "libs/rpc/server.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "fairlead/common/v1/server_info_service.grpc.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "libs/base/errors.h"

namespace fairlead {

class RpcServer::InfoService final : public common::v1::ServerInfoService::CallbackService {
 public:
  explicit InfoService(std::string program) : program_(std::move(program)), start_seconds_(absl::ToUnixSeconds(absl::Now())) {}

  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* context, const common::v1::GetServerInfoRequest*,
                                          common::v1::ServerInfo* info) override {
    info->set_program(program_);
    info->set_version(kVersion);
    info->mutable_start_time()->set_seconds(start_seconds_);
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  const std::string program_;
  const int64_t start_seconds_;
};

RpcServer::RpcServer() = default;

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(const RpcServerOptions& options, const std::vector<grpc::Service*>& services) {
  grpc::EnableDefaultHealthCheckService(true);
  // Links the descriptor of the health service in, without which reflection can't list it.
  grpc::health::v1::HealthCheckRequest::descriptor();
  static const bool reflection = [] {
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    return true;
  }();
  static_cast<void>(reflection);

  std::unique_ptr<RpcServer> result(new RpcServer());
  result->info_ = std::make_unique<InfoService>(options.program);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(options.listen, grpc::InsecureServerCredentials(), &result->port_);
  builder.SetMaxReceiveMessageSize(options.max_receive_bytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_concurrent_streams);
  // Without this a second server on the same port would start and take half of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.RegisterService(result->info_.get());
  for (grpc::Service* service : services) builder.RegisterService(service);
  if (options.configure) options.configure(builder);
  result->server_ = builder.BuildAndStart();
  if (result->server_ == nullptr || result->port_ == 0) {
    result->server_.reset();
    return FieldError(absl::StatusCode::kFailedPrecondition, "listen", options.listen, "can't listen there; is the port in use?");
  }
  return result;
}

RpcServer::~RpcServer() {
  Shutdown(absl::ZeroDuration());
}

std::string RpcServer::target() const {
  return absl::StrCat("127.0.0.1:", port_);
}

void RpcServer::SetServing(bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(serving);
}

void RpcServer::Shutdown(absl::Duration grace) {
  if (server_ != nullptr) server_->Shutdown(absl::ToChronoTime(absl::Now() + grace));
}

}  // namespace fairlead
