// The prefix table against a linear scan, on a full Internet table: the real one of $FAIRLEAD_DATA if it is there, else a generated one.
#include <algorithm>
#include <array>
#include <iostream>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "libs/net/ip_address.h"
#include "libs/net/prefix.h"
#include "libs/net/prefix_table.h"
#include "tests/generator/routes.h"
#include "tests/oracle/full_table.h"

namespace fairlead {
namespace {

// Wraps around within the family, and folds to nothing where ±1 would leave it.
std::optional<IpAddress> Neighbour(const IpAddress& address, int by) {
  if (address.is_v4()) return IpAddress::V4(address.v4() + static_cast<uint32_t>(by));
  const uint64_t low = address.low() + static_cast<uint64_t>(static_cast<int64_t>(by));
  const bool carries = by > 0 ? low == 0 : low == ~uint64_t{0};
  const IpAddress next = IpAddress::V6(address.high() + (carries ? static_cast<uint64_t>(static_cast<int64_t>(by)) : 0), low);
  return next.is_v6() ? std::optional(next) : std::nullopt;
}

class PrefixTableOracle : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    prefixes_ = new std::vector<Prefix>(LoadFullTable());
    table_ = new PrefixTable<uint32_t>();
    set_ = new absl::flat_hash_set<Prefix>(prefixes_->begin(), prefixes_->end());
    for (uint32_t i = 0; i < prefixes_->size(); ++i) ASSERT_TRUE(table_->Insert((*prefixes_)[i], i)) << (*prefixes_)[i];
  }

  static std::optional<Prefix> Found(const IpAddress& address) {
    const auto match = table_->LongestMatch(address);
    if (!match.has_value()) return std::nullopt;
    EXPECT_EQ((*prefixes_)[*match->value], match->prefix);
    return match->prefix;
  }
  static std::optional<Prefix> Scanned(const IpAddress& address) {
    std::optional<Prefix> longest;
    for (const Prefix& prefix : *prefixes_) {
      if (prefix.Contains(address) && (!longest.has_value() || prefix.length() > longest->length())) longest = prefix;
    }
    return longest;
  }
  // The second oracle, for millions of questions: every length tried in a hash set, longest first.
  static std::optional<Prefix> Tried(const IpAddress& address) {
    for (int length = address.bits(); length >= 0; --length) {
      const Prefix prefix = Prefix::Of(address, length);
      if (set_->contains(prefix)) return prefix;
    }
    return std::nullopt;
  }
  static std::vector<IpAddress> Edges(const Prefix& prefix) {
    std::vector<IpAddress> edges = {prefix.address(), prefix.last()};
    for (const auto& outside : {Neighbour(prefix.address(), -1), Neighbour(prefix.last(), 1)}) {
      if (outside.has_value()) edges.push_back(*outside);
    }
    return edges;
  }

  static const std::vector<Prefix>* prefixes_;
  static PrefixTable<uint32_t>* table_;
  static absl::flat_hash_set<Prefix>* set_;
};

const std::vector<Prefix>* PrefixTableOracle::prefixes_ = nullptr;
PrefixTable<uint32_t>* PrefixTableOracle::table_ = nullptr;
absl::flat_hash_set<Prefix>* PrefixTableOracle::set_ = nullptr;

TEST_F(PrefixTableOracle, EveryEdgeOfASampleAgreesWithALinearScan) {
  RouteGenerator generator(1);
  for (int i = 0; i < 300; ++i) {
    const Prefix& prefix = (*prefixes_)[generator.random().Below(prefixes_->size())];
    for (const IpAddress& edge : Edges(prefix)) ASSERT_EQ(Found(edge), Scanned(edge)) << edge;
  }
}

TEST_F(PrefixTableOracle, RandomAddressesAgreeWithALinearScan) {
  RouteGenerator generator(2);
  for (int i = 0; i < 600; ++i) {
    const IpAddress address = generator.Address(i % 2 == 0 ? AddressFamily::kIpv4 : AddressFamily::kIpv6);
    ASSERT_EQ(Found(address), Scanned(address)) << address;
  }
}

TEST_F(PrefixTableOracle, TheEdgesOfManyPrefixesAgreeWithTryingAllLengths) {
  RouteGenerator generator(3);
  size_t asked = 0;
  for (size_t i = 0; i < prefixes_->size(); ++i) {
    const Prefix& prefix = (*prefixes_)[i];
    if (i % (prefix.address().is_v4() ? 4 : 16) != 0) continue;  // Trying 33 or 129 lengths each takes its time.
    for (const IpAddress& edge : Edges(prefix)) {
      ASSERT_EQ(Found(edge), Tried(edge)) << edge;
      ++asked;
    }
  }
  std::cout << "ASKED " << asked << " addresses\n";
}

TEST_F(PrefixTableOracle, TheCoveringChainIsEveryLengthThatIsThere) {
  RouteGenerator generator(4);
  for (int i = 0; i < 20'000; ++i) {
    const Prefix& inside = (*prefixes_)[generator.random().Below(prefixes_->size())];
    const IpAddress address = generator.AddressIn(inside);
    std::vector<Prefix> expected;
    for (int length = 0; length <= address.bits(); ++length) {
      if (set_->contains(Prefix::Of(address, length))) expected.push_back(Prefix::Of(address, length));
    }
    std::vector<Prefix> found;
    table_->ForEachCovering(address, [&found](const Prefix& prefix, uint32_t) { found.push_back(prefix); });
    ASSERT_EQ(found, expected) << address;
  }
}

TEST_F(PrefixTableOracle, AWalkMeetsEveryPrefixOnceInOrder) {
  std::vector<Prefix> sorted = *prefixes_;
  std::sort(sorted.begin(), sorted.end());
  std::vector<Prefix> walked;
  table_->ForEach([&walked](const Prefix& prefix, uint32_t) { walked.push_back(prefix); });
  EXPECT_TRUE(walked == sorted);
}

// Last, because it takes half of the table away.
TEST_F(PrefixTableOracle, WhatIsErasedIsGoneAndTheRestStays) {
  for (size_t i = 0; i < prefixes_->size(); i += 2) {
    ASSERT_TRUE(table_->Erase((*prefixes_)[i]));
    set_->erase((*prefixes_)[i]);
  }
  EXPECT_EQ(table_->size(), set_->size());
  RouteGenerator generator(5);
  for (int i = 0; i < 200'000; ++i) {
    const IpAddress address = generator.AddressIn((*prefixes_)[generator.random().Below(prefixes_->size())]);
    ASSERT_EQ(Found(address), Tried(address)) << address;
  }
}

}  // namespace
}  // namespace fairlead
