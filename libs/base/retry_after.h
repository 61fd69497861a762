// A status with a word on when to try again, for those who are refused for there being too many.
//
//   return WithRetryAfter(absl::ResourceExhaustedError("…"), absl::Milliseconds(500));
//
// It travels as a payload of the status; libs/rpc makes a google.rpc.RetryInfo of it, libs/http a Retry-After.
#ifndef FAIRLEAD_LIBS_BASE_RETRY_AFTER_H_
#define FAIRLEAD_LIBS_BASE_RETRY_AFTER_H_

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace fairlead {

absl::Status WithRetryAfter(absl::Status status, absl::Duration delay);
// 0 if the status doesn't say.
absl::Duration RetryAfterOf(const absl::Status& status);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_BASE_RETRY_AFTER_H_
