#include "services/steering/service.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/types/span.h"
#include "grpcpp/support/byte_buffer.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/status.h"
#include "services/steering/async_call.h"
#include "services/steering/batch_request.h"
#include "services/steering/byte_buffers.h"
#include "services/steering/client_address.h"
#include "services/steering/codec.h"
#include "services/steering/work_queue.h"

namespace fairlead {
namespace {

namespace sv1 = steering::v1;

// Calls that wait to be taken, a queue: bursts beyond them wait inside gRPC for the next to be armed.
constexpr int kArmedSteer = 128;
constexpr int kArmedExplain = 4;
constexpr int kArmedStreams = 16;

constexpr size_t kUsualAnswer = SliceChain::kBlock;  // Bytes of an answer, mostly less.

// What `arrive` read.
struct ReadRequest {
  sv1::SteerRequest message;
  bool readable = false;
};
// A stream's caller stays the same.
struct StreamState {
  BatchRequest batch;
  bool readable = false;
  std::vector<uint8_t> refused;  // As BatchRefusal::some.
  std::optional<Caller> caller;
};
struct Nothing {};

using SteerCall = UnaryCall<grpc::ByteBuffer, grpc::ByteBuffer, ReadRequest>;
using StreamCall = PingPongCall<grpc::ByteBuffer, grpc::ByteBuffer, StreamState>;
template <typename T>
using OfTurn = absl::InlinedVector<T, WorkQueue::kMostInTurn>;
static_assert(WorkQueue::kMostInTurn <= AnswerScratch::kInTurn);

// The n-th core that the process may use. Where that can't be had, the thread floats as before.
void Pin(size_t thread) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0 || CPU_COUNT(&allowed) == 0) return;
  size_t left = thread % static_cast<size_t>(CPU_COUNT(&allowed));
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(core, &allowed) || left-- > 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
    return;
  }
}

// Of a trusted caller nothing else is asked for, and making its address costs more than the rest of the call's metadata.
Caller CallerFor(const grpc::ServerContext& context) {
  Caller caller{.principal = PrincipalOf(context), .peer = {}, .forwarded_for = ""};
  return caller.principal.trusted() ? caller : CallerOf(context);
}

Arrival ArrivalOf(RequestClass request_class, uint64_t spread, WorkQueue& work) {
  return {.request_class = request_class, .admitted = work.Admit(request_class, spread)};
}

// As its most urgent request that is admitted; those that aren't are noted, unless that is none or all.
Arrival ArrivalOf(const BatchRequest& batch, WorkQueue& work, std::vector<uint8_t>& refused) {
  refused.clear();
  // A ping, or refused for its size: then its requests didn't come, as far as overload control is concerned.
  if (batch.requests().empty() || batch.requests().size() > size_t{kMaxBatch}) return {};
  RequestClass most_urgent = RequestClass::kPrefetch;
  RequestClass most_urgent_admitted = RequestClass::kPrefetch;
  size_t admitted = 0;
  for (const absl::string_view request : batch.requests()) {
    const Glance glance = GlanceAt(request);
    const Arrival one = ArrivalOf(glance.request_class, Steerer::SpreadOf(glance.session_id, glance.client_address), work);
    refused.push_back(one.admitted ? BatchRefusal::kAdmitted : static_cast<uint8_t>(one.request_class));
    admitted += one.admitted ? 1 : 0;
    most_urgent = std::min(most_urgent, one.request_class);
    if (one.admitted) most_urgent_admitted = std::min(most_urgent_admitted, one.request_class);
  }
  if (admitted == 0 || admitted == refused.size()) refused.clear();
  return {
      .request_class = admitted == 0 ? most_urgent : most_urgent_admitted, .admitted = admitted > 0, .requests = batch.requests().size()};
}

}  // namespace

// A queue, and what its thread keeps and does.
class SteeringGrpc::Worker {
 public:
  Worker(std::unique_ptr<grpc::ServerCompletionQueue> q, const Steerer& steerer, OverloadGate& gate, size_t index, SteeringMetrics& metrics)
      : queue(std::move(q)), work(gate, index), steerer_(steerer), scratch_(metrics) {}

  void Answer(const absl::Status& refusal, absl::Span<SteerCall::Asked> turn);
  // Streams whose messages hold one request each are answered together; others wait for nobody but themselves.
  void Answer(const absl::Status& refusal, absl::Span<StreamCall::Asked> turn);

  std::unique_ptr<grpc::ServerCompletionQueue> queue;
  WorkQueue work;

 private:
  void AnswerBatch(const absl::Status& refusal, StreamCall::Asked& asked);
  void AnswerSingles(absl::Span<StreamCall::Asked* const> turn);

  const Steerer& steerer_;
  AnswerScratch scratch_;
};

void SteeringGrpc::Worker::Answer(const absl::Status& refusal, absl::Span<SteerCall::Asked> turn) {
  OfTurn<SteerCall::Asked*> answered;
  OfTurn<Caller> callers;
  OfTurn<SingleCall> calls;
  for (SteerCall::Asked& asked : turn) {
    const absl::Status status = !refusal.ok() || asked.state.readable ? refusal : Unreadable();
    asked.status = ToGrpcStatus(status);
    if (!status.ok()) continue;
    answered.push_back(&asked);
    callers.push_back(CallerFor(asked.context));
  }
  for (size_t i = 0; i < answered.size(); ++i) calls.push_back({callers[i], answered[i]->state.message});
  if (calls.empty()) return;
  steerer_.SteerTurn(calls, scratch_, [&](size_t i, const Answering& one) {
    answered[i]->status = ToGrpcStatus(one.status);
    if (!one.status.ok()) return;
    SliceChain answer(/*piece=*/0);
    one.writer.Write(answer.Room(one.size));
    answered[i]->response = answer.Take();
  });
}

void SteeringGrpc::Worker::Answer(const absl::Status& refusal, absl::Span<StreamCall::Asked> turn) {
  OfTurn<StreamCall::Asked*> singles;
  for (StreamCall::Asked& asked : turn) {
    StreamState& state = asked.state;
    if (!state.readable) {
      asked.status = ToGrpcStatus(Unreadable());
      continue;
    }
    if (!state.caller.has_value()) state.caller = CallerFor(asked.context);
    if (refusal.ok() && state.batch.requests().size() == 1) {
      singles.push_back(&asked);
    } else {
      AnswerBatch(refusal, asked);
    }
  }
  if (!singles.empty()) AnswerSingles(singles);
}

void SteeringGrpc::Worker::AnswerBatch(const absl::Status& refusal, StreamCall::Asked& asked) {
  StreamState& state = asked.state;
  SliceChain answer(std::min(SliceChain::kPiece, state.batch.requests().size() * kUsualAnswer));
  const absl::Status status =
      steerer_.SteerBatch(*state.caller, state.batch, {.whole = refusal, .some = state.refused, .retry_after = work.retry_after()},
                          scratch_, [&](size_t size) { return answer.Room(size); });
  if (status.ok()) asked.response = answer.Take();
  asked.status = ToGrpcStatus(status);
}

void SteeringGrpc::Worker::AnswerSingles(absl::Span<StreamCall::Asked* const> turn) {
  OfTurn<SingleBatch> batches;
  std::array<std::optional<SliceChain>, WorkQueue::kMostInTurn> answers;
  for (size_t i = 0; i < turn.size(); ++i) {
    batches.push_back({*turn[i]->state.caller, turn[i]->state.batch});
    answers[i].emplace(kUsualAnswer);
  }
  steerer_.SteerSingles(batches, scratch_, [&](size_t i, size_t size) { return answers[i]->Room(size); });
  for (size_t i = 0; i < turn.size(); ++i) turn[i]->response = answers[i]->Take();
}

SteeringGrpc::SteeringGrpc(const Steerer& steerer, OverloadGate& gate, SteeringMetrics& metrics, SteeringGrpcOptions options)
    : steerer_(steerer), gate_(gate), metrics_(metrics), options_(options) {}

SteeringGrpc::~SteeringGrpc() {
  Shutdown();
}

void SteeringGrpc::AddQueues(grpc::ServerBuilder& builder) {
  for (int i = 0; i < std::max(1, options_.threads); ++i) {
    workers_.push_back(std::make_unique<Worker>(builder.AddCompletionQueue(), steerer_, gate_, workers_.size(), metrics_));
  }
}

void SteeringGrpc::ArmSteer(Worker& worker) {
  const auto method = std::make_shared<const SteerCall::Method>(SteerCall::Method{
      .queue = &worker.work,
      .request = [this, queue = worker.queue.get()](auto* context, auto* request, auto* writer,
                                                    void* tag) { service_.RequestSteer(context, request, writer, queue, queue, tag); },
      .arrive =
          [&worker](const grpc::ByteBuffer& bytes, ReadRequest& read) {
            read.readable = ReadMessage(bytes, read.message);
            return ArrivalOf(ClassOf(read.message), Steerer::SpreadOf(read.message), worker.work);
          },
      .work = [&worker](const absl::Status& refusal, absl::Span<SteerCall::Asked> turn) { worker.Answer(refusal, turn); }});
  for (int i = 0; i < kArmedSteer; ++i) SteerCall::Arm(method);
}

void SteeringGrpc::ArmExplain(Worker& worker) {
  using Call = UnaryCall<sv1::ExplainRequest, sv1::ExplainResponse, Nothing>;
  const auto method = std::make_shared<const Call::Method>(Call::Method{
      .queue = &worker.work,
      .request = [this, queue = worker.queue.get()](auto* context, auto* request, auto* writer,
                                                    void* tag) { service_.RequestExplain(context, request, writer, queue, queue, tag); },
      .arrive = [&worker](const sv1::ExplainRequest& request,
                          Nothing&) { return ArrivalOf(RequestClass::kBackground, Steerer::SpreadOf(request.request()), worker.work); },
      .work =
          [this](const absl::Status& refusal, absl::Span<Call::Asked> turn) {
            for (Call::Asked& asked : turn) {
              asked.status =
                  ToGrpcStatus(refusal.ok() ? steerer_.Explain(CallerOf(asked.context), asked.request, asked.response) : refusal);
            }
          }});
  for (int i = 0; i < kArmedExplain; ++i) Call::Arm(method);
}

void SteeringGrpc::ArmStream(Worker& worker, const std::shared_ptr<std::atomic<int>>& open) {
  const auto method = std::make_shared<const StreamCall::Method>(StreamCall::Method{
      .queue = &worker.work,
      .request = [this, queue = worker.queue.get()](grpc::ServerContext* context, StreamCall::Stream* stream,
                                                    void* tag) { service_.RequestSteerStream(context, stream, queue, queue, tag); },
      .arrive =
          [&worker](const grpc::ByteBuffer& bytes, StreamState& state) {
            state.readable = state.batch.Read(bytes);
            return ArrivalOf(state.batch, worker.work, state.refused);
          },
      .work = [&worker](const absl::Status& refusal, absl::Span<StreamCall::Asked> turn) { worker.Answer(refusal, turn); },
      .most_streams = kMaxStreams,
      .open = open});
  for (int i = 0; i < kArmedStreams; ++i) StreamCall::Arm(method);
}

void SteeringGrpc::Run() {
  const auto open = std::make_shared<std::atomic<int>>(0);
  for (const auto& worker : workers_) {
    ArmSteer(*worker);
    ArmExplain(*worker);
    ArmStream(*worker, open);
    threads_.emplace_back([this, mine = worker.get(), index = threads_.size()] {
      if (options_.pin) Pin(index);
      mine->work.Drain(*mine->queue);
    });
  }
}

std::vector<grpc::ServerCompletionQueue*> SteeringGrpc::queues() const {
  std::vector<grpc::ServerCompletionQueue*> queues;
  for (const auto& worker : workers_) queues.push_back(worker->queue.get());
  return queues;
}

void SteeringGrpc::Shutdown() {
  if (shut_down_) return;
  shut_down_ = true;
  for (const auto& worker : workers_) worker->queue->Shutdown();
  // Where no thread ever ran, a queue must still be emptied before it goes.
  if (threads_.empty()) {
    for (const auto& worker : workers_) worker->work.Drain(*worker->queue);
  }
  for (std::thread& thread : threads_) thread.join();
}

}  // namespace fairlead
