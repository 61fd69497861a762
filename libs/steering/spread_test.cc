#include "libs/steering/spread.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>
#include <utility>
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

// What the figures are for: a million clients over a site of twelve equal boxes.
class SpreadOfAMillion : public testing::Test {
 protected:
  static constexpr uint64_t kClients = 1'000'000;
  static constexpr size_t kBoxes = 12;

  static std::vector<uint8_t> PickAll(const std::vector<uint32_t>& weights) {
    std::vector<uint64_t> names;
    for (size_t box = 0; box < weights.size(); ++box) names.push_back(HashBytes(absl::StrCat("oca-", box)));
    std::vector<uint8_t> picked(kClients);
    for (uint64_t client = 0; client < kClients; ++client) {
      const uint64_t key = Mix(Mix(client), HashBytes("title"));
      uint64_t least = ~uint64_t{0};
      for (size_t box = 0; box < weights.size(); ++box) {
        const uint64_t cost = SpreadCost(Mix(key, names[box]), weights[box]);
        if (cost < least) std::tie(least, picked[client]) = std::pair(cost, static_cast<uint8_t>(box));
      }
    }
    return picked;
  }
  static std::vector<double> Shares(const std::vector<uint8_t>& picked) {
    std::vector<double> shares(kBoxes);
    for (const uint8_t box : picked) shares[box] += 1.0 / kClients;
    return shares;
  }
};

TEST_F(SpreadOfAMillion, EqualWeightsShareWithinTwoPercent) {
  const std::vector<double> shares = Shares(PickAll(std::vector<uint32_t>(kBoxes, 40'000)));
  EXPECT_LE(*std::max_element(shares.begin(), shares.end()) * kBoxes, 1.02);
  EXPECT_GE(*std::min_element(shares.begin(), shares.end()) * kBoxes, 0.98);
}

TEST_F(SpreadOfAMillion, WhenOneBoxGoesOnlyItsShareMoves) {
  std::vector<uint32_t> weights(kBoxes, 40'000);
  const std::vector<uint8_t> before = PickAll(weights);
  weights[5] = 0;
  const std::vector<uint8_t> after = PickAll(weights);
  uint64_t moved = 0;
  for (uint64_t client = 0; client < kClients; ++client) moved += before[client] != after[client] ? 1 : 0;
  EXPECT_LE(static_cast<double>(moved) / kClients, 1.05 / kBoxes);
  EXPECT_GE(static_cast<double>(moved) / kClients, 0.95 / kBoxes);
  const std::vector<double> shares = Shares(after);
  EXPECT_LE(*std::max_element(shares.begin(), shares.end()) * (kBoxes - 1), 1.02) << "what moved is spread over all others";
}

TEST_F(SpreadOfAMillion, ABoxThatStartsSlowlyTakesWhatItsWeightSays) {
  std::vector<uint32_t> weights(kBoxes, 40'000);
  std::vector<uint8_t> before;
  for (const uint32_t permille : {50, 250, 500, 1'000}) {
    weights[3] = 40 * permille;
    const std::vector<uint8_t> now = PickAll(weights);
    const double expected = weights[3] / (40'000.0 * (kBoxes - 1) + weights[3]);
    EXPECT_NEAR(Shares(now)[3], expected, 0.02 * expected + 0.0005) << permille;
    for (uint64_t client = 0; client < before.size(); ++client) {
      ASSERT_TRUE(before[client] == now[client] || now[client] == 3) << "a growing weight only draws clients to itself";
    }
    before = now;
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
