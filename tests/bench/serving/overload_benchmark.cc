// Three times what steerd can answer for a minute, then a normal load: who is refused meanwhile, and how soon all is as before.
//
// First batches on streams, with requests of all classes in each: to refuse one of these costs a fraction of an answer, so one generator
// easily asks for three times what the server can do. Then unary calls, which cost their caller as much as their server: the server runs
// for a sixth of the time only, all through. Callers hold back, as a front with a bound on its connections does: what they don't get under
// way at once they don't send, and it counts as asked for and not answered. Last the same, shorter, with callers that queue whatever they
// want in gRPC until its deadline.
//
//   ./run bench overload [--json FILE] [--scale SHARE]     # Full scale: 9 GB of memory while the world is made.
#include <signal.h>
#include <sys/types.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "fairlead/steering/v1/steering_service.pb.h"
#include "services/steering/byte_buffers.h"
#include "tests/bench/rows.h"
#include "tests/bench/serving/load.h"
#include "tests/bench/serving/servers.h"
#include "tests/bench/serving/serving_world.h"

namespace fairlead {
namespace {

namespace sv1 = steering::v1;
using Goal = BenchRow::Goal;

constexpr absl::Duration kSecond = absl::Seconds(1);
constexpr int kOverloadSeconds = 60;
constexpr int kQueueingSeconds = 15;
constexpr int kRecoverySeconds = 10;
constexpr int kWatchedSeconds = 15;
constexpr int kConnections = 16;
constexpr int kHeldBackAt = 50;  // Calls under way of a connection.
constexpr int kStreams = 256;
constexpr size_t kBatch = 256;
constexpr double kTimes = 3;
constexpr double kNormal = 0.4;  // Of the capacity.
constexpr double kApart = 10;    // Points between a class and the one below it.
constexpr const char* kKindWords[kLoadKinds] = {"start of playback", "background", "prefetch"};

// Lets a process run for a millisecond of six.
class Slowed {
 public:
  explicit Slowed(pid_t pid) : pid_(pid), thread_([this] { Run(); }) {}
  ~Slowed() {
    over_ = true;
    thread_.join();
  }

 private:
  void Run() {
    while (!over_) {
      kill(pid_, SIGSTOP);
      absl::SleepFor(absl::Milliseconds(5));
      kill(pid_, SIGCONT);
      absl::SleepFor(absl::Milliseconds(1));
    }
  }

  const pid_t pid_;
  std::atomic<bool> over_ = false;
  std::thread thread_;
};

sv1::SteerRequest Request(ServingWorld& world, size_t kind) {
  constexpr sv1::RequestClass kClasses[kLoadKinds] = {sv1::REQUEST_CLASS_PLAYBACK_START, sv1::REQUEST_CLASS_BACKGROUND,
                                                      sv1::REQUEST_CLASS_PREFETCH};
  sv1::SteerRequest request = world.NextRequest();
  request.set_request_class(kClasses[kind]);
  return request;
}

// A third of each class; kind 0 is start of playback.
std::vector<LoadRequest> Requests(ServingWorld& world) {
  std::vector<LoadRequest> requests(3 * 5'000);
  for (size_t i = 0; i < requests.size(); ++i) {
    const size_t kind = i % kLoadKinds;
    requests[i] = {.message = MakeByteBuffer(Request(world, kind).SerializeAsString()), .kind = kind};
  }
  return requests;
}

// In batches: one of six start of playback, two background, three prefetch. So of three times the capacity, start of playback is half.
std::vector<LoadRequest> Batches(ServingWorld& world) {
  constexpr uint8_t kKinds[] = {0, 1, 1, 2, 2, 2};
  std::vector<LoadRequest> requests(256);
  for (LoadRequest& request : requests) {
    sv1::SteerStreamRequest batch;
    for (size_t i = 0; i < kBatch; ++i) {
      const uint8_t kind = kKinds[i % std::size(kKinds)];
      request.kinds_of_batch.push_back(kind);
      *batch.add_requests() = Request(world, kind);
    }
    request.message = MakeByteBuffer(batch.SerializeAsString());
  }
  return requests;
}

double ShareOk(const LoadFigures& figures, size_t kind) {
  return static_cast<double>(figures.ok[kind]) / std::max<double>(1, static_cast<double>(figures.sent[kind]));
}

double Count(const std::array<uint64_t, kLoadKinds>& of_kinds) {
  return static_cast<double>(std::accumulate(of_kinds.begin(), of_kinds.end(), uint64_t{0}));
}

void Show(const char* phase, int second, const LoadFigures& figures) {
  std::printf(
      "%-9s %2d s  sent %6.0f  held back %6.0f  refused %6.0f  failed %6.0f  ok %5.1f %% %5.1f %% %5.1f %%  p50 %7.0f us  p99 %7.0f us\n",
      phase, second, Count(figures.sent), static_cast<double>(figures.held_back), Count(figures.refused), Count(figures.failed),
      100 * ShareOk(figures, 0), 100 * ShareOk(figures, 1), 100 * ShareOk(figures, 2), Quantile(figures.latency_us, 0.5),
      Quantile(figures.latency_us, 0.99));
  std::fflush(stdout);
}

void AddTo(LoadFigures& sum, const LoadFigures& figures) {
  for (size_t kind = 0; kind < kLoadKinds; ++kind) {
    sum.sent[kind] += figures.sent[kind];
    sum.ok[kind] += figures.ok[kind];
    sum.refused[kind] += figures.refused[kind];
    sum.failed[kind] += figures.failed[kind];
  }
  sum.held_back += figures.held_back;
  sum.seconds += figures.seconds;
  sum.latency_us.insert(sum.latency_us.end(), figures.latency_us.begin(), figures.latency_us.end());
}

LoadFigures Overload(Load& load, const char* phase, int seconds, double rate) {
  LoadFigures sum;
  for (int second = 1; second <= seconds; ++second) {
    const LoadFigures figures = load.Run(kSecond, rate);
    if (second % 5 == 1) Show(phase, second, figures);
    AddTo(sum, figures);
  }
  return sum;
}

// All served in this second, but for what its end cut off, with the tail of before.
bool IsAsBefore(const LoadFigures& figures, double p99_before) {
  // A tenth of it may still be under way.
  const bool answered = static_cast<double>(figures.all_ok()) >= 0.9 * Count(figures.sent);
  const bool all = answered && Count(figures.refused) == 0 && Count(figures.failed) == 0 && figures.held_back == 0;
  return all && Quantile(figures.latency_us, 0.99) <= 1.25 * p99_before;
}

struct Recovery {
  double recovered_at = kNothing;  // Seconds until all was served as before, and stayed so; nothing: not while it was watched.
  int seconds_unlike = 0;          // That weren't as before.
  double p99 = 0;
};

Recovery Recover(Load& load, double rate, double p99_before) {
  Recovery recovery;
  for (int second = 1; second <= kWatchedSeconds; ++second) {
    const LoadFigures figures = load.Run(kSecond, rate);
    Show("after", second, figures);
    recovery.p99 = Quantile(figures.latency_us, 0.99);
    const bool good = IsAsBefore(figures, p99_before);
    recovery.seconds_unlike += good ? 0 : 1;
    if (good && std::isnan(recovery.recovered_at)) recovery.recovered_at = second;
    if (!good) recovery.recovered_at = kNothing;
  }
  return recovery;
}

// With few under way the server runs dry before it is stopped, with too many it spends time on refusing: so the most of all.
template <typename ClosedLoop>
double Capacity(LoadOptions options, std::initializer_list<int> under_way) {
  double most = 0;
  for (const int outstanding : under_way) {
    options.outstanding = outstanding;
    ClosedLoop closed(options);
    closed.Run(kSecond);
    std::vector<double> per_second;
    for (int i = 0; i < 3; ++i) {
      const LoadFigures figures = closed.Run(kSecond);
      per_second.push_back(static_cast<double>(figures.all_ok()) / figures.seconds);
    }
    std::printf("closed loop of %3d: %.0f/s\n", outstanding, Median(per_second));
    most = std::max(most, Median(per_second));
  }
  return most;
}

void AddOverload(const std::string& name, const LoadFigures& sum, size_t a_message, double capacity, Goal goal, Rows& rows) {
  const double asked = static_cast<double>(sum.all_sent() + sum.held_back * a_message) / sum.seconds;
  rows.Add({name + ": asked for", asked, "1/s", capacity});
  rows.Add({name + ": answered", static_cast<double>(sum.all_ok()) / sum.seconds, "1/s", capacity, goal, 0.7});
  for (size_t kind = 0; kind < kLoadKinds; ++kind) {
    rows.Add({absl::StrCat(name, ": answered of what was sent, ", kKindWords[kind]), 100 * ShareOk(sum, kind), "%"});
  }
}

// `unlike_before`: so many seconds before the overload weren't as most of them, by the same measure. What the machine does by itself.
void AddRecovery(const std::string& kind, const Recovery& recovery, int unlike_before, Rows& rows) {
  rows.Add({absl::StrCat(kind, "seconds not as before, of ", kWatchedSeconds), static_cast<double>(recovery.seconds_unlike), "",
            static_cast<double>(unlike_before)});
  rows.Add({kind + "until all is served as before, and stays", recovery.recovered_at, "s", kNothing, Goal::kValueAtMost, kRecoverySeconds,
            kWatchedSeconds});
}

// How it was before.
struct Before {
  double p99 = 0;
  int seconds_unlike = 0;
};

// A normal load, the overload, and the normal one again. `capacity` is of requests.
Before Bench(const std::string& kind, Load& load, size_t a_message, double capacity, Rows& rows) {
  const double messages = capacity / static_cast<double>(a_message);
  std::vector<double> tails;
  std::vector<LoadFigures> seconds;
  for (int second = 1; second <= kWatchedSeconds; ++second) {
    seconds.push_back(load.Run(kSecond, kNormal * messages));
    tails.push_back(Quantile(seconds.back().latency_us, 0.99));
    Show("before", second, seconds.back());
  }
  Before before = {.p99 = Median(tails)};
  for (const LoadFigures& figures : seconds) before.seconds_unlike += IsAsBefore(figures, before.p99) ? 0 : 1;
  const LoadFigures sum = Overload(load, "overload", kOverloadSeconds, kTimes * messages);
  const Recovery recovery = Recover(load, kNormal * messages, before.p99);
  const std::string name = kind + "overload";
  rows.Add({kind + "capacity, the most of closed loops", capacity, "1/s"});
  AddOverload(name, sum, a_message, capacity, Goal::kRatioAtLeast, rows);
  // The lowest class first: each class is answered by kApart points more than the one below it. Start of playback can't be that where
  // background itself is answered nearly wholly: there it must be wholly answered, but for 1 % of noise.
  const double background = 100 * ShareOk(sum, 1);
  rows.Add({name + ": start of playback before background", 100 * ShareOk(sum, 0) - background, "%", kNothing, Goal::kValueAtLeast,
            std::min(kApart, 99 - background)});
  rows.Add({name + ": background before prefetch", background - 100 * ShareOk(sum, 2), "%", kNothing, Goal::kValueAtLeast, kApart});
  rows.Add({name + ": p99 of answers", Quantile(sum.latency_us, 0.99), "us", before.p99});
  rows.Add({kind + "after: p99", recovery.p99, "us", before.p99, Goal::kRatioAtMost, 1.25});
  AddRecovery(kind + "after: ", recovery, before.seconds_unlike, rows);
  return before;
}

int Main(int argc, char** argv) {
  ServerProcess steerd(&RunSteerd);
  ServingWorld world(ScaleOf(argc, argv));
  if (!steerd.Start("shed " + world.table_file())) return 1;
  Rows rows;
  LoadOptions batches{.target = steerd.target(), .requests = Batches(world), .connections = kConnections};
  {
    const double capacity = Capacity<StreamLoad>(batches, {4, 8, 16, 32, 64});
    batches.outstanding = kStreams;
    StreamLoad load(batches);
    Bench("batches, ", load, kBatch, capacity, rows);
  }
  const Slowed slowed(steerd.pid());
  LoadOptions options{.target = steerd.target(), .requests = Requests(world), .connections = kConnections};
  const double capacity = Capacity<UnaryLoad>(options, {64, 128, 192, 256, 384, 512});
  options.timeout = kSecond;
  options.outstanding = kConnections * kHeldBackAt;
  Before before;
  {
    UnaryLoad load(options);
    before = Bench("", load, 1, capacity, rows);
  }
  options.outstanding = 12'000;
  UnaryLoad queueing(options);
  AddOverload("callers that queue", Overload(queueing, "queueing", kQueueingSeconds, kTimes * capacity), 1, capacity, Goal::kNone, rows);
  AddRecovery("callers that queue: ", Recover(queueing, kNormal * capacity, before.p99), before.seconds_unlike, rows);
  return rows.WriteJson(JsonFileOf(argc, argv)) ? 0 : 1;
}

}  // namespace
}  // namespace fairlead

int main(int argc, char** argv) {
  return fairlead::Main(argc, argv);
}
