#include "libs/health/health.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace fairlead {
namespace {

// A tripped check keeps the weight below 1, so that DEGRADED always means less.
constexpr double kMostDegradedWeight = 0.95;
constexpr double kWeightStep = 0.05;

// The numbers of HealthState rise with how bad it is.
bool IsWorse(HealthState a, HealthState b) {
  return static_cast<int>(a) > static_cast<int>(b);
}
bool IsFall(HealthState state) {
  return IsWorse(state, HealthState::kDegraded);
}

// 1 at `from`, `least` at `to` and beyond.
double Falling(double value, double from, double to, double least) {
  if (value <= from || to <= from) return 1;
  return std::max(least, 1 - (value - from) / (to - from) * (1 - least));
}

double Round(double weight) {
  return std::round(weight / kWeightStep) * kWeightStep;
}

std::string Percent(double share) {
  return absl::StrFormat("%.1f %%", share * 100);
}

absl::string_view TierName(Tier tier) {
  return tier == Tier::kFlash ? "flash" : "disk";
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const HealthVerdict& verdict) {
  return out << ToString(verdict.state) << " " << verdict.weight << " (" << verdict.reason << ")";
}

ApplianceHealth::ApplianceHealth(const HealthMemory& memory)
    : last_heard_(memory.last_heard),
      first_report_(!memory.reported),
      error_counts_(memory.error_counts),
      last_error_(memory.last_error),
      state_(memory.state),
      held_reason_(memory.held_reason),
      better_since_(memory.better_since),
      started_slowly_(memory.started_slowly),
      penalty_(memory.penalty),
      penalty_at_(memory.penalty_at),
      held_down_(memory.held_down) {
  for (const HealthMemory::Check& check : memory.tripped) {
    if (check.check < kChecks) checks_[check.check] = {true, check.weight, check.reason};
  }
}

HealthMemory ApplianceHealth::Memory() const {
  HealthMemory memory;
  for (uint32_t i = 0; i < kChecks; ++i) {
    if (checks_[i].on) memory.tripped.push_back({i, checks_[i].weight, checks_[i].reason});
  }
  memory.last_heard = last_heard_;
  memory.reported = !first_report_;
  memory.error_counts = error_counts_;
  memory.last_error = last_error_;
  memory.state = state_;
  memory.held_reason = held_reason_;
  memory.better_since = better_since_;
  memory.started_slowly = started_slowly_;
  memory.penalty = penalty_;
  memory.penalty_at = penalty_at_;
  memory.held_down = held_down_;
  return memory;
}

HealthState ApplianceHealth::StateOf(Check check) {
  switch (check) {
    case kNetworkOverloaded:
    case kCpuOverloaded:
    case kLatencyOverloaded:
      return HealthState::kOverloaded;
    case kMemorySick:
    case kTemperatureSick:
    case kServerSick:
    case kAllTiersFailed:
      return HealthState::kSick;
    default:
      return HealthState::kDegraded;
  }
}

void ApplianceHealth::Set(Check check, bool on, double weight, std::string reason) {
  checks_[check] = on ? Tripped{true, weight, std::move(reason)} : Tripped{};
}

void ApplianceHealth::SetHigh(Check check, double value, const Threshold& threshold, double weight, std::string reason) {
  Set(check, value >= (checks_[check].on ? threshold.leave : threshold.enter), weight, std::move(reason));
}

void ApplianceHealth::SetLow(Check check, double value, const Threshold& threshold, double weight, std::string reason) {
  Set(check, value <= (checks_[check].on ? threshold.leave : threshold.enter), weight, std::move(reason));
}

void ApplianceHealth::CheckLoad(const HealthFigures& figures, const HealthTuning& tuning) {
  const double network =
      figures.capacity_bps > 0 ? static_cast<double>(figures.throughput_bps) / static_cast<double>(figures.capacity_bps) : 0;
  const std::string network_reason =
      absl::StrFormat("network at %s of %.2f Gbit/s", Percent(network), static_cast<double>(figures.capacity_bps) / 1e9);
  SetHigh(kNetworkDegraded, network, tuning.network_degraded,
          Falling(network, tuning.network_degraded.enter, tuning.network_overloaded.enter, tuning.least_weight), network_reason);
  SetHigh(kNetworkOverloaded, network, tuning.network_overloaded, 0, network_reason);

  const double cpu = figures.cpu_utilisation;
  const std::string cpu_reason = absl::StrCat("CPU at ", Percent(cpu));
  SetHigh(kCpuDegraded, cpu, tuning.cpu_degraded, Falling(cpu, tuning.cpu_degraded.enter, tuning.cpu_overloaded.enter, tuning.least_weight),
          cpu_reason);
  SetHigh(kCpuOverloaded, cpu, tuning.cpu_overloaded, 0, cpu_reason);

  const double memory = figures.memory_total_bytes > 0
                            ? static_cast<double>(figures.memory_available_bytes) / static_cast<double>(figures.memory_total_bytes)
                            : 1;
  const std::string memory_reason = absl::StrCat(Percent(memory), " of memory available");
  SetLow(kMemoryDegraded, memory, tuning.memory_degraded, 0.5, memory_reason);
  SetLow(kMemorySick, memory, tuning.memory_sick, 0, memory_reason);

  const double temperature = figures.temperature_celsius.value_or(0);
  const std::string temperature_reason = absl::StrFormat("%.1f °C", temperature);
  SetHigh(kTemperatureDegraded, temperature, tuning.temperature_degraded, 0.5, temperature_reason);
  SetHigh(kTemperatureSick, temperature, tuning.temperature_sick, 0, temperature_reason);
}

void ApplianceHealth::CheckTiers(const HealthFigures& figures, absl::Time now, const HealthTuning& tuning) {
  double utilisation = 0;
  double latency = 0;
  absl::string_view latency_tier;
  absl::string_view utilisation_tier;
  double capacity = 0;
  double failed_capacity = 0;
  size_t failed = 0;
  error_counts_.resize(figures.tiers.size(), 0);
  for (size_t i = 0; i < figures.tiers.size(); ++i) {
    const TierFigures& tier = figures.tiers[i];
    // A lower count than before is an agent that started anew.
    if (first_report_ || tier.error_count < error_counts_[i]) {
      error_counts_[i] = tier.error_count;
    } else if (tier.error_count > error_counts_[i]) {
      error_counts_[i] = tier.error_count;
      last_error_ = now;
    }
    capacity += static_cast<double>(tier.capacity_bytes);
    if (tier.failed) {
      ++failed;
      failed_capacity += static_cast<double>(tier.capacity_bytes);
      continue;  // The other figures of a failed tier mean nothing.
    }
    if (tier.utilisation.value_or(0) > utilisation) {
      utilisation = *tier.utilisation;
      utilisation_tier = TierName(tier.tier);
    }
    const double milliseconds = absl::ToDoubleMilliseconds(tier.read_latency.value_or(absl::ZeroDuration()));
    if (milliseconds > latency) {
      latency = milliseconds;
      latency_tier = TierName(tier.tier);
    }
  }
  SetHigh(kDiskDegraded, utilisation, tuning.disk_degraded, 0.7, absl::StrCat(utilisation_tier, " busy for ", Percent(utilisation)));
  const std::string latency_reason = absl::StrFormat("%s reads take %.0f ms", latency_tier, latency);
  SetHigh(kLatencyDegraded, latency, tuning.latency_degraded,
          Falling(latency, tuning.latency_degraded.enter, tuning.latency_overloaded.enter, tuning.least_weight), latency_reason);
  SetHigh(kLatencyOverloaded, latency, tuning.latency_overloaded, 0, latency_reason);

  const double working = capacity > 0 ? 1 - failed_capacity / capacity : 0.5;
  Set(kTierFailed, failed > 0, std::max(working, tuning.least_weight),
      absl::StrCat(failed, " of ", figures.tiers.size(), " storage tiers failed"));
  Set(kAllTiersFailed, failed > 0 && failed == figures.tiers.size(), 0, "all storage tiers failed");
}

absl::string_view WhyNotServing(ServerState server) {
  switch (server) {
    case ServerState::kStopped:
      return "the web server is stopped";
    case ServerState::kUnresponsive:
      return "the web server doesn't answer";
    case ServerState::kRefusing:
      return "the web server turns everybody away, as it was told to";
    default:
      return "";
  }
}

void ApplianceHealth::CheckServer(const HealthFigures& figures) {
  const std::string detail = figures.server_detail.empty() ? "" : absl::StrCat(": ", figures.server_detail);
  const absl::string_view why = WhyNotServing(figures.server);
  Set(kServerSick, !why.empty(), 0, absl::StrCat(why, detail));
  Set(kServerDegraded, figures.server == ServerState::kConfigRefused, 0.5,
      absl::StrCat("the web server refused its configuration", detail));
}

void ApplianceHealth::Heard(absl::Time now) {
  last_heard_ = std::max(last_heard_, now);
}

void ApplianceHealth::Report(const HealthFigures& figures, absl::Time now, const HealthTuning& tuning) {
  Heard(now);
  CheckLoad(figures, tuning);
  CheckTiers(figures, now, tuning);
  CheckServer(figures);
  first_report_ = false;
}

ApplianceHealth::Raw ApplianceHealth::Assess(absl::Time now, const HealthTuning& tuning) const {
  if (Silence(now) >= tuning.lost_after) {
    return {HealthState::kSilent, 0, absl::StrCat("no report for ", absl::FormatDuration(absl::Trunc(Silence(now), absl::Seconds(1))))};
  }
  Raw raw;
  for (size_t i = 0; i < kChecks; ++i) {
    const Tripped& check = checks_[i];
    if (!check.on) continue;
    const HealthState state = StateOf(static_cast<Check>(i));
    const double weight = std::min(check.weight, kMostDegradedWeight);
    if (IsWorse(state, raw.state) || (state == raw.state && weight < raw.weight)) raw = {state, weight, check.reason};
  }
  if (now - last_error_ < tuning.error_memory && !IsWorse(raw.state, HealthState::kDegraded) && raw.weight > 0.5) {
    raw = {HealthState::kDegraded, 0.5, "new read or write errors"};
  }
  return raw;
}

double ApplianceHealth::DecayedPenalty(absl::Time now, const HealthTuning& tuning) const {
  if (penalty_ == 0) return 0;
  return penalty_ * std::exp2(-absl::FDivDuration(now - penalty_at_, tuning.flap_half_life));
}

void ApplianceHealth::Enter(HealthState state, absl::Time now, const HealthTuning& tuning) {
  if (IsFall(state) && !IsFall(state_)) {
    penalty_ = DecayedPenalty(now, tuning) + tuning.flap_penalty;
    penalty_at_ = now;
    if (penalty_ >= tuning.flap_suppress) held_down_ = true;
  }
  if (!IsFall(state) && IsFall(state_)) started_slowly_ = now;
  state_ = state;
  better_since_ = absl::InfiniteFuture();
}

HealthVerdict ApplianceHealth::Evaluate(absl::Time now, const HealthTuning& tuning) {
  const Raw raw = Assess(now, tuning);
  if (!IsWorse(state_, raw.state)) {
    if (raw.state != state_) Enter(raw.state, now, tuning);
    better_since_ = absl::InfiniteFuture();
    held_reason_ = raw.reason;
  } else if (better_since_ == absl::InfiniteFuture()) {
    better_since_ = now;
  }
  if (better_since_ != absl::InfiniteFuture() && now - better_since_ >= tuning.recover_after) Enter(raw.state, now, tuning);

  if (held_down_ && DecayedPenalty(now, tuning) < tuning.flap_reuse) held_down_ = false;
  if (state_ != raw.state) {  // Better already, but not for long enough.
    const double weight = state_ == HealthState::kDegraded ? kMostDegradedWeight : 0;
    return {state_, weight, absl::StrCat("recovering from: ", held_reason_)};
  }
  if (IsFall(state_)) return {state_, 0, raw.reason};
  if (held_down_) {
    return {HealthState::kDegraded, std::min(Round(raw.weight), tuning.flap_weight),
            absl::StrCat("held down: it went up and down too often", raw.reason.empty() ? "" : "; ", raw.reason)};
  }
  const double ramp = Falling(absl::FDivDuration(started_slowly_ + tuning.slow_start - now, tuning.slow_start), 0, 1, tuning.least_weight);
  const double weight = Round(std::max(raw.weight * ramp, tuning.least_weight));
  if (weight < 1 && state_ == HealthState::kOk) return {HealthState::kDegraded, weight, "starting slowly"};
  return {state_, weight, raw.reason};
}

}  // namespace fairlead
