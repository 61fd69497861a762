// Holds a set that has become much smaller by what its own source says, explicitly and piece by piece: an import that went wrong looks
// like any other, and a catalogue emptied by mistake must not take all viewers' titles away before anybody has looked.
//
// Compared with the largest of late: a size counts until `hold_for` has passed since the set last had it, so emptying it slowly is seen as
// well. What is held off becomes the truth when it has been insisted on for `hold_for`, or when somebody who knows better says so.
//
//   ShrinkHold hold(absl::Hours(1));
//   if (hold.Allows(catalogue->file_count(), /*believe=*/false, now)) …take it…;  else …keep the one at hand, and ask again…
// Pure: `now` is monotonic time. One thread. O(1).
#ifndef FAIRLEAD_SERVICES_STEERING_SHRINK_HOLD_H_
#define FAIRLEAD_SERVICES_STEERING_SHRINK_HOLD_H_

#include <cstddef>
#include <optional>

#include "absl/time/time.h"

namespace fairlead {

class ShrinkHold {
 public:
  // Zero: nothing is ever held.
  explicit ShrinkHold(absl::Duration hold_for) : hold_for_(hold_for) {}

  // Whether a set of `offered` may take the place of the one at hand; if so, it is the one at hand from now on. The first one may.
  bool Allows(size_t offered, bool believe, absl::Duration now);
  // Since Allows said no, and while it does.
  bool holding() const { return held_since_.has_value(); }
  // The largest of late, with which what is held is compared.
  size_t largest() const { return largest_; }

 private:
  const absl::Duration hold_for_;
  size_t at_hand_ = 0;
  size_t largest_ = 0;
  absl::Duration largest_at_ = -absl::InfiniteDuration();  // When the set at hand last had it.
  std::optional<absl::Duration> held_since_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_SHRINK_HOLD_H_
