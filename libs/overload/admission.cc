#include "libs/overload/admission.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"

namespace fairlead {
namespace {

constexpr double kLongQuiet = 50;  // Intervals.
constexpr uint32_t kFewest = 8;    // Requests of a class in an interval, below which their waits prove nothing.

absl::Status ValidateShare(absl::string_view name, double share) {
  if (share > 0 && share <= 0.5) return absl::OkStatus();  // Also false for NaN.
  return InvalidField(name, absl::StrCat(share), "must be above 0 and at most 0.5");
}

}  // namespace

absl::Status AdmissionOptions::Validate() const {
  if (target <= absl::ZeroDuration() || target > absl::Seconds(1)) {
    return InvalidField("target", absl::FormatDuration(target), "must be above 0 and at most 1s");
  }
  if (interval < absl::Milliseconds(10) || interval > absl::Seconds(10)) {
    return InvalidField("interval", absl::FormatDuration(interval), "must be in [10ms, 10s]");
  }
  if (most < target || most > absl::Seconds(10)) {
    return InvalidField("most", absl::FormatDuration(most),
                        absl::StrCat("must be at least target (", absl::FormatDuration(target), ") and at most 10s"));
  }
  RETURN_IF_ERROR(ValidateShare("decrease", decrease));
  return ValidateShare("increase", increase);
}

bool Admission::Arrive(RequestClass request_class, uint64_t spread, absl::Duration now) {
  if (now - judged_at_ >= options_.interval) Judge(now);
  const size_t level = static_cast<size_t>(request_class) * kSteps + spread % kSteps;
  ++came_[level];
  ++came_in_all_;
  return level < level_;
}

bool Admission::Start(RequestClass request_class, absl::Duration waited, absl::Duration now) {
  if (now - judged_at_ >= options_.interval) Judge(now);
  const auto c = static_cast<size_t>(request_class);
  least_wait_[c] = started_[c] == 0 ? waited : std::min(least_wait_[c], waited);
  ++started_[c];
  return waited <= patience();
}

bool Admission::StandingQueue() const {
  for (size_t c = 0; c < kRequestClasses; ++c) {
    if (started_[c] >= kFewest && least_wait_[c] > options_.target) return true;
  }
  return false;
}

absl::Duration Admission::retry_after() const {
  // Long enough that a judgement or more has passed, longer the deeper the cut.
  return options_.interval * (shedding() ? 2 + 8 * static_cast<double>(kLevels - level_) / kLevels : 1);
}

void Admission::Judge(absl::Duration now) {
  // Where nothing came for long there is no queue, whatever was known of it.
  const double passed = std::min(absl::FDivDuration(now - judged_at_, options_.interval), kLongQuiet);
  const bool overload = passed < kLongQuiet && StandingQueue();
  const double all = static_cast<double>(came_in_all_);
  const double admitted = std::accumulate(came_.begin(), came_.begin() + static_cast<ptrdiff_t>(level_), 0.0);
  if (overload) {
    level_ = std::min(level_, LevelFor(admitted * (1 - options_.decrease)));
    level_ = std::max(level_, kLeast);
  } else if (level_ < kLevels) {
    // At least a few levels, so that it also goes up where next to nothing comes.
    const size_t least = level_ + static_cast<size_t>(options_.increase * passed * kLevels) + 1;
    level_ = std::min(kLevels, std::max(least, LevelFor(admitted + options_.increase * all)));
  }
  came_.fill(0);
  came_in_all_ = 0;
  started_.fill(0);
  judged_at_ = now;
}

// The most levels whose requests of this interval are no more than `admitted`.
size_t Admission::LevelFor(double admitted) const {
  double sum = 0;
  for (size_t level = 0; level < kLevels; ++level) {
    sum += came_[level];
    if (sum > admitted) return level;
  }
  return kLevels;
}

}  // namespace fairlead
