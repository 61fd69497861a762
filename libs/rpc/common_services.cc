#include "libs/rpc/common_services.h"

#include <functional>
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/protobuf/descriptor.h"
#include "libs/rpc/async_event.h"
#include "libs/rpc/reflection.h"

namespace fairlead {
namespace {

namespace hv1 = grpc::health::v1;
namespace rv1 = grpc::reflection::v1alpha;

constexpr int kArmed = 4;  // Calls of each method that wait to be taken, a queue.

// A unary call that is answered at once. Arms the next when it begins, and deletes itself at its end.
template <typename Request, typename Response>
class AtOnce final : public AsyncEvent {
 public:
  struct Method {
    std::function<void(grpc::ServerContext*, Request*, grpc::ServerAsyncResponseWriter<Response>*, void* tag)> request;
    std::function<grpc::Status(const Request&, Response&)> answer;
  };
  static void Arm(std::shared_ptr<const Method> method) {
    auto* call = new AtOnce(std::move(method));
    call->method_->request(&call->context_, &call->request_, &call->writer_, call);
  }

  void Proceed(bool ok) override {
    if (answered_ || !ok) return delete this;
    answered_ = true;
    Arm(method_);
    Response response;
    const grpc::Status status = method_->answer(request_, response);
    if (status.ok()) {
      writer_.Finish(response, status, this);
    } else {
      writer_.FinishWithError(status, this);
    }
  }

 private:
  explicit AtOnce(std::shared_ptr<const Method> method) : method_(std::move(method)), writer_(&context_) {}

  const std::shared_ptr<const Method> method_;
  grpc::ServerContext context_;
  Request request_;
  grpc::ServerAsyncResponseWriter<Response> writer_;
  bool answered_ = false;
};

hv1::HealthCheckResponse Health(bool known, bool serving) {
  hv1::HealthCheckResponse response;
  response.set_status(!known    ? hv1::HealthCheckResponse::SERVICE_UNKNOWN
                      : serving ? hv1::HealthCheckResponse::SERVING
                                : hv1::HealthCheckResponse::NOT_SERVING);
  return response;
}

}  // namespace

// A stream of Health.Watch. Its writes begin on any thread, its events come on the queue's.
class CommonServices::Watch final : public AsyncEvent {
 public:
  static void Arm(CommonServices& common, grpc::ServerCompletionQueue& queue) {
    auto* watch = new Watch(common, queue);
    watch->context_.AsyncNotifyWhenDone(&watch->gone_);
    common.health_.RequestWatch(&watch->context_, &watch->request_, &watch->writer_, &queue, &queue, watch);
  }

  void Proceed(bool ok) override {
    if (!begun_) {
      if (!ok) return delete this;  // The server shuts down; nothing else will come.
      begun_ = true;
      Arm(common_, queue_);
      return Begin();
    }
    bool over = false;
    {
      absl::MutexLock lock(&mu_);
      under_way_ = false;
      if (!ok) finished_ = true;
      Write();
      over = over_ && !under_way_;
    }
    if (over) delete this;
  }

  // Of the whole server. `last`: the stream ends with it.
  void Tell(bool serving, bool last) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    serving_ = serving;
    last_ |= last;
    Write();
  }

 private:
  // The call is over, for whatever reason.
  class Gone final : public AsyncEvent {
   public:
    explicit Gone(Watch& watch) : watch_(watch) {}
    void Proceed(bool) override { watch_.End(); }

   private:
    Watch& watch_;
  };

  Watch(CommonServices& common, grpc::ServerCompletionQueue& queue) : common_(common), queue_(queue), writer_(&context_), gone_(*this) {}

  void Begin() ABSL_LOCKS_EXCLUDED(mu_) {
    if (common_.Enter(*this)) return;
    absl::MutexLock lock(&mu_);
    finished_ = under_way_ = true;
    writer_.Finish(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many watch this server's health"), this);
  }

  void End() ABSL_LOCKS_EXCLUDED(mu_) {
    common_.Leave(*this);
    {
      absl::MutexLock lock(&mu_);
      over_ = finished_ = true;
      if (under_way_) return;  // Proceed deletes it.
    }
    delete this;
  }

  // What isn't told yet.
  void Write() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (under_way_ || finished_) return;
    const hv1::HealthCheckResponse response = Health(request_.service().empty(), serving_);
    if (last_) {
      finished_ = under_way_ = true;
      return writer_.WriteAndFinish(response, grpc::WriteOptions(), grpc::Status(grpc::StatusCode::UNAVAILABLE, "this server shuts down"),
                                    this);
    }
    if (told_ == response.status()) return;
    told_ = response.status();
    under_way_ = true;
    writer_.Write(response, this);
  }

  CommonServices& common_;
  grpc::ServerCompletionQueue& queue_;
  grpc::ServerContext context_;
  hv1::HealthCheckRequest request_;
  grpc::ServerAsyncWriter<hv1::HealthCheckResponse> writer_;
  Gone gone_;
  bool begun_ = false;
  absl::Mutex mu_;
  bool serving_ ABSL_GUARDED_BY(mu_) = true;
  bool last_ ABSL_GUARDED_BY(mu_) = false;
  bool under_way_ ABSL_GUARDED_BY(mu_) = false;  // A write, whose event will come.
  bool finished_ ABSL_GUARDED_BY(mu_) = false;   // Nothing may be written any more.
  bool over_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<hv1::HealthCheckResponse::ServingStatus> told_ ABSL_GUARDED_BY(mu_);
};

// A stream of reflection: an answer to each request, then the next is read.
class CommonServices::Reflection final : public AsyncEvent {
 public:
  static void Arm(CommonServices& common, grpc::ServerCompletionQueue& queue) {
    auto* call = new Reflection(common, queue);
    common.reflection_.RequestServerReflectionInfo(&call->context_, &call->stream_, &queue, &queue, call);
  }

  void Proceed(bool ok) override {
    switch (step_) {
      case Step::kArmed:
        if (!ok) return delete this;
        Arm(common_, queue_);
        entered_ = common_.EnterReflection();
        if (!entered_) return Finish(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many ask what this server serves"));
        return Read();
      case Step::kReading:
        if (!ok) return Finish(grpc::Status::OK);
        step_ = Step::kWriting;
        return stream_.Write(Reflect(*google::protobuf::DescriptorPool::generated_pool(), common_.names_, request_), this);
      case Step::kWriting:
        return ok ? Read() : Finish(grpc::Status::OK);
      case Step::kFinishing:
        if (entered_) common_.LeaveReflection();
        return delete this;
    }
  }

 private:
  enum class Step { kArmed, kReading, kWriting, kFinishing };

  Reflection(CommonServices& common, grpc::ServerCompletionQueue& queue) : common_(common), queue_(queue), stream_(&context_) {}
  void Read() {
    step_ = Step::kReading;
    stream_.Read(&request_, this);
  }
  void Finish(const grpc::Status& status) {
    step_ = Step::kFinishing;
    stream_.Finish(status, this);
  }

  CommonServices& common_;
  grpc::ServerCompletionQueue& queue_;
  grpc::ServerContext context_;
  grpc::ServerAsyncReaderWriter<rv1::ServerReflectionResponse, rv1::ServerReflectionRequest> stream_;
  rv1::ServerReflectionRequest request_;
  Step step_ = Step::kArmed;
  bool entered_ = false;
};

CommonServices::CommonServices(std::string program) : program_(std::move(program)), start_seconds_(absl::ToUnixSeconds(absl::Now())) {}

void CommonServices::Register(grpc::ServerBuilder& builder) {
  builder.RegisterService(&info_);
  builder.RegisterService(&health_);
  builder.RegisterService(&reflection_);
}

void CommonServices::Arm(grpc::ServerCompletionQueue& queue) {
  using InfoCall = AtOnce<common::v1::GetServerInfoRequest, common::v1::ServerInfo>;
  const auto info = std::make_shared<const InfoCall::Method>(
      InfoCall::Method{.request = [this, &queue](auto* context, auto* request, auto* writer,
                                                 void* tag) { info_.RequestGetServerInfo(context, request, writer, &queue, &queue, tag); },
                       .answer =
                           [this](const common::v1::GetServerInfoRequest&, common::v1::ServerInfo& response) {
                             response.set_program(program_);
                             response.set_version(kVersion);
                             response.mutable_start_time()->set_seconds(start_seconds_);
                             return grpc::Status::OK;
                           }});
  using CheckCall = AtOnce<hv1::HealthCheckRequest, hv1::HealthCheckResponse>;
  const auto check = std::make_shared<const CheckCall::Method>(CheckCall::Method{
      .request = [this, &queue](auto* context, auto* request, auto* writer,
                                void* tag) { health_.RequestCheck(context, request, writer, &queue, &queue, tag); },
      .answer =
          [this](const hv1::HealthCheckRequest& request, hv1::HealthCheckResponse& response) {
            if (!request.service().empty()) {
              return grpc::Status(grpc::StatusCode::NOT_FOUND,
                                  absl::StrCat("service '", request.service(), "': only the health of the whole server, '', is known"));
            }
            response = Health(/*known=*/true, serving());
            return grpc::Status::OK;
          }});
  for (int i = 0; i < kArmed; ++i) {
    InfoCall::Arm(info);
    CheckCall::Arm(check);
    Watch::Arm(*this, queue);
    Reflection::Arm(*this, queue);
  }
}

void CommonServices::SetServing(bool serving) {
  absl::MutexLock lock(&mu_);
  serving_ = serving;
  for (Watch* watch : watches_) watch->Tell(serving, ending_);
}

void CommonServices::End() {
  absl::MutexLock lock(&mu_);
  serving_ = false;
  ending_ = true;
  for (Watch* watch : watches_) watch->Tell(false, /*last=*/true);
}

bool CommonServices::serving() const {
  absl::MutexLock lock(&mu_);
  return serving_;
}

bool CommonServices::Enter(Watch& watch) {
  absl::MutexLock lock(&mu_);
  if (watches_.size() >= kMaxStreams) return false;
  watches_.insert(&watch);
  watch.Tell(serving_, ending_);
  return true;
}

void CommonServices::Leave(Watch& watch) {
  absl::MutexLock lock(&mu_);
  watches_.erase(&watch);
}

bool CommonServices::EnterReflection() {
  absl::MutexLock lock(&mu_);
  if (reflections_ >= kMaxStreams) return false;
  ++reflections_;
  return true;
}

void CommonServices::LeaveReflection() {
  absl::MutexLock lock(&mu_);
  --reflections_;
}

}  // namespace fairlead
