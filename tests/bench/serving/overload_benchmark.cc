// Three times what steerd can answer for a minute, then a normal load: who is refused meanwhile, and how soon all is as before.
//
//   ./run bench overload [--json FILE]
#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fairlead/steering/v1/steering_service.pb.h"
#include "services/steering/byte_buffers.h"
#include "tests/bench/serving/load.h"
#include "tests/bench/serving/rows.h"
#include "tests/bench/serving/servers.h"
#include "tests/generator/routes.h"

namespace fairlead {
namespace {

namespace sv1 = steering::v1;

constexpr absl::Duration kSecond = absl::Seconds(1);
constexpr int kOverloadSeconds = 60;
constexpr int kRecoverySeconds = 10;
constexpr double kNormal = 0.4;  // Of the capacity: generator and server share the cores.
constexpr const char* kKindWords[kLoadKinds] = {"playback_start", "background", "prefetch"};

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

void Show(const char* phase, int second, LoadFigures& figures) {
  std::printf("%-9s %2d s  sent %7lu  held back %7lu  ok %5.1f %% %5.1f %% %5.1f %%  p50 %7.0f us  p99 %7.0f us\n", phase, second,
              static_cast<unsigned long>(figures.all_sent()), static_cast<unsigned long>(figures.held_back), 100 * ShareOk(figures, 0),
              100 * ShareOk(figures, 1), 100 * ShareOk(figures, 2), Quantile(figures.latency_us, 0.5), Quantile(figures.latency_us, 0.99));
  std::fflush(stdout);
}

int Main(int argc, char** argv) {
  ServerProcess steerd(&RunSteerd);
  if (!steerd.Start("shed")) return 1;
  LoadOptions options{.target = steerd.target(), .requests = Requests(), .connections = 16, .outstanding = 64};
  double capacity = 0;
  {
    UnaryLoad closed(options);
    closed.Run(kSecond);
    for (int i = 0; i < 3; ++i) {
      const LoadFigures figures = closed.Run(kSecond);
      capacity = std::max(capacity, static_cast<double>(figures.all_ok()) / figures.seconds);
    }
  }
  std::printf("Capacity, measured in a closed loop: %.0f/s\n", capacity);
  options.outstanding = 12'000;
  options.timeout = absl::Seconds(1);
  UnaryLoad load(std::move(options));
  std::vector<double> before;
  for (int second = 1; second <= 5; ++second) {
    LoadFigures figures = load.Run(kSecond, kNormal * capacity);
    before.push_back(Quantile(figures.latency_us, 0.99));
    Show("before", second, figures);
  }
  LoadFigures sum;
  double offered = 0;
  for (int second = 1; second <= kOverloadSeconds; ++second) {
    LoadFigures figures = load.Run(kSecond, 3 * capacity);
    offered += static_cast<double>(figures.all_sent() + figures.held_back) / figures.seconds;
    if (second % 5 == 1) Show("overload", second, figures);
    for (size_t kind = 0; kind < kLoadKinds; ++kind) {
      sum.sent[kind] += figures.sent[kind];
      sum.ok[kind] += figures.ok[kind];
      sum.refused[kind] += figures.refused[kind];
      sum.failed[kind] += figures.failed[kind];
    }
    sum.latency_us.insert(sum.latency_us.end(), figures.latency_us.begin(), figures.latency_us.end());
  }
  // All served, but for what the end of the second cut off, with the tail of before.
  const double p99_before = Median(before);
  int recovered_at = -1;
  double p99_after = 0;
  for (int second = 1; second <= kRecoverySeconds + 5; ++second) {
    LoadFigures figures = load.Run(kSecond, kNormal * capacity);
    const bool all = figures.refused[0] + figures.refused[1] + figures.refused[2] == 0 &&
                     figures.failed[0] + figures.failed[1] + figures.failed[2] == 0 && figures.held_back == 0;
    p99_after = Quantile(figures.latency_us, 0.99);
    Show("after", second, figures);
    const bool good = all && p99_after <= 1.25 * p99_before;
    if (good && recovered_at < 0) recovered_at = second;
    if (!good) recovered_at = -1;
  }
  Rows rows;
  rows.Add({"capacity_closed_loop", capacity, "1/s"});
  rows.Add({"offered_in_overload", offered / kOverloadSeconds, "1/s", capacity});
  const double answered = static_cast<double>(sum.all_ok()) / kOverloadSeconds;
  rows.Add({"answered_in_overload", answered, "1/s", capacity});
  for (size_t kind = 0; kind < kLoadKinds; ++kind) {
    rows.Add({absl::StrCat("answered_share_", kKindWords[kind]), 100 * ShareOk(sum, kind), "%"});
  }
  const bool ordered = ShareOk(sum, 0) >= ShareOk(sum, 1) && ShareOk(sum, 1) >= ShareOk(sum, 2) && ShareOk(sum, 0) > ShareOk(sum, 2);
  rows.Add({"lowest_class_first", ordered ? 1.0 : 0.0, "", {}, "1", ordered});
  rows.Add({"p99_of_answers_in_overload", Quantile(sum.latency_us, 0.99), "us", p99_before});
  rows.Add({"p99_after", p99_after, "us", p99_before, "ratio <= 1.25", p99_after <= 1.25 * p99_before});
  const bool recovered = recovered_at > 0 && recovered_at <= kRecoverySeconds;
  rows.Add({"seconds_until_all_served_as_before", static_cast<double>(recovered_at), "s", {}, "<= 10, and stays", recovered});
  rows.Print();
  return rows.WriteJson(JsonFileOf(argc, argv)) ? 0 : 1;
}

}  // namespace
}  // namespace fairlead

int main(int argc, char** argv) {
  return fairlead::Main(argc, argv);
}
