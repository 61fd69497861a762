#include "libs/contentsteering/session.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/errors.h"

namespace fairlead {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// As a server's own parser would: none of these values is escaped.
absl::StatusOr<SteeringSession> Parse(absl::string_view uri, QueryFields extra = {}) {
  const std::pair<absl::string_view, absl::string_view> sides = absl::StrSplit(uri, absl::MaxSplits('?', 1));
  QueryFields query = std::move(extra);
  for (const absl::string_view part : absl::StrSplit(sides.second, '&', absl::SkipEmpty())) {
    query.push_back(absl::StrSplit(part, absl::MaxSplits('=', 1)));
  }
  return ParseSteeringSession(sides.first, query);
}

SteeringSession Example() {
  return {.title = TitleId("film"),
          .version = "v1",
          .pathways = {{.id = "ix-1", .boxes = {ApplianceId("box-c")}},
                       {.id = "north-1.2", .boxes = {ApplianceId("box-a"), ApplianceId("box-b")}, .avoid = 7},
                       {.id = "south-1", .boxes = {ApplianceId("box-d")}, .listed = false}},
          .stay = 3,
          .seed = 0xfffffff1,
          .round = 12};
}

TEST(SteeringSessionTest, ASessionComesBackFromItsUriAsItWas) {
  const std::string uri = SteeringUri("", Example());
  EXPECT_EQ(
      uri,
      "/v1/content-steering/ix-1/north-1.2?title=titles/film&version=v1&at=ix-1:box-c;north-1.2:box-a,box-b;south-1:box-d&not=north-1.2:7"
      "&stay=3&seed=fffffff1&round=12");
  const auto parsed = Parse(uri, {{"_HLS_pathway", "ix-1"}, {"client_address", "192.0.2.1"}});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, Example());
}

TEST(SteeringSessionTest, TheLeastIsAPathwayAndATitle) {
  const auto parsed = Parse("/v1/content-steering/north-1?title=titles/film");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, (SteeringSession{.title = TitleId("film"), .pathways = {{.id = "north-1"}}}));
}

TEST(SteeringSessionTest, WhatIsForgedOrBrokenIsRefusedByName) {
  const auto refused = [](absl::string_view uri) {
    const auto parsed = Parse(uri);
    return parsed.ok() ? "accepted" : FieldOf(parsed.status());
  };
  const std::string good = "/v1/content-steering/a/b?title=titles/film";
  EXPECT_EQ(refused("/v1/content-steering/?title=titles/film"), "path");
  EXPECT_EQ(refused("/v1/content-steering/a//b?title=titles/film"), "path");
  EXPECT_EQ(refused("/v1/content-steering/a/a?title=titles/film"), "path");
  EXPECT_EQ(refused("/v1/content-steering/a\"b?title=titles/film"), "path");
  EXPECT_EQ(refused("/v1/content-steering/1/2/3/4/5/6/7/8/9?title=titles/film"), "path");
  EXPECT_EQ(refused("/v1/content-steering/a"), "title");
  EXPECT_EQ(refused(absl::StrCat(good, "&at=a:box;a:box")), "at");
  EXPECT_EQ(refused(absl::StrCat(good, "&at=a:Box")), "at");
  EXPECT_EQ(refused(absl::StrCat(good, "&not=c:1")), "not");
  EXPECT_EQ(refused(absl::StrCat(good, "&not=a:1000001")), "not");
  EXPECT_EQ(refused(absl::StrCat(good, "&stay=-1")), "stay");
  EXPECT_EQ(refused(absl::StrCat(good, "&round=x")), "round");
  EXPECT_EQ(refused(absl::StrCat(good, "&seed=xyz")), "seed");
  EXPECT_EQ(refused(absl::StrCat(good, "&version=../v2")), "version");
  std::string boxes = "&at=a:box-0";
  for (size_t i = 1; i < SessionPathway::kMaxBoxes; ++i) absl::StrAppend(&boxes, ",box-", i);
  EXPECT_EQ(refused(absl::StrCat(good, boxes)), "accepted");
  EXPECT_EQ(refused(absl::StrCat(good, boxes, ",one-more")), "at");
}

TEST(PlayerReportTest, HlsAndDashPlayersAreReadHoweverTheyQuote) {
  EXPECT_THAT(ParsePlayerReport({{"_HLS_pathway", "north-1"}, {"_HLS_throughput", "5140000"}}),
              (PlayerReport{.pathways = {"north-1"}, .throughputs_bps = {5'140'000}}));
  EXPECT_THAT(ParsePlayerReport({{"_HLS_pathway", "\"north-1\""}, {"_HLS_throughput", "\"5140000\""}}),
              (PlayerReport{.pathways = {"north-1"}, .throughputs_bps = {5'140'000}}));
  EXPECT_THAT(ParsePlayerReport({{"_DASH_pathway", "\"north-1,ix-1\""}, {"_DASH_throughput", "1,2"}}),
              (PlayerReport{.pathways = {"north-1", "ix-1"}, .throughputs_bps = {1, 2}}));
  EXPECT_THAT(ParsePlayerReport({{"_DASH_pathway", "\"north-1\", \"ix-1\""}}).pathways, ElementsAre("north-1", "ix-1"));
}

TEST(PlayerReportTest, WhatIsMissingEmptyOrUnreadableCountsAsMissing) {
  EXPECT_EQ(ParsePlayerReport({}), PlayerReport());
  EXPECT_EQ(ParsePlayerReport({{"_HLS_pathway", ""}, {"_HLS_throughput", "NaN"}}), PlayerReport());
  EXPECT_EQ(ParsePlayerReport({{"_DASH_pathway", "\"\""}, {"_DASH_throughput", ",,-3,"}}), PlayerReport());
  EXPECT_THAT(ParsePlayerReport({{"_DASH_pathway", "\",ix-1,,\""}}).pathways, ElementsAre("ix-1"));
  EXPECT_THAT(ParsePlayerReport({{"_HLS_pathway", "a"}, {"_HLS_pathway", "b"}}).pathways, ElementsAre("b"));
  EXPECT_THAT(ParsePlayerReport({{"_DASH_pathway", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18"}}).pathways,
              SizeIs(PlayerReport::kMaxItems));
  EXPECT_THAT(ParsePlayerReport({{"_HLS_pathway", "\""}}).throughputs_bps, IsEmpty());
}

}  // namespace
}  // namespace fairlead
