// Where loops and servers get the time from. Pure rooms never hold a Clock: they are handed `now`.
#ifndef FAIRLEAD_LIBS_BASE_CLOCK_H_
#define FAIRLEAD_LIBS_BASE_CLOCK_H_

#include "absl/time/time.h"

namespace fairlead {

// Implementations are thread-safe. libs/clock has the real one and one for tests.
class Clock {
 public:
  virtual ~Clock() = default;
  // Wall time: only for tokens, windows and audit. It may jump.
  virtual absl::Time Now() const = 0;
  // Time since an arbitrary start that never jumps: for ages, leases and deadlines.
  virtual absl::Duration Monotonic() const = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_BASE_CLOCK_H_
