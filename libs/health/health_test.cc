#include "libs/health/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace fairlead {
namespace {

using ::testing::DoubleNear;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const absl::Time kStart = absl::FromUnixSeconds(3600);
constexpr absl::Duration kTick = absl::Nanoseconds(1);

HealthFigures Idle() {
  HealthFigures figures;
  figures.cpu_utilisation = 0.2;
  figures.memory_total_bytes = 64'000'000'000;
  figures.memory_available_bytes = 32'000'000'000;
  figures.capacity_bps = 40'000'000'000;
  figures.throughput_bps = 4'000'000'000;
  figures.server = ServerState::kRunning;
  figures.tiers = {TierFigures{.tier = Tier::kDisk, .capacity_bytes = 300, .utilisation = 0.3, .read_latency = absl::Milliseconds(10)},
                   TierFigures{.tier = Tier::kFlash, .capacity_bytes = 100, .utilisation = 0.1, .read_latency = absl::Milliseconds(1)}};
  return figures;
}

class HealthTest : public ::testing::Test {
 protected:
  HealthVerdict Report(const HealthFigures& figures) {
    health_.Report(figures, now_, tuning_);
    return health_.Evaluate(now_, tuning_);
  }
  // Reports the same every 2 s for `length`; the last verdict.
  HealthVerdict ReportFor(const HealthFigures& figures, absl::Duration length) {
    HealthVerdict verdict = Report(figures);
    for (absl::Duration passed; passed < length; passed += absl::Seconds(2)) {
      now_ += absl::Seconds(2);
      verdict = Report(figures);
    }
    return verdict;
  }

  HealthTuning tuning_;
  absl::Time now_ = kStart;
  ApplianceHealth health_{kStart};
};

TEST_F(HealthTest, AnIdleBoxIsOkAtFullWeightFromItsFirstReport) {
  const HealthVerdict verdict = Report(Idle());
  EXPECT_EQ(verdict, (HealthVerdict{HealthState::kOk, 1, ""}));
}

TEST_F(HealthTest, WhatWasNotMeasuredSpeaksAgainstNobody) {
  EXPECT_EQ(Report(HealthFigures()), (HealthVerdict{HealthState::kOk, 1, ""}));
}

// Every check, stepped exactly over its thresholds: just below `enter`, at it, back to `leave`, and just beyond.
struct CheckCase {
  const char* name;
  std::function<void(HealthFigures&, double)> set;
  double before, at, still, cleared;
  HealthState state;
  const char* reason;
};

class CheckTest : public ::testing::TestWithParam<CheckCase> {};

TEST_P(CheckTest, TripsAtEnterAndClearsBeyondLeave) {
  const CheckCase& check = GetParam();
  const HealthTuning tuning;
  const auto raw = [&](std::vector<double> values) {
    ApplianceHealth health(kStart);
    absl::Time now = kStart;
    for (const double value : values) {
      HealthFigures figures = Idle();
      check.set(figures, value);
      health.Report(figures, now, tuning);
      health.Evaluate(now, tuning);
    }
    // Long enough to recover, with reports that keep it from being silent.
    for (int i = 0; i < 10; ++i) {
      now += absl::Seconds(2);
      HealthFigures figures = Idle();
      check.set(figures, values.back());
      health.Report(figures, now, tuning);
      health.Evaluate(now, tuning);
    }
    return health;
  };
  EXPECT_NE(raw({check.before}).state(), check.state) << "below enter";
  EXPECT_EQ(raw({check.at}).state(), check.state) << "at enter";
  EXPECT_EQ(raw({check.at, check.still}).state(), check.state) << "at leave, having been tripped";
  EXPECT_NE(raw({check.still}).state(), check.state) << "at leave, never tripped";
  EXPECT_NE(raw({check.at, check.cleared}).state(), check.state) << "beyond leave";

  ApplianceHealth health(kStart);
  HealthFigures figures = Idle();
  check.set(figures, check.at);
  health.Report(figures, kStart, tuning);
  const HealthVerdict verdict = health.Evaluate(kStart, tuning);
  EXPECT_THAT(verdict.reason, HasSubstr(check.reason));
  EXPECT_LT(verdict.weight, 1);
  if (check.state == HealthState::kDegraded) {
    EXPECT_GE(verdict.weight, tuning.least_weight);
  } else {
    EXPECT_EQ(verdict.weight, 0);
  }
}

void SetNetwork(HealthFigures& f, double share) {
  f.throughput_bps = static_cast<int64_t>(share * 40e9 + 0.5);
}
void SetCpu(HealthFigures& f, double share) {
  f.cpu_utilisation = share;
}
void SetMemory(HealthFigures& f, double share) {
  f.memory_available_bytes = static_cast<int64_t>(share * 64e9 + 0.5);
}
void SetDisk(HealthFigures& f, double share) {
  f.tiers[0].utilisation = share;
}
void SetLatency(HealthFigures& f, double ms) {
  f.tiers[1].read_latency = absl::Milliseconds(ms);
}
void SetHeat(HealthFigures& f, double celsius) {
  f.temperature_celsius = celsius;
}

INSTANTIATE_TEST_SUITE_P(
    Checks, CheckTest,
    ::testing::Values(
        CheckCase{"NetworkDegraded", SetNetwork, 0.8499, 0.85, 0.80, 0.7999, HealthState::kDegraded, "network at 85.0 % of 40.00 Gbit/s"},
        CheckCase{"NetworkOverloaded", SetNetwork, 0.9499, 0.95, 0.90, 0.8999, HealthState::kOverloaded, "network at 95.0 %"},
        CheckCase{"CpuDegraded", SetCpu, 0.8499, 0.85, 0.75, 0.7499, HealthState::kDegraded, "CPU at 85.0 %"},
        CheckCase{"CpuOverloaded", SetCpu, 0.9699, 0.97, 0.90, 0.8999, HealthState::kOverloaded, "CPU at 97.0 %"},
        CheckCase{"MemoryDegraded", SetMemory, 0.0501, 0.05, 0.08, 0.0801, HealthState::kDegraded, "5.0 % of memory"},
        CheckCase{"MemorySick", SetMemory, 0.0101, 0.01, 0.03, 0.0301, HealthState::kSick, "1.0 % of memory"},
        CheckCase{"DiskDegraded", SetDisk, 0.9499, 0.95, 0.85, 0.8499, HealthState::kDegraded, "disk busy for 95.0 %"},
        CheckCase{"LatencyDegraded", SetLatency, 99.9, 100, 70, 69.9, HealthState::kDegraded, "flash reads take 100 ms"},
        CheckCase{"LatencyOverloaded", SetLatency, 999.9, 1000, 500, 499.9, HealthState::kOverloaded, "flash reads take 1000 ms"},
        CheckCase{"TemperatureDegraded", SetHeat, 84.9, 85, 80, 79.9, HealthState::kDegraded, "85.0 °C"},
        CheckCase{"TemperatureSick", SetHeat, 94.9, 95, 90, 89.9, HealthState::kSick, "95.0 °C"}),
    [](const auto& tested) { return tested.param.name; });

TEST_F(HealthTest, WeightFallsLinearlyBetweenDegradedAndOverloaded) {
  HealthFigures figures = Idle();
  SetNetwork(figures, 0.90);
  EXPECT_THAT(Report(figures).weight, DoubleNear(0.55, 1e-9));
  SetNetwork(figures, 0.949);
  EXPECT_THAT(Report(figures).weight, DoubleNear(0.1, 1e-9));
}

TEST_F(HealthTest, TheWebServerDecides) {
  HealthFigures figures = Idle();
  figures.server = ServerState::kConfigRefused;
  figures.server_detail = "nginx: [emerg] unknown directive";
  HealthVerdict verdict = Report(figures);
  EXPECT_EQ(verdict.state, HealthState::kDegraded);
  EXPECT_THAT(verdict.reason, HasSubstr("[emerg]"));
  figures.server = ServerState::kUnresponsive;
  EXPECT_EQ(Report(figures).state, HealthState::kSick);
  figures.server = ServerState::kStopped;
  EXPECT_THAT(Report(figures).reason, HasSubstr("stopped"));
  figures.server = ServerState::kRefusing;
  verdict = Report(figures);
  EXPECT_EQ(verdict.state, HealthState::kSick);
  EXPECT_THAT(verdict.reason, HasSubstr("turns everybody away, as it was told to"));
}

TEST_F(HealthTest, AFailedTierCostsItsShareAndAllOfThemMakeItSick) {
  HealthFigures figures = Idle();
  figures.tiers[1].failed = true;
  HealthVerdict verdict = Report(figures);
  EXPECT_EQ(verdict.state, HealthState::kDegraded);
  EXPECT_THAT(verdict.weight, DoubleNear(0.75, 1e-9));
  EXPECT_THAT(verdict.reason, HasSubstr("1 of 2"));
  figures.tiers[0].failed = true;
  EXPECT_EQ(Report(figures).state, HealthState::kSick);
}

TEST_F(HealthTest, NewDiskErrorsAreRememberedForAWhileAndOldOnesAreNot) {
  HealthFigures figures = Idle();
  figures.tiers[0].error_count = 40;  // Before we knew the box.
  EXPECT_EQ(Report(figures).state, HealthState::kOk);
  figures.tiers[0].error_count = 41;
  EXPECT_EQ(Report(figures).state, HealthState::kDegraded);
  const absl::Time erred = now_;
  figures.tiers[0].error_count = 0;  // The agent started anew.
  now_ = erred + tuning_.error_memory - kTick;
  EXPECT_EQ(Report(figures).state, HealthState::kDegraded);
  now_ = erred + tuning_.error_memory;
  Report(figures);
  EXPECT_EQ(ReportFor(figures, tuning_.recover_after).state, HealthState::kOk);
}

TEST_F(HealthTest, SilenceBeginsExactlyAtLostAfter) {
  Report(Idle());
  EXPECT_EQ(health_.Evaluate(now_ + tuning_.lost_after - kTick, tuning_).state, HealthState::kOk);
  const HealthVerdict verdict = health_.Evaluate(now_ + tuning_.lost_after, tuning_);
  EXPECT_EQ(verdict.state, HealthState::kSilent);
  EXPECT_EQ(verdict.weight, 0);
  EXPECT_EQ(verdict.reason, "no report for 10s");
}

TEST_F(HealthTest, AnyReportBreaksTheSilence) {
  Report(Idle());
  now_ += tuning_.lost_after - kTick;
  health_.Heard(now_);
  EXPECT_EQ(health_.Evaluate(now_ + tuning_.lost_after - kTick, tuning_).state, HealthState::kOk);
}

TEST_F(HealthTest, GettingWorseCountsAtOnceAndGettingBetterOnlyAfterAWhile) {
  HealthFigures sick = Idle();
  sick.server = ServerState::kStopped;
  EXPECT_EQ(Report(sick).state, HealthState::kSick);
  now_ += absl::Seconds(2);
  HealthVerdict verdict = Report(Idle());
  EXPECT_EQ(verdict.state, HealthState::kSick);
  EXPECT_THAT(verdict.reason, HasSubstr("recovering from: the web server is stopped"));
  const absl::Time better = now_;
  now_ = better + tuning_.recover_after - kTick;
  EXPECT_EQ(Report(Idle()).state, HealthState::kSick);
  now_ = better + tuning_.recover_after;
  EXPECT_EQ(Report(Idle()).state, HealthState::kDegraded);  // Starting slowly.
}

TEST_F(HealthTest, ARelapseStartsTheWaitAnew) {
  HealthFigures sick = Idle();
  sick.server = ServerState::kStopped;
  Report(sick);
  now_ += absl::Seconds(2);
  Report(Idle());
  now_ += tuning_.recover_after - absl::Seconds(1);
  Report(sick);
  now_ += absl::Seconds(2);
  EXPECT_EQ(Report(Idle()).state, HealthState::kSick);
  now_ += tuning_.recover_after - kTick;
  EXPECT_EQ(Report(Idle()).state, HealthState::kSick);
}

TEST_F(HealthTest, AfterAFallTheWeightRisesSlowly) {
  HealthFigures sick = Idle();
  sick.server = ServerState::kStopped;
  Report(sick);
  now_ += absl::Seconds(2);
  Report(Idle());
  now_ += tuning_.recover_after;
  HealthVerdict verdict = Report(Idle());
  EXPECT_EQ(verdict.state, HealthState::kDegraded);
  EXPECT_EQ(verdict.reason, "starting slowly");
  EXPECT_THAT(verdict.weight, DoubleNear(0.1, 1e-9));
  const absl::Time begin = now_;
  double last = verdict.weight;
  while (now_ < begin + tuning_.slow_start) {
    verdict = Report(Idle());
    EXPECT_GE(verdict.weight, last);
    last = verdict.weight;
    now_ += absl::Seconds(2);
  }
  EXPECT_GT(last, 0.9);
  now_ = begin + tuning_.slow_start;
  EXPECT_EQ(Report(Idle()), (HealthVerdict{HealthState::kOk, 1, ""}));
}

TEST_F(HealthTest, ABoxThatWasOnlyDegradedNeedsNoSlowStart) {
  HealthFigures busy = Idle();
  SetNetwork(busy, 0.87);
  EXPECT_EQ(Report(busy).state, HealthState::kDegraded);
  EXPECT_EQ(ReportFor(Idle(), tuning_.recover_after + absl::Seconds(2)), (HealthVerdict{HealthState::kOk, 1, ""}));
}

TEST_F(HealthTest, ABoxThatFallsOftenIsHeldDownUntilItsPenaltyHasDecayed) {
  HealthFigures sick = Idle();
  sick.server = ServerState::kStopped;
  const auto fall = [&] {
    Report(sick);
    now_ += absl::Seconds(2);
    Report(Idle());
    now_ += tuning_.recover_after;
    return Report(Idle());
  };
  EXPECT_EQ(fall().reason, "starting slowly");
  EXPECT_EQ(fall().reason, "starting slowly");
  const absl::Time third = now_;
  const HealthVerdict held = fall();
  EXPECT_EQ(held.state, HealthState::kDegraded);
  EXPECT_THAT(held.reason, HasSubstr("held down"));
  EXPECT_LE(held.weight, tuning_.flap_weight);
  // Three falls 12 s apart: below 3,000, above 2,500. It is free again when that is below 1,000: after 1.4 to 1.6 half-lives.
  now_ = third + tuning_.flap_half_life * 1.3;
  EXPECT_THAT(Report(Idle()).reason, HasSubstr("held down"));
  now_ = third + tuning_.flap_half_life * 1.6;
  health_.Heard(now_);
  EXPECT_THAT(ReportFor(Idle(), absl::Seconds(2)).reason, Not(HasSubstr("held down")));
}

TEST_F(HealthTest, WhatItRemembersGoesOnAsIfNothingHadHappened) {
  HealthFigures sick = Idle();
  sick.server = ServerState::kStopped;
  HealthFigures worn = Idle();
  worn.tiers[0].error_count = 3;
  HealthFigures busy = Idle();
  SetNetwork(busy, 0.87);
  const std::vector<HealthFigures> reports = {Idle(), busy, sick, Idle(), worn};
  // Every 7 s another report; several falls, recoveries, damping and silence come by.
  for (int step = 0; step < 200; ++step) {
    now_ += absl::Seconds(step % 29 == 28 ? 15 : 7);
    ApplianceHealth restored(health_.Memory());
    ASSERT_EQ(restored.Evaluate(now_, tuning_), health_.Evaluate(now_, tuning_)) << step;
    const HealthFigures& figures = reports[static_cast<size_t>(step * step % 31) % reports.size()];
    restored.Report(figures, now_, tuning_);
    ASSERT_EQ(restored.Evaluate(now_, tuning_), Report(figures)) << step;
  }
}

TEST_F(HealthTest, FallsFarApartAreNotFlapping) {
  HealthFigures sick = Idle();
  sick.server = ServerState::kStopped;
  for (int i = 0; i < 10; ++i) {
    Report(sick);
    now_ += absl::Seconds(2);
    EXPECT_THAT(ReportFor(Idle(), absl::Minutes(10)).reason, IsEmpty());
  }
}

TEST_F(HealthTest, TheWorstCheckGivesTheStateAndTheReason) {
  HealthFigures figures = Idle();
  SetCpu(figures, 0.9);
  SetNetwork(figures, 0.96);
  HealthVerdict verdict = Report(figures);
  EXPECT_EQ(verdict.state, HealthState::kOverloaded);
  EXPECT_THAT(verdict.reason, HasSubstr("network"));
  figures.server = ServerState::kUnresponsive;
  EXPECT_EQ(Report(figures).state, HealthState::kSick);
}

}  // namespace
}  // namespace fairlead
