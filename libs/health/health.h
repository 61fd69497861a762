// The health of one appliance: its ability to take additional traffic, as a state, a weight and a reason.
//
// Each figure of a report is a check with two thresholds: it trips at `enter` and clears below `leave` (hysteresis). The worst tripped
// check is the raw state. Getting worse counts at once; getting better only after the raw state was better for `recover_after`
// without a break. A box that falls into OVERLOADED, SICK or SILENT often is damped: each fall adds a penalty that decays
// exponentially, and while it is held down it is DEGRADED at a small weight (the idea of BGP route flap damping, RFC 2439). Coming
// back from one of these states, its weight rises linearly over `slow_start`, so that it isn't pushed over again.
// Weights are rounded to steps of 0.05, so that a slow ramp doesn't publish at each tick.
//
// Silence of one box says nothing about the others: whether many silent boxes are to be believed is decided by who sees all of them.
//
// Pure: `now` is any clock that doesn't jump, the same at each call. Not thread-safe. Costs O(tiers) a report, O(1) a tick.
//
//   ApplianceHealth health(now);
//   health.Report(figures, now, policy);
//   const HealthVerdict verdict = health.Evaluate(now, policy);   // {kDegraded, 0.55, "network at 90.0 % of 40.00 Gbit/s"}
#ifndef FAIRLEAD_LIBS_HEALTH_HEALTH_H_
#define FAIRLEAD_LIBS_HEALTH_HEALTH_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/vocabulary.h"

namespace fairlead {

// kRefusing: it turns everybody away, as it was told to; healthy, and yet no place to send anybody.
enum class ServerState : uint8_t { kUnknown, kRunning, kStopped, kConfigRefused, kUnresponsive, kRefusing };

struct TierFigures {
  Tier tier = Tier::kUnspecified;
  int64_t capacity_bytes = 0;
  std::optional<double> utilisation;           // Share of time with I/O in flight, [0, 1].
  std::optional<absl::Duration> read_latency;  // Mean.
  int64_t error_count = 0;                     // Since the agent started.
  bool failed = false;
};

// What one heartbeat says. Figures that were not measured are absent or zero, and trip nothing.
struct HealthFigures {
  double cpu_utilisation = 0;  // [0, 1]
  int64_t memory_total_bytes = 0;
  int64_t memory_available_bytes = 0;
  std::vector<TierFigures> tiers;
  int64_t throughput_bps = 0;
  int64_t capacity_bps = 0;
  ServerState server = ServerState::kUnknown;
  std::string server_detail;
  std::optional<double> temperature_celsius;
};

// A check trips at `enter` and clears on the better side of `leave`.
struct Threshold {
  double enter = 0;
  double leave = 0;
};

// The numbers are this project's choices; what operators set is lost_after.
struct HealthTuning {
  absl::Duration lost_after = absl::Seconds(10);
  absl::Duration recover_after = absl::Seconds(10);
  absl::Duration slow_start = absl::Seconds(60);

  // Shares of capacity.
  Threshold network_degraded = {0.85, 0.80};
  Threshold network_overloaded = {0.95, 0.90};
  Threshold cpu_degraded = {0.85, 0.75};
  Threshold cpu_overloaded = {0.97, 0.90};
  // Shares that are still available: these trip at or below.
  Threshold memory_degraded = {0.05, 0.08};
  Threshold memory_sick = {0.01, 0.03};
  Threshold disk_degraded = {0.95, 0.85};
  // Milliseconds of mean read latency.
  Threshold latency_degraded = {100, 70};
  Threshold latency_overloaded = {1000, 500};
  // Degrees Celsius.
  Threshold temperature_degraded = {85, 80};
  Threshold temperature_sick = {95, 90};
  // How long a new read or write error counts.
  absl::Duration error_memory = absl::Minutes(5);

  // Of a fall into OVERLOADED, SICK or SILENT; the penalty halves every `flap_half_life`.
  double flap_penalty = 1000;
  double flap_suppress = 2500;  // Held down above this,
  double flap_reuse = 1000;     // until below this.
  absl::Duration flap_half_life = absl::Minutes(2);
  double flap_weight = 0.2;

  double least_weight = 0.1;  // Of a DEGRADED box and at the begin of a slow start.
};

struct HealthVerdict {
  HealthState state = HealthState::kUnspecified;
  double weight = 0;   // [0, 1]; 0 unless OK or DEGRADED.
  std::string reason;  // Empty if OK at full weight.

  friend bool operator==(const HealthVerdict&, const HealthVerdict&) = default;
};
std::ostream& operator<<(std::ostream& out, const HealthVerdict& verdict);

// All that ApplianceHealth knows, so that it can be kept somewhere and gone on from. Times are of the same clock.
struct HealthMemory {
  struct Check {
    uint32_t check = 0;
    double weight = 1;
    std::string reason;
  };
  std::vector<Check> tripped;
  absl::Time last_heard;
  bool reported = false;
  std::vector<int64_t> error_counts;
  absl::Time last_error = absl::InfinitePast();
  HealthState state = HealthState::kOk;
  std::string held_reason;
  absl::Time better_since = absl::InfiniteFuture();
  absl::Time started_slowly = absl::InfinitePast();
  double penalty = 0;
  absl::Time penalty_at = absl::InfinitePast();
  bool held_down = false;
};

class ApplianceHealth {
 public:
  // A box is heard of at `now` for the first time; until its first Report it is OK, because nothing speaks against it.
  explicit ApplianceHealth(absl::Time now) : last_heard_(now) {}
  // Goes on from there. Checks that aren't known here are left out: the next report tells them all.
  explicit ApplianceHealth(const HealthMemory& memory);
  HealthMemory Memory() const;

  // Anything arrived from the box.
  void Heard(absl::Time now);
  // A heartbeat arrived; implies Heard.
  void Report(const HealthFigures& figures, absl::Time now, const HealthTuning& tuning);
  // To be called after each Report and at least every second; the state changes here only.
  HealthVerdict Evaluate(absl::Time now, const HealthTuning& tuning);

  absl::Duration Silence(absl::Time now) const { return now - last_heard_; }
  HealthState state() const { return state_; }

 private:
  // Their numbers are kept in checkpoints: add new ones at the end.
  enum Check : size_t {
    kNetworkDegraded,
    kNetworkOverloaded,
    kCpuDegraded,
    kCpuOverloaded,
    kMemoryDegraded,
    kMemorySick,
    kDiskDegraded,
    kLatencyDegraded,
    kLatencyOverloaded,
    kTemperatureDegraded,
    kTemperatureSick,
    kServerDegraded,
    kServerSick,
    kTierFailed,
    kAllTiersFailed,
    kChecks,
  };
  struct Tripped {
    bool on = false;
    double weight = 1;
    std::string reason;
  };
  struct Raw {
    HealthState state = HealthState::kOk;
    double weight = 1;
    std::string reason;
  };

  static HealthState StateOf(Check check);
  // Trips or clears a check on a figure that is bad when it is high, or low. `weight` counts while it is on.
  void SetHigh(Check check, double value, const Threshold& threshold, double weight, std::string reason);
  void SetLow(Check check, double value, const Threshold& threshold, double weight, std::string reason);
  void Set(Check check, bool on, double weight, std::string reason);
  void CheckLoad(const HealthFigures& figures, const HealthTuning& tuning);
  void CheckTiers(const HealthFigures& figures, absl::Time now, const HealthTuning& tuning);
  void CheckServer(const HealthFigures& figures);
  Raw Assess(absl::Time now, const HealthTuning& tuning) const;
  void Enter(HealthState state, absl::Time now, const HealthTuning& tuning);
  double DecayedPenalty(absl::Time now, const HealthTuning& tuning) const;

  std::array<Tripped, kChecks> checks_;
  absl::Time last_heard_;
  bool first_report_ = true;
  std::vector<int64_t> error_counts_;  // By tier, of the last report.
  absl::Time last_error_ = absl::InfinitePast();

  HealthState state_ = HealthState::kOk;
  std::string held_reason_;  // Why it is in state_, while the raw state is already better.
  absl::Time better_since_ = absl::InfiniteFuture();
  absl::Time started_slowly_ = absl::InfinitePast();
  double penalty_ = 0;
  absl::Time penalty_at_ = absl::InfinitePast();
  bool held_down_ = false;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_HEALTH_HEALTH_H_
