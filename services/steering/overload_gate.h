// Who may be answered: budgets a caller, and for callers without a queue of their own (HTTP) the level that the gRPC queues admit.
//
//   OverloadGate gate(options, queues, metrics);
//   RETURN_IF_ERROR(gate.TakeBudget(key, cost, now));
//   RETURN_IF_ERROR(gate.AdmitByLevel(RequestClass::kPrefetch, spread, now));
//
// Thread-safe, without locks. Refusals are RESOURCE_EXHAUSTED and say when to try again.
#ifndef FAIRLEAD_SERVICES_STEERING_OVERLOAD_GATE_H_
#define FAIRLEAD_SERVICES_STEERING_OVERLOAD_GATE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/overload/admission.h"
#include "libs/overload/caller_budgets.h"
#include "libs/overload/request_class.h"
#include "services/steering/metrics.h"

namespace fairlead {

struct OverloadOptions {
  bool shed = true;  // Whether requests are refused because of a standing queue. Budgets are apart from it.
  AdmissionOptions admission = {};
  CallerBudgetOptions callers = {};
  size_t max_backlog = 128;  // Requests that wait at a queue; it takes no more off gRPC (WorkQueue).

  // INVALID_ARGUMENT naming the option.
  absl::Status Validate() const;
};

class OverloadGate {
 public:
  OverloadGate(const OverloadOptions& options, size_t queues, SteeringMetrics& metrics);

  const OverloadOptions& options() const { return options_; }

  bool budgets_enabled() const { return budgets_.enabled(); }
  absl::Status TakeBudget(uint64_t key, uint32_t cost, absl::Duration now);
  absl::Status AdmitByLevel(RequestClass request_class, uint64_t spread, absl::Duration now);

  // Told by each queue while it sheds and once it doesn't any more.
  void SetLevel(size_t queue, size_t level, absl::Duration now) {
    levels_[queue].told_at.store(absl::ToInt64Nanoseconds(now), std::memory_order_relaxed);
    levels_[queue].level.store(level, std::memory_order_relaxed);
  }
  // The lowest of those told in the last second.
  size_t level(absl::Duration now) const;

  // Makes, and counts, a refusal.
  absl::Status Refuse(ShedReason reason, RequestClass request_class, absl::Duration retry_after) const;

 private:
  struct alignas(64) Level {
    std::atomic<size_t> level{Admission::kLevels};
    std::atomic<int64_t> told_at{0};
  };

  const OverloadOptions options_;
  CallerBudgets budgets_;
  std::vector<Level> levels_;
  SteeringMetrics& metrics_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_OVERLOAD_GATE_H_
