// gRPC's completion-queue API as two small templates: one object a call, which is its own tag on the queue and deletes itself at its end.
//
// Each object, when its call begins, first arms a next one, so as many calls as were armed at the start always wait to be taken. `arrive`
// reads the request on the queue's thread and says how urgent it is and whether it is admitted; `work` answers it when its turn comes
// (WorkQueue), alone or together with others of the same method. Neither may wait. A server with such calls is shut down in this order: the
// server, then the queues, then each queue is drained (WorkQueue::Drain returns), then the threads are joined: a call arms its successor
// before it ends, so none is armed on a queue that is shut down. Request and response are what gRPC delivers, messages or grpc::ByteBuffer;
// State is what `arrive` leaves for `work`.
//
//   UnaryCall<Request, Response, State>::Arm({.queue = &work_queue,
//                                             .request = [&](auto* c, auto* r, auto* w, void* tag) { service.RequestSteer(…, tag); },
//                                             .arrive = [](const Request& r, State& s) { return Arrival{…}; },
//                                             .work = [&](auto& refusal, auto turn) { for (auto& asked : turn) asked.status = …; }});
//   std::thread([&] { work_queue.Drain(*q); });
#ifndef FAIRLEAD_SERVICES_STEERING_ASYNC_CALL_H_
#define FAIRLEAD_SERVICES_STEERING_ASYNC_CALL_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/async_stream.h"
#include "grpcpp/support/async_unary_call.h"
#include "grpcpp/support/status.h"
#include "services/steering/work_queue.h"

namespace fairlead {

// What both kinds have in common: a request, and how it is answered in its turn.
template <typename Request, typename Response, typename State>
class AnsweredCall : public WorkItem {
 public:
  // A call whose turn has come.
  struct Asked {
    const grpc::ServerContext& context;
    const Request& request;
    State& state;
    Response& response;
    grpc::Status status = grpc::Status::OK;
  };
  // Sets response and status of each. `refusal` is that of all.
  using Answer = std::function<void(const absl::Status& refusal, absl::Span<Asked> turn)>;

  void Work(absl::Span<WorkItem* const> turn, const absl::Status& refusal) final {
    absl::InlinedVector<AnsweredCall*, WorkQueue::kMostInTurn> calls;
    absl::InlinedVector<Asked, WorkQueue::kMostInTurn> asked;
    for (WorkItem* const item : turn) {
      auto* const call = static_cast<AnsweredCall*>(item);
      if (call->Outdated()) {
        call->Send({grpc::StatusCode::DEADLINE_EXCEEDED, "the deadline passed before its turn came"});
        continue;
      }
      call->response_.Clear();
      calls.push_back(call);
      asked.push_back({call->context_, call->request_, call->state_, call->response_, grpc::Status::OK});
    }
    if (!asked.empty()) (*answer_)(refusal, absl::MakeSpan(asked));
    for (size_t i = 0; i < calls.size(); ++i) calls[i]->Send(asked[i].status);
  }
  const void* kind() const final { return answer_; }

 protected:
  // It must outlive the call.
  explicit AnsweredCall(const Answer& answer) : answer_(&answer) {}
  // Nobody waits for the answer any more.
  virtual bool Outdated() const { return false; }
  // Response and status; the response counts if the status is OK.
  virtual void Send(const grpc::Status& status) = 0;

  grpc::ServerContext context_;
  Request request_;
  Response response_;
  State state_;

 private:
  const Answer* const answer_;
};

template <typename Request, typename Response, typename State>
class UnaryCall final : public AnsweredCall<Request, Response, State> {
  using Base = AnsweredCall<Request, Response, State>;

 public:
  struct Method {
    WorkQueue* queue = nullptr;  // Whose thread takes the calls.
    std::function<void(grpc::ServerContext*, Request*, grpc::ServerAsyncResponseWriter<Response>*, void* tag)> request;
    std::function<Arrival(const Request&, State&)> arrive;
    typename Base::Answer work;
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

 private:
  using Base::context_;
  using Base::request_;
  using Base::response_;
  using Base::state_;

  explicit UnaryCall(std::shared_ptr<const Method> method) : Base(method->work), method_(std::move(method)), writer_(&context_) {}
  bool Outdated() const override { return context_.deadline() < std::chrono::system_clock::now(); }
  void Send(const grpc::Status& status) override {
    if (status.ok()) {
      writer_.Finish(response_, status, this);
    } else {
      writer_.FinishWithError(status, this);
    }
  }

  const std::shared_ptr<const Method> method_;
  grpc::ServerAsyncResponseWriter<Response> writer_;
  bool answered_ = false;
};

// A bidirectional stream in which each message is answered by one, in order; the next is read when the answer was taken. `state` lasts as
// long as the stream.
template <typename Request, typename Response, typename State>
class PingPongCall final : public AnsweredCall<Request, Response, State> {
  using Base = AnsweredCall<Request, Response, State>;

 public:
  using Stream = grpc::ServerAsyncReaderWriter<Response, Request>;
  struct Method {
    WorkQueue* queue = nullptr;  // Whose thread takes the calls.
    std::function<void(grpc::ServerContext*, Stream*, void* tag)> request;
    std::function<Arrival(const Request&, State&)> arrive;
    // An error ends the stream; a refusal needn't.
    typename Base::Answer work;
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

 private:
  enum class Step { kArmed, kReading, kWriting, kFinishing };
  using Base::context_;
  using Base::request_;
  using Base::response_;
  using Base::state_;

  explicit PingPongCall(std::shared_ptr<const Method> method) : Base(method->work), method_(std::move(method)), stream_(&context_) {}

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
  void Send(const grpc::Status& status) override {
    if (!status.ok()) return Finish(status);
    step_ = Step::kWriting;
    stream_.Write(response_, this);
  }
  void Finish(const grpc::Status& status) {
    step_ = Step::kFinishing;
    stream_.Finish(status, this);
  }

  const std::shared_ptr<const Method> method_;
  Stream stream_;
  Step step_ = Step::kArmed;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_ASYNC_CALL_H_
