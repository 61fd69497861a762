#include "libs/http/message.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(ParseTarget, SplitsAndDecodesPathAndQuery) {
  const auto target = ParseTarget("/v1/a%20b?title=titles%2Fx&client_address=2001:db8::1&flag&name=two+words&empty=");
  ASSERT_TRUE(target.ok()) << target.status();
  EXPECT_EQ(target->path, "/v1/a b");
  EXPECT_THAT(target->query, ElementsAre(Pair("title", "titles/x"), Pair("client_address", "2001:db8::1"), Pair("flag", ""),
                                         Pair("name", "two words"), Pair("empty", "")));
}

TEST(ParseTarget, AcceptsTheAbsoluteFormAndTheAsterisk) {
  EXPECT_EQ(ParseTarget("http://host:80/v1/steer?x=1")->path, "/v1/steer");
  EXPECT_EQ(ParseTarget("HTTP://host")->path, "/");
  EXPECT_EQ(ParseTarget("http://host?x=1")->query.size(), 1u);
  EXPECT_EQ(ParseTarget("*")->path, "*");
}

TEST(ParseTarget, RefusesWhatCanNotBeReadAndQuotesIt) {
  for (const char* target : {"/%", "/%2", "/%zz", "/a?b=%f", "/a%00b", "/a?b=%0d%0a", "relative", "", "?x=1"}) {
    const auto parsed = ParseTarget(target);
    ASSERT_FALSE(parsed.ok()) << target;
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr("request target"));
  }
}

TEST(ParseTarget, BoundsTheNumberOfParameters) {
  std::string target = "/?";
  for (size_t i = 0; i < HttpTarget::kMaxParameters; ++i) target += "a=1&";
  EXPECT_TRUE(ParseTarget(target).ok());
  EXPECT_FALSE(ParseTarget(target + "a=1").ok());
}

TEST(HttpRequest, JoinsRepeatedHeadersAndIgnoresTheirCase) {
  HttpRequest request;
  request.headers = {{"X-Forwarded-For", "1.1.1.1"}, {"Host", "x"}, {"x-forwarded-for", "2.2.2.2"}};
  EXPECT_EQ(request.Header("X-FORWARDED-FOR"), "1.1.1.1, 2.2.2.2");
  EXPECT_EQ(request.Header("missing"), "");
}

}  // namespace
}  // namespace fairlead
