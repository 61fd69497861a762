#include "libs/steering/place.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace fairlead {
namespace {

// Fixed point with 30 fractional bits. Errors stay below 1e-8, a few metres.
constexpr int kFraction = 30;
constexpr int64_t kOne = int64_t{1} << kFraction;
constexpr int kEarthRadiusKm = 6371;
constexpr int kFarthestKm = 20015;
constexpr int32_t kRightAngle = 90'000'000;  // Microdegrees.

constexpr int64_t Multiply(int64_t a, int64_t b) {
  return (a * b) >> kFraction;
}

// sin(x) for x in radians, [0, π/2]: the Taylor series as Horner's scheme.
constexpr int64_t SineOfRadians(int64_t x) {
  const int64_t square = Multiply(x, x);
  int64_t sum = kOne;
  for (const int divisor : {14 * 15, 12 * 13, 10 * 11, 8 * 9, 6 * 7, 4 * 5, 2 * 3}) sum = kOne - Multiply(square, sum) / divisor;
  return Multiply(x, sum);
}

// sin of microdegrees in [-180e6, 180e6].
int64_t Sine(int64_t microdegrees) {
  int64_t magnitude = std::abs(microdegrees);
  if (magnitude > kRightAngle) magnitude = 2 * kRightAngle - magnitude;
  constexpr int64_t kRadiansScaled = 1'287'825'681'436;  // π / 180e6, times 2^66.
  const int64_t radians = static_cast<int64_t>((static_cast<__int128>(magnitude) * kRadiansScaled) >> (66 - kFraction));
  const int64_t sine = SineOfRadians(radians);
  return microdegrees < 0 ? -sine : sine;
}

int64_t Cosine(int64_t microdegrees) {
  return Sine(kRightAngle - std::abs(microdegrees));
}

// By distance in km: the square of the straight line through the Earth, in radii, 60 fractional bits.
std::vector<int64_t> MakeSquaredChords() {
  std::vector<int64_t> chords;
  int64_t longest = 0;
  for (int64_t km = 0; km <= kFarthestKm; ++km) {
    const int64_t chord = 2 * SineOfRadians(km * kOne / (2 * kEarthRadiusKm));
    longest = std::max(longest, chord * chord);  // Rounding must not make the far end fall again.
    chords.push_back(longest);
  }
  return chords;
}

const std::vector<int64_t>& SquaredChords() {
  static const auto& chords = *new std::vector<int64_t>(MakeSquaredChords());
  return chords;
}

int32_t ToMicrodegrees(double degrees, double limit) {
  if (std::isnan(degrees)) return 0;
  return static_cast<int32_t>(std::lround(std::clamp(degrees, -limit, limit) * 1e6));
}

}  // namespace

Coordinates Coordinates::FromDegrees(double latitude, double longitude) {
  return {ToMicrodegrees(latitude, 90), ToMicrodegrees(longitude, 180)};
}

Direction DirectionOf(const Coordinates& at) {
  const int64_t along = Cosine(at.latitude_microdegrees);
  return {Multiply(along, Cosine(at.longitude_microdegrees)), Multiply(along, Sine(at.longitude_microdegrees)),
          Sine(at.latitude_microdegrees)};
}

int64_t SquaredChord(const Direction& a, const Direction& b) {
  return (a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y) + (a.z - b.z) * (a.z - b.z);
}

DistanceSteps::DistanceSteps(int step_km) {
  for (int64_t km = 0; km <= kFarthestKm; km += step_km) chords_.push_back(SquaredChords()[static_cast<size_t>(km)]);
  for (size_t part = 0; part < kParts; ++part) {
    const int64_t begin = static_cast<int64_t>(part) << kPartBits;
    begins_.push_back(static_cast<uint32_t>(std::upper_bound(chords_.begin(), chords_.end(), begin) - chords_.begin()));
  }
  begins_.push_back(static_cast<uint32_t>(chords_.size()));
}

int DistanceKm(const Direction& a, const Direction& b) {
  const std::vector<int64_t>& chords = SquaredChords();
  const auto beyond = std::upper_bound(chords.begin(), chords.end(), SquaredChord(a, b));
  return static_cast<int>(beyond - chords.begin()) - 1;
}

int DistanceKm(const Coordinates& a, const Coordinates& b) {
  return DistanceKm(DirectionOf(a), DirectionOf(b));
}

absl::string_view ToString(PlaceSource source) {
  switch (source) {
    case PlaceSource::kNone:
      return "NONE";
    case PlaceSource::kGeofeed:
      return "GEOFEED";
    case PlaceSource::kMmdb:
      return "MMDB";
    case PlaceSource::kHearingSite:
      return "SITE";
    case PlaceSource::kCountry:
      return "COUNTRY";
  }
  return "NONE";
}

}  // namespace fairlead
