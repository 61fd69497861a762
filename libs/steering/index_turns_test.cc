#include "libs/steering/index_turns.h"

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace fairlead {
namespace {

Prefix RandomPrefix(std::mt19937_64& random) {
  return Prefix::Of(IpAddress::V4(0x14000000 | static_cast<uint32_t>(random() & 0xffffff)), 12 + static_cast<int>(random() % 21));
}

class IndexTurnsTest : public ::testing::Test {
 protected:
  void Change(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      const Prefix prefix = RandomPrefix(random_);
      if (leaves_.Find(prefix) != nullptr && random_() % 2 == 0) {
        leaves_.Erase(prefix);
        turns_.Erase(prefix);
      } else {
        const uint32_t leaf = 1 + static_cast<uint32_t>(random_() % 1'000'000);
        leaves_.Insert(prefix, leaf);
        turns_.Insert(prefix, leaf);
      }
    }
  }
  static int Differences(const LeafIndex& index, const PrefixTable<uint32_t>& leaves) {
    std::mt19937_64 random(7);
    int differences = 0;
    for (int i = 0; i < 3'000; ++i) {
      const IpAddress client = IpAddress::V4(0x14000000 | static_cast<uint32_t>(random() & 0xffffff));
      const auto match = leaves.LongestMatch(client);
      differences += index.Find(client) != (match.has_value() ? *match->value : 0) ? 1 : 0;
    }
    return differences;
  }

  std::mt19937_64 random_{1};
  PrefixTable<uint32_t> leaves_;
  IndexTurns turns_;
};

TEST_F(IndexTurnsTest, EveryIndexStaysWhatItWasForAsLongAsItIsRead) {
  struct Kept {
    std::shared_ptr<const LeafIndex> index;
    PrefixTable<uint32_t> leaves;
  };
  std::vector<Kept> kept;
  Change(3'000);  // Below the number from which on an LpmTable answers; the steps cross it.
  for (size_t step = 0; step < 60; ++step) {
    Change(step == 20 ? 3'000 : 1 + random_() % 60);
    kept.push_back({turns_.Publish(leaves_), leaves_});
    ASSERT_EQ(Differences(*kept.back().index, leaves_), 0) << step;
    while (kept.size() > random_() % 6) kept.erase(kept.begin() + static_cast<ptrdiff_t>(random_() % kept.size()));
    for (const Kept& old : kept) ASSERT_EQ(Differences(*old.index, old.leaves), 0) << step;
  }
}

TEST_F(IndexTurnsTest, NothingIsMadeAnewWhileReadersLetGoOfAllButTwo) {
  Change(8'000);
  std::vector<std::shared_ptr<const LeafIndex>> read;
  for (int step = 0; step < 20; ++step) {
    Change(5);
    read.push_back(turns_.Publish(leaves_));
    if (read.size() > 2) read.erase(read.begin());
    ASSERT_EQ(turns_.made_anew(), IndexTurns::kTurns) << "all with the first";
  }
  EXPECT_EQ(turns_.Publish(leaves_), read.back()) << "nothing changed";
}

}  // namespace
}  // namespace fairlead
