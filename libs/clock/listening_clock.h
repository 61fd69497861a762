// A clock for those who judge others by their silence: its monotonic time is the time in which its owner could listen.
//
// A process that was stopped (SIGSTOP, a frozen virtual machine, a starved host) hears nothing meanwhile, and on the machine's clock all
// whom it follows have been silent for as long when it wakes. Here, between two ticks of its owner's loop no more than `longest` passes,
// however long it took. The price: a silence is noticed later by the time in which nobody listened.
//
// Thread-safe; never goes back. Wall time is the machine's own.
//
//   ListeningClock clock(system_clock, absl::Seconds(1));
//   while (Wait(absl::Milliseconds(100))) { clock.Tick(); fleet.Tick(); }  // fleet asks clock.Monotonic().
#ifndef FAIRLEAD_LIBS_CLOCK_LISTENING_CLOCK_H_
#define FAIRLEAD_LIBS_CLOCK_LISTENING_CLOCK_H_

#include <algorithm>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"

namespace fairlead {

class ListeningClock final : public Clock {
 public:
  // `base` must outlive it.
  ListeningClock(const Clock& base, absl::Duration longest) : base_(base), longest_(longest), ticked_(base.Monotonic()), heard_(ticked_) {}

  absl::Time Now() const override { return base_.Now(); }
  absl::Duration Monotonic() const override ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return heard_ + std::min(base_.Monotonic() - ticked_, longest_);
  }
  // How long nobody listened, since the start; grows with ticks only.
  absl::Duration missed() const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return ticked_ - heard_;
  }

  // At least every `longest`, by whoever would act on a silence, before it looks.
  void Tick() ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    const absl::Duration now = base_.Monotonic();
    heard_ += std::min(now - ticked_, longest_);
    ticked_ = now;
  }

 private:
  const Clock& base_;
  const absl::Duration longest_;
  mutable absl::Mutex mu_;
  absl::Duration ticked_ ABSL_GUARDED_BY(mu_);  // On the base's clock.
  absl::Duration heard_ ABSL_GUARDED_BY(mu_);   // Begins with the base's time and stays behind it.
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_CLOCK_LISTENING_CLOCK_H_
