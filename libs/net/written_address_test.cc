#include "libs/net/written_address.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/errors.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;

std::string Read(absl::string_view text, AddressForm form) {
  const auto address = ParseWritten(text, form, "field");
  return address.ok() ? address->ToString() : "";
}

TEST(WrittenAddress, APlainOneIsTheAddressAlone) {
  EXPECT_EQ(Read("198.51.100.7", AddressForm::kPlain), "198.51.100.7");
  EXPECT_EQ(Read("2001:DB8:0:0::7", AddressForm::kPlain), "2001:db8::7");
  EXPECT_EQ(Read("::ffff:198.51.100.7", AddressForm::kPlain), "198.51.100.7");
  EXPECT_EQ(Read("0:0:0:0:0:FFFF:c633:6407", AddressForm::kPlain), "198.51.100.7");
}

TEST(WrittenAddress, WhatIsOddIsRefusedInEveryFormAndSaidWhy) {
  struct Case {
    std::string text;
    std::string why;
  };
  const std::vector<Case> cases = {
      {"", "empty"},
      {"198.51.100.07", "octal"},
      {"0177.0.0.1", "octal"},
      {"0x7f.0.0.1", "hexadecimal"},
      {"1.2.3", "four numbers"},
      {"1.2.3.4.5", "four numbers"},
      {"198.51.100.7.", "four numbers"},
      {"16909060", "four numbers"},
      {"1..2.3", "missing"},
      {"198.51.100.256", "above 255"},
      {"198.51.100 .7", "space"},
      {"198.51.100.7\n", "control character"},
      {std::string("198.51.100.7\0", 13), "control character"},
      {std::string("198.51.100.7\0.evil", 18), "control character"},
      {"fe80::1%eth0", "zone"},
      {"2001:db8::/32", "prefix"},
      {"[2001:db8::7", "brackets"},
      {"[198.51.100.7]", "brackets"},
      {"viewer.example.net", "names"},
      {"localhost", "names"},
      {"2001:db8:::7", "RFC 4291"},
      {"1:2:3:4:5:6:7:8:9", "RFC 4291"},
      {"::ffff:198.51.100.07", "RFC 4291"},
      {"12345::", "RFC 4291"},
      {"::ffff:1.2.3", "RFC 4291"},
      {"0.0.0.0", "unspecified"},
      {std::string(100'000, '1'), "longer"},
  };
  for (const Case& one : cases) {
    const auto plain = ParseWritten(one.text, AddressForm::kPlain, "client_address");
    ASSERT_FALSE(plain.ok()) << one.text;
    EXPECT_EQ(plain.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(FieldOf(plain.status()), "client_address");
    EXPECT_THAT(std::string(plain.status().message()), HasSubstr(one.why)) << one.text;
    EXPECT_LT(plain.status().message().size(), 400u);
    for (const AddressForm form : {AddressForm::kListed, AddressForm::kNode, AddressForm::kPeer})
      EXPECT_EQ(Read(one.text, form), "") << one.text;
    EXPECT_EQ(Read(absl::StrCat("ipv4:", one.text, ":4000"), AddressForm::kPeer), "") << one.text;
  }
  EXPECT_THAT(std::string(ParseWritten("198.51.100.7:80", AddressForm::kPlain, "f").status().message()), HasSubstr("port"));
  EXPECT_EQ(Read("::", AddressForm::kPlain), "");
  EXPECT_EQ(Read("::ffff:0.0.0.0", AddressForm::kPlain), "");
}

TEST(WrittenAddress, AListedOneMayHaveSpacesAroundItAndNothingElse) {
  EXPECT_EQ(Read(" \t198.51.100.7 ", AddressForm::kListed), "198.51.100.7");
  for (const char* text : {"198.51.100.7:80", "[2001:db8::7]", "\"198.51.100.7\"", "198.51.100.7\r", " ", "198.51.100.7 8"}) {
    EXPECT_EQ(Read(text, AddressForm::kListed), "") << text;
  }
}

TEST(WrittenAddress, ANodeIsThatOfRfc7239) {
  for (const char* text : {"198.51.100.7", "198.51.100.7:80", "\"198.51.100.7:80\"", "\"198.51.100.7\""}) {
    EXPECT_EQ(Read(text, AddressForm::kNode), "198.51.100.7") << text;
  }
  for (const char* text : {"\"[2001:db8::7]\"", "[2001:db8::7]", "\"[2001:db8::7]:47011\""}) {
    EXPECT_EQ(Read(text, AddressForm::kNode), "2001:db8::7") << text;
  }
  for (const char* text :
       {"2001:db8::7", "\"[2001:db8::7]:\"", "[2001:db8::7]80", "[2001:db8::7]:123456", "[2001:db8::7", "198.51.100.7:_port",
        "198.51.100.7:", "unknown", "_hidden", "\"198.51.100.7", "[198.51.100.7]:80", "[fe80::1%1]", " 198.51.100.7", "\"\"", "[]"}) {
    EXPECT_EQ(Read(text, AddressForm::kNode), "") << text;
  }
}

TEST(WrittenAddress, APeerIsThatOfGrpc) {
  EXPECT_EQ(Read("ipv4:198.51.100.7:4000", AddressForm::kPeer), "198.51.100.7");
  EXPECT_EQ(Read("ipv6:[2001:db8::7]:4000", AddressForm::kPeer), "2001:db8::7");
  EXPECT_EQ(Read("ipv6:%5B2001:db8::7%5D:4000", AddressForm::kPeer), "2001:db8::7");
  EXPECT_EQ(Read("ipv6:%5Bfe80::1%25eth0%5D:4000", AddressForm::kPeer), "fe80::1");
  EXPECT_EQ(Read("ipv6:%5B::ffff:198.51.100.7%5D:4000", AddressForm::kPeer), "198.51.100.7");
  EXPECT_EQ(Read("unix:/run/x", AddressForm::kPeer), "127.0.0.1");
  for (const char* text : {"198.51.100.7:4000", "ipv6:2001:db8::7", "dns:host:1", "ipv4:", "ipv6:%5B%5D:1"})
    EXPECT_EQ(Read(text, AddressForm::kPeer), "") << text;
}

}  // namespace
}  // namespace fairlead
