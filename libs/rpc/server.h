// One gRPC server with what all of ours have: grpc.health.v1, reflection, ServerInfo (common_services.h), size and stream limits, a port
// that is never shared by accident.
//
// The common services run on a completion queue: the server's own, with a thread, or one of a server that has queues anyway
// (ServeCommonOn), for which each further thread that polls is a cost.
//
//   ASSIGN_OR_RETURN(std::unique_ptr<RpcServer> server, RpcServer::Start({.program = "registryd", .listen = "127.0.0.1:7001"},
//   {&service}));
#ifndef FAIRLEAD_LIBS_RPC_SERVER_H_
#define FAIRLEAD_LIBS_RPC_SERVER_H_

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "libs/rpc/common_services.h"

namespace fairlead {

struct RpcServerOptions {
  // "registryd"; told by ServerInfoService.
  std::string program;
  // "host:port", "[v6]:port"; port 0 takes a free one.
  std::string listen = "127.0.0.1:0";
  int max_receive_bytes = 8 << 20;
  int max_concurrent_streams = 1'000;
  // False: gRPC keeps no timer a call that ends it at its deadline. For servers whose answers never wait, and which look at deadlines
  // themselves: a timer costs a lock and its thread, and those of a flood go off all together. A client that is gone without a word must
  // then be noticed otherwise, or its streams stay: see ping_after.
  bool deadline_timers = true;
  // A connection on which nothing came for so long is asked for a sign of life, and is dead without one for a third of that; infinite:
  // after two hours, as gRPC has it.
  absl::Duration ping_after = absl::InfiniteDuration();
  // For what else the builder must have, like completion queues; may be empty.
  std::function<void(grpc::ServerBuilder&)> configure;
  // False: ServeCommonOn is called with queues of the caller's.
  bool own_queue = true;
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
  // Serves the common services on this queue too, whose thread calls AsyncEvent::Proceed. Before it is shut down.
  void ServeCommonOn(grpc::ServerCompletionQueue& queue) { common_.Arm(queue); }
  // What grpc.health.v1 says of the whole server ("" service). True from the start.
  void SetServing(bool serving);
  // Refuses new calls, waits for running ones up to `grace`, then cancels them. Safe to call twice.
  void Shutdown(absl::Duration grace);

 private:
  explicit RpcServer(std::string program);
  void RunQueue();
  // Once no call will come any more.
  void Drain();

  CommonServices common_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  std::thread thread_;
  int port_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_RPC_SERVER_H_
