#include "libs/steering/leaf_index.h"

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace fairlead {
namespace {

Prefix RandomPrefix(std::mt19937_64& random) {
  if (random() % 3 == 0)
    return Prefix::Of(IpAddress::V6(0x2001000000000000 | random() >> 16, random()), 16 + static_cast<int>(random() % 113));
  return Prefix::Of(IpAddress::V4(static_cast<uint32_t>(random())), 8 + static_cast<int>(random() % 25));
}

uint32_t ByTrie(const LeafIndex& index, const IpAddress& client) {
  const auto match = index.leaves().LongestMatch(client);
  return match.has_value() ? *match->value : 0;
}

// Inside prefixes that are there or were, where the two could differ, and anywhere.
int Differences(const LeafIndex& index, const std::vector<Prefix>& prefixes, std::mt19937_64& random) {
  int differences = 0;
  for (const Prefix& prefix : prefixes) {
    for (const IpAddress& client : {prefix.address(), prefix.last(), IpAddress::V4(static_cast<uint32_t>(random()))}) {
      differences += index.Find(client) != ByTrie(index, client) ? 1 : 0;
    }
  }
  return differences;
}

TEST(LeafIndex, FindsWhatTheTrieFindsThroughChangesAndCopies) {
  std::mt19937_64 random(1);
  LeafIndex index;
  std::vector<Prefix> prefixes;
  while (prefixes.size() < 2 * LeafIndex::kFew) {
    prefixes.push_back(RandomPrefix(random));
    index.Insert(prefixes.back(), 1 + static_cast<uint32_t>(random() % 100'000));
    // Before, at and behind the number from which on another structure answers.
    const bool looked_at = prefixes.size() % 1021 == 0 || prefixes.size() == LeafIndex::kFew;
    ASSERT_EQ(looked_at ? Differences(index, prefixes, random) : 0, 0) << prefixes.size();
  }
  EXPECT_EQ(index.Find(prefixes.front().address()), ByTrie(index, prefixes.front().address()));
  LeafIndex copy(index);
  for (size_t i = 0; i < prefixes.size(); i += 2) copy.Erase(prefixes[i]), copy.Erase(prefixes[i]);
  for (size_t i = 0; i < prefixes.size(); i += 3) copy.Insert(prefixes[i], 7);
  EXPECT_EQ(Differences(copy, prefixes, random), 0);
  EXPECT_EQ(Differences(index, prefixes, random), 0);
  for (const Prefix& prefix : prefixes) copy.Erase(prefix);
  EXPECT_EQ(copy.Find(prefixes.front().address()), 0u);
  EXPECT_EQ(Differences(copy, prefixes, random), 0);
}

}  // namespace
}  // namespace fairlead
