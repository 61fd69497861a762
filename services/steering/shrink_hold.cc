#include "services/steering/shrink_hold.h"

#include "libs/feed/feed_client.h"

namespace fairlead {

bool ShrinkHold::Allows(size_t offered, bool believe, absl::Duration now) {
  if (at_hand_ == largest_ || now - largest_at_ >= hold_for_) {
    largest_ = at_hand_;  // It has been so large until this call.
    largest_at_ = now;
  }
  const bool smaller = IsSharplySmaller(largest_, offered, ShrinkGuard());
  if (smaller && !believe) {
    if (!held_since_.has_value()) held_since_ = now;
    if (now - *held_since_ < hold_for_) return false;
  }
  held_since_.reset();
  at_hand_ = offered;
  if (smaller || offered >= largest_) {
    largest_ = offered;
    largest_at_ = now;
  }
  return true;
}

}  // namespace fairlead
