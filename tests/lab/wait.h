// Waiting for something to become true: polls until nothing is missing any more.
#ifndef FAIRLEAD_TESTS_LAB_WAIT_H_
#define FAIRLEAD_TESTS_LAB_WAIT_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

namespace fairlead {

// Asks `missing` every 100 ms until it returns "". DEADLINE_EXCEEDED with its last answer after `timeout`; CANCELLED as soon as `stop`
// is notified.
absl::Status AwaitNothing(const std::function<std::string()>& missing, absl::Duration timeout, const absl::Notification& stop);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_WAIT_H_
