#include "libs/signing/base64url.h"

#include <string>

#include "gtest/gtest.h"

namespace fairlead {
namespace {

TEST(Base64Url, TheVectorsOfRfc4648HoldWithoutPadding) {
  const std::pair<std::string, std::string> vectors[] = {
      {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
      {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "-_8"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(Base64UrlEncode(bytes), text);
    EXPECT_EQ(Base64UrlDecode(text), bytes);
  }
}

TEST(Base64Url, OnlyTheCanonicalTextIsAccepted) {
  for (const char* bad : {"Zg==", "Zg=", "Z", "Zh", "Zm9", "Zm 9v", "+/8", "Zm9v.", "Zm9v\n"}) {
    EXPECT_EQ(Base64UrlDecode(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace fairlead
