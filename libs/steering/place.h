// Places on the Earth and distances between them, in integers only: the same input gives the same ladder on every machine.
// Pure values and functions; any thread.
#ifndef FAIRLEAD_LIBS_STEERING_PLACE_H_
#define FAIRLEAD_LIBS_STEERING_PLACE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace fairlead {

struct Coordinates {
  int32_t latitude_microdegrees = 0;   // North positive, [-90e6, 90e6].
  int32_t longitude_microdegrees = 0;  // East positive, [-180e6, 180e6].

  // Rounds; values out of range (or not numbers) are clamped to it (0).
  static Coordinates FromDegrees(double latitude, double longitude);

  friend bool operator==(const Coordinates&, const Coordinates&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const Coordinates& at) {
    return H::combine(std::move(h), at.latitude_microdegrees, at.longitude_microdegrees);
  }
};

// A place as a unit vector from the middle of the Earth, 30 fractional bits: for many distances between few places.
struct Direction {
  int64_t x = 0;
  int64_t y = 0;
  int64_t z = 0;
};
Direction DirectionOf(const Coordinates& at);
// The square of the straight line between the two, in radii, 60 fractional bits: grows with their distance.
int64_t SquaredChord(const Direction& a, const Direction& b);

// How many whole steps two places are apart: the last n for which the square of the line of n × step_km isn't above theirs. For millions of
// questions: a table tells which few n a chord can be of. 20,016 × 8 bytes at most.
class DistanceSteps {
 public:
  explicit DistanceSteps(int step_km);
  uint32_t Of(int64_t squared_chord) const {
    const size_t part = std::min(static_cast<size_t>(squared_chord >> kPartBits), kParts - 1);
    const auto first = chords_.begin() + begins_[part];
    return static_cast<uint32_t>(std::upper_bound(first, chords_.begin() + begins_[part + 1], squared_chord) - chords_.begin() - 1);
  }

 private:
  static constexpr int kPartBits = 52;      // Of the 60 behind the point.
  static constexpr size_t kParts = 4 << 8;  // No two places are further apart than two radii.
  std::vector<int64_t> chords_;             // By n.
  std::vector<uint32_t> begins_;            // By part: the first that is above where it begins.
};

// Great-circle distance in whole kilometres on a sphere of 6,371 km, rounded down; [0, 20015]. O(log 20015) after the first call.
int DistanceKm(const Coordinates& a, const Coordinates& b);
int DistanceKm(const Direction& a, const Direction& b);

// Where the idea of a client's place came from, best first.
enum class PlaceSource : uint8_t {
  kNone = 0,         // Unknown: distances say nothing.
  kGeofeed = 1,      // The partner's own geofeed (RFC 8805).
  kMmdb = 2,         // A location database.
  kHearingSite = 3,  // The site of the best route that covers the client.
  kCountry = 4,      // The middle of the country.
};
absl::string_view ToString(PlaceSource source);

struct ClientPlace {
  Coordinates at = {};
  std::string country = {};  // ISO 3166-1 alpha-2, or empty.
  PlaceSource source = PlaceSource::kNone;

  bool known() const { return source != PlaceSource::kNone; }
  friend bool operator==(const ClientPlace&, const ClientPlace&) = default;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_PLACE_H_
