#include "libs/base/utf8.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/errors.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;

TEST(Utf8, KnowsWhatIsUtf8) {
  for (const char* good :
       {"", "plain", "\x7f", "é", "\xdf\xbf", "€", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "😀", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(IsUtf8(good)) << good;
  }
  EXPECT_TRUE(IsUtf8(std::string("a\0b", 3)));
  for (const char* bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3(", "\xe2\x82", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "abc\xfe"}) {
    EXPECT_FALSE(IsUtf8(bad)) << testing::PrintToString(bad);
  }
}

TEST(Utf8, CutsBetweenCharacters) {
  EXPECT_EQ(CutUtf8("abc", 5), "abc");
  EXPECT_EQ(CutUtf8("abc", 2), "ab");
  EXPECT_EQ(CutUtf8("aé", 2), "a");
  EXPECT_EQ(CutUtf8("a€b", 3), "a");
  EXPECT_EQ(CutUtf8("a€b", 4), "a€");
  EXPECT_EQ(CutUtf8("😀😀", 7), "😀");
  EXPECT_EQ(CutUtf8("😀", 3), "");
  EXPECT_EQ(CutUtf8("\x80\x80\x80\x80\x80\x80\x80", 5).size(), 5u) << "what isn't UTF-8 has no characters";
}

// Whatever bytes a caller sends, an error's field and value can travel in a protobuf string.
TEST(Utf8, ErrorsQuoteAnythingAsUtf8) {
  std::string long_one(99, 'x');
  for (int i = 0; i < 20; ++i) long_one += "€";
  for (const std::string& value : {std::string("caf\xe9"), long_one, std::string(200, '\xff'), std::string("\xf0\x9f\x98")}) {
    const absl::Status status = InvalidField("title", value, "is odd");
    EXPECT_TRUE(IsUtf8(ValueOf(status)));
    EXPECT_TRUE(IsUtf8(status.message()));
  }
  EXPECT_THAT(std::string(InvalidField("title", "caf\xe9", "is odd").message()), HasSubstr("title 'caf\\xe9': is odd"));
}

}  // namespace
}  // namespace fairlead
