#include "tests/bench/serving/servers.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "fairlead/steering/v1/steering_service.grpc.pb.h"
#include "libs/clock/system_clock.h"
#include "libs/metrics/metrics.h"
#include "libs/rpc/server.h"
#include "libs/signing/ec_key.h"
#include "services/steering/async_call.h"
#include "services/steering/byte_buffers.h"
#include "services/steering/overload_gate.h"
#include "services/steering/server.h"
#include "tests/bench/serving/serving_world.h"

namespace fairlead {
namespace {

namespace sv1 = steering::v1;

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "serving benchmark: %s\n", why.c_str());
  std::abort();
}

void WaitForEnd(int in) {
  char byte = 0;
  while (read(in, &byte, 1) > 0) {
  }
}

void Tell(int out, const std::string& line) {
  const std::string text = line + "\n";
  if (write(out, text.data(), text.size()) != static_cast<ssize_t>(text.size())) Die("can't tell the target");
}

// A line, byte by byte: nothing behind it is lost.
std::string ReadLine(int in) {
  std::string line;
  char byte = 0;
  while (read(in, &byte, 1) == 1 && byte != '\n') line.push_back(byte);
  return line;
}

// The echo. Its calls are steerd's, its answers are made once.
class Echo {
 public:
  using Sv = sv1::SteeringService;
  using Service = Sv::WithRawMethod_Steer<Sv::WithRawMethod_SteerStream<Sv::Service>>;
  struct Nothing {};

  explicit Echo(const std::vector<std::string>& sizes) : metrics_(registry_), gate_({.shed = false}, 1, metrics_), work_(gate_, 0) {
    for (const std::string& size : sizes)
      answers_.push_back(MakeByteBuffer(std::string(static_cast<size_t>(std::atoi(size.c_str())), 'x')));
    answers_.resize(3);
    RpcServerOptions options;
    options.program = "echo";
    options.own_queue = false;
    options.deadline_timers = false;  // As steerd.
    options.configure = [this](grpc::ServerBuilder& builder) { queue_ = builder.AddCompletionQueue(); };
    auto server = RpcServer::Start(options, {&service_});
    if (!server.ok()) Die(server.status().ToString());
    server_ = *std::move(server);
    server_->ServeCommonOn(*queue_);
    Arm();
    thread_ = std::thread([this] { work_.Drain(*queue_); });
  }
  ~Echo() {
    server_->Shutdown(absl::ZeroDuration());
    queue_->Shutdown();
    thread_.join();
  }
  std::string target() const { return server_->target(); }

 private:
  void Arm() {
    using Unary = UnaryCall<grpc::ByteBuffer, grpc::ByteBuffer, Nothing>;
    const auto steer = std::make_shared<const Unary::Method>(Unary::Method{
        .queue = &work_,
        .request = [this](auto* c, auto* r, auto* w, void* tag) { service_.RequestSteer(c, r, w, queue_.get(), queue_.get(), tag); },
        .arrive = [](const grpc::ByteBuffer&, Nothing&) { return Arrival{}; },
        .work =
            [this](const absl::Status&, absl::Span<Unary::Asked> turn) {
              for (Unary::Asked& asked : turn) asked.response = answers_[0];
            }});
    for (int i = 0; i < 128; ++i) Unary::Arm(steer);
    using Stream = PingPongCall<grpc::ByteBuffer, grpc::ByteBuffer, Nothing>;
    const auto stream = std::make_shared<const Stream::Method>(Stream::Method{
        .queue = &work_,
        .request = [this](auto* c, auto* s, void* tag) { service_.RequestSteerStream(c, s, queue_.get(), queue_.get(), tag); },
        .arrive = [](const grpc::ByteBuffer&, Nothing&) { return Arrival{}; },
        .work =
            [this](const absl::Status&, absl::Span<Stream::Asked> turn) {
              for (Stream::Asked& asked : turn) asked.response = answers_[asked.request.Length() < 1'000 ? 1 : 2];
            },
        .most_streams = 4096});
    for (int i = 0; i < 16; ++i) Stream::Arm(stream);
  }

  Metrics registry_;
  SteeringMetrics metrics_;
  OverloadGate gate_;
  WorkQueue work_;
  Service service_;
  std::vector<grpc::ByteBuffer> answers_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<RpcServer> server_;
  std::thread thread_;
};

}  // namespace

ServerProcess::ServerProcess(Main run) {
  int down[2], up[2];
  if (pipe2(down, O_CLOEXEC) != 0 || pipe2(up, O_CLOEXEC) != 0) Die("no pipes");
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) Die("can't fork");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // Never without the benchmark.
    if (getppid() != parent) _exit(1);
    close(down[1]);
    close(up[0]);
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);  // As steerd's main.cc.
    const std::string told = ReadLine(down[0]);
    if (!told.empty()) run(told, down[0], up[1]);
    std::fflush(nullptr);
    _exit(0);
  }
  close(down[0]);
  close(up[1]);
  to_ = down[1];
  from_ = up[0];
}

ServerProcess::~ServerProcess() {
  close(to_);  // It ends by that.
  close(from_);
  waitpid(pid_, nullptr, 0);
}

bool ServerProcess::Start(const std::string& told) {
  Tell(to_, told);
  target_ = ReadLine(from_);
  return !target_.empty();
}

void RunSteerd(const std::string& told, int in, int out) {
  std::string folder = "/tmp/fairlead-serving-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) Die("no folder for the key");
  const std::string key = absl::StrCat(folder, "/", kServingKey, ".pem");
  std::ofstream(key) << GenerateEcKeyPair().value().private_pem;
  if (chmod(key.c_str(), 0600) != 0) Die("can't protect the key");
  {
    const std::vector<std::string> words = absl::StrSplit(told, ' ');
    SystemClock clock;
    Metrics metrics;
    SteeringServerOptions options;
    options.snapshot = words.at(1);
    options.signing_key_dir = folder;
    options.trusted_proxies = "127.0.0.0/8";
    options.threads = 1;
    options.overload.shed = words.at(0) == "shed";
    const auto server = SteeringServer::Start(options, metrics, clock);
    if (!server.ok()) Die(server.status().ToString());
    if (const absl::Status ready = (*server)->steerer().Health(); !ready.ok()) Die(ready.ToString());
    Tell(out, (*server)->grpc_target());
    WaitForEnd(in);
    (*server)->Shutdown(absl::ZeroDuration());
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
}

void RunEcho(const std::string& told, int in, int out) {
  const Echo echo(absl::StrSplit(told, ' '));
  Tell(out, echo.target());
  WaitForEnd(in);
}

}  // namespace fairlead
