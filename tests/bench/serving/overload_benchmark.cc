// Three times what steerd can answer for a minute, then a normal load: who is refused meanwhile, and how soon all is as before.
//
// The server runs for a sixth of the time only, all through, so that one generator can ask for three times what it can do: a call costs its
// caller as much as its server. Callers hold back, as a front with a bound on its connections does: what they don't get under way at once
// they don't send, and it counts as asked for and not answered. Then the same, shorter, with callers that queue whatever they want in gRPC
// until its deadline.
//
//   ./run bench overload [--json FILE]
#include <signal.h>
#include <sys/types.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
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
#include "tests/generator/routes.h"

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
constexpr double kTimes = 3;
constexpr double kNormal = 0.4;  // Of the capacity.
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

// A third of each class; kind 0 is start of playback.
std::vector<LoadRequest> Requests() {
  constexpr sv1::RequestClass kClasses[kLoadKinds] = {sv1::REQUEST_CLASS_PLAYBACK_START, sv1::REQUEST_CLASS_BACKGROUND,
                                                      sv1::REQUEST_CLASS_PREFETCH};
  SeededRandom random(11);
  std::vector<LoadRequest> requests(3 * 1'000);
  for (size_t i = 0; i < requests.size(); ++i) {
    sv1::SteerRequest request;
    request.set_client_address(absl::StrCat("198.51.100.", 1 + random.Below(254)));
    request.set_title(ServingTitle(static_cast<int>(random.Below(kServingTitles))));
    request.set_session_id(absl::StrCat("session-", random.Below(1'000'000)));
    request.set_request_class(kClasses[i % kLoadKinds]);
    requests[i] = {MakeByteBuffer(request.SerializeAsString()), i % kLoadKinds};
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

LoadFigures Overload(UnaryLoad& load, const char* phase, int seconds, double rate) {
  LoadFigures sum;
  for (int second = 1; second <= seconds; ++second) {
    const LoadFigures figures = load.Run(kSecond, rate);
    if (second % 5 == 1) Show(phase, second, figures);
    AddTo(sum, figures);
  }
  return sum;
}

struct Recovery {
  double recovered_at = kNothing;  // Seconds until all was served as before, and stayed so; nothing: not while it was watched.
  double p99 = 0;
};

// All served, but for what the end of the second cut off, with the tail of before.
Recovery Recover(UnaryLoad& load, double rate, double p99_before) {
  Recovery recovery;
  for (int second = 1; second <= kWatchedSeconds; ++second) {
    const LoadFigures figures = load.Run(kSecond, rate);
    Show("after", second, figures);
    const bool all = Count(figures.refused) == 0 && Count(figures.failed) == 0 && figures.held_back == 0;
    recovery.p99 = Quantile(figures.latency_us, 0.99);
    const bool good = all && recovery.p99 <= 1.25 * p99_before;
    if (good && std::isnan(recovery.recovered_at)) recovery.recovered_at = second;
    if (!good) recovery.recovered_at = kNothing;
  }
  return recovery;
}

double Answered(const LoadOptions& options) {
  UnaryLoad closed(options);
  closed.Run(kSecond);
  std::vector<double> per_second;
  for (int i = 0; i < 3; ++i) {
    const LoadFigures figures = closed.Run(kSecond);
    per_second.push_back(static_cast<double>(figures.all_ok()) / figures.seconds);
  }
  return Median(per_second);
}

// With few calls under way the server runs dry before it is stopped, with too many it spends time on refusing: so the most of all.
double Capacity(LoadOptions options) {
  double most = 0;
  for (const int outstanding : {64, 128, 192, 256, 384, 512}) {
    options.outstanding = outstanding;
    const double answered = Answered(options);
    std::printf("closed loop of %3d: %.0f/s\n", outstanding, answered);
    most = std::max(most, answered);
  }
  return most;
}

void AddOverload(const std::string& name, const LoadFigures& sum, double capacity, Goal goal, Rows& rows) {
  const double asked = static_cast<double>(sum.all_sent() + sum.held_back) / sum.seconds;
  rows.Add({name + ": asked for", asked, "1/s", capacity});
  rows.Add({name + ": answered", static_cast<double>(sum.all_ok()) / sum.seconds, "1/s", capacity, goal, 0.7});
  for (size_t kind = 0; kind < kLoadKinds; ++kind) {
    rows.Add({absl::StrCat(name, ": answered of what was sent, ", kKindWords[kind]), 100 * ShareOk(sum, kind), "%"});
  }
}

void AddRecovery(const std::string& name, const Recovery& recovery, Rows& rows) {
  rows.Add({name, recovery.recovered_at, "s", kNothing, Goal::kValueAtMost, kRecoverySeconds, kWatchedSeconds});
}

int Main(int argc, char** argv) {
  ServerProcess sources(&RunSources);
  ServerProcess steerd(&RunSteerd);
  if (!sources.Start("go") || !steerd.Start("shed " + sources.target())) return 1;
  const Slowed slowed(steerd.pid());
  LoadOptions options{.target = steerd.target(), .requests = Requests(), .connections = kConnections};
  const double capacity = Capacity(options);
  options.timeout = kSecond;
  options.outstanding = kConnections * kHeldBackAt;
  Rows rows;
  std::vector<double> before;
  LoadFigures sum;
  Recovery recovery;
  {
    UnaryLoad load(options);
    for (int second = 1; second <= kWatchedSeconds; ++second) {
      const LoadFigures figures = load.Run(kSecond, kNormal * capacity);
      before.push_back(Quantile(figures.latency_us, 0.99));
      Show("before", second, figures);
    }
    sum = Overload(load, "overload", kOverloadSeconds, kTimes * capacity);
    recovery = Recover(load, kNormal * capacity, Median(before));
  }
  rows.Add({"capacity, the most of closed loops", capacity, "1/s"});
  AddOverload("overload", sum, capacity, Goal::kRatioAtLeast, rows);
  // The lowest class first: by how much a class does better than the one below it, where 1 % is noise.
  rows.Add(
      {"overload: start of playback before background", 100 * (ShareOk(sum, 0) - ShareOk(sum, 1)), "%", kNothing, Goal::kValueAtLeast, -1});
  rows.Add({"overload: background before prefetch", 100 * (ShareOk(sum, 1) - ShareOk(sum, 2)), "%", kNothing, Goal::kValueAtLeast, 10});
  rows.Add({"overload: p99 of answers", Quantile(sum.latency_us, 0.99), "us", Median(before)});
  rows.Add({"after: p99", recovery.p99, "us", Median(before), Goal::kRatioAtMost, 1.25});
  AddRecovery("after: until all is served as before, and stays", recovery, rows);
  options.outstanding = 12'000;
  UnaryLoad queueing(options);
  AddOverload("callers that queue", Overload(queueing, "queueing", kQueueingSeconds, kTimes * capacity), capacity, Goal::kNone, rows);
  const Recovery again = Recover(queueing, kNormal * capacity, Median(before));
  AddRecovery("callers that queue: until all is served as before, and stays", again, rows);
  return rows.WriteJson(JsonFileOf(argc, argv)) ? 0 : 1;
}

}  // namespace
}  // namespace fairlead

int main(int argc, char** argv) {
  return fairlead::Main(argc, argv);
}
