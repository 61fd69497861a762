#include "libs/placement/rendezvous.h"

#include <array>
#include <cmath>
#include <string>

#include "gtest/gtest.h"

namespace fairlead {
namespace {

int Winner(const std::string& key, const std::array<double, 3>& weights) {
  int best = 0;
  double best_score = INFINITY;
  for (int i = 0; i < 3; ++i) {
    const double score = RendezvousScore(KeyHash(key), KeyHash("box-" + std::to_string(i)), weights[static_cast<size_t>(i)]);
    if (score < best_score) {
      best = i;
      best_score = score;
    }
  }
  return best;
}

TEST(Rendezvous, EachMemberWinsItsShareOfTheWeight) {
  std::array<int, 3> wins = {};
  for (int key = 0; key < 30'000; ++key) ++wins[static_cast<size_t>(Winner(std::to_string(key), {1, 2, 3}))];
  EXPECT_NEAR(wins[0], 5'000, 300);
  EXPECT_NEAR(wins[1], 10'000, 400);
  EXPECT_NEAR(wins[2], 15'000, 400);
}

TEST(Rendezvous, AMemberThatGoesMovesOnlyItsOwnKeys) {
  for (int key = 0; key < 2'000; ++key) {
    const int before = Winner(std::to_string(key), {1, 1, 1});
    const int after = Winner(std::to_string(key), {1, 1, 0});
    if (before != 2) {
      EXPECT_EQ(before, after);
    }
  }
}

TEST(Rendezvous, TheHashIsTheSameOnEveryMachine) {
  EXPECT_EQ(KeyHash("big-film/v1"), KeyHash(std::string("big-film/v1")));
  EXPECT_NE(KeyHash("a"), KeyHash("b"));
  EXPECT_EQ(KeyHash(""), 0xf52a15e9a9b5e89bULL);
}

TEST(Rendezvous, NoWeightMeansNeverFirst) {
  EXPECT_EQ(RendezvousScore(1, 2, 0), INFINITY);
  EXPECT_EQ(RendezvousScore(1, 2, -1), INFINITY);
  EXPECT_EQ(RendezvousScore(1, 2, NAN), INFINITY);
}

}  // namespace
}  // namespace fairlead
