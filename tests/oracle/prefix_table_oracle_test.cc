// The prefix table against a linear scan and against trying every length, on a full Internet table: the real one of $FAIRLEAD_DATA if it is
// there, else a generated one.
#include <algorithm>
#include <iostream>
#include <optional>
#include <vector>

#include "gtest/gtest.h"
#include "libs/net/ip_address.h"
#include "libs/net/prefix.h"
#include "libs/net/prefix_table.h"
#include "tests/generator/routes.h"
#include "tests/oracle/full_table.h"
#include "tests/oracle/tried_lengths.h"

namespace fairlead {
namespace {

class PrefixTableOracle : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    prefixes_ = new std::vector<Prefix>(LoadFullTable());
    table_ = new PrefixTable<uint32_t>();
    tried_ = new TriedLengths();
    for (uint32_t i = 0; i < prefixes_->size(); ++i) {
      ASSERT_TRUE(table_->Insert((*prefixes_)[i], i)) << (*prefixes_)[i];
      tried_->Set((*prefixes_)[i], i);
    }
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
  // The second oracle, for millions of questions.
  static std::optional<Prefix> Tried(const IpAddress& address) {
    const auto match = tried_->LongestMatch(address);
    return match.has_value() ? std::optional(match->prefix) : std::nullopt;
  }

  static const std::vector<Prefix>* prefixes_;
  static PrefixTable<uint32_t>* table_;
  static TriedLengths* tried_;
};

const std::vector<Prefix>* PrefixTableOracle::prefixes_ = nullptr;
PrefixTable<uint32_t>* PrefixTableOracle::table_ = nullptr;
TriedLengths* PrefixTableOracle::tried_ = nullptr;

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

TEST_F(PrefixTableOracle, EveryEdgeOfEveryPrefixAgreesWithTryingAllLengths) {
  size_t asked = 0;
  for (const Prefix& prefix : *prefixes_) {
    for (const IpAddress& edge : Edges(prefix)) {
      ASSERT_EQ(Found(edge), Tried(edge)) << edge;
      ++asked;
    }
  }
  std::cout << "ASKED " << asked << " addresses\n";
}

// A third anywhere, the rest inside prefixes of the table.
TEST_F(PrefixTableOracle, AMillionRandomAddressesAgreeWithTryingAllLengths) {
  RouteGenerator generator(3);
  for (int i = 0; i < 1'000'000; ++i) {
    const IpAddress address = i % 3 == 0 ? generator.Address(i % 2 == 0 ? AddressFamily::kIpv4 : AddressFamily::kIpv6)
                                         : generator.AddressIn((*prefixes_)[generator.random().Below(prefixes_->size())]);
    ASSERT_EQ(Found(address), Tried(address)) << address;
  }
}

TEST_F(PrefixTableOracle, TheCoveringChainIsEveryLengthThatIsThere) {
  RouteGenerator generator(4);
  for (int i = 0; i < 20'000; ++i) {
    const Prefix& inside = (*prefixes_)[generator.random().Below(prefixes_->size())];
    const IpAddress address = generator.AddressIn(inside);
    std::vector<Prefix> expected;
    for (int length = 0; length <= address.bits(); ++length) {
      if (tried_->contains(Prefix::Of(address, length))) expected.push_back(Prefix::Of(address, length));
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
    tried_->Erase((*prefixes_)[i]);
  }
  EXPECT_EQ(table_->size(), tried_->size());
  RouteGenerator generator(5);
  for (int i = 0; i < 200'000; ++i) {
    const IpAddress address = generator.AddressIn((*prefixes_)[generator.random().Below(prefixes_->size())]);
    ASSERT_EQ(Found(address), Tried(address)) << address;
  }
}

}  // namespace
}  // namespace fairlead
