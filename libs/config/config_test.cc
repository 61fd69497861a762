#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/config/units.h"
#include "libs/config/yaml.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(YamlTest, EveryNodeKnowsItsLineAndColumn) {
  std::vector<YamlProblem> problems;
  const YamlNode root = ParseYaml("sites:\n  - id: lhr001\n    kind: \"IX\"\n", problems);
  ASSERT_THAT(problems, IsEmpty());
  const YamlNode& site = root.Find("sites")->items[0];
  EXPECT_EQ(site.entries[1].key, "kind");
  EXPECT_EQ(site.entries[1].mark.line, 3);
  EXPECT_EQ(site.entries[1].mark.column, 5);
  EXPECT_EQ(site.Find("kind")->mark.column, 11);
  EXPECT_TRUE(site.Find("kind")->quoted);
  EXPECT_FALSE(site.Find("id")->quoted);
}

TEST(YamlTest, AKeyTwiceIsAProblemAtTheSecondOne) {
  std::vector<YamlProblem> problems;
  ParseYaml("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\na: 2\n", problems);
  ASSERT_THAT(problems, SizeIs(2));
  const absl::Status error = YamlError("x.yaml", problems);
  EXPECT_THAT(std::string(error.message()), HasSubstr("5:3: 'c' is there twice; first on line 3"));
  EXPECT_THAT(std::string(error.message()), HasSubstr("6:1: 'a' is there twice; first on line 1"));
}

TEST(YamlTest, BrokenTextIsOneProblemWithItsPlace) {
  std::vector<YamlProblem> problems;
  ParseYaml("a: [1, 2\nb: 3\n", problems);
  ASSERT_THAT(problems, SizeIs(1));
  EXPECT_GE(problems[0].mark.line, 1);
}

TEST(YamlTest, AliasesCanNotBlowAFileUp) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int j = 0; j < 9; ++j) text += ", " + before;
    text += "]\n";
  }
  std::vector<YamlProblem> problems;
  ParseYaml(text, problems, {.nodes = 10'000});
  ASSERT_THAT(problems, SizeIs(1));
  EXPECT_THAT(problems[0].message, HasSubstr("more than 10000 values"));
}

TEST(YamlTest, DepthSizeAndDocumentsAreBounded) {
  std::vector<YamlProblem> problems;
  ParseYaml(std::string(40, '[') + std::string(40, ']'), problems);
  ParseYaml("a: 1\n---\nb: 2\n", problems);
  ParseYaml("0123456789", problems, {.bytes = 5});
  ASSERT_THAT(problems, SizeIs(3));
  EXPECT_THAT(problems[0].message, HasSubstr("nested deeper than 32"));
  EXPECT_THAT(problems[1].message, HasSubstr("second document"));
  EXPECT_THAT(problems[2].message, HasSubstr("at most 5"));
}

TEST(YamlTest, AtMostTwentyProblemsAreListed) {
  std::vector<YamlProblem> problems;
  for (int i = 30; i > 0; --i) problems.push_back({{.line = i, .column = 1}, "wrong"});
  const std::string message(YamlError("x.yaml", problems).message());
  EXPECT_THAT(message, HasSubstr("x.yaml: 30 problems\n  1:1: wrong"));
  EXPECT_THAT(message, HasSubstr("20:1: wrong\n  … and 10 more"));
}

TEST(UnitsTest, SizesAndRatesAreExact) {
  EXPECT_EQ(*ParseBytes("4TB"), 4'000'000'000'000);
  EXPECT_EQ(*ParseBytes("1.5TB"), 1'500'000'000'000);
  EXPECT_EQ(*ParseBytes("2GiB"), int64_t{2} << 30);
  EXPECT_EQ(*ParseBytes("9_000"), 9'000);
  EXPECT_EQ(*ParseBitRate("0.4Gbps"), 400'000'000);
  EXPECT_EQ(*ParseBitRate("10 Gbps"), 10'000'000'000);
  EXPECT_EQ(*ParseBitRate("36000000000"), 36'000'000'000);
}

TEST(UnitsTest, WhatIsNotWholeOrTooLargeOrNonsenseIsRefused) {
  for (const char* text :
       {"", "TB", "1.5", "0.0001kB", "-1GB", "1e3", "4tb", "4Gbps", "1__0", "_1", "1.", ".5GB", "99999999PB", "9223372036854775808"}) {
    EXPECT_FALSE(ParseBytes(text).ok()) << text;
  }
  EXPECT_FALSE(ParseBitRate("4TB").ok());
}

TEST(UnitsTest, ScalarsAreStrict) {
  EXPECT_EQ(*ParseInteger("-36_000"), -36'000);
  EXPECT_FALSE(ParseInteger("0x10").ok());
  EXPECT_FALSE(ParseInteger("1.0").ok());
  EXPECT_EQ(*ParseDurationText("1h30m"), absl::Minutes(90));
  EXPECT_FALSE(ParseDurationText("90").ok());
  EXPECT_FALSE(ParseDurationText("-5s").ok());
  EXPECT_TRUE(*ParseBool("true"));
  EXPECT_FALSE(ParseBool("yes").ok());
  EXPECT_EQ(*ParseNumber("-0.45"), -0.45);
  EXPECT_FALSE(ParseNumber("nan").ok());
}

}  // namespace
}  // namespace fairlead
