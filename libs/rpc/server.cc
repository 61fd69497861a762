#include "libs/rpc/server.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpcpp/impl/server_builder_plugin.h"
#include "grpcpp/impl/server_initializer.h"
#include "libs/base/errors.h"
#include "libs/rpc/async_event.h"

namespace fairlead {
namespace {

// gRPC tells the names of a server's services to plug-ins only, which it makes itself while it builds: this one leaves them here.
thread_local std::vector<std::string> service_names;

class NamesPlugin final : public grpc::ServerBuilderPlugin {
 public:
  std::string name() override { return "fairlead.service_names"; }
  void InitServer(grpc::ServerInitializer*) override {}
  void Finish(grpc::ServerInitializer* initializer) override { service_names = *initializer->GetServiceList(); }
  void ChangeArguments(const std::string&, void*) override {}
};

std::unique_ptr<grpc::ServerBuilderPlugin> MakeNamesPlugin() {
  return std::make_unique<NamesPlugin>();
}

}  // namespace

RpcServer::RpcServer(std::string program) : common_(std::move(program)) {}

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(const RpcServerOptions& options, const std::vector<grpc::Service*>& services) {
  static const bool plugged = [] {
    grpc::ServerBuilder::InternalAddPluginFactory(&MakeNamesPlugin);
    return true;
  }();
  static_cast<void>(plugged);

  std::unique_ptr<RpcServer> result(new RpcServer(options.program));
  grpc::ServerBuilder builder;
  builder.AddListeningPort(options.listen, grpc::InsecureServerCredentials(), &result->port_);
  builder.SetMaxReceiveMessageSize(options.max_receive_bytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_concurrent_streams);
  builder.AddChannelArgument(GRPC_ARG_ENABLE_DEADLINE_CHECKS, options.deadline_timers ? 1 : 0);
  if (options.ping_after < absl::InfiniteDuration()) {
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(absl::ToInt64Milliseconds(options.ping_after)));
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, static_cast<int>(absl::ToInt64Milliseconds(options.ping_after / 3)));
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // As many as it takes, also where nothing is said.
  }
  // Without this a second server on the same port would start and take half of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  result->common_.Register(builder);
  for (grpc::Service* service : services) builder.RegisterService(service);
  if (options.configure) options.configure(builder);
  if (options.own_queue) result->queue_ = builder.AddCompletionQueue();
  result->server_ = builder.BuildAndStart();
  if (result->server_ == nullptr || result->port_ == 0) {
    result->server_.reset();
    result->Drain();
    return FieldError(absl::StatusCode::kFailedPrecondition, "listen", options.listen, "can't listen there; is the port in use?");
  }
  result->common_.ListServices(std::move(service_names));
  if (options.own_queue) {
    result->common_.Arm(*result->queue_);
    result->thread_ = std::thread([server = result.get()] { server->RunQueue(); });
  }
  return result;
}

RpcServer::~RpcServer() {
  Shutdown(absl::ZeroDuration());
  Drain();
}

void RpcServer::RunQueue() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) static_cast<AsyncEvent*>(tag)->Proceed(ok);
}

void RpcServer::Drain() {
  if (queue_ == nullptr) return;
  queue_->Shutdown();
  if (thread_.joinable()) {
    thread_.join();
  } else {
    RunQueue();
  }
}

std::string RpcServer::target() const {
  return absl::StrCat("127.0.0.1:", port_);
}

void RpcServer::SetServing(bool serving) {
  common_.SetServing(serving);
}

void RpcServer::Shutdown(absl::Duration grace) {
  if (server_ == nullptr) return;
  common_.End();
  server_->Shutdown(absl::ToChronoTime(absl::Now() + grace));
}

}  // namespace fairlead
