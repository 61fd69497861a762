// gRPC's completion-queue API as two small templates: one object a call, which is its own tag on the queue and deletes itself at its end.
//
// Each object, when its call begins, first arms a next one, so as many calls as were armed at the start always wait to be taken. `arrive`
// reads the request on the queue's thread and says how urgent it is and whether it is admitted; `work` answers it when its turn comes
// (WorkQueue). Neither may wait. A server with such calls is shut down in this order: the server, then the queues, then each queue is
// drained (WorkQueue::Drain returns), then the threads are joined: a call arms its successor before it ends, so none is armed on a queue
// that is shut down. Request and response are what gRPC delivers, messages or grpc::ByteBuffer; State is what `arrive` leaves for `work`.
//
//   UnaryCall<Request, Response, State>::Arm({.queue = &work_queue,
//                                             .request = [&](auto* c, auto* r, auto* w, void* tag) { service.RequestSteer(…, tag); },
//                                             .arrive = [](const Request& r, State& s) { return Arrival{…}; },
//                                             .work = [&](auto& context, auto& refusal, const Request& r, State& s, Response& a) { … }});
//   std::thread([&] { work_queue.Drain(*q); });
#ifndef FAIRLEAD_SERVICES_STEERING_ASYNC_CALL_H_
#define FAIRLEAD_SERVICES_STEERING_ASYNC_CALL_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/async_stream.h"
#include "grpcpp/support/async_unary_call.h"
#include "grpcpp/support/status.h"
#include "services/steering/work_queue.h"

namespace fairlead {

template <typename Request, typename Response, typename State>
class UnaryCall final : public WorkItem {
 public:
  struct Method {
    WorkQueue* queue = nullptr;  // Whose thread takes the calls.
    std::function<void(grpc::ServerContext*, Request*, grpc::ServerAsyncResponseWriter<Response>*, void* tag)> request;
    std::function<Arrival(const Request&, State&)> arrive;
    std::function<grpc::Status(const grpc::ServerContext&, const absl::Status& refusal, const Request&, State&, Response&)> work;
  };

  static void Arm(std::shared_ptr<const Method> method) {
    auto* call = new UnaryCall(std::move(method));
    call->method_->request(&call->context_, &call->request_, &call->writer_, call);
  }

  void Proceed(bool ok) override {
    // Over, or the server shuts down and no call will come.
    if (answered_ || !ok) return delete this;
    answered_ = true;
    Arm(method_);
    method_->queue->Offer(this, method_->arrive(request_, state_));
  }

  void Work(const absl::Status& refusal) override {
    Response response;
    const grpc::Status status = Outdated() ? grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "the deadline passed before its turn came")
                                           : method_->work(context_, refusal, request_, state_, response);
    if (status.ok()) {
      writer_.Finish(response, status, this);
    } else {
      writer_.FinishWithError(status, this);
    }
  }

 private:
  explicit UnaryCall(std::shared_ptr<const Method> method) : method_(std::move(method)), writer_(&context_) {}
  // Nobody waits for the answer any more.
  bool Outdated() const { return context_.deadline() < std::chrono::system_clock::now(); }

  const std::shared_ptr<const Method> method_;
  grpc::ServerContext context_;
  Request request_;
  State state_;
  grpc::ServerAsyncResponseWriter<Response> writer_;
  bool answered_ = false;
};

// A bidirectional stream in which each message is answered by one, in order; the next is read when the answer was taken. `state` lasts as
// long as the stream.
template <typename Request, typename Response, typename State>
class PingPongCall final : public WorkItem {
 public:
  using Stream = grpc::ServerAsyncReaderWriter<Response, Request>;
  struct Method {
    WorkQueue* queue = nullptr;  // Whose thread takes the calls.
    std::function<void(grpc::ServerContext*, Stream*, void* tag)> request;
    std::function<Arrival(const Request&, State&)> arrive;
    // An error ends the stream; a refusal needn't.
    std::function<grpc::Status(const grpc::ServerContext&, const absl::Status& refusal, const Request&, State&, Response&)> work;
    // More streams than this at a time are ended with RESOURCE_EXHAUSTED.
    int most_streams = 0;
    std::shared_ptr<std::atomic<int>> open = std::make_shared<std::atomic<int>>(0);
  };

  static void Arm(std::shared_ptr<const Method> method) {
    auto* call = new PingPongCall(std::move(method));
    call->method_->request(&call->context_, &call->stream_, call);
  }

  void Proceed(bool ok) override {
    switch (step_) {
      case Step::kArmed:
        return ok ? Begin() : delete this;
      case Step::kReading:
        return ok ? Read() : Finish(grpc::Status::OK);  // The client has said all, or is gone.
      case Step::kWriting:
        return ok ? Await() : Finish(grpc::Status::OK);
      case Step::kFinishing:
        --*method_->open;
        return delete this;
    }
  }

  void Work(const absl::Status& refusal) override {
    response_.Clear();
    const grpc::Status status = method_->work(context_, refusal, request_, state_, response_);
    if (!status.ok()) return Finish(status);
    step_ = Step::kWriting;
    stream_.Write(response_, this);
  }

 private:
  enum class Step { kArmed, kReading, kWriting, kFinishing };

  explicit PingPongCall(std::shared_ptr<const Method> method) : method_(std::move(method)), stream_(&context_) {}

  void Begin() {
    Arm(method_);
    if (++*method_->open > method_->most_streams) {
      return Finish(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many streams are open; try again, or another server"));
    }
    Await();
  }
  void Await() {
    step_ = Step::kReading;
    stream_.Read(&request_, this);
  }
  void Read() { method_->queue->Offer(this, method_->arrive(request_, state_)); }
  void Finish(const grpc::Status& status) {
    step_ = Step::kFinishing;
    stream_.Finish(status, this);
  }

  const std::shared_ptr<const Method> method_;
  grpc::ServerContext context_;
  Stream stream_;
  Request request_;
  Response response_;
  State state_;
  Step step_ = Step::kArmed;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_ASYNC_CALL_H_
