// SteeringService over gRPC: translates, and leaves the thinking to the Steerer. One completion queue and thread for each core.
//
// Steer and SteerStream are served as bytes: the request is read into a message that a thread keeps, and the answer is written where it is
// sent from (answer_writer.h), so that neither is copied or made anew.
//
//   SteeringGrpc grpc(steerer, gate, metrics, {.threads = 2});
//   RpcServer::Start({…, .configure = [&](grpc::ServerBuilder& builder) { grpc.AddQueues(builder); }}, {grpc.service()});
//   grpc.Run();
//   …  rpc_server->Shutdown(grace); grpc.Shutdown();   // In this order.
#ifndef FAIRLEAD_SERVICES_STEERING_SERVICE_H_
#define FAIRLEAD_SERVICES_STEERING_SERVICE_H_

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "fairlead/steering/v1/steering_service.grpc.pb.h"
#include "grpcpp/server_builder.h"
#include "services/steering/metrics.h"
#include "services/steering/overload_gate.h"
#include "services/steering/steerer.h"

namespace fairlead {

struct SteeringGrpcOptions {
  int threads = 1;
  bool pin = false;  // The n-th thread to the n-th core that the process may use.
};

class SteeringGrpc {
 public:
  // Streams that may be open at a time, over all queues.
  static constexpr int kMaxStreams = 4096;

  // `steerer`, `gate` and `metrics` must outlive it.
  SteeringGrpc(const Steerer& steerer, OverloadGate& gate, SteeringMetrics& metrics, SteeringGrpcOptions options);
  ~SteeringGrpc();
  SteeringGrpc(const SteeringGrpc&) = delete;
  SteeringGrpc& operator=(const SteeringGrpc&) = delete;

  grpc::Service* service() { return &service_; }
  // While the server is built.
  void AddQueues(grpc::ServerBuilder& builder);
  // Once the server runs.
  void Run();
  // Whose threads also serve what is armed on them.
  std::vector<grpc::ServerCompletionQueue*> queues() const;
  // Once the server is shut down. A second call does nothing.
  void Shutdown();

 private:
  using Sv = steering::v1::SteeringService;
  using Service = Sv::WithRawMethod_Steer<Sv::WithRawMethod_SteerStream<Sv::WithAsyncMethod_Explain<Sv::Service>>>;
  class Worker;

  void ArmSteer(Worker& worker);
  void ArmExplain(Worker& worker);
  void ArmStream(Worker& worker, const std::shared_ptr<std::atomic<int>>& open);

  const Steerer& steerer_;
  OverloadGate& gate_;
  SteeringMetrics& metrics_;
  const SteeringGrpcOptions options_;
  Service service_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
  bool shut_down_ = false;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_SERVICE_H_
