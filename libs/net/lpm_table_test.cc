#include "libs/net/lpm_table.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/net/lpm_read.h"
#include "libs/net/lpm_region.h"
#include "libs/net/prefix_table.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;

Prefix P(absl::string_view text) {
  return Prefix::Parse(text).value();
}
IpAddress A(absl::string_view text) {
  return IpAddress::Parse(text).value();
}

// SplitMix64.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  uint64_t Below(uint64_t bound) { return Next() % bound; }

 private:
  uint64_t state_;
};

class LpmTableTest : public testing::Test {
 protected:
  LpmTableTest() : table_(LpmTable::Create().value()) {}

  std::string Longest(const IpAddress& address) const {
    const LpmTable::Reader reader(*table_);
    const LpmTable::Pin pin(reader);
    const LpmMatch match = pin.LongestMatch(address);
    return match.found() ? absl::StrCat(Prefix::Of(address, match.length()).ToString(), " ", match.leaf()) : "none";
  }
  std::string Longest(absl::string_view address) const { return Longest(A(address)); }
  void Insert(absl::string_view prefix, uint32_t leaf) { ASSERT_TRUE(table_->Insert(P(prefix), leaf).ok()); }
  void Erase(absl::string_view prefix) { ASSERT_TRUE(table_->Erase(P(prefix)).ok()); }

  std::unique_ptr<LpmTable> table_;
};

TEST_F(LpmTableTest, AnEmptyTableMatchesNothing) {
  for (const char* address : {"0.0.0.0", "255.255.255.255", "::", "2001:db8::1"}) EXPECT_EQ(Longest(address), "none");
  EXPECT_EQ(table_->size(), 0u);
}

TEST_F(LpmTableTest, TheLongestPrefixWinsAndItsLengthIsTold) {
  Insert("10.0.0.0/8", 1);
  Insert("10.1.0.0/16", 2);
  Insert("10.1.2.0/24", 3);
  Insert("10.1.2.128/25", 4);
  Insert("10.1.2.129/32", 5);
  EXPECT_EQ(Longest("10.255.0.1"), "10.0.0.0/8 1");
  EXPECT_EQ(Longest("10.1.255.1"), "10.1.0.0/16 2");
  EXPECT_EQ(Longest("10.1.2.127"), "10.1.2.0/24 3");
  EXPECT_EQ(Longest("10.1.2.128"), "10.1.2.128/25 4");
  EXPECT_EQ(Longest("10.1.2.129"), "10.1.2.129/32 5");
  EXPECT_EQ(Longest("10.1.2.130"), "10.1.2.128/25 4");
  EXPECT_EQ(Longest("11.0.0.0"), "none");
}

TEST_F(LpmTableTest, FamiliesHaveEachTheirOwnDefaultRoute) {
  Insert("0.0.0.0/0", 7);
  EXPECT_EQ(Longest("192.0.2.1"), "0.0.0.0/0 7");
  EXPECT_EQ(Longest("2001:db8::1"), "none");
  Insert("::/0", 8);
  Insert("2001:db8::/32", 9);
  EXPECT_EQ(Longest("2001:db9::1"), "::/0 8");
  EXPECT_EQ(Longest("2001:db8::1"), "2001:db8::/32 9");
  Erase("2001:db8::/32");
  EXPECT_EQ(Longest("2001:db8::1"), "::/0 8");
  Erase("::/0");
  EXPECT_EQ(Longest("2001:db8::1"), "none");
  EXPECT_EQ(Longest("192.0.2.1"), "0.0.0.0/0 7");
}

TEST_F(LpmTableTest, SingleAddressesAtBothEndsOfTheSpaceAreMatched) {
  for (const char* host : {"0.0.0.0", "255.255.255.255", "192.0.2.1", "::", "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                           "ffff:ffff:ffff::", "2001:db8::ffff:ffff", "::fffe:ffff:ffff"}) {
    ASSERT_TRUE(table_->Insert(Prefix::Host(A(host)), 1).ok());
    EXPECT_EQ(Longest(host), absl::StrCat(Prefix::Host(A(host)).ToString(), " 1"));
  }
  EXPECT_EQ(Longest("0.0.0.1"), "none");
  EXPECT_EQ(Longest("::2"), "none");
  EXPECT_EQ(Longest("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"), "none");
}

// Its last address would be an IPv4-mapped one, which is IPv4 everywhere.
TEST_F(LpmTableTest, APrefixAroundTheMappedAddressesIsAnIpv6One) {
  Insert("::fffe:0:0/95", 1);
  EXPECT_EQ(Longest("::fffe:1:2"), "::fffe:0:0/95 1");
  EXPECT_EQ(Longest("0.1.0.2"), "none");
  Erase("::fffe:0:0/95");
  EXPECT_EQ(Longest("::fffe:1:2"), "none");
}

// From the outside in and back, and in the middle first.
TEST_F(LpmTableTest, ChainsOfEveryLengthAnswerWithTheInnermostThatIsThere) {
  for (const char* text :
       {"203.0.113.77", "2001:db8:1234:5678:9abc:def0:1234:5678", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "255.255.255.255"}) {
    const IpAddress address = A(text);
    std::vector<int> order;
    for (int length = 0; length <= address.bits(); ++length) order.push_back((length * 37 + 11) % (address.bits() + 1));
    std::vector<bool> there(static_cast<size_t>(address.bits()) + 1);
    const auto innermost = [&] {
      for (int length = address.bits(); length >= 0; --length) {
        if (there[static_cast<size_t>(length)]) return absl::StrCat(Prefix::Of(address, length).ToString(), " ", length);
      }
      return std::string("none");
    };
    for (const int length : order) {
      ASSERT_TRUE(table_->Insert(Prefix::Of(address, length), static_cast<uint32_t>(length)).ok());
      there[static_cast<size_t>(length)] = true;
      ASSERT_EQ(Longest(address), innermost()) << length;
    }
    for (const int length : order) {
      ASSERT_TRUE(table_->Erase(Prefix::Of(address, length)).ok());
      there[static_cast<size_t>(length)] = false;
      ASSERT_EQ(Longest(address), innermost()) << length;
    }
  }
  EXPECT_EQ(table_->size(), 0u);
}

TEST_F(LpmTableTest, AnotherLeafReplacesTheOldOne) {
  for (const char* prefix : {"198.51.100.0/24", "198.51.100.4/30", "2001:db8::/32", "2001:db8::42/128", "0.0.0.0/0"}) {
    Insert(prefix, 1);
    Insert(prefix, LpmMatch::kMaxLeaf);
    EXPECT_EQ(Longest(P(prefix).address()), absl::StrCat(prefix, " ", LpmMatch::kMaxLeaf));
    EXPECT_EQ(table_->Find(P(prefix)), LpmMatch::kMaxLeaf);
  }
  EXPECT_EQ(table_->size(), 5u);
}

TEST_F(LpmTableTest, WhatCannotBeDoneChangesNothingAndNamesTheValue) {
  Insert("192.0.2.0/24", 3);
  const absl::Status large = table_->Insert(P("192.0.2.0/25"), LpmMatch::kMaxLeaf + 1);
  EXPECT_EQ(large.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(large.message()), HasSubstr("8388608 of 192.0.2.0/25"));
  const absl::Status absent = table_->Erase(P("192.0.2.0/23"));
  EXPECT_EQ(absent.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(absent.message()), HasSubstr("192.0.2.0/23"));
  EXPECT_EQ(table_->Build({{P("10.0.0.0/8"), 1}}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Longest("192.0.2.1"), "192.0.2.0/24 3");
  EXPECT_EQ(table_->size(), 1u);
}

TEST_F(LpmTableTest, WhatIsBuiltForGoodAnswersTheSameAndIsNotChanged) {
  const std::vector<LpmRoute> routes = {{P("0.0.0.0/0"), 4}, {P("10.0.0.0/8"), 1},    {P("10.1.2.128/25"), 3},
                                        {P("::/0"), 5},      {P("2001:db8::/32"), 2}, {P("2001:db8::42/128"), 6}};
  EXPECT_EQ(table_->BuildForGood({routes[1], routes[1]}).code(), absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(table_->BuildForGood(routes).ok());  // What was refused leaves it empty.
  for (const auto& [address, match] : std::vector<std::pair<const char*, const char*>>{{"9.0.0.1", "0.0.0.0/0 4"},
                                                                                       {"10.1.2.127", "10.0.0.0/8 1"},
                                                                                       {"10.1.2.128", "10.1.2.128/25 3"},
                                                                                       {"2001:db9::1", "::/0 5"},
                                                                                       {"2001:db8::41", "2001:db8::/32 2"},
                                                                                       {"2001:db8::42", "2001:db8::42/128 6"}}) {
    EXPECT_EQ(Longest(address), match);
  }
  for (const absl::Status& refused :
       {table_->Insert(P("10.0.0.0/8"), 7), table_->Erase(P("10.0.0.0/8")), table_->Build(routes), table_->BuildForGood(routes)}) {
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(refused.message()), HasSubstr("for good"));
  }
  EXPECT_EQ(Longest("10.0.0.1"), "10.0.0.0/8 1");
}

TEST_F(LpmTableTest, BuildRefusesWhatComesTwiceAndTakesAnyOrder) {
  const absl::Status twice = table_->Build({{P("10.0.0.0/8"), 1}, {P("2001:db8::/32"), 2}, {P("10.0.0.0/8"), 3}});
  EXPECT_EQ(twice.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(twice.message()), HasSubstr("10.0.0.0/8 comes twice"));
  EXPECT_EQ(Longest("10.0.0.1"), "none");
  ASSERT_TRUE(table_->Build({{P("2001:db8::/32"), 2}, {P("10.1.0.0/16"), 3}, {P("0.0.0.0/0"), 4}, {P("10.0.0.0/8"), 1}}).ok());
  EXPECT_EQ(Longest("10.1.0.1"), "10.1.0.0/16 3");
  EXPECT_EQ(Longest("10.2.0.1"), "10.0.0.0/8 1");
  EXPECT_EQ(Longest("9.2.0.1"), "0.0.0.0/0 4");
  EXPECT_EQ(Longest("2001:db8:1::"), "2001:db8::/32 2");
}

// Prefixes crowd into few places, so that nodes burst, nest, are cut anew and collapse. Few are short: those visit all that is below them.
Prefix Crowded(Random& random, bool v6) {
  const auto shortest = random.Below(256) == 0 ? 0 : v6 ? 24 : 12;
  const auto length = [&](int bits) { return shortest + static_cast<int>(random.Below(static_cast<uint64_t>(bits - shortest) + 1)); };
  if (!v6) return Prefix::Of(IpAddress::V4(0x0a000000 | (random.Next() & random.Next() & 0x00f3ffff)), length(32));
  const uint64_t high = 0x2001'0db8'0000'0000 | (random.Next() & random.Next() & 0x0000'00f3'f0ff'000f);
  return Prefix::Of(IpAddress::V6(high, random.Next() & random.Next() & 0x8003'0000'00f0'800f), length(128));
}

IpAddress Step(const IpAddress& address, int by) {
  if (address.is_v4()) return IpAddress::V4(address.v4() + static_cast<uint32_t>(by));
  const uint64_t low = address.low() + static_cast<uint64_t>(static_cast<int64_t>(by));
  return IpAddress::V6(address.high(), low);
}

class LpmAgainstTrie : public LpmTableTest, public testing::WithParamInterface<bool> {
 protected:
  void Check(const LpmTable::Pin& pin, const IpAddress& address) const {
    const auto expected = naive_.LongestMatch(address);
    const LpmMatch found = pin.LongestMatch(address);
    ASSERT_EQ(found.found(), expected.has_value()) << address;
    if (!found.found()) return;
    ASSERT_EQ(Prefix::Of(address, found.length()), expected->prefix) << address;
    ASSERT_EQ(found.leaf(), *expected->value) << address;
  }

  // The edges of the prefix and what is beside them, one by one and in all versions of a batch.
  void CheckEdges(const LpmTable::Pin& pin, const Prefix& prefix) const {
    std::vector<IpAddress> edges = {prefix.address(), prefix.last(), Step(prefix.address(), -1), Step(prefix.last(), 1)};
    for (const IpAddress& edge : edges) ASSERT_NO_FATAL_FAILURE(Check(pin, edge));
    std::vector<LpmMatch> matches(edges.size());
    pin.LongestMatches(edges, matches.data());
    for (size_t i = 0; i < edges.size(); ++i) ASSERT_EQ(matches[i], pin.LongestMatch(edges[i])) << edges[i];
    if (!prefix.address().is_v6()) return;
    std::vector<LpmKey6> keys;
    for (const IpAddress& edge : edges) keys.push_back({edge.high(), edge.low()});
    lpm::Bulk6Portable(pin.view6(), keys.data(), keys.size(), reinterpret_cast<uint32_t*>(matches.data()));
    for (size_t i = 0; i < edges.size(); ++i) ASSERT_EQ(matches[i], pin.LongestMatch6(keys[i])) << edges[i];
  }

  PrefixTable<uint32_t> naive_;
};

TEST_P(LpmAgainstTrie, RandomChangesInCrowdedPlacesLeaveTheSameAnswers) {
  const LpmTable::Reader reader(*table_);
  Random random(GetParam() ? 66 : 44);
  std::vector<Prefix> there;
  for (int step = 0; step < 40'000; ++step) {
    // Waves: it fills up to thousands of prefixes, then empties.
    const bool filling = step / 10'000 % 2 == 0;
    if (there.empty() || random.Below(10) < (filling ? 8u : 2u)) {
      const Prefix prefix = Crowded(random, GetParam());
      const auto leaf = static_cast<uint32_t>(random.Below(LpmMatch::kMaxLeaf + 1));
      if (naive_.Insert(prefix, leaf)) there.push_back(prefix);
      ASSERT_TRUE(table_->Insert(prefix, leaf).ok());
      const LpmTable::Pin pin(reader);
      ASSERT_NO_FATAL_FAILURE(CheckEdges(pin, prefix)) << step << " + " << prefix;
    } else {
      std::swap(there[random.Below(there.size())], there.back());
      ASSERT_TRUE(naive_.Erase(there.back()));
      ASSERT_TRUE(table_->Erase(there.back()).ok());
      const LpmTable::Pin pin(reader);
      ASSERT_NO_FATAL_FAILURE(CheckEdges(pin, there.back())) << step << " - " << there.back();
      there.pop_back();
    }
    ASSERT_EQ(table_->size(), there.size());
    if (step % 5000 != 0) continue;
    const LpmTable::Pin pin(reader);
    for (const Prefix& prefix : there) ASSERT_NO_FATAL_FAILURE(CheckEdges(pin, prefix)) << step << " " << prefix;
  }
}

TEST_P(LpmAgainstTrie, ATableBuiltAtOnceAnswersAsOneBuiltByChanges) {
  Random random(5);
  std::vector<LpmRoute> routes;
  for (uint32_t i = 0; i < 20'000; ++i) {
    const Prefix prefix = Crowded(random, GetParam());
    if (naive_.Find(prefix) != nullptr) continue;
    naive_.Insert(prefix, i);
    routes.push_back({prefix, i});
  }
  ASSERT_TRUE(table_->Build(routes).ok());
  const LpmTable::Reader reader(*table_);
  const LpmTable::Pin pin(reader);
  for (const LpmRoute& route : routes) {
    ASSERT_EQ(table_->Find(route.prefix), route.leaf);
    ASSERT_NO_FATAL_FAILURE(CheckEdges(pin, route.prefix)) << route.prefix;
  }
}

// Regions that share a few lines of the hash table, so that lines overflow and what finds no place goes to the tree, and regions anywhere,
// so that parts are filled anew; both inside short prefixes that come and go.
class LpmRegionsAgainstTrie : public LpmAgainstTrie {
 protected:
  static Prefix Spread(Random& random) {
    const bool crowded = random.Below(2) == 0;
    const auto hash = crowded ? static_cast<uint32_t>(random.Below(3)) << 30 | static_cast<uint32_t>(random.Below(40))
                              : static_cast<uint32_t>(random.Next()) << 16;
    // The space ends in a region too.
    const uint32_t region = random.Below(32) == 0 ? ~uint32_t{0} : lpm::RegionOf(hash);
    const int length = random.Below(16) == 0 ? 13 + static_cast<int>(random.Below(19)) : 32 + static_cast<int>(random.Below(20));
    return Prefix::Of(IpAddress::V6(uint64_t{region} << 32 | (random.Next() & 0xf00f'f000), random.Next()), length);
  }
};

TEST_P(LpmRegionsAgainstTrie, RegionsThatComeAndGoAnswerWhereverTheyHaveFoundPlace) {
  Random random(21);
  std::vector<Prefix> there;
  if (GetParam()) {  // Begins with a table built at once.
    std::vector<LpmRoute> routes;
    for (uint32_t i = 0; i < 3000; ++i) {
      const Prefix prefix = Spread(random);
      if (!naive_.Insert(prefix, i)) continue;
      there.push_back(prefix);
      routes.push_back({prefix, i});
    }
    for (LpmRoute& route : routes) route.leaf = *naive_.Find(route.prefix);
    ASSERT_TRUE(table_->Build(routes).ok());
  }
  const LpmTable::Reader reader(*table_);
  for (int step = 0; step < 40'000; ++step) {
    const bool filling = step / 10'000 % 2 == 0;
    Prefix changed = Spread(random);
    if (there.empty() || random.Below(10) < (filling ? 8u : 2u)) {
      const auto leaf = static_cast<uint32_t>(random.Below(LpmMatch::kMaxLeaf + 1));
      if (naive_.Insert(changed, leaf)) there.push_back(changed);
      ASSERT_TRUE(table_->Insert(changed, leaf).ok());
    } else {
      std::swap(there[random.Below(there.size())], there.back());
      changed = there.back();
      there.pop_back();
      ASSERT_TRUE(naive_.Erase(changed));
      ASSERT_TRUE(table_->Erase(changed).ok());
    }
    const LpmTable::Pin pin(reader);
    ASSERT_NO_FATAL_FAILURE(CheckEdges(pin, changed)) << step << " " << changed;
    if (step % 2500 != 0) continue;
    for (const Prefix& prefix : there) ASSERT_NO_FATAL_FAILURE(CheckEdges(pin, prefix)) << step << " " << prefix;
  }
}

INSTANTIATE_TEST_SUITE_P(Builds, LpmRegionsAgainstTrie, testing::Values(false, true),
                         [](const testing::TestParamInfo<bool>& built) { return built.param ? "BuiltAtOnce" : "ByChanges"; });

INSTANTIATE_TEST_SUITE_P(Families, LpmAgainstTrie, testing::Values(false, true),
                         [](const testing::TestParamInfo<bool>& v6) { return v6.param ? "Ipv6" : "Ipv4"; });

TEST_F(LpmTableTest, BatchesOfEverySizeAnswerAsOneByOne) {
  Random random(3);
  for (uint32_t i = 0; i < 5000; ++i) ASSERT_TRUE(table_->Insert(Crowded(random, i % 2 == 0), i).ok());
  const LpmTable::Reader reader(*table_);
  for (size_t size = 0; size <= 130; ++size) {
    const LpmTable::Pin pin(reader);
    std::vector<IpAddress> mixed;
    std::vector<uint32_t> keys4;
    std::vector<LpmKey6> keys6;
    for (size_t i = 0; i < size; ++i) {
      mixed.push_back(Crowded(random, random.Below(2) == 0).last());
      keys4.push_back(Crowded(random, false).last().v4());
      const IpAddress v6 = Crowded(random, true).last();
      keys6.push_back({v6.high(), v6.low()});
    }
    // One place more than there are addresses, which must stay as it is.
    const LpmMatch untouched(128, 99);
    std::vector<LpmMatch> matches(size + 1, untouched);
    pin.LongestMatches(mixed, matches.data());
    for (size_t i = 0; i < size; ++i) ASSERT_EQ(matches[i], pin.LongestMatch(mixed[i])) << mixed[i];
    pin.LongestMatches4(keys4, matches.data());
    for (size_t i = 0; i < size; ++i) ASSERT_EQ(matches[i], pin.LongestMatch4(keys4[i])) << keys4[i];
    std::vector<uint32_t> words(size + 1, untouched.word());
    for (const lpm::Bulk6 bulk : {lpm::Bulk6Portable, lpm::HasAvx512() ? lpm::Bulk6Avx512 : lpm::Bulk6Portable}) {
      bulk(pin.view6(), keys6.data(), size, words.data());
      for (size_t i = 0; i < size; ++i) ASSERT_EQ(words[i], pin.LongestMatch6(keys6[i]).word()) << i << " of " << size;
    }
    EXPECT_EQ(matches[size], untouched);
    EXPECT_EQ(words[size], untouched.word());
  }
}

TEST_F(LpmTableTest, NodesGoWithTheLastPrefixThatNeedsThem) {
  for (const bool v6 : {false, true}) {
    const Prefix around = v6 ? P("2001:db8::/32") : P("10.1.2.0/24");
    ASSERT_TRUE(table_->Insert(around, 1).ok());
    const size_t before = table_->SizeOf(around.family()).lookup;
    std::vector<Prefix> inside;
    Random random(4);
    for (uint32_t i = 0; i < 500; ++i) {
      const IpAddress address = v6 ? IpAddress::V6(around.address().high() | (random.Next() & 0xffff'00ff), random.Next())
                                   : IpAddress::V4(around.address().v4() | (random.Next() & 0xff));
      inside.push_back(Prefix::Of(address, v6 ? 33 + static_cast<int>(random.Below(96)) : 25 + static_cast<int>(random.Below(8))));
      ASSERT_TRUE(table_->Insert(inside.back(), i).ok());
    }
    EXPECT_GT(table_->SizeOf(around.family()).lookup, before + 1000);
    for (const Prefix& prefix : inside) (void)table_->Erase(prefix);  // Some came twice.
    EXPECT_EQ(table_->SizeOf(around.family()).routes, 1u);
    EXPECT_EQ(table_->SizeOf(around.family()).lookup, before);
  }
}

TEST_F(LpmTableTest, WhatIsReplacedIsUsedAgain) {
  const auto churn = [&] {
    Random random(8);
    for (uint32_t i = 0; i < 10'000; ++i) ASSERT_TRUE(table_->Insert(Crowded(random, true), i).ok());
    Random again(8);
    for (uint32_t i = 0; i < 10'000; ++i) (void)table_->Erase(Crowded(again, true));
    ASSERT_EQ(table_->size(), 0u);
  };
  churn();
  const LpmTable::Size first = table_->SizeOf(AddressFamily::kIpv6);
  for (int i = 0; i < 5; ++i) churn();
  const LpmTable::Size last = table_->SizeOf(AddressFamily::kIpv6);
  EXPECT_LE(last.lookup + last.reserve, (first.lookup + first.reserve) * 11 / 10);
}

TEST_F(LpmTableTest, WhileAReaderStaysNothingItCouldSeeIsUsedAgain) {
  const LpmTable::Reader reader(*table_);
  Insert("2001:db8::/32", 1);
  const auto reserve = [&] { return table_->SizeOf(AddressFamily::kIpv6).reserve; };
  const auto churn = [&] {
    for (int i = 0; i < 1000; ++i) {
      Insert("2001:db8::/48", 2);
      Erase("2001:db8::/48");
    }
  };
  churn();
  const size_t before = reserve();
  {
    const LpmTable::Pin pin(reader);
    churn();
    EXPECT_GE(reserve(), size_t{1000} * 16);  // A node a round.
    EXPECT_GT(reserve(), before);
    const size_t during = reserve();
    pin.Renew();
    for (int i = 0; i < 10; ++i) {
      Insert("2001:db8::/48", 2);
      pin.Renew();
      Erase("2001:db8::/48");
    }
    EXPECT_LE(reserve(), during + 1024);
  }
  const size_t kept = reserve();
  churn();
  EXPECT_LE(reserve(), kept + 64 * 64);
}

TEST_F(LpmTableTest, ThereAreOnlySoManyReaders) {
  std::vector<std::unique_ptr<LpmTable::Reader>> readers;
  for (size_t i = 0; i < LpmEpochs::kMaxReaders; ++i) {
    readers.push_back(std::make_unique<LpmTable::Reader>(*table_));
    ASSERT_TRUE(readers.back()->ok());
  }
  EXPECT_FALSE(LpmTable::Reader(*table_).ok());
  readers.pop_back();
  EXPECT_TRUE(LpmTable::Reader(*table_).ok());
}

// Every address that is asked for is always covered by one of two leaves of its own; all else around it comes and goes.
class LpmReadersTest : public LpmTableTest {
 protected:
  // Address i has leaf 2 * i already; `change(step)` gives and takes leaf 2 * i + 1, so many times and until three readers have met both.
  void ChangeWhileOthersRead(const std::vector<IpAddress>& addresses, int steps, const std::function<void(int)>& change) {
    stop_ = false;
    seen_both_ = 0;
    std::vector<std::thread> readers;
    for (int i = 0; i < 3; ++i) {
      readers.emplace_back([&] { Read(addresses); });
    }
    for (int step = 0; step < steps || (seen_both_.load() < 3 && step < 100'000'000); ++step) {
      change(step);
      if (HasFatalFailure()) break;
    }
    stop_ = true;
    for (std::thread& reader : readers) reader.join();
    EXPECT_EQ(wrong_.load(), 0u);
    EXPECT_EQ(seen_both_.load(), 3);
  }

 private:
  void Read(const std::vector<IpAddress>& addresses) {
    const LpmTable::Reader reader(*table_);
    std::vector<LpmMatch> matches(addresses.size());
    bool seen[2] = {};
    while (!stop_.load(std::memory_order_relaxed)) {
      const LpmTable::Pin pin(reader);
      for (int batch = 0; batch < 10; ++batch) {
        pin.Renew();
        pin.LongestMatches(addresses, matches.data());
        for (uint32_t i = 0; i < addresses.size(); ++i) {
          for (const LpmMatch match : {matches[i], pin.LongestMatch(addresses[i])}) {
            if (!match.found() || match.leaf() / 2 != i) wrong_.fetch_add(1);
            if (seen[match.leaf() % 2]) continue;
            seen[match.leaf() % 2] = true;
            if (seen[0] && seen[1]) seen_both_.fetch_add(1);
          }
        }
      }
    }
  }

  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> wrong_{0};
  std::atomic<int> seen_both_{0};
};

TEST_F(LpmReadersTest, TheyMeetTheOldMatchOrTheNewOneAndNothingElse) {
  constexpr uint32_t kAddresses = 64;
  std::vector<IpAddress> addresses;
  for (uint32_t i = 0; i < kAddresses; ++i) {
    addresses.push_back(i % 2 == 0 ? IpAddress::V4(0x0a000000 | i << 10 | 0x81) : IpAddress::V6(0x20010db800000000 | uint64_t{i} << 20, i));
    ASSERT_TRUE(table_->Insert(Prefix::Of(addresses[i], i % 2 == 0 ? 23 : 47), 2 * i).ok());
  }
  Random random(12);
  ChangeWhileOthersRead(addresses, 20'000, [&](int) {
    const auto i = static_cast<uint32_t>(random.Below(kAddresses));
    const int bits = addresses[i].bits();
    const Prefix prefix =
        Prefix::Of(addresses[i], i % 2 == 0 ? 24 + static_cast<int>(random.Below(9)) : 48 + static_cast<int>(random.Below(81)));
    // Beside the address: nodes burst and collapse around it.
    const Prefix beside = Prefix::Of(Step(addresses[i], 1 + static_cast<int>(random.Below(100))), bits);
    ASSERT_TRUE(table_->Insert(prefix, 2 * i + 1).ok());
    if (random.Below(4) != 0) {
      ASSERT_TRUE(table_->Insert(beside, 2 * i + 1).ok());
    }
    if (random.Below(2) == 0) (void)table_->Erase(beside);
    ASSERT_TRUE(table_->Erase(prefix).ok() || prefix == beside);
  });
}

// A part of the hash table that was large is filled anew when nearly all of its regions are gone: what stood in many lines comes into few,
// where most of it finds no place and goes to the tree.
TEST_F(LpmReadersTest, TheyMeetNothingElseWhileRegionsMoveToTheTree) {
  constexpr uint32_t kAddresses = 24;
  constexpr uint32_t kPart = 5u << (32 - lpm::kPartBits);
  constexpr uint32_t kMany = 700;
  Random random(13);
  // Of regions anywhere in the part, no two the same.
  const auto other = [](uint32_t i) {
    return Prefix::Of(IpAddress::V6(uint64_t{lpm::RegionOf(kPart | (i * 0x9e3779b1 >> lpm::kPartBits))} << 32, 0), 40);
  };
  for (int round = 0; round < 40; ++round) {
    table_ = LpmTable::Create().value();
    for (uint32_t i = 0; i < kMany; ++i) ASSERT_TRUE(table_->Insert(other(i), LpmMatch::kMaxLeaf).ok());
    std::vector<IpAddress> addresses;
    for (uint32_t i = 0; i < kAddresses; ++i) {
      // A tenth of the part: a dozen lines of a large one, one line of a small one.
      addresses.push_back(IpAddress::V6(uint64_t{lpm::RegionOf(kPart | i << 20 | 1)} << 32 | 0xffc0'ffee, i));
      ASSERT_TRUE(table_->Insert(Prefix::Of(addresses[i], 33), 2 * i).ok());
    }
    ChangeWhileOthersRead(addresses, 6'000, [&](int step) {
      const auto i = static_cast<uint32_t>(random.Below(kAddresses));
      const Prefix prefix = Prefix::Of(addresses[i], 34 + static_cast<int>(random.Below(40)));
      ASSERT_TRUE(table_->Insert(prefix, 2 * i + 1).ok());
      if (step >= 3'000 && step < 5'000) {
        const auto at = static_cast<uint32_t>(step - 3'000);
        if (at >= kMany) {
          ASSERT_TRUE(table_->Insert(other(at), LpmMatch::kMaxLeaf).ok());
        }
        ASSERT_TRUE(table_->Erase(other(at)).ok());
      }
      ASSERT_TRUE(table_->Erase(prefix).ok());
    });
  }
}

}  // namespace
}  // namespace fairlead
