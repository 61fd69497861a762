// The services that each of our servers has beside its own: grpc.health.v1, server reflection and ServerInfoService, on a completion queue,
// so that no thread of gRPC's callback API polls the same sockets beside it.
//
//   CommonServices common("steerd");
//   common.Register(builder);             // While the server is built.
//   common.ListServices(names);
//   common.Arm(queue);                    // Once it runs, for each queue that shall serve them; its thread calls AsyncEvent::Proceed.
//   common.SetServing(false);
//
// Thread-safe. Must outlive the server and its queues. Shut down as any server with queues: the server, the queues, then they are drained.
#ifndef FAIRLEAD_LIBS_RPC_COMMON_SERVICES_H_
#define FAIRLEAD_LIBS_RPC_COMMON_SERVICES_H_

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "fairlead/common/v1/server_info_service.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/server_builder.h"

namespace fairlead {

inline constexpr char kVersion[] = "0.1.0";

class CommonServices {
 public:
  // Streams of Health.Watch and of reflection at a time, each; more are RESOURCE_EXHAUSTED.
  static constexpr size_t kMaxStreams = 1'000;

  explicit CommonServices(std::string program);

  void Register(grpc::ServerBuilder& builder);
  // What reflection lists. Before Arm.
  void ListServices(std::vector<std::string> names) { names_ = std::move(names); }
  void Arm(grpc::ServerCompletionQueue& queue);
  // What health says of the whole server, which is the service "". True from the start. Watchers are told.
  void SetServing(bool serving) ABSL_LOCKS_EXCLUDED(mu_);
  // Tells watchers that it serves no more, and ends their streams, which else would last as long as the server waits for them.
  void End() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  class Watch;
  class Reflection;

  // False if there are too many.
  bool Enter(Watch& watch) ABSL_LOCKS_EXCLUDED(mu_);
  void Leave(Watch& watch) ABSL_LOCKS_EXCLUDED(mu_);
  bool EnterReflection() ABSL_LOCKS_EXCLUDED(mu_);
  void LeaveReflection() ABSL_LOCKS_EXCLUDED(mu_);
  bool serving() const ABSL_LOCKS_EXCLUDED(mu_);

  const std::string program_;
  const int64_t start_seconds_;
  std::vector<std::string> names_;
  common::v1::ServerInfoService::AsyncService info_;
  grpc::health::v1::Health::AsyncService health_;
  grpc::reflection::v1alpha::ServerReflection::AsyncService reflection_;
  mutable absl::Mutex mu_;
  bool serving_ ABSL_GUARDED_BY(mu_) = true;
  bool ending_ ABSL_GUARDED_BY(mu_) = false;
  std::set<Watch*> watches_ ABSL_GUARDED_BY(mu_);
  size_t reflections_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_RPC_COMMON_SERVICES_H_
