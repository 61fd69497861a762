#include "libs/net/ip_address.h"

#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;

std::string Canonical(absl::string_view text) {
  const absl::StatusOr<IpAddress> address = IpAddress::Parse(text);
  return address.ok() ? address->ToString() : std::string(address.status().message());
}

TEST(IpAddress, IsWrittenAsRfc5952Asks) {
  // The pairs of RFC 5952 §2 and §4, and the corners of the rule about zero runs.
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"2001:0db8:0:0:0:0:0:1", "2001:db8::1"},
      {"2001:DB8::AaAa:0:0:1", "2001:db8::aaaa:0:0:1"},
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
      {"0:0:0:0:0:0:0:0", "::"},
      {"0:0:0:0:0:0:0:1", "::1"},
      {"1:0:0:0:0:0:0:0", "1::"},
      {"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
      {"0:2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
      {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
      {"::1.2.3.4", "::102:304"},
      {"192.0.2.1", "192.0.2.1"},
      {"0.0.0.0", "0.0.0.0"},
      {"255.255.255.255", "255.255.255.255"},
  };
  for (const auto& [text, canonical] : cases) EXPECT_EQ(Canonical(text), canonical) << text;
}

TEST(IpAddress, LooseFormsAreRefusedWithFieldAndValue) {
  for (const char* bad : {"",           "1.2.3",         "1.2.3.4.5",         "01.2.3.4", "1.2.3.256",    "0x1.2.3.4",
                          "1.2.3.4 ",   " 1.2.3.4",      "1.2.3.-4",          "16909060", "fe80::1%eth0", "1::2::3",
                          "12345::",    "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", ":::",      "[::1]",        "::g",
                          "1.2.3.4/32", "::ffff:1.2.3",  "localhost"}) {
    const absl::StatusOr<IpAddress> address = IpAddress::Parse(bad, "client_address");
    ASSERT_FALSE(address.ok()) << bad;
    EXPECT_THAT(std::string(address.status().message()), HasSubstr("client_address")) << bad;
    EXPECT_THAT(std::string(address.status().message()), HasSubstr(bad)) << bad;
  }
  EXPECT_FALSE(IpAddress::Parse(absl::string_view("1.2.3.4\0", 8)).ok());
  EXPECT_LT(IpAddress::Parse(std::string(1 << 20, ':')).status().message().size(), 200u);
}

TEST(IpAddress, AMappedAddressIsTheIpv4AddressHoweverItComesIn) {
  const IpAddress v4 = IpAddress::V4(0xc0000201);
  EXPECT_EQ(IpAddress::Parse("::ffff:192.0.2.1").value(), v4);
  EXPECT_EQ(IpAddress::Parse("::FFFF:c000:201").value(), v4);
  EXPECT_EQ(IpAddress::V6(0, 0xffffc0000201), v4);
  EXPECT_EQ(IpAddress::FromBytes(std::string(10, '\0') + "\xff\xff\xc0" + std::string(1, '\0') + "\x02\x01").value(), v4);
  EXPECT_TRUE(IpAddress::Parse("::fffe:192.0.2.1")->is_v6());
  EXPECT_TRUE(IpAddress::Parse("0:0:0:0:1:ffff:192.0.2.1")->is_v6());
}

TEST(IpAddress, BytesReadBackAsTheSameAddress) {
  for (const char* text : {"192.0.2.1", "2001:db8::1", "::", "0.0.0.0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}) {
    const IpAddress address = IpAddress::Parse(text).value();
    EXPECT_EQ(IpAddress::FromBytes(address.ToBytes()).value(), address) << text;
  }
  EXPECT_EQ(IpAddress::Parse("1.2.3.4")->ToBytes(), "\x01\x02\x03\x04");
  EXPECT_FALSE(IpAddress::FromBytes("12345", "next_hop").ok());
  EXPECT_FALSE(IpAddress::FromBytes("").ok());
}

TEST(IpAddress, OrderIsFamilyThenNumber) {
  const std::vector<std::string> ascending = {"0.0.0.0", "9.255.255.255", "10.0.0.0", "255.255.255.255", "::", "::1", "1::", "ffff::"};
  for (size_t i = 1; i < ascending.size(); ++i) {
    EXPECT_LT(IpAddress::Parse(ascending[i - 1]).value(), IpAddress::Parse(ascending[i]).value());
  }
}

TEST(IpAddress, BitsAreCountedFromTheFront) {
  EXPECT_TRUE(IpAddress::Parse("128.0.0.0")->Bit(0));
  EXPECT_TRUE(IpAddress::Parse("0.0.0.1")->Bit(31));
  EXPECT_TRUE(IpAddress::Parse("8000::")->Bit(0));
  EXPECT_TRUE(IpAddress::Parse("0:0:0:1::")->Bit(63));
  EXPECT_TRUE(IpAddress::Parse("0:0:0:0:8000::")->Bit(64));
  EXPECT_TRUE(IpAddress::Parse("::1")->Bit(127));
  EXPECT_FALSE(IpAddress::Parse("::1")->Bit(126));
}

TEST(IpAddress, EqualNumbersOfTwoFamiliesAreTwoKeys) {
  const absl::flat_hash_set<IpAddress> set = {IpAddress::V4(0), IpAddress::V6(0, 0), IpAddress::Parse("0.0.0.0").value()};
  EXPECT_EQ(set.size(), 2u);
}

TEST(IpAddress, AHostThatClientsWouldReadAsAnAddressIsALiteral) {
  for (const char* literal : {"1.2.3.4", "[::1]", "::1", "127.1", "0x7f.1", "2130706433", "1.2.3.4.", "a.0x1f"}) {
    EXPECT_TRUE(IsAddressLiteral(literal)) << literal;
  }
  for (const char* name : {"oca-1.example.net", "localhost", "1.2.3.4.example", "a1", "", "7f.1a"}) {
    EXPECT_FALSE(IsAddressLiteral(name)) << name;
  }
}

}  // namespace
}  // namespace fairlead
