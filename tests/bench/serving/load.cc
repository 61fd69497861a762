#include "tests/bench/serving/load.h"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/time/clock.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
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

}  // namespace

double CpuSecondsOf(int pid) {
  clockid_t clock = {};
  timespec used = {};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0) return 0;
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

struct UnaryLoad::Call {
  grpc::ClientContext context;
  grpc::ByteBuffer answer;
  grpc::Status status;
  std::unique_ptr<grpc::ClientAsyncResponseReader<grpc::ByteBuffer>> reader;
  absl::Time sent;
  size_t kind = 0;
  LoadFigures* figures = nullptr;
};

UnaryLoad::UnaryLoad(LoadOptions options) : options_(std::move(options)), stubs_(Connect(options_)) {}

UnaryLoad::~UnaryLoad() {
  Settle();
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

void UnaryLoad::Send(LoadFigures* figures) {
  const LoadRequest& request = options_.requests[next_ % options_.requests.size()];
  auto* call = new Call;
  call->kind = request.kind;
  call->figures = figures;
  call->sent = absl::Now();
  SetPrincipal(call->context, "service/playback");
  SetTimeout(call->context, options_.timeout);
  call->reader = stubs_[next_ % stubs_.size()]->PrepareUnaryCall(&call->context, kSteer, request.message, &queue_);
  call->reader->StartCall();
  call->reader->Finish(&call->answer, &call->status, call);
  ++next_;
  ++under_way_;
  ++figures->sent[call->kind];
}

void UnaryLoad::Take(Call* call, bool) {
  --under_way_;
  if (call->figures == figures_ && figures_ != nullptr) {  // Else of a run that is over.
    if (call->status.ok()) {
      ++figures_->ok[call->kind];
      figures_->latency_us.push_back(static_cast<float>(absl::ToDoubleMicroseconds(absl::Now() - call->sent)));
    } else if (call->status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) {
      ++figures_->refused[call->kind];
    } else {
      ++figures_->failed[call->kind];
    }
  }
  delete call;
}

LoadFigures UnaryLoad::Run(absl::Duration time, double rate) {
  LoadFigures figures;
  figures_ = &figures;
  const absl::Time start = absl::Now();
  const absl::Time end = start + time;
  uint64_t due_sent = 0;
  void* tag = nullptr;
  bool ok = false;
  while (absl::Now() < end) {
    if (rate == 0) {
      while (under_way_ < options_.outstanding) Send(&figures);
    } else {
      // What is due, in bursts of what a look at the clock missed.
      const auto due = static_cast<uint64_t>(SecondsSince(start) * rate);
      for (int burst = 0; due_sent < due && burst < 64; ++due_sent, ++burst) {
        if (under_way_ < options_.outstanding) {
          Send(&figures);
        } else {
          ++figures.held_back;
        }
      }
    }
    const auto wait = std::chrono::system_clock::now() + std::chrono::microseconds(rate == 0 ? 10'000 : 200);
    for (int taken = 0; taken < 64 && queue_.AsyncNext(&tag, &ok, taken == 0 ? wait : std::chrono::system_clock::time_point()) ==
                                          grpc::CompletionQueue::GOT_EVENT;
         ++taken) {
      Take(static_cast<Call*>(tag), ok);
    }
  }
  figures.seconds = SecondsSince(start);
  figures_ = nullptr;
  return figures;
}

void UnaryLoad::Settle() {
  void* tag = nullptr;
  bool ok = false;
  while (under_way_ > 0 && queue_.Next(&tag, &ok)) Take(static_cast<Call*>(tag), ok);
}

namespace {

// One ping-pong stream as a little state machine.
struct PingPong {
  enum class Step { kStarting, kWriting, kReading, kOver };
  grpc::ClientContext context;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream;
  grpc::ByteBuffer answer;
  absl::Time sent;
  Step step = Step::kStarting;
};

}  // namespace

LoadFigures RunStreams(const LoadOptions& options, absl::Duration time) {
  const auto stubs = Connect(options);
  grpc::CompletionQueue queue;
  std::vector<std::unique_ptr<PingPong>> streams;
  LoadFigures figures;
  uint64_t next = 0;
  for (int i = 0; i < options.outstanding; ++i) {
    PingPong& one = *streams.emplace_back(std::make_unique<PingPong>());
    SetPrincipal(one.context, "service/playback");
    one.stream = stubs[static_cast<size_t>(i) % stubs.size()]->PrepareCall(&one.context, kStream, &queue);
    one.stream->StartCall(&one);
  }
  const absl::Time start = absl::Now();
  const absl::Time end = start + time;
  void* tag = nullptr;
  bool ok = false;
  bool over = false;
  for (size_t running = streams.size(); running > 0 && queue.Next(&tag, &ok);) {
    PingPong& one = *static_cast<PingPong*>(tag);
    if (!over && absl::Now() >= end) {
      over = true;
      figures.seconds = SecondsSince(start);
      for (const auto& stream : streams) stream->context.TryCancel();
    }
    if (!ok || over) {
      --running;
      continue;
    }
    if (one.step == PingPong::Step::kWriting) {
      one.step = PingPong::Step::kReading;
      one.stream->Read(&one.answer, &one);
      continue;
    }
    if (one.step == PingPong::Step::kReading) {
      ++figures.ok[0];
      figures.latency_us.push_back(static_cast<float>(absl::ToDoubleMicroseconds(absl::Now() - one.sent)));
    }
    one.step = PingPong::Step::kWriting;
    one.sent = absl::Now();
    ++figures.sent[0];
    one.stream->Write(options.requests[next++ % options.requests.size()].message, &one);
  }
  if (!over) figures.seconds = SecondsSince(start);
  for (const auto& stream : streams) stream->context.TryCancel();
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
  return figures;
}

}  // namespace fairlead
