// A load generator over raw messages: unary calls or ping-pong streams, at a steady rate or with so many under way. It makes and reads as
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
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/status_code_enum.h"

namespace fairlead {

inline constexpr size_t kLoadKinds = 3;

// A message, and how its answers are counted.
struct LoadRequest {
  grpc::ByteBuffer message;
  size_t kind = 0;                           // Of a single request.
  std::vector<uint8_t> kinds_of_batch = {};  // By place in a batch; empty: its answers aren't looked at, and each message counts as one.
  // Of a unary call.
  grpc::StatusCode expected = grpc::StatusCode::OK;  // Which answer counts as ok.
  std::string principal = "service/playback";        // Empty: says nothing of who it is.
};

struct LoadFigures {
  double seconds = 0;
  std::array<uint64_t, kLoadKinds> sent{};  // Requests; those of a batch one by one.
  std::array<uint64_t, kLoadKinds> ok{};
  std::array<uint64_t, kLoadKinds> refused{};  // RESOURCE_EXHAUSTED, where that isn't expected.
  std::array<uint64_t, kLoadKinds> failed{};   // Anything else; deadlines mostly.
  uint64_t held_back = 0;                      // Messages not sent: too many were under way.
  std::vector<float> latency_us;               // Of messages of which something is ok.

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

class Load {
 public:
  virtual ~Load() = default;
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // `rate`: messages a second; 0: a closed loop. Figures of what ended within the time.
  LoadFigures Run(absl::Duration time, double rate = 0);

 protected:
  explicit Load(LoadOptions options);
  virtual bool HasRoom() const = 0;
  virtual void Send(const LoadRequest& request) = 0;
  // An event of `queue_`.
  virtual void Take(void* tag, bool ok) = 0;
  grpc::GenericStub& NextStub() { return *stubs_[next_stub_++ % stubs_.size()]; }

  const LoadOptions options_;
  grpc::CompletionQueue queue_;
  LoadFigures* figures_ = nullptr;  // Of the running Run.
  uint64_t run_ = 0;                // Its number: what was sent in another isn't counted.

 private:
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs_;
  size_t next_stub_ = 0;
  size_t next_request_ = 0;
};

class UnaryLoad final : public Load {
 public:
  explicit UnaryLoad(LoadOptions options) : Load(std::move(options)) {}
  ~UnaryLoad() override;

 private:
  struct Call;
  bool HasRoom() const override { return under_way_ < options_.outstanding; }
  void Send(const LoadRequest& request) override;
  void Take(void* tag, bool ok) override;

  int under_way_ = 0;
};

// `outstanding` streams, each of which sends a message when the last one is answered.
class StreamLoad final : public Load {
 public:
  explicit StreamLoad(LoadOptions options);
  ~StreamLoad() override;

 private:
  struct Stream;
  bool HasRoom() const override { return !free_.empty(); }
  void Send(const LoadRequest& request) override;
  void Take(void* tag, bool ok) override;
  void Count(const Stream& stream, bool answered);

  std::vector<std::unique_ptr<Stream>> streams_;
  std::vector<Stream*> free_;
  size_t busy_ = 0;
};

// CPU seconds that a process has used so far.
double CpuSecondsOf(int pid);
// Bytes that it has held in memory at most, files that it maps included; NaN if it can't be told.
double PeakBytesOf(int pid);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_BENCH_SERVING_LOAD_H_
