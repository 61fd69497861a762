// One gRPC server with what all of ours have: grpc.health.v1, reflection, ServerInfo, size and stream limits, a port that is never shared
// by accident.
//
//   ASSIGN_OR_RETURN(std::unique_ptr<RpcServer> server, RpcServer::Start({.program = "registryd", .listen = "127.0.0.1:7001"},
//   {&service}));
#ifndef FAIRLEAD_LIBS_RPC_SERVER_H_
#define FAIRLEAD_LIBS_RPC_SERVER_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"

namespace fairlead {

inline constexpr char kVersion[] = "0.1.0";

struct RpcServerOptions {
  // "registryd"; told by ServerInfoService.
  std::string program;
  // "host:port", "[v6]:port"; port 0 takes a free one.
  std::string listen = "127.0.0.1:0";
  int max_receive_bytes = 8 << 20;
  int max_concurrent_streams = 1'000;
  // For what else the builder must have, like completion queues; may be empty.
  std::function<void(grpc::ServerBuilder&)> configure;
};

// Thread-safe.
class RpcServer {
 public:
  // `services` must outlive the server. FAILED_PRECONDITION naming the address if it can't be bound.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(const RpcServerOptions& options, const std::vector<grpc::Service*>& services);
  // Shuts down if nobody has, cancelling what is in flight.
  ~RpcServer();

  int port() const { return port_; }
  // "127.0.0.1:<port>", for tests and for clients on this machine.
  std::string target() const;
  // What grpc.health.v1 says of the whole server ("" service). True from the start.
  void SetServing(bool serving);
  // Refuses new calls, waits for running ones up to `grace`, then cancels them. Safe to call twice.
  void Shutdown(absl::Duration grace);

 private:
  class InfoService;
  RpcServer();

  std::unique_ptr<InfoService> info_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_RPC_SERVER_H_
