// What a step of the guard costs on the largest fleet that Fairlead is made for, beside building that fleet, which follows each step.
//
//   ./run bench guard
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "libs/steering/fleet.h"
#include "libs/steering/guard.h"

namespace fairlead {
namespace {

constexpr int kBoxes = 20'000;
constexpr int kSites = 6'000;
constexpr int kCells = 4;

GuardInput Fleet20000() {
  GuardInput input;
  for (int i = 0; i < kBoxes; ++i) {
    const int site = i % kSites;
    GuardedBox& box = input.boxes.emplace_back();
    box = {.id = ApplianceId(absl::StrCat("site-", site, "-storage-", i / kSites)), .site = SiteId(absl::StrCat("site-", site))};
    box.path = absl::StrCat("partners/partner-", site / 4);
    box.heard = true;
    box.cell = CellId(absl::StrCat("cell-", site % kCells));
    box.report_age = absl::ZeroDuration();
    box.reported = {.health = HealthState::kOk, .weight_permille = 1000};
    box.routers = RouterSessions::kUp;
  }
  return input;
}

// `silent_permille` of the boxes are silent.
void BM_GuardStep(benchmark::State& state) {
  GuardInput input = Fleet20000();
  absl::Duration now = absl::Hours(1);
  GuardState memory = GuardSilence(input, {}, now, {}).state;
  for (int i = 0; i < kBoxes * state.range(0) / 1000; ++i) {
    GuardedBox& box = input.boxes[static_cast<size_t>(i)];
    box.reported.health = HealthState::kSilent;
    box.report_age = absl::Seconds(10);
  }
  for (auto _ : state) {
    now += absl::Milliseconds(100);
    GuardOutcome outcome = GuardSilence(input, {}, now, std::move(memory));
    benchmark::DoNotOptimize(outcome.words.data());
    memory = std::move(outcome.state);
  }
}
BENCHMARK(BM_GuardStep)->ArgName("silent_permille")->Arg(0)->Arg(10)->Arg(1000)->Unit(benchmark::kMillisecond);

// The baseline: the fleet that is built of what the guard believes.
void BM_FleetBuild(benchmark::State& state) {
  std::vector<SiteView> sites;
  std::vector<ApplianceView> boxes;
  for (const GuardedBox& box : Fleet20000().boxes) boxes.push_back({.id = box.id, .site = box.site, .kind = ApplianceKind::kStorage});
  for (int i = 0; i < kSites; ++i) sites.push_back({.id = SiteId(absl::StrCat("site-", i)), .kind = SiteKind::kEmbedded});
  for (auto _ : state) benchmark::DoNotOptimize(Fleet::Build(sites, boxes, {}));
}
BENCHMARK(BM_FleetBuild)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fairlead

BENCHMARK_MAIN();
