#include "services/agent/report/link.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/log/log.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"

namespace fairlead::agent {
namespace {

// As long as the channel gives a single attempt.
constexpr absl::Duration kConnectTimeout = kConnectPatience;
// A receiver that has answered before and then doesn't for so long, while heartbeats go out, is taken for dead.
constexpr absl::Duration kSilence = absl::Seconds(30);

}  // namespace

ApplianceLink::ApplianceLink(uint64_t incarnation, BackoffPolicy backoff, LinkCallbacks callbacks)
    : incarnation_(incarnation), callbacks_(std::move(callbacks)), backoff_(backoff, incarnation) {}

ApplianceLink::~ApplianceLink() {
  Stop();
}

void ApplianceLink::Start() {
  thread_ = std::thread([this] { Run(); });
}

void ApplianceLink::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
    if (context_ != nullptr) context_->TryCancel();
  }
  if (thread_.joinable()) thread_.join();
}

void ApplianceLink::SetCredential(const std::string& credential) {
  absl::MutexLock lock(&mu_);
  credential_ = credential;
}

void ApplianceLink::SetCells(std::vector<std::string> addresses) {
  absl::MutexLock lock(&mu_);
  cells_ = std::move(addresses);
}

bool ApplianceLink::Send(ingest::v1::Report report) {
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(this, &ApplianceLink::HasRoomOrEnds));
  if (!status_.connected) {
    ++status_.dropped;
    return false;
  }
  queue_.push_back(std::move(report));
  return true;
}

void ApplianceLink::SetHeartbeat(ingest::v1::Heartbeat heartbeat) {
  absl::MutexLock lock(&mu_);
  if (status_.connected) heartbeat_ = std::move(heartbeat);
}

LinkStatus ApplianceLink::Status() const {
  absl::MutexLock lock(&mu_);
  return status_;
}

void ApplianceLink::Run() {
  for (size_t turn = 0;; ++turn) {
    std::string cell;
    {
      absl::MutexLock lock(&mu_);
      if (stopping_) return;
      if (!cells_.empty()) cell = cells_[turn % cells_.size()];
    }
    if (!cell.empty() && RunStream(cell)) {
      backoff_.Reset();
      turn = static_cast<size_t>(-1);  // The preferred cell first again.
    }
    absl::MutexLock lock(&mu_);
    mu_.AwaitWithTimeout(absl::Condition(&stopping_), backoff_.Next());
  }
}

bool ApplianceLink::RunStream(const std::string& cell) {
  const std::shared_ptr<grpc::Channel> channel = MakeChannel(cell);
  grpc::ClientContext context;
  {
    absl::MutexLock lock(&mu_);
    if (stopping_) return false;
    SetBearer(context, credential_);
    context_ = &context;
  }
  const auto stub = ingest::v1::ApplianceLinkService::NewStub(channel);
  std::unique_ptr<Stream> stream;
  if (channel->WaitForConnected(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(kConnectTimeout))) {
    stream = stub->Connect(&context);
    ingest::v1::ConnectRequest first;
    ingest::v1::Report& hello = *first.add_reports();
    *hello.mutable_hello() = callbacks_.hello();
    {
      absl::MutexLock lock(&mu_);
      Number(hello);
    }
    if (stream->Write(first)) {
      {
        absl::MutexLock lock(&mu_);
        stream_over_ = answered_ = false;
        status_.connected = true;
        status_.cell = cell;
        ++status_.connects;
      }
      LogInfo("connected to a cell", {{"cell", cell}});
      std::thread reader([&] { ReadInstructions(*stream); });
      callbacks_.on_connected();
      while (std::optional<ingest::v1::ConnectRequest> message = NextMessage()) {
        if (!stream->Write(*message)) break;
      }
      context.TryCancel();
      reader.join();
    }
    const grpc::Status status = stream->Finish();
    LogWarning("stream to a cell ended",
               {{"cell", cell}, {"code", static_cast<int>(status.error_code())}, {"error", status.error_message()}});
  } else {
    LogWarning("can't connect to a cell; will try again", {{"cell", cell}, {"tried_for", absl::FormatDuration(kConnectTimeout)}});
  }
  absl::MutexLock lock(&mu_);
  context_ = nullptr;
  stream_over_ = true;
  status_.connected = false;
  status_.dropped += queue_.size();
  queue_.clear();
  heartbeat_.reset();
  return std::exchange(answered_, false);
}

void ApplianceLink::ReadInstructions(Stream& stream) {
  ingest::v1::Instruction instruction;
  while (stream.Read(&instruction)) {
    {
      absl::MutexLock lock(&mu_);
      answered_ = true;
      last_answer_ = absl::Now();
      if (instruction.has_ack()) status_.acknowledged = instruction.ack().sequence();
    }
    callbacks_.on_instruction(instruction);
  }
  absl::MutexLock lock(&mu_);
  stream_over_ = true;
}

std::optional<ingest::v1::ConnectRequest> ApplianceLink::NextMessage() {
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(this, &ApplianceLink::HasWorkOrEnds));
  if (stopping_ || stream_over_) return std::nullopt;
  if (answered_ && status_.acknowledged < status_.sequence && absl::Now() - last_answer_ > kSilence) {
    LogWarning("cell stopped answering", {{"cell", status_.cell}});
    return std::nullopt;
  }
  ingest::v1::ConnectRequest message;
  size_t bytes = 0;
  if (heartbeat_) {
    ingest::v1::Report& report = *message.add_reports();
    *report.mutable_heartbeat() = *std::move(heartbeat_);
    heartbeat_.reset();
    Number(report);
    bytes = report.ByteSizeLong();
  }
  while (!queue_.empty()) {
    bytes += queue_.front().ByteSizeLong() + 32;
    if (message.reports_size() > 0 && bytes > kMaxMessageBytes) break;
    Number(queue_.front());
    *message.add_reports() = std::move(queue_.front());
    queue_.pop_front();
  }
  return message;
}

void ApplianceLink::Number(ingest::v1::Report& report) {
  report.set_incarnation(incarnation_);
  report.set_sequence(++status_.sequence);
}

}  // namespace fairlead::agent
