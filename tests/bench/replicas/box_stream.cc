#include "tests/bench/replicas/box_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"

namespace fairlead {

namespace iv1 = ingest::v1;

BoxStream::BoxStream(const std::string& ingestd, const std::string& id, const std::string& credential, uint64_t incarnation)
    : stub_(iv1::ApplianceLinkService::NewStub(MakeChannel(ingestd))), incarnation_(incarnation) {
  SetBearer(context_, credential);
  stub_->async()->Connect(&context_, this);
  StartRead(&instruction_);
  StartCall();
  iv1::Report report;
  report.mutable_hello()->set_appliance(absl::StrCat("appliances/", id));
  report.mutable_hello()->set_agent_version("replicas");
  Send(std::move(report));
}

BoxStream::~BoxStream() {
  context_.TryCancel();
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(&ended_));
}

uint64_t BoxStream::Send(iv1::Report report) {
  absl::MutexLock lock(&mu_);
  report.set_incarnation(incarnation_);
  report.set_sequence(++sequence_);
  waiting_.push_back(std::move(report));
  Pump();
  return sequence_;
}

void BoxStream::Pump() {
  if (writing_ || ended_ || !fault_.empty() || waiting_.empty()) return;
  request_ = iv1::ConnectRequest();  // A stream doesn't keep the room of its largest message.
  while (!waiting_.empty() && request_.reports_size() < kMostReports) {
    *request_.add_reports() = std::move(waiting_.front());
    waiting_.pop_front();
  }
  writing_ = true;
  StartWrite(&request_);
}

bool BoxStream::WaitForRoom(size_t most, absl::Duration patience) {
  absl::MutexLock lock(&mu_);
  const auto room = [this, most]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return waiting_.size() < most || ended_; };
  return mu_.AwaitWithTimeout(absl::Condition(&room), patience) && !ended_;
}

std::optional<BoxStream::Time> BoxStream::AckedAt(uint64_t sequence, absl::Duration patience) {
  absl::MutexLock lock(&mu_);
  const auto acked = [this, sequence]()
                         ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return ended_ || (!acks_.empty() && acks_.back().sequence >= sequence); };
  if (!mu_.AwaitWithTimeout(absl::Condition(&acked), patience)) return std::nullopt;
  for (const Ack& ack : acks_) {
    if (ack.sequence >= sequence) return ack.at;
  }
  return std::nullopt;
}

std::string BoxStream::fault() const {
  absl::MutexLock lock(&mu_);
  return fault_;
}

void BoxStream::OnReadDone(bool ok) {
  if (!ok) return;
  if (instruction_.has_ack()) {
    absl::MutexLock lock(&mu_);
    acks_.push_back({instruction_.ack().sequence(), std::chrono::steady_clock::now()});
    if (acks_.size() > kMostAcks) acks_.pop_front();
  }
  StartRead(&instruction_);
}

void BoxStream::OnWriteDone(bool ok) {
  absl::MutexLock lock(&mu_);
  writing_ = false;
  if (ok) return Pump();
  if (fault_.empty()) fault_ = "ingestd takes nothing any more";
}

void BoxStream::OnDone(const grpc::Status& status) {
  absl::MutexLock lock(&mu_);
  fault_ = absl::StrCat("ended: ", status.error_message());
  ended_ = true;
}

}  // namespace fairlead
