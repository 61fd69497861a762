#include "services/ingest/link_service.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/log/log.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/status.h"
#include "services/ingest/codec.h"

namespace fairlead::ingest {
namespace {

class RefusedStream final : public grpc::ServerBidiReactor<v1::ConnectRequest, v1::Instruction> {
 public:
  explicit RefusedStream(const absl::Status& why) { Finish(ToGrpcStatus(why)); }
  void OnDone() override { delete this; }
};

// Takes the next instruction out of what waits.
bool NextInstruction(Outgoing& waiting, v1::Instruction& instruction) {
  instruction.Clear();
  if (waiting.resend_routes || waiting.resend_holdings) {
    instruction.mutable_resend()->set_routes(std::exchange(waiting.resend_routes, false));
    instruction.mutable_resend()->set_holdings(std::exchange(waiting.resend_holdings, false));
  } else if (waiting.config_generation.has_value()) {
    instruction.mutable_config_generation()->set_generation(*std::exchange(waiting.config_generation, std::nullopt));
  } else if (waiting.manifest_generation.has_value()) {
    instruction.mutable_manifest_generation()->set_generation(*std::exchange(waiting.manifest_generation, std::nullopt));
  } else if (waiting.ack.has_value()) {
    instruction.mutable_ack()->set_sequence(*std::exchange(waiting.ack, std::nullopt));
  } else {
    return false;
  }
  return true;
}

}  // namespace

// Held by the service until gRPC is done with it, and by the box while it is the box's link.
class LinkService::Stream final : public grpc::ServerBidiReactor<v1::ConnectRequest, v1::Instruction>,
                                  public Link,
                                  public std::enable_shared_from_this<Stream> {
 public:
  Stream(LinkService& service, grpc::CallbackServerContext* context)
      : service_(service), context_(context), credential_(PrincipalOf(*context).credential), last_read_(service.clock_.Monotonic()) {}

  void Begin() { StartRead(&request_); }

  void Send(const Outgoing& outgoing) override {
    absl::MutexLock lock(&mu_);
    waiting_.Merge(outgoing);
    Pump();
  }
  void Close(const absl::Status& why) override {
    absl::MutexLock lock(&mu_);
    if (closing_) return;
    closing_ = true;
    status_ = why;
    closing_since_ = service_.clock_.Monotonic();
    if (!writing_) FinishNow();
  }
  void Tick(absl::Duration now) {
    bool idle = false;
    {
      absl::MutexLock lock(&mu_);
      if (closing_) {
        if (!finished_ && now - closing_since_ >= kCloseTimeout) context_->TryCancel();
        return;
      }
      idle = now - last_read_ >= (greeted_ ? kIdleTimeout : kHelloTimeout);
    }
    if (!idle) return;
    service_.metrics_.timed_out_streams.Increment();
    Close(absl::DeadlineExceededError("nothing came on this stream for too long"));
  }

  void OnReadDone(bool ok) override {
    if (!ok) return Close(absl::OkStatus());  // The box has ended the stream, or it broke.
    const v1::ConnectRequest request = std::move(request_);
    request_ = v1::ConnectRequest();  // A stream doesn't keep the room of its largest message.
    const absl::Status taken = TakeAll(request);
    if (!taken.ok()) {
      LogInfo("report refused; stream ended", {{"peer", context_->peer()}, {"why", taken}});
      return Close(taken);
    }
    absl::MutexLock lock(&mu_);
    last_read_ = service_.clock_.Monotonic();
    if (!closing_) StartRead(&request_);
  }
  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mu_);
    writing_ = false;
    if (!ok && !closing_) {
      closing_ = true;
      status_ = absl::CancelledError("the box has gone");
    }
    if (closing_) return FinishNow();
    Pump();
  }
  void OnCancel() override { Close(absl::CancelledError("the box has gone")); }
  void OnDone() override {
    service_.fleet_.StreamEnded(std::exchange(lease_, {}));
    service_.Remove(shared_from_this());
  }

 private:
  absl::Status TakeAll(const v1::ConnectRequest& request) {
    if (request.reports_size() > ReportLimits::kMostReports) {
      return FieldError(absl::StatusCode::kResourceExhausted, "reports", absl::StrCat(request.reports_size(), " items"),
                        absl::StrCat("at most ", ReportLimits::kMostReports));
    }
    for (int i = 0; i < request.reports_size(); ++i) {
      const absl::Status taken = lease_ ? service_.fleet_.Take(lease_, request.reports(i)) : Hello(request.reports(i));
      if (!taken.ok()) return WithFieldPrefix(taken, i == 0 ? "" : absl::StrCat("reports[", i, "]."));
    }
    return absl::OkStatus();
  }
  absl::Status Hello(const v1::Report& report) {
    absl::StatusOr<FleetState::Lease> lease = service_.fleet_.Hello(report, credential_, shared_from_this());
    if (!lease.ok()) {
      service_.metrics_.refused_hellos.Increment();
      return lease.status();
    }
    lease_ = *std::move(lease);
    absl::MutexLock lock(&mu_);
    greeted_ = true;
    return absl::OkStatus();
  }
  void Pump() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (writing_ || closing_ || !NextInstruction(waiting_, instruction_)) return;
    writing_ = true;
    StartWrite(&instruction_);
  }
  void FinishNow() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (std::exchange(finished_, true)) return;
    Finish(ToGrpcStatus(status_));
  }

  LinkService& service_;
  grpc::CallbackServerContext* const context_;
  const std::string credential_;
  // Used by reactions only, which gRPC runs one after the other (OnDone is the last).
  v1::ConnectRequest request_;
  FleetState::Lease lease_;

  absl::Mutex mu_;
  Outgoing waiting_ ABSL_GUARDED_BY(mu_);
  v1::Instruction instruction_ ABSL_GUARDED_BY(mu_);
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool greeted_ ABSL_GUARDED_BY(mu_) = false;
  bool closing_ ABSL_GUARDED_BY(mu_) = false;
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  absl::Duration last_read_ ABSL_GUARDED_BY(mu_);
  absl::Duration closing_since_ ABSL_GUARDED_BY(mu_);
};

LinkService::LinkService(FleetState& fleet, const Clock& clock, IngestMetrics& metrics, size_t most_streams)
    : fleet_(fleet), clock_(clock), metrics_(metrics), most_streams_(most_streams) {}

// gRPC's last calls into streams may come just after the server's shutdown.
LinkService::~LinkService() {
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(this, &LinkService::NoStreams));
}

grpc::ServerBidiReactor<v1::ConnectRequest, v1::Instruction>* LinkService::Connect(grpc::CallbackServerContext* context) {
  std::shared_ptr<Stream> stream;
  {
    absl::MutexLock lock(&mu_);
    if (closed_) return new RefusedStream(absl::UnavailableError("shutting down"));
    if (streams_.size() >= most_streams_) {
      metrics_.refused_streams.Increment();
      return new RefusedStream(absl::ResourceExhaustedError(absl::StrCat("at most ", most_streams_, " streams; try another cell")));
    }
    stream = std::make_shared<Stream>(*this, context);
    streams_.insert(stream);
    metrics_.streams.Set(static_cast<double>(streams_.size()));
  }
  stream->Begin();
  return stream.get();
}

void LinkService::Remove(const std::shared_ptr<Stream>& stream) {
  absl::MutexLock lock(&mu_);
  streams_.erase(stream);
  metrics_.streams.Set(static_cast<double>(streams_.size()));
}

void LinkService::Tick() {
  std::vector<std::shared_ptr<Stream>> streams;
  {
    absl::MutexLock lock(&mu_);
    streams.assign(streams_.begin(), streams_.end());
  }
  for (const std::shared_ptr<Stream>& stream : streams) stream->Tick(clock_.Monotonic());
}

void LinkService::CloseAll() {
  std::vector<std::shared_ptr<Stream>> streams;
  {
    absl::MutexLock lock(&mu_);
    closed_ = true;
    streams.assign(streams_.begin(), streams_.end());
  }
  for (const std::shared_ptr<Stream>& stream : streams) stream->Close(absl::UnavailableError("shutting down"));
}

}  // namespace fairlead::ingest
