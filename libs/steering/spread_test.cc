#include "libs/steering/spread.h"

#include <array>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

size_t Pick(uint64_t key, const std::vector<uint32_t>& weights) {
  size_t best = 0;
  for (size_t i = 1; i < weights.size(); ++i) {
    if (SpreadCost(Mix(key, HashBytes(absl::StrCat("oca-", i))), weights[i]) <
        SpreadCost(Mix(key, HashBytes(absl::StrCat("oca-", best))), weights[best]))
      best = i;
  }
  return best;
}

TEST(Spread, TheLogarithmIsRight) {
  for (uint64_t i = 1; i < 10'000; ++i) {
    const uint64_t hash = Mix(i) >> (i % 50);
    EXPECT_NEAR(std::ldexp(static_cast<double>(NegativeLog2(hash)), -48), 64 - std::log2(static_cast<double>(hash | 1)), 1e-6) << hash;
  }
  EXPECT_GT(NegativeLog2(~uint64_t{0}), 0u);
  EXPECT_EQ(NegativeLog2(0), uint64_t{64} << 48);
}

TEST(Spread, SharesFollowWeights) {
  const std::vector<uint32_t> weights = {100'000, 50'000, 40'000, 10'000};
  std::array<int, 4> picked = {};
  constexpr int kClients = 100'000;
  for (uint64_t client = 0; client < kClients; ++client) ++picked[Pick(Mix(client), weights)];
  for (size_t i = 0; i < weights.size(); ++i) EXPECT_NEAR(picked[i] / double{kClients}, weights[i] / 200'000.0, 0.01) << i;
}

TEST(Spread, ABoxThatLeavesMovesOnlyItsOwnClients) {
  for (uint64_t client = 0; client < 20'000; ++client) {
    const size_t before = Pick(Mix(client), {10, 20, 30, 40});
    const size_t after = Pick(Mix(client), {10, 20, 0, 40});
    EXPECT_TRUE(before == 2 || after == before) << client;
    EXPECT_NE(after, 2u);
  }
}

// Answers must be the same in every build and on every machine: these are the numbers of the first one.
TEST(Spread, TheHashNeverChanges) {
  EXPECT_EQ(Mix(1), 0x910a2dec89025cc1u);
  EXPECT_EQ(HashBytes(""), Mix(0xcbf29ce484222325));
  EXPECT_EQ(HashBytes("oca-1"), HashBytes(absl::StrCat("oca-", 1)));
  EXPECT_NE(Mix(1, 2), Mix(2, 1));
}

}  // namespace
}  // namespace fairlead
