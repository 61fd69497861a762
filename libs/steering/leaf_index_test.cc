#include "libs/steering/leaf_index.h"

#include <cstdint>
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

// Random prefixes until there are so many.
std::vector<Prefix> Fill(size_t count, std::mt19937_64& random, PrefixTable<uint32_t>& leaves) {
  std::vector<Prefix> prefixes;
  while (leaves.size() < count) {
    prefixes.push_back(RandomPrefix(random));
    leaves.Insert(prefixes.back(), 1 + static_cast<uint32_t>(random() % 100'000));
  }
  return prefixes;
}

// Inside prefixes that are there or were, where the two could differ, and anywhere.
int Differences(const LeafIndex& index, const PrefixTable<uint32_t>& leaves, const std::vector<Prefix>& prefixes, std::mt19937_64& random) {
  int differences = 0;
  for (const Prefix& prefix : prefixes) {
    for (const IpAddress& client : {prefix.address(), prefix.last(), IpAddress::V4(static_cast<uint32_t>(random()))}) {
      const auto match = leaves.LongestMatch(client);
      differences += index.Find(client) != (match.has_value() ? *match->value : 0) ? 1 : 0;
    }
  }
  return differences;
}

// Starts with `count` prefixes, then changes many.
void FollowTheTrie(size_t count) {
  std::mt19937_64 random(count);
  PrefixTable<uint32_t> leaves;
  const std::vector<Prefix> prefixes = Fill(count, random, leaves);
  LeafIndex index(leaves);
  EXPECT_EQ(Differences(index, leaves, prefixes, random), 0);
  for (size_t i = 0; i < prefixes.size(); i += 2) {
    if (!leaves.Erase(prefixes[i])) continue;
    EXPECT_TRUE(index.Change(prefixes[i], 0));
  }
  for (size_t i = 0; i < prefixes.size(); i += 3) {
    leaves.Insert(prefixes[i], 7);
    EXPECT_TRUE(index.Change(prefixes[i], 7));
  }
  EXPECT_EQ(Differences(index, leaves, prefixes, random), 0);
}

TEST(LeafIndex, FindsWhatTheTrieFindsWhileThereAreFew) {
  FollowTheTrie(LeafIndex::kFew - 1);
}

TEST(LeafIndex, FindsWhatTheTrieFindsWhereThereAreMany) {
  FollowTheTrie(2 * LeafIndex::kFew);  // Put in one by one.
  FollowTheTrie(80'000);               // Built.
}

TEST(LeafIndex, OfAListFindsWhatTheTrieFinds) {
  for (const size_t count : {LeafIndex::kFew - 1, 2 * LeafIndex::kFew, size_t{80'000}}) {
    std::mt19937_64 random(count);
    PrefixTable<uint32_t> leaves;
    const std::vector<Prefix> prefixes = Fill(count, random, leaves);
    std::vector<LpmRoute> list;
    leaves.ForEach([&](const Prefix& prefix, const uint32_t& leaf) { list.push_back({prefix, leaf}); });
    EXPECT_EQ(Differences(LeafIndex(list), leaves, prefixes, random), 0) << count;
  }
}

TEST(LeafIndex, SaysWhenItIsBetterMadeAnew) {
  std::mt19937_64 random(3);
  PrefixTable<uint32_t> leaves;
  LeafIndex index(leaves);
  while (leaves.size() + 1 < LeafIndex::kFew) {
    const Prefix prefix = RandomPrefix(random);
    leaves.Insert(prefix, 1);
    ASSERT_TRUE(index.Change(prefix, 1));
  }
  Prefix one_more = RandomPrefix(random);
  while (leaves.Find(one_more) != nullptr) one_more = RandomPrefix(random);
  EXPECT_FALSE(index.Change(one_more, 1));
}

}  // namespace
}  // namespace fairlead
