// SteeringService over gRPC: translates, and leaves the thinking to the Steerer. One completion queue and thread for each core.
//
//   SteeringGrpc grpc(steerer, 2);
//   RpcServer::Start({…, .configure = [&](grpc::ServerBuilder& builder) { grpc.AddQueues(builder); }}, {grpc.service()});
//   grpc.Run();
//   …  rpc_server->Shutdown(grace); grpc.Shutdown();   // In this order.
#ifndef FAIRLEAD_SERVICES_STEERING_SERVICE_H_
#define FAIRLEAD_SERVICES_STEERING_SERVICE_H_

#include <memory>
#include <thread>
#include <vector>

#include "fairlead/steering/v1/steering_service.grpc.pb.h"
#include "grpcpp/server_builder.h"
#include "services/steering/steerer.h"

namespace fairlead {

class SteeringGrpc {
 public:
  // Streams that may be open at a time, over all queues.
  static constexpr int kMaxStreams = 4096;

  // `steerer` must outlive it.
  SteeringGrpc(const Steerer& steerer, int threads) : steerer_(steerer), threads_wanted_(threads < 1 ? 1 : threads) {}
  ~SteeringGrpc() { Shutdown(); }
  SteeringGrpc(const SteeringGrpc&) = delete;
  SteeringGrpc& operator=(const SteeringGrpc&) = delete;

  grpc::Service* service() { return &service_; }
  // While the server is built.
  void AddQueues(grpc::ServerBuilder& builder);
  // Once the server runs.
  void Run();
  // Once the server is shut down. A second call does nothing.
  void Shutdown();

 private:
  void ArmSteer(grpc::ServerCompletionQueue* queue);
  void ArmExplain(grpc::ServerCompletionQueue* queue);
  void ArmStream(grpc::ServerCompletionQueue* queue, const std::shared_ptr<std::atomic<int>>& open);

  const Steerer& steerer_;
  const int threads_wanted_;
  steering::v1::SteeringService::AsyncService service_;
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues_;
  std::vector<std::thread> threads_;
  bool shut_down_ = false;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_SERVICE_H_
