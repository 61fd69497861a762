#include "services/steering/service.h"

#include "libs/rpc/status.h"
#include "services/steering/async_call.h"
#include "services/steering/client_address.h"

namespace fairlead {
namespace {

namespace sv1 = steering::v1;

// Calls that wait to be taken, a queue: bursts beyond them wait inside gRPC for the next to be armed.
constexpr int kArmedSteer = 128;
constexpr int kArmedExplain = 4;
constexpr int kArmedStreams = 16;

}  // namespace

void SteeringGrpc::AddQueues(grpc::ServerBuilder& builder) {
  for (int i = 0; i < threads_wanted_; ++i) queues_.push_back(builder.AddCompletionQueue());
}

void SteeringGrpc::ArmSteer(grpc::ServerCompletionQueue* queue) {
  using Call = UnaryCall<sv1::SteerRequest, sv1::SteerResponse>;
  const auto method = std::make_shared<const Call::Method>(Call::Method{
      .request = [this, queue](grpc::ServerContext* context, sv1::SteerRequest* request, auto* writer,
                               void* tag) { service_.RequestSteer(context, request, writer, queue, queue, tag); },
      .work = [this](const grpc::ServerContext& context, const sv1::SteerRequest& request,
                     sv1::SteerResponse& response) { return ToGrpcStatus(steerer_.Steer(CallerOf(context), request, response)); }});
  for (int i = 0; i < kArmedSteer; ++i) Call::Arm(method);
}

void SteeringGrpc::ArmExplain(grpc::ServerCompletionQueue* queue) {
  using Call = UnaryCall<sv1::ExplainRequest, sv1::ExplainResponse>;
  const auto method = std::make_shared<const Call::Method>(Call::Method{
      .request = [this, queue](grpc::ServerContext* context, sv1::ExplainRequest* request, auto* writer,
                               void* tag) { service_.RequestExplain(context, request, writer, queue, queue, tag); },
      .work = [this](const grpc::ServerContext& context, const sv1::ExplainRequest& request,
                     sv1::ExplainResponse& response) { return ToGrpcStatus(steerer_.Explain(CallerOf(context), request, response)); }});
  for (int i = 0; i < kArmedExplain; ++i) Call::Arm(method);
}

void SteeringGrpc::ArmStream(grpc::ServerCompletionQueue* queue, const std::shared_ptr<std::atomic<int>>& open) {
  using Call = PingPongCall<sv1::SteerStreamRequest, sv1::SteerStreamResponse>;
  const auto method = std::make_shared<const Call::Method>(Call::Method{
      .request = [this, queue](grpc::ServerContext* context, Call::Stream* stream,
                               void* tag) { service_.RequestSteerStream(context, stream, queue, queue, tag); },
      .work = [this](
                  const grpc::ServerContext& context, const sv1::SteerStreamRequest& request,
                  sv1::SteerStreamResponse& response) { return ToGrpcStatus(steerer_.SteerBatch(CallerOf(context), request, response)); },
      .most_streams = kMaxStreams,
      .open = open});
  for (int i = 0; i < kArmedStreams; ++i) Call::Arm(method);
}

void SteeringGrpc::Run() {
  const auto open = std::make_shared<std::atomic<int>>(0);
  for (const auto& queue : queues_) {
    ArmSteer(queue.get());
    ArmExplain(queue.get());
    ArmStream(queue.get(), open);
    threads_.emplace_back([waiting = queue.get()] { DrainQueue(*waiting); });
  }
}

void SteeringGrpc::Shutdown() {
  if (shut_down_) return;
  shut_down_ = true;
  for (const auto& queue : queues_) queue->Shutdown();
  // Where no thread ever ran, a queue must still be emptied before it goes.
  if (threads_.empty()) {
    for (const auto& queue : queues_) DrainQueue(*queue);
  }
  for (std::thread& thread : threads_) thread.join();
}

}  // namespace fairlead
