// What a request is for: when there is more than can be answered, the last class goes first.
#ifndef FAIRLEAD_LIBS_OVERLOAD_REQUEST_CLASS_H_
#define FAIRLEAD_LIBS_OVERLOAD_REQUEST_CLASS_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace fairlead {

enum class RequestClass : uint8_t {
  kPlaybackStart = 0,  // A viewer waits for it.
  kBackground = 1,     // A player that plays looks for something better.
  kPrefetch = 2,       // Somebody may want it later.
};
inline constexpr size_t kRequestClasses = 3;

constexpr absl::string_view ToString(RequestClass request_class) {
  switch (request_class) {
    case RequestClass::kPlaybackStart:
      return "PLAYBACK_START";
    case RequestClass::kBackground:
      return "BACKGROUND";
    case RequestClass::kPrefetch:
      return "PREFETCH";
  }
  return "UNKNOWN";
}

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_OVERLOAD_REQUEST_CLASS_H_
