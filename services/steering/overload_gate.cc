#include "services/steering/overload_gate.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/retry_after.h"
#include "libs/base/status_macros.h"

namespace fairlead {
namespace {

constexpr size_t kMostBacklog = 1'000'000;
// HTTP callers are refused by levels that others found: a second is a few judgements.
constexpr absl::Duration kLevelRetry = absl::Seconds(1);
// A queue that has nothing to do tells nothing.
constexpr absl::Duration kLevelLasts = absl::Seconds(1);

absl::string_view WhyOf(ShedReason reason) {
  switch (reason) {
    case ShedReason::kOverload:
      return "there are more requests than can be answered, and those of its class and caller come later";
    case ShedReason::kLate:
      return "it waited too long to be of use";
    case ShedReason::kBacklog:
      return "too many requests wait";
    case ShedReason::kBudget:
      return "its caller's budget is used up";
  }
  return "overload";
}

}  // namespace

absl::Status OverloadOptions::Validate() const {
  if (max_backlog < 1 || max_backlog > kMostBacklog) {
    return InvalidField("max_backlog", absl::StrCat(max_backlog), absl::StrCat("must be in [1, ", kMostBacklog, "]"));
  }
  const absl::Status good = admission.Validate();
  if (!good.ok()) return WithFieldPrefix(good, "overload_");
  const absl::Status good_callers = callers.Validate();
  return good_callers.ok() ? good_callers : WithFieldPrefix(good_callers, "caller_");
}

OverloadGate::OverloadGate(const OverloadOptions& options, size_t queues, SteeringMetrics& metrics)
    : options_(options), budgets_(options.callers), levels_(std::max<size_t>(1, queues)), metrics_(metrics) {}

absl::Status OverloadGate::TakeBudget(uint64_t key, uint32_t cost, absl::Duration now) {
  const absl::Duration wait = budgets_.Take(key, cost, now);
  return wait == absl::ZeroDuration() ? absl::OkStatus() : Refuse(ShedReason::kBudget, RequestClass::kPlaybackStart, wait);
}

absl::Status OverloadGate::AdmitByLevel(RequestClass request_class, uint64_t spread, absl::Duration now) {
  const size_t of_it = static_cast<size_t>(request_class) * Admission::kSteps + spread % Admission::kSteps;
  return !options_.shed || of_it < level(now) ? absl::OkStatus() : Refuse(ShedReason::kOverload, request_class, kLevelRetry);
}

size_t OverloadGate::level(absl::Duration now) const {
  const int64_t oldest = absl::ToInt64Nanoseconds(now - kLevelLasts);
  size_t least = Admission::kLevels;
  for (const Level& level : levels_) {
    if (level.told_at.load(std::memory_order_relaxed) >= oldest) least = std::min(least, level.level.load(std::memory_order_relaxed));
  }
  return least;
}

absl::Status OverloadGate::Refuse(ShedReason reason, RequestClass request_class, absl::Duration retry_after) const {
  metrics_.CountShed(reason, request_class);
  return WithRetryAfter(
      absl::ResourceExhaustedError(absl::StrCat("a request of class ", ToString(request_class), " was refused: ", WhyOf(reason),
                                                "; try again in ", absl::FormatDuration(absl::Ceil(retry_after, absl::Milliseconds(1))))),
      retry_after);
}

}  // namespace fairlead
