#include "tests/bench/serving/load.h"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "fairlead/steering/v1/steering_service.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/proto_buffer_reader.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"

namespace fairlead {
namespace {

constexpr char kSteer[] = "/fairlead.steering.v1.SteeringService/Steer";
constexpr char kStream[] = "/fairlead.steering.v1.SteeringService/SteerStream";

std::vector<std::unique_ptr<grpc::GenericStub>> Connect(const LoadOptions& options) {
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs;
  for (int i = 0; i < options.connections; ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // A connection of its own.
    arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
    stubs.push_back(
        std::make_unique<grpc::GenericStub>(grpc::CreateCustomChannel(options.target, grpc::InsecureChannelCredentials(), arguments)));
  }
  return stubs;
}

double SecondsSince(absl::Time start) {
  return absl::ToDoubleSeconds(absl::Now() - start);
}
float MicrosSince(absl::Time start) {
  return static_cast<float>(absl::ToDoubleMicroseconds(absl::Now() - start));
}

// Which results of a SteerStreamResponse are errors: the first byte of each tells, and to parse all of it would cost what the server's work
// costs.
std::vector<bool> RefusedOf(const grpc::ByteBuffer& answer) {
  using google::protobuf::internal::WireFormatLite;
  constexpr auto Tag = [](int field) { return WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED); };
  std::vector<bool> refused;
  grpc::ByteBuffer shared = answer;  // Its slices are counted.
  grpc::ProtoBufferReader reader(&shared);
  google::protobuf::io::CodedInputStream in(&reader);
  for (uint32_t tag = in.ReadTag(); tag != 0; tag = in.ReadTag()) {
    uint32_t size = 0;
    if (tag != Tag(steering::v1::SteerStreamResponse::kResultsFieldNumber)) {
      if (!WireFormatLite::SkipField(&in, tag)) return {};
      continue;
    }
    if (!in.ReadVarint32(&size)) return {};
    const int end = in.CurrentPosition() + static_cast<int>(size);
    refused.push_back(in.ReadTag() == Tag(steering::v1::SteerResult::kErrorFieldNumber));
    if (!in.Skip(end - in.CurrentPosition())) return {};
  }
  return refused;
}

}  // namespace

double CpuSecondsOf(int pid) {
  clockid_t clock = {};
  timespec used = {};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0) return 0;
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

double PeakBytesOf(int pid) {
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  double kilobytes = 0;
  for (std::string line; std::getline(status, line);) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (words.size() > 1 && words[0] == "VmHWM:" && absl::SimpleAtod(words[1], &kilobytes)) return 1'024 * kilobytes;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

Load::Load(LoadOptions options) : options_(std::move(options)), stubs_(Connect(options_)) {}

LoadFigures Load::Run(absl::Duration time, double rate) {
  LoadFigures figures;
  figures_ = &figures;
  ++run_;
  const absl::Time start = absl::Now();
  const absl::Time end = start + time;
  uint64_t due_sent = 0;
  void* tag = nullptr;
  bool ok = false;
  const auto send = [this] { Send(options_.requests[next_request_++ % options_.requests.size()]); };
  while (absl::Now() < end) {
    if (rate == 0) {
      while (HasRoom()) send();
    } else {
      // What is due, in bursts of what a look at the clock missed.
      const auto due = static_cast<uint64_t>(SecondsSince(start) * rate);
      for (int burst = 0; due_sent < due && burst < 64; ++due_sent, ++burst) {
        if (HasRoom()) {
          send();
        } else {
          ++figures.held_back;
        }
      }
    }
    const auto wait = std::chrono::system_clock::now() + std::chrono::microseconds(rate == 0 ? 10'000 : 200);
    for (int taken = 0; taken < 64 && queue_.AsyncNext(&tag, &ok, taken == 0 ? wait : std::chrono::system_clock::time_point()) ==
                                          grpc::CompletionQueue::GOT_EVENT;
         ++taken) {
      Take(tag, ok);
    }
  }
  figures.seconds = SecondsSince(start);
  figures_ = nullptr;
  return figures;
}

// ---- Unary ----

struct UnaryLoad::Call {
  grpc::ClientContext context;
  grpc::ByteBuffer answer;
  grpc::Status status;
  std::unique_ptr<grpc::ClientAsyncResponseReader<grpc::ByteBuffer>> reader;
  absl::Time sent;
  size_t kind = 0;
  grpc::StatusCode expected = grpc::StatusCode::OK;
  uint64_t run = 0;
};

UnaryLoad::~UnaryLoad() {
  void* tag = nullptr;
  bool ok = false;
  while (under_way_ > 0 && queue_.Next(&tag, &ok)) Take(tag, ok);
  queue_.Shutdown();
  while (queue_.Next(&tag, &ok)) {
  }
}

void UnaryLoad::Send(const LoadRequest& request) {
  auto* call = new Call;
  call->kind = request.kind;
  call->expected = request.expected;
  call->run = run_;
  call->sent = absl::Now();
  if (!request.principal.empty()) SetPrincipal(call->context, request.principal);
  SetTimeout(call->context, options_.timeout);
  call->reader = NextStub().PrepareUnaryCall(&call->context, kSteer, request.message, &queue_);
  call->reader->StartCall();
  call->reader->Finish(&call->answer, &call->status, call);
  ++under_way_;
  ++figures_->sent[call->kind];
}

void UnaryLoad::Take(void* tag, bool) {
  const std::unique_ptr<Call> call(static_cast<Call*>(tag));
  --under_way_;
  if (figures_ == nullptr || call->run != run_) return;
  if (call->status.error_code() == call->expected) {
    ++figures_->ok[call->kind];
    figures_->latency_us.push_back(MicrosSince(call->sent));
  } else if (call->status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) {
    ++figures_->refused[call->kind];
  } else {
    ++figures_->failed[call->kind];
  }
}

// ---- Streams ----

struct StreamLoad::Stream {
  enum class Step { kStarting, kFree, kWriting, kReading, kOver };
  grpc::ClientContext context;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream;
  const LoadRequest* request = nullptr;
  grpc::ByteBuffer answer;
  absl::Time sent;
  uint64_t run = 0;
  Step step = Step::kStarting;
};

StreamLoad::StreamLoad(LoadOptions options) : Load(std::move(options)) {
  for (int i = 0; i < options_.outstanding; ++i) {
    Stream& one = *streams_.emplace_back(std::make_unique<Stream>());
    SetPrincipal(one.context, "service/playback");
    one.stream = NextStub().PrepareCall(&one.context, kStream, &queue_);
    one.stream->StartCall(&one);
    ++busy_;
  }
}

StreamLoad::~StreamLoad() {
  for (const auto& stream : streams_) stream->context.TryCancel();
  void* tag = nullptr;
  bool ok = false;
  for (; busy_ > 0 && queue_.Next(&tag, &ok); --busy_) {
  }
  queue_.Shutdown();
  while (queue_.Next(&tag, &ok)) {
  }
}

void StreamLoad::Send(const LoadRequest& request) {
  Stream& one = *free_.back();
  free_.pop_back();
  ++busy_;
  one.step = Stream::Step::kWriting;
  one.request = &request;
  one.run = run_;
  one.sent = absl::Now();
  if (request.kinds_of_batch.empty()) ++figures_->sent[request.kind];
  for (const uint8_t kind : request.kinds_of_batch) ++figures_->sent[kind];
  one.stream->Write(request.message, &one);
}

void StreamLoad::Take(void* tag, bool ok) {
  Stream& one = *static_cast<Stream*>(tag);
  if (ok && one.step == Stream::Step::kWriting) {
    one.step = Stream::Step::kReading;
    one.stream->Read(&one.answer, &one);
    return;
  }
  --busy_;
  if (one.step != Stream::Step::kStarting && figures_ != nullptr && one.run == run_) Count(one, ok);
  one.step = ok ? Stream::Step::kFree : Stream::Step::kOver;
  if (ok) free_.push_back(&one);
}

void StreamLoad::Count(const Stream& stream, bool answered) {
  const LoadRequest& request = *stream.request;
  const float took = MicrosSince(stream.sent);
  if (request.kinds_of_batch.empty()) {
    ++(answered ? figures_->ok : figures_->failed)[request.kind];
    if (answered) figures_->latency_us.push_back(took);
    return;
  }
  const std::vector<bool> refused = answered ? RefusedOf(stream.answer) : std::vector<bool>();
  bool any = false;
  for (size_t i = 0; i < request.kinds_of_batch.size(); ++i) {
    const uint8_t kind = request.kinds_of_batch[i];
    if (i >= refused.size()) {
      ++figures_->failed[kind];
    } else {
      ++(refused[i] ? figures_->refused : figures_->ok)[kind];
      any = any || !refused[i];
    }
  }
  if (any) figures_->latency_us.push_back(took);
}

}  // namespace fairlead
