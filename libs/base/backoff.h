// Delays between retries: exponential with full jitter, so that a fleet that lost its server together doesn't return together.
// Source: "Exponential Backoff And Jitter" (AWS architecture blog, 2015), the full-jitter variant with a floor.
#ifndef FAIRLEAD_LIBS_BASE_BACKOFF_H_
#define FAIRLEAD_LIBS_BASE_BACKOFF_H_

#include <cstdint>

#include "absl/time/time.h"

namespace fairlead {

struct BackoffPolicy {
  absl::Duration first = absl::Milliseconds(100);
  absl::Duration most = absl::Seconds(10);
};

// Not thread-safe; one per connection. The same seed gives the same delays.
class Backoff {
 public:
  Backoff(BackoffPolicy policy, uint64_t seed) : policy_(policy), state_(seed), ceiling_(policy.first) {}

  // How long to wait before the next try: in [first / 2, ceiling], where the ceiling doubles up to `most`.
  absl::Duration Next();
  // To be called after a success.
  void Reset() { ceiling_ = policy_.first; }

 private:
  BackoffPolicy policy_;
  uint64_t state_;
  absl::Duration ceiling_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_BASE_BACKOFF_H_
