#include "tests/generator/routes.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/routing/bogons.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;

Prefix P(absl::string_view text) {
  return Prefix::Parse(text).value();
}

TEST(RouteGenerator, TheSameSeedGivesTheSameTable) {
  EXPECT_EQ(RouteGenerator(7).Table(2'000, 500), RouteGenerator(7).Table(2'000, 500));
  EXPECT_NE(RouteGenerator(7).Table(2'000, 500), RouteGenerator(8).Table(2'000, 500));
}

TEST(RouteGenerator, TheTableHasTheShapeOfTheRealOne) {
  const std::vector<Prefix> table = RouteGenerator(1).Table(20'000, 5'000);
  ASSERT_EQ(table.size(), 25'000u);
  EXPECT_TRUE(std::is_sorted(table.begin(), table.end()));
  EXPECT_EQ(std::adjacent_find(table.begin(), table.end()), table.end());
  size_t v4 = 0;
  size_t v4_24 = 0;
  size_t v6_48 = 0;
  size_t nested = 0;
  std::vector<Prefix> around;
  for (const Prefix& prefix : table) {
    ASSERT_FALSE(FindBogon(prefix).has_value()) << prefix;
    v4 += prefix.address().is_v4() ? 1 : 0;
    v4_24 += prefix.address().is_v4() && prefix.length() == 24 ? 1 : 0;
    v6_48 += prefix.address().is_v6() && prefix.length() == 48 ? 1 : 0;
    while (!around.empty() && !around.back().Covers(prefix)) around.pop_back();
    nested += around.empty() ? 0 : 1;
    around.push_back(prefix);
  }
  EXPECT_EQ(v4, 20'000u);
  EXPECT_NEAR(v4_24 / 20'000.0, 0.6, 0.03);
  EXPECT_NEAR(v6_48 / 5'000.0, 0.47, 0.03);
  EXPECT_NEAR(nested / 25'000.0, 0.5, 0.1);
}

TEST(RouteGenerator, APartnersRoutesLieInItsAggregatesAndBeginWithIt) {
  RouteGenerator generator(3);
  const std::vector<Prefix> aggregates = {P("80.128.0.0/11"), P("2003::/19")};
  const std::vector<GeneratedRoute> routes = generator.PartnerRoutes({.aggregates = aggregates, .asn = 3320, .count = 300});
  EXPECT_EQ(routes.size(), 300u);
  for (const GeneratedRoute& route : routes) {
    EXPECT_TRUE(std::any_of(aggregates.begin(), aggregates.end(), [&](const Prefix& a) { return a.Covers(route.prefix); })) << route.prefix;
    ASSERT_FALSE(route.as_path.empty());
    EXPECT_EQ(route.as_path.front(), 3320u);
    EXPECT_LE(route.as_path.size(), 6u);
    EXPECT_LE(route.prefix.length(), route.prefix.address().is_v4() ? 24 : 48);
  }
}

TEST(RouteGenerator, ATooSmallAggregateGivesWhatItHas) {
  RouteGenerator generator(3);
  const std::vector<GeneratedRoute> routes = generator.PartnerRoutes({.aggregates = {P("80.128.0.0/24")}, .count = 10});
  ASSERT_EQ(routes.size(), 1u);
  EXPECT_EQ(routes.front().prefix, P("80.128.0.0/24"));
  EXPECT_TRUE(generator.PartnerRoutes({}).empty());
}

TEST(RouteGenerator, AddressesInsideAPrefixAreInside) {
  RouteGenerator generator(9);
  for (const char* text : {"80.128.0.0/11", "80.1.2.3/32", "2003::/19", "2003::/65", "2003::1/128"}) {
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(P(text).Contains(generator.AddressIn(P(text)))) << text;
  }
}

TEST(ReadPrefixes, AFileIsReadWholeOrRefusedByItsBadLine) {
  const std::string path = std::string(std::getenv("TEST_TMPDIR")) + "/prefixes.txt";
  const auto write = [&path](const char* text) {
    std::FILE* file = std::fopen(path.c_str(), "w");
    ASSERT_NE(file, nullptr);
    std::fputs(text, file);
    std::fclose(file);
  };
  write("80.0.0.0/8\r\n2003::/19\n");
  EXPECT_EQ(ReadPrefixes(path).value(), (std::vector<Prefix>{P("80.0.0.0/8"), P("2003::/19")}));
  write("80.0.0.0/8\n80.0.0.1/8\n");
  EXPECT_THAT(std::string(ReadPrefixes(path).status().message()), HasSubstr("prefixes.txt line 2: '80.0.0.1/8' has host bits set"));
  EXPECT_EQ(ReadPrefixes(path + ".none").status().code(), absl::StatusCode::kNotFound);
}

// Ask BIRD itself whether it takes the fragment.
TEST(BirdStaticConfig, BirdAcceptsIt) {
  RouteGenerator generator(3);
  const std::string config =
      BirdStaticConfig(generator.PartnerRoutes({.aggregates = {P("80.128.0.0/11"), P("2003::/19")}, .count = 50}), "partner_a");
  EXPECT_THAT(config, HasSubstr("route 80.128.0.0/11 blackhole"));
  const std::string path = std::string(std::getenv("TEST_TMPDIR")) + "/bird.conf";
  std::FILE* file = std::fopen(path.c_str(), "w");
  ASSERT_NE(file, nullptr);
  std::fputs(("router id 127.0.0.1;\nprotocol device {}\n" + config).c_str(), file);
  std::fclose(file);
  EXPECT_EQ(std::system(("/usr/sbin/bird -p -c " + path).c_str()), 0) << config;
}

}  // namespace
}  // namespace fairlead
