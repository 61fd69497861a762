#include "tests/lab/wait.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace fairlead {

absl::Status AwaitNothing(const std::function<std::string()>& missing, absl::Duration timeout, const absl::Notification& stop) {
  const absl::Time deadline = absl::Now() + timeout;
  while (true) {
    const std::string answer = missing();
    if (answer.empty()) return absl::OkStatus();
    if (absl::Now() > deadline) return absl::DeadlineExceededError(absl::StrCat("after ", absl::FormatDuration(timeout), ": ", answer));
    if (stop.WaitForNotificationWithTimeout(absl::Milliseconds(100))) return absl::CancelledError("stopped");
  }
}

}  // namespace fairlead
