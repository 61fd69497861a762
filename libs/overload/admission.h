// Which requests of one queue are taken when there are more than can be answered.
//
// The signal is the time that requests wait before work on them begins, which needs no knowledge of the capacity. Of an interval the least
// wait of a class counts, as in CoDel (Nichols and Jacobson, "Controlling Queue Delay", 2012): where it is near nothing the line ran empty,
// so what waited was a burst, or a moment in which the machine did something else, and refusing requests would help nobody. (The mean,
// which DAGOR takes, was tried: on a crowded machine it cut everybody off for good.) Requests stand on levels: their class, and inside it a
// number that stays the same for one caller or session, so that the same ones are refused for a while rather than each one sometimes. The
// highest level admitted goes down while the wait is above the target and up while it isn't, by shares of what came in on each level (a
// histogram of the last interval), so it lands where the load fits (Zhou et al., "Overload Control for Scaling WeChat Microservices", SoCC
// 2018). While requests are refused, what waited too long all the same is refused when its turn comes (Maurer, "Fail at Scale", 2015):
// nobody waits for it any more, and working it off would keep the queue standing after the load is gone.
//
// Not thread-safe: one a queue. Pure: `now` is monotonic time.
//
//   Admission admission(options);
//   if (!admission.Arrive(RequestClass::kPrefetch, spread, now)) …refuse, retry after admission.retry_after()…
//   …  if (!admission.Start(RequestClass::kPrefetch, now - arrived, now)) …refuse: it waited too long…
#ifndef FAIRLEAD_LIBS_OVERLOAD_ADMISSION_H_
#define FAIRLEAD_LIBS_OVERLOAD_ADMISSION_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/overload/request_class.h"

namespace fairlead {

struct AdmissionOptions {
  absl::Duration target = absl::Milliseconds(5);      // A class of which nothing waited less is overload.
  absl::Duration interval = absl::Milliseconds(100);  // Between two judgements.
  absl::Duration most = absl::Milliseconds(50);       // In overload nothing that waited longer is worked on; else ten times as long.
  double decrease = 0.10;                             // Share of the admitted to refuse more, an interval of overload.
  double increase = 0.03;                             // Share of all to admit more, an interval without.

  // INVALID_ARGUMENT naming the option.
  absl::Status Validate() const;
};

class Admission {
 public:
  static constexpr size_t kSteps = 128;  // Levels a class.
  static constexpr size_t kLevels = kSteps * kRequestClasses;
  static constexpr size_t kLeast = kSteps / 16;  // Some viewers are always let in, or the wait would never be known again.

  explicit Admission(const AdmissionOptions& options) : options_(options) {}

  // A request has come. `spread`: the same for one caller or session. False: refuse it now.
  bool Arrive(RequestClass request_class, uint64_t spread, absl::Duration now);
  // Its turn has come. False: it waited too long, refuse it.
  bool Start(RequestClass request_class, absl::Duration waited, absl::Duration now);
  // The longest wait that Start takes now.
  absl::Duration patience() const { return shedding() ? options_.most : 10 * options_.most; }

  // Levels admitted: kLevels when all are.
  size_t level() const { return level_; }
  bool shedding() const { return level_ < kLevels; }
  // When a refused one may try again.
  absl::Duration retry_after() const;

 private:
  void Judge(absl::Duration now);
  bool StandingQueue() const;
  size_t LevelFor(double admitted) const;

  const AdmissionOptions options_;
  size_t level_ = kLevels;
  absl::Duration judged_at_ = -absl::InfiniteDuration();
  // Of the interval that runs.
  std::array<uint32_t, kLevels> came_{};
  uint64_t came_in_all_ = 0;
  std::array<uint32_t, kRequestClasses> started_{};
  std::array<absl::Duration, kRequestClasses> least_wait_{};
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_OVERLOAD_ADMISSION_H_
