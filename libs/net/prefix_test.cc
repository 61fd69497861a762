#include "libs/net/prefix.h"

#include <algorithm>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;

Prefix P(absl::string_view text) {
  return Prefix::Parse(text).value();
}
IpAddress A(absl::string_view text) {
  return IpAddress::Parse(text).value();
}

TEST(Prefix, ReadsBackAsItself) {
  for (const char* text :
       {"0.0.0.0/0", "10.0.0.0/8", "192.0.2.128/25", "192.0.2.1/32", "::/0", "2001:db8::/32", "2001:db8::1/128", "2001:db8:0:8000::/49"}) {
    EXPECT_EQ(P(text).ToString(), text);
  }
}

TEST(Prefix, HostBitsAreRefusedAndTheCanonicalFormNamed) {
  const absl::Status v4 = Prefix::Parse("192.0.2.1/24", "route.prefix").status();
  EXPECT_EQ(v4.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(v4.message()), HasSubstr("route.prefix: '192.0.2.1/24' has host bits set; did you mean 192.0.2.0/24?"));
  EXPECT_THAT(std::string(Prefix::Parse("2001:db8::1/64").status().message()), HasSubstr("2001:db8::/64"));
}

TEST(Prefix, BadTextIsRefusedWithFieldAndValue) {
  for (const char* bad : {"", "/", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/+8", "10.0.0.0/8 ",
                          "10.0.0.0/8/8", "::/129", "::/1000", "10/8", "::ffff:10.0.0.0/104", "10.0.0.0/255.0.0.0"}) {
    const absl::StatusOr<Prefix> prefix = Prefix::Parse(bad, "allowed");
    ASSERT_FALSE(prefix.ok()) << bad;
    EXPECT_THAT(std::string(prefix.status().message()), HasSubstr("allowed")) << bad;
  }
  EXPECT_LT(Prefix::Parse(std::string(1 << 20, '1')).status().message().size(), 200u);
}

TEST(Prefix, ContainsItsFirstAndLastAddressAndNotTheirNeighbours) {
  EXPECT_TRUE(P("192.0.2.0/24").Contains(A("192.0.2.0")));
  EXPECT_TRUE(P("192.0.2.0/24").Contains(A("192.0.2.255")));
  EXPECT_FALSE(P("192.0.2.0/24").Contains(A("192.0.1.255")));
  EXPECT_FALSE(P("192.0.2.0/24").Contains(A("192.0.3.0")));
  EXPECT_EQ(P("192.0.2.0/24").last(), A("192.0.2.255"));
  EXPECT_EQ(P("2001:db8::/47").last(), A("2001:db8:1:ffff:ffff:ffff:ffff:ffff"));
  EXPECT_EQ(P("2001:db8::/65").last(), A("2001:db8::7fff:ffff:ffff:ffff"));
  EXPECT_TRUE(P("2001:db8::/65").Contains(A("2001:db8::7fff:ffff:ffff:ffff")));
  EXPECT_FALSE(P("2001:db8::/65").Contains(A("2001:db8::8000:0:0:0")));
  EXPECT_EQ(P("::/0").last(), A("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
  EXPECT_EQ(P("192.0.2.7/32").last(), A("192.0.2.7"));
}

TEST(Prefix, TheFamiliesNeverMeet) {
  EXPECT_FALSE(P("0.0.0.0/0").Contains(A("::")));
  EXPECT_FALSE(P("::/0").Contains(A("1.2.3.4")));
  EXPECT_FALSE(P("::/0").Covers(P("0.0.0.0/0")));
}

TEST(Prefix, CoversItselfAndWhatIsInside) {
  EXPECT_TRUE(P("10.0.0.0/8").Covers(P("10.0.0.0/8")));
  EXPECT_TRUE(P("10.0.0.0/8").Covers(P("10.255.0.0/16")));
  EXPECT_FALSE(P("10.255.0.0/16").Covers(P("10.0.0.0/8")));
  EXPECT_TRUE(P("10.255.0.0/16").Overlaps(P("10.0.0.0/8")));
  EXPECT_FALSE(P("10.0.0.0/9").Overlaps(P("10.128.0.0/9")));
}

TEST(Prefix, OfClearsHostBitsAndClampsTheLength) {
  EXPECT_EQ(Prefix::Of(A("192.0.2.77"), 24), P("192.0.2.0/24"));
  EXPECT_EQ(Prefix::Of(A("192.0.2.77"), 99), P("192.0.2.77/32"));
  EXPECT_EQ(Prefix::Of(A("2001:db8::1"), -3), P("::/0"));
}

TEST(Prefix, ComesRightBeforeThoseItCovers) {
  std::vector<Prefix> prefixes = {P("::/0"), P("10.0.0.0/16"), P("10.1.0.0/16"), P("10.0.0.0/8"), P("9.0.0.0/8"), P("10.0.0.0/24")};
  std::sort(prefixes.begin(), prefixes.end());
  const std::vector<Prefix> expected = {P("9.0.0.0/8"), P("10.0.0.0/8"), P("10.0.0.0/16"), P("10.0.0.0/24"), P("10.1.0.0/16"), P("::/0")};
  EXPECT_EQ(prefixes, expected);
}

}  // namespace
}  // namespace fairlead
