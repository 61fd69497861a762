// The machine's clocks behind the Clock interface.
#ifndef FAIRLEAD_LIBS_CLOCK_SYSTEM_CLOCK_H_
#define FAIRLEAD_LIBS_CLOCK_SYSTEM_CLOCK_H_

#include "absl/time/time.h"
#include "libs/base/clock.h"

namespace fairlead {

// Stateless and thread-safe.
class SystemClock final : public Clock {
 public:
  absl::Time Now() const override;
  absl::Duration Monotonic() const override;  // CLOCK_MONOTONIC
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_CLOCK_SYSTEM_CLOCK_H_
