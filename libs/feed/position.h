// Where in a feed somebody is: versions are compared within an epoch only, and a higher epoch is always newer.
#ifndef FAIRLEAD_LIBS_FEED_POSITION_H_
#define FAIRLEAD_LIBS_FEED_POSITION_H_

#include <compare>
#include <cstdint>
#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"

namespace fairlead {

// Epoch 0 means "nothing": no publisher uses it.
struct FeedPosition {
  uint64_t epoch = 0;
  uint64_t version = 0;

  bool nothing() const { return epoch == 0; }
  friend auto operator<=>(const FeedPosition&, const FeedPosition&) = default;
  friend bool operator==(const FeedPosition&, const FeedPosition&) = default;
  std::string ToString() const { return absl::StrCat(epoch, ":", version); }
  friend std::ostream& operator<<(std::ostream& out, const FeedPosition& position) { return out << position.ToString(); }
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_FEED_POSITION_H_
