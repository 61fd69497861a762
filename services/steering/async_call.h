// gRPC's completion-queue API as two small templates: one object a call, which is its own tag on the queue and deletes itself at its end.
//
// Each object, when its call begins, first arms a next one, so as many calls as were armed at the start always wait to be taken. `work`
// runs on the queue's thread and must not wait. A server with such calls is shut down in this order: the server, then the queues, then
// each queue is drained (DrainQueue returns), then the threads are joined: a call arms its successor before it ends, so none is armed on a
// queue that is shut down.
//
//   UnaryCall<Request, Response>::Arm({.request = [&](auto* c, auto* r, auto* w, void* tag) { service.RequestSteer(c, r, w, q, q, tag); },
//                                      .work = [&](const grpc::ServerContext& c, const Request& r, Response& a) { return …; }});
//   std::thread([q] { DrainQueue(*q); });
#ifndef FAIRLEAD_SERVICES_STEERING_ASYNC_CALL_H_
#define FAIRLEAD_SERVICES_STEERING_ASYNC_CALL_H_

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>

#include "grpcpp/completion_queue.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/async_stream.h"
#include "grpcpp/support/async_unary_call.h"
#include "grpcpp/support/status.h"

namespace fairlead {

// What a tag points to.
class AsyncEvent {
 public:
  virtual ~AsyncEvent() = default;
  // The operation begun last is over; `ok` as gRPC tells it. May delete the object.
  virtual void Proceed(bool ok) = 0;
};

// Runs a queue's events until it is shut down and empty.
inline void DrainQueue(grpc::CompletionQueue& queue) {
  void* tag = nullptr;
  bool ok = false;
  while (queue.Next(&tag, &ok)) static_cast<AsyncEvent*>(tag)->Proceed(ok);
}

template <typename Request, typename Response>
class UnaryCall final : public AsyncEvent {
 public:
  struct Method {
    std::function<void(grpc::ServerContext*, Request*, grpc::ServerAsyncResponseWriter<Response>*, void* tag)> request;
    std::function<grpc::Status(const grpc::ServerContext&, const Request&, Response&)> work;
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
    Response response;
    const grpc::Status status = method_->work(context_, request_, response);
    if (status.ok()) {
      writer_.Finish(response, status, this);
    } else {
      writer_.FinishWithError(status, this);
    }
  }

 private:
  explicit UnaryCall(std::shared_ptr<const Method> method) : method_(std::move(method)), writer_(&context_) {}

  const std::shared_ptr<const Method> method_;
  grpc::ServerContext context_;
  Request request_;
  grpc::ServerAsyncResponseWriter<Response> writer_;
  bool answered_ = false;
};

// A bidirectional stream in which each message is answered by one, in order; the next is read when the answer was taken.
template <typename Request, typename Response>
class PingPongCall final : public AsyncEvent {
 public:
  using Stream = grpc::ServerAsyncReaderWriter<Response, Request>;
  struct Method {
    std::function<void(grpc::ServerContext*, Stream*, void* tag)> request;
    // An error ends the stream.
    std::function<grpc::Status(const grpc::ServerContext&, const Request&, Response&)> work;
    // More streams than this at a time are ended with RESOURCE_EXHAUSTED.
    int most_streams = 0;
    std::shared_ptr<std::atomic<int>> open = std::make_shared<std::atomic<int>>(0);
  };

  static void Arm(std::shared_ptr<const Method> method) {
    auto* call = new PingPongCall(std::move(method));
    call->method_->request(&call->context_, &call->stream_, call);
  }

  void Proceed(bool ok) override {
    switch (state_) {
      case State::kArmed:
        return ok ? Begin() : delete this;
      case State::kReading:
        return ok ? Answer() : Finish(grpc::Status::OK);  // The client has said all, or is gone.
      case State::kWriting:
        return ok ? Read() : Finish(grpc::Status::OK);
      case State::kFinishing:
        --*method_->open;
        return delete this;
    }
  }

 private:
  enum class State { kArmed, kReading, kWriting, kFinishing };

  explicit PingPongCall(std::shared_ptr<const Method> method) : method_(std::move(method)), stream_(&context_) {}

  void Begin() {
    Arm(method_);
    if (++*method_->open > method_->most_streams) {
      return Finish(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many streams are open; try again, or another server"));
    }
    Read();
  }
  void Read() {
    state_ = State::kReading;
    stream_.Read(&request_, this);
  }
  void Answer() {
    response_.Clear();
    const grpc::Status status = method_->work(context_, request_, response_);
    if (!status.ok()) return Finish(status);
    state_ = State::kWriting;
    stream_.Write(response_, this);
  }
  void Finish(const grpc::Status& status) {
    state_ = State::kFinishing;
    stream_.Finish(status, this);
  }

  const std::shared_ptr<const Method> method_;
  grpc::ServerContext context_;
  Stream stream_;
  Request request_;
  Response response_;
  State state_ = State::kArmed;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_ASYNC_CALL_H_
