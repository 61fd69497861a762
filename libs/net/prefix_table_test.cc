#include "libs/net/prefix_table.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace fairlead {
namespace {

Prefix P(absl::string_view text) {
  return Prefix::Parse(text).value();
}
IpAddress A(absl::string_view text) {
  return IpAddress::Parse(text).value();
}

std::string Longest(const PrefixTable<int>& table, absl::string_view address) {
  const auto match = table.LongestMatch(A(address));
  return match.has_value() ? match->prefix.ToString() : "none";
}

template <typename Key>
std::vector<Prefix> Covering(const PrefixTable<int>& table, const Key& key) {
  std::vector<Prefix> found;
  table.ForEachCovering(key, [&](const Prefix& prefix, int) { found.push_back(prefix); });
  return found;
}

std::vector<Prefix> Within(const PrefixTable<int>& table, const Prefix& prefix) {
  std::vector<Prefix> found;
  table.ForEachWithin(prefix, [&](const Prefix& at, int) { found.push_back(at); });
  return found;
}

std::vector<Prefix> After(const PrefixTable<int>& table, const Prefix* last, size_t most) {
  std::vector<Prefix> prefixes;
  table.ForEachAfter(last, [&](const Prefix& prefix, int) {
    prefixes.push_back(prefix);
    return prefixes.size() < most;
  });
  return prefixes;
}

TEST(PrefixTable, AnEmptyTableMatchesNothing) {
  PrefixTable<int> table;
  EXPECT_TRUE(table.empty());
  EXPECT_EQ(Longest(table, "1.2.3.4"), "none");
  EXPECT_EQ(Longest(table, "::1"), "none");
  EXPECT_FALSE(table.Erase(P("0.0.0.0/0")));
  EXPECT_EQ(table.Find(P("0.0.0.0/0")), nullptr);
}

TEST(PrefixTable, TheLongestPrefixThatContainsTheAddressWins) {
  PrefixTable<int> table;
  for (const char* text :
       {"0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32", "2001:db8::/32", "2001:db8:1::/48", "2001:db8:1::1/128"}) {
    EXPECT_TRUE(table.Insert(P(text), 0));
  }
  EXPECT_EQ(Longest(table, "10.1.2.3"), "10.1.2.3/32");
  EXPECT_EQ(Longest(table, "10.1.2.4"), "10.1.2.0/24");
  EXPECT_EQ(Longest(table, "10.1.3.4"), "10.1.0.0/16");
  EXPECT_EQ(Longest(table, "10.2.3.4"), "10.0.0.0/8");
  EXPECT_EQ(Longest(table, "11.2.3.4"), "0.0.0.0/0");
  EXPECT_EQ(Longest(table, "2001:db8:1::1"), "2001:db8:1::1/128");
  EXPECT_EQ(Longest(table, "2001:db8:1::2"), "2001:db8:1::/48");
  EXPECT_EQ(Longest(table, "2001:db8:2::2"), "2001:db8::/32");
  EXPECT_EQ(Longest(table, "2001:db9::"), "none");
}

TEST(PrefixTable, InsertReplacesTheValueOfAKnownPrefix) {
  PrefixTable<int> table;
  EXPECT_TRUE(table.Insert(P("10.0.0.0/8"), 1));
  EXPECT_FALSE(table.Insert(P("10.0.0.0/8"), 2));
  EXPECT_EQ(*table.Find(P("10.0.0.0/8")), 2);
  EXPECT_EQ(table.size(), 1u);
  table[P("10.0.0.0/8")] += 5;
  EXPECT_EQ(*table.Find(P("10.0.0.0/8")), 7);
  EXPECT_EQ(table[P("11.0.0.0/8")], 0);
  EXPECT_EQ(table.size(), 2u);
}

TEST(PrefixTable, AForkWithoutAValueIsNeverFound) {
  PrefixTable<int> table;
  table.Insert(P("10.0.0.0/24"), 1);
  table.Insert(P("10.0.1.0/24"), 2);  // Forks at 10.0.0.0/23.
  EXPECT_EQ(table.Find(P("10.0.0.0/23")), nullptr);
  EXPECT_FALSE(table.Erase(P("10.0.0.0/23")));
  EXPECT_FALSE(table.LongestMatch(P("10.0.0.0/23")).has_value());
  EXPECT_TRUE(table.Insert(P("10.0.0.0/23"), 3));
  EXPECT_EQ(table.size(), 3u);
}

TEST(PrefixTable, TheCoveringPrefixesComeFromTheShortestToTheLongest) {
  PrefixTable<int> table;
  for (const char* text : {"10.1.2.0/24", "0.0.0.0/0", "10.1.0.0/16", "10.2.0.0/16", "10.0.0.0/8"}) table.Insert(P(text), 0);
  EXPECT_EQ(Covering(table, A("10.1.2.9")), (std::vector<Prefix>{P("0.0.0.0/0"), P("10.0.0.0/8"), P("10.1.0.0/16"), P("10.1.2.0/24")}));
  EXPECT_EQ(Covering(table, P("10.1.0.0/16")), (std::vector<Prefix>{P("0.0.0.0/0"), P("10.0.0.0/8"), P("10.1.0.0/16")}));
  EXPECT_EQ(Covering(table, P("10.1.0.0/17")), (std::vector<Prefix>{P("0.0.0.0/0"), P("10.0.0.0/8"), P("10.1.0.0/16")}));
}

TEST(PrefixTable, ThePrefixesBelowOneComeInOrder) {
  PrefixTable<int> table;
  for (const char* text : {"10.1.2.0/24", "0.0.0.0/0", "10.1.0.0/16", "10.2.0.0/16", "10.0.0.0/8", "11.0.0.0/8", "2001:db8::/32"})
    table.Insert(P(text), 0);
  EXPECT_EQ(Within(table, P("10.0.0.0/8")), (std::vector<Prefix>{P("10.0.0.0/8"), P("10.1.0.0/16"), P("10.1.2.0/24"), P("10.2.0.0/16")}));
  EXPECT_EQ(Within(table, P("10.0.0.0/7")),
            (std::vector<Prefix>{P("10.0.0.0/8"), P("10.1.0.0/16"), P("10.1.2.0/24"), P("10.2.0.0/16"), P("11.0.0.0/8")}));
  EXPECT_EQ(Within(table, P("10.1.2.128/25")), std::vector<Prefix>{});
  EXPECT_EQ(Within(table, P("2001::/16")), std::vector<Prefix>{P("2001:db8::/32")});
}

TEST(PrefixTable, AWalkInPiecesMeetsAllOfBothFamiliesInOrder) {
  PrefixTable<int> table;
  std::vector<Prefix> all;
  for (uint32_t i = 0; i < 200; ++i) {
    all.push_back(Prefix::Of(IpAddress::V4(i * 2654435761u), static_cast<int>(i % 33)));
    all.push_back(Prefix::Of(IpAddress::V6(uint64_t{i} * 11400714819323198485u, 0), static_cast<int>(i % 65)));
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  for (const Prefix& prefix : all) table.Insert(prefix, 1);
  for (const size_t piece : {1, 7, 1'000}) {
    std::vector<Prefix> walked;
    for (std::vector<Prefix> next = After(table, nullptr, piece); !next.empty(); next = After(table, &walked.back(), piece)) {
      walked.insert(walked.end(), next.begin(), next.end());
    }
    EXPECT_EQ(walked, all);
  }
}

TEST(PrefixTable, ACopyIsASnapshot) {
  PrefixTable<int> table;
  table.Insert(P("10.0.0.0/8"), 1);
  const PrefixTable<int> snapshot = table;
  table.Insert(P("10.0.0.0/8"), 2);
  table.Insert(P("10.1.0.0/16"), 3);
  EXPECT_EQ(*snapshot.Find(P("10.0.0.0/8")), 1);
  EXPECT_EQ(snapshot.size(), 1u);
}

// A small universe, so that forks, forks that become prefixes and the reverse all happen thousands of times.
TEST(PrefixTable, AgreesWithAMapThroughAnyHistory) {
  for (const bool v6 : {false, true}) {
    PrefixTable<int> table;
    std::map<Prefix, int> model;
    uint64_t state = 42;
    const auto next = [&state](uint64_t bound) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      return (state >> 33) % bound;
    };
    const auto random_prefix = [&] {
      const uint64_t bits = next(64);
      // Six free bits across the middle of the address: in IPv6 across the seam of its two halves.
      const IpAddress address =
          v6 ? IpAddress::V6(0x20010db800000000 | bits >> 3, bits << 61) : IpAddress::V4(0x0a000000 | static_cast<uint32_t>(bits) << 8);
      return Prefix::Of(address, static_cast<int>(v6 ? 60 + next(9) : 17 + next(9)));
    };
    for (int step = 0; step < 20'000; ++step) {
      const Prefix prefix = random_prefix();
      if (next(2) == 0) {
        EXPECT_EQ(table.Insert(prefix, step), model.count(prefix) == 0);
        model[prefix] = step;
      } else {
        EXPECT_EQ(table.Erase(prefix), model.erase(prefix) == 1);
      }
      ASSERT_EQ(table.size(), model.size());
      const Prefix probe = random_prefix();
      std::vector<Prefix> covering;
      std::vector<Prefix> within;
      for (const auto& [at, value] : model) {
        if (at.Covers(probe)) covering.push_back(at);
        if (probe.Covers(at)) within.push_back(at);
      }
      ASSERT_EQ(Covering(table, probe), covering) << "step " << step << " probe " << probe;
      ASSERT_EQ(Within(table, probe), within) << "step " << step << " probe " << probe;
      std::vector<Prefix> after;
      for (auto at = model.upper_bound(probe); at != model.end() && after.size() < 3; ++at) after.push_back(at->first);
      ASSERT_EQ(After(table, &probe, 3), after) << "step " << step << " probe " << probe;
      const int* found = table.Find(probe);
      const auto expected = model.find(probe);
      ASSERT_EQ(found != nullptr, expected != model.end());
      if (found != nullptr) {
        ASSERT_EQ(*found, expected->second);
      }
    }
  }
}

TEST(PrefixTable, ErasingEverythingLeavesNothingBehind) {
  PrefixTable<int> table;
  std::vector<Prefix> all;
  for (uint32_t i = 0; i < 2'000; ++i) all.push_back(Prefix::Of(IpAddress::V4(i * 2654435761u), static_cast<int>(8 + i % 25)));
  for (int round = 0; round < 3; ++round) {
    for (const Prefix& prefix : all) table.Insert(prefix, round);
    for (const Prefix& prefix : all) table.Erase(prefix);
    EXPECT_TRUE(table.empty());
    int left = 0;
    table.ForEach([&left](const Prefix&, int) { ++left; });
    EXPECT_EQ(left, 0);
  }
}

}  // namespace
}  // namespace fairlead
