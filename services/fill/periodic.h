// A thread that does something at an interval until it is stopped.
//
//   Periodic loop(absl::Seconds(1), [&] { planner.Tick(clock.Monotonic()); });
#ifndef FAIRLEAD_SERVICES_FILL_PERIODIC_H_
#define FAIRLEAD_SERVICES_FILL_PERIODIC_H_

#include <functional>
#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

namespace fairlead::fill {

// The first run is at once. The destructor waits for a run under way.
class Periodic {
 public:
  Periodic(absl::Duration interval, std::function<void()> work)
      : thread_([this, interval, work = std::move(work)] {
          do {
            work();
          } while (!stop_.WaitForNotificationWithTimeout(interval));
        }) {}
  ~Periodic() {
    stop_.Notify();
    thread_.join();
  }
  Periodic(const Periodic&) = delete;
  Periodic& operator=(const Periodic&) = delete;

 private:
  absl::Notification stop_;
  std::thread thread_;
};

}  // namespace fairlead::fill

#endif  // FAIRLEAD_SERVICES_FILL_PERIODIC_H_
