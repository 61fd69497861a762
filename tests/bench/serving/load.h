// A load generator over raw messages: unary calls at a steady rate or with so many under way, and ping-pong streams. It makes and reads as
// little as gRPC lets it, so that what is measured is the server. Seeded by the messages that it is given; bounded by `outstanding`.
//
//   UnaryLoad load({.target = target, .requests = requests, .outstanding = 64});
//   LoadFigures figures = load.Run(absl::Seconds(2));             // Closed loop.
//   LoadFigures steady = load.Run(absl::Seconds(2), 20'000);      // 20,000 a second, whether they are answered or not.
// One thread at a time.
#ifndef FAIRLEAD_TESTS_BENCH_SERVING_LOAD_H_
#define FAIRLEAD_TESTS_BENCH_SERVING_LOAD_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/support/byte_buffer.h"

namespace fairlead {

// A message, and the class by which its answers are counted.
struct LoadRequest {
  grpc::ByteBuffer message;
  size_t kind = 0;
};
inline constexpr size_t kLoadKinds = 3;

struct LoadFigures {
  double seconds = 0;
  std::array<uint64_t, kLoadKinds> sent{};
  std::array<uint64_t, kLoadKinds> ok{};
  std::array<uint64_t, kLoadKinds> refused{};  // RESOURCE_EXHAUSTED.
  std::array<uint64_t, kLoadKinds> failed{};   // Anything else; deadlines mostly.
  uint64_t held_back = 0;                      // Not sent: too many were under way.
  std::vector<float> latency_us;               // Of those that are ok.

  uint64_t all_ok() const { return ok[0] + ok[1] + ok[2]; }
  uint64_t all_sent() const { return sent[0] + sent[1] + sent[2]; }
};

struct LoadOptions {
  std::string target;
  std::vector<LoadRequest> requests;
  int connections = 8;
  int outstanding = 64;
  absl::Duration timeout = absl::Seconds(2);
};

class UnaryLoad {
 public:
  explicit UnaryLoad(LoadOptions options);
  ~UnaryLoad();

  // `rate` 0: a closed loop. Figures of what ended within the time.
  LoadFigures Run(absl::Duration time, double rate = 0);
  // Waits until nothing is under way.
  void Settle();

 private:
  struct Call;
  void Send(LoadFigures* figures);
  void Take(Call* call, bool ok);

  const LoadOptions options_;
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs_;
  grpc::CompletionQueue queue_;
  LoadFigures* figures_ = nullptr;  // Of the running Run.
  uint64_t next_ = 0;
  int under_way_ = 0;
};

// Each stream sends a message when the last one is answered. `outstanding` streams.
LoadFigures RunStreams(const LoadOptions& options, absl::Duration time);

// CPU seconds that a process has used so far.
double CpuSecondsOf(int pid);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_BENCH_SERVING_LOAD_H_
