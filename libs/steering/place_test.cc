#include "libs/steering/place.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "gtest/gtest.h"

namespace fairlead {
namespace {

// The haversine formula in floating point: the oracle.
double Haversine(const Coordinates& a, const Coordinates& b) {
  const double radians = std::acos(-1.0) / 180e6;
  const double lat1 = a.latitude_microdegrees * radians;
  const double lat2 = b.latitude_microdegrees * radians;
  const double dlat = lat2 - lat1;
  const double dlon = (b.longitude_microdegrees - a.longitude_microdegrees) * radians;
  const double h = std::pow(std::sin(dlat / 2), 2) + std::cos(lat1) * std::cos(lat2) * std::pow(std::sin(dlon / 2), 2);
  return 2 * 6371 * std::asin(std::min(1.0, std::sqrt(h)));
}

TEST(Distance, AgreesWithTheHaversineFormulaToAKilometre) {
  uint64_t state = 5;
  const auto next = [&state](int64_t least, int64_t most) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<int32_t>(least + static_cast<int64_t>((state >> 20) % static_cast<uint64_t>(most - least + 1)));
  };
  for (int i = 0; i < 20'000; ++i) {
    const Coordinates a = {next(-90'000'000, 90'000'000), next(-180'000'000, 180'000'000)};
    const bool near = i % 2 == 0;
    const Coordinates b = near ? Coordinates{std::clamp(a.latitude_microdegrees + next(-2'000'000, 2'000'000), -90'000'000, 90'000'000),
                                             a.longitude_microdegrees}
                               : Coordinates{next(-90'000'000, 90'000'000), next(-180'000'000, 180'000'000)};
    const double exact = Haversine(a, b);
    if (exact > 20'000) continue;  // Close to the antipode the chord hardly changes any more.
    EXPECT_NEAR(DistanceKm(a, b), exact - 0.5, 0.7)
        << a.latitude_microdegrees << "," << a.longitude_microdegrees << " " << b.latitude_microdegrees << "," << b.longitude_microdegrees;
    EXPECT_EQ(DistanceKm(a, b), DistanceKm(b, a));
  }
}

TEST(Distance, KnownPlaces) {
  const Coordinates london = Coordinates::FromDegrees(51.5074, -0.1278);
  const Coordinates paris = Coordinates::FromDegrees(48.8566, 2.3522);
  EXPECT_NEAR(DistanceKm(london, paris), 343, 1);
  EXPECT_EQ(DistanceKm(london, london), 0);
  EXPECT_NEAR(DistanceKm(Coordinates::FromDegrees(0, 179.5), Coordinates::FromDegrees(0, -179.5)), 111, 1) << "across the date line";
  EXPECT_NEAR(DistanceKm(Coordinates::FromDegrees(0, 0), Coordinates::FromDegrees(0, 180)), 20015, 1);
  EXPECT_NEAR(DistanceKm(Coordinates::FromDegrees(90, 0), Coordinates::FromDegrees(-90, 77)), 20015, 1);
}

TEST(Coordinates, NonsenseIsClamped) {
  EXPECT_EQ(Coordinates::FromDegrees(1000, -1000), (Coordinates{90'000'000, -180'000'000}));
  EXPECT_EQ(Coordinates::FromDegrees(std::nan(""), std::numeric_limits<double>::infinity()), (Coordinates{0, 180'000'000}));
  EXPECT_EQ(Coordinates::FromDegrees(51.5000005, 0.1), (Coordinates{51'500'001, 100'000}));
}

TEST(DistanceSteps, AreWholeOnesOfTheKilometres) {
  uint64_t state = 9;
  const auto next = [&state](int64_t most) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<int32_t>(static_cast<int64_t>((state >> 20) % static_cast<uint64_t>(2 * most + 1)) - most);
  };
  for (const int step_km : {1, 7, 150, 20'015, 50'000}) {
    const DistanceSteps steps(step_km);
    for (int i = 0; i < 20'000; ++i) {
      const Coordinates a = {next(90'000'000), next(180'000'000)};
      // Near ones, far ones, the same one and the antipode.
      const int64_t spread = i % 4 == 0 ? 1'000 : i % 4 == 1 ? 1'000'000 : 90'000'000;
      Coordinates b = {std::clamp(a.latitude_microdegrees + next(spread), -90'000'000, 90'000'000), next(180'000'000)};
      if (i % 4 < 2) b.longitude_microdegrees = std::clamp(a.longitude_microdegrees + next(spread), -180'000'000, 180'000'000);
      if (i % 100 == 0) b = a;
      if (i % 100 == 1)
        b = {-a.latitude_microdegrees, a.longitude_microdegrees + (a.longitude_microdegrees > 0 ? -180'000'000 : 180'000'000)};
      ASSERT_EQ(steps.Of(SquaredChord(DirectionOf(a), DirectionOf(b))), static_cast<uint32_t>(DistanceKm(a, b) / step_km));
    }
  }
}

}  // namespace
}  // namespace fairlead
