#include "services/steering/client_address.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;

TrustedProxies Proxies(const std::string& text = "127.0.0.0/8,::1,10.0.0.0/24") {
  auto proxies = TrustedProxies::Parse(text);
  EXPECT_TRUE(proxies.ok()) << proxies.status();
  return *std::move(proxies);
}

IpAddress Ip(const std::string& text) {
  return *IpAddress::Parse(text);
}

Caller Stranger(const std::string& peer, const std::string& forwarded_for = "") {
  return {.principal = {}, .peer = Ip(peer), .forwarded_for = forwarded_for};
}

Caller Service() {
  return {.principal = ParsePrincipal("service/playback"), .peer = Ip("127.0.0.1"), .forwarded_for = ""};
}

TEST(ClientAddress, AStrangerIsAnsweredForTheAddressItCallsFrom) {
  EXPECT_EQ(*ClientAddress(Stranger("192.0.2.7"), Proxies(), ""), Ip("192.0.2.7"));
  EXPECT_EQ(*ClientAddress(Stranger("2001:db8::7"), Proxies(), "2001:DB8:0::7"), Ip("2001:db8::7"));
}

TEST(ClientAddress, AStrangerMayNotNameAnotherAddress) {
  const auto address = ClientAddress(Stranger("192.0.2.7"), Proxies(), "198.51.100.1");
  ASSERT_FALSE(address.ok());
  EXPECT_EQ(address.status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(address.status().message()), HasSubstr("client_address '198.51.100.1'"));
}

TEST(ClientAddress, ATrustedCallerNamesItsViewerAndMust) {
  EXPECT_EQ(*ClientAddress(Service(), Proxies(), "198.51.100.1"), Ip("198.51.100.1"));
  EXPECT_EQ(ClientAddress(Service(), Proxies(), "").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ClientAddress, ForwardedAddressesCountOnlyFromTrustedProxiesAndOnlyTheLastForeignOne) {
  EXPECT_EQ(*ClientAddress(Stranger("127.0.0.1", "198.51.100.9"), Proxies(), ""), Ip("198.51.100.9"));
  // What the client itself wrote stands further left, and is ignored.
  EXPECT_EQ(*ClientAddress(Stranger("127.0.0.1", "1.2.3.4, 198.51.100.9"), Proxies(), ""), Ip("198.51.100.9"));
  // Two of our proxies in a row.
  EXPECT_EQ(*ClientAddress(Stranger("127.0.0.1", "1.2.3.4, 198.51.100.9, 10.0.0.3"), Proxies(), ""), Ip("198.51.100.9"));
  EXPECT_EQ(*ClientAddress(Stranger("::1", "2001:db8::9"), Proxies(), ""), Ip("2001:db8::9"));
  // A peer that is no proxy of ours may write what it likes.
  EXPECT_EQ(*ClientAddress(Stranger("192.0.2.7", "198.51.100.9"), Proxies(), ""), Ip("192.0.2.7"));
  EXPECT_EQ(*ClientAddress(Stranger("127.0.0.1", "198.51.100.9"), Proxies(""), ""), Ip("127.0.0.1"));
  // Nothing but proxies: the first of them is the client.
  EXPECT_EQ(*ClientAddress(Stranger("127.0.0.1", "127.0.0.5"), Proxies(), ""), Ip("127.0.0.5"));
}

TEST(ClientAddress, ForwardedAddressesThatCanNotBeReadAreRefused) {
  for (const char* hops : {"unknown", "198.51.100.9:80", "198.51.100.9,", "_hidden", "fe80::1%eth0"}) {
    EXPECT_EQ(ClientAddress(Stranger("127.0.0.1", hops), Proxies(), "").status().code(), absl::StatusCode::kInvalidArgument) << hops;
  }
  std::string many = "198.51.100.9";
  for (size_t i = 0; i < kMaxForwardedHops; ++i) many += ",127.0.0.1";
  EXPECT_FALSE(ClientAddress(Stranger("127.0.0.1", many), Proxies(), "").ok());
}

TEST(ClientAddress, OddFormsOfAddressesAreRefused) {
  for (const char* text : {"1.2.3", "01.2.3.4", "1.2.3.4 ", "0x1.2.3.4", "fe80::1%1", "[::1]", "1.2.3.4/32", "host"}) {
    const auto address = ClientAddress(Service(), Proxies(), text);
    ASSERT_FALSE(address.ok()) << text;
    EXPECT_EQ(address.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(address.status().message()), HasSubstr("client_address")) << text;
  }
}

TEST(CallerOf, BelievesThePrincipalHeaderFromLoopbackOnly) {
  HttpRequest request;
  request.headers = {{"X-Fairlead-Principal", "service/playback"}, {"X-Forwarded-For", "198.51.100.9"}};
  request.peer = Ip("127.0.0.1");
  EXPECT_TRUE(CallerOf(request).principal.trusted());
  EXPECT_EQ(CallerOf(request).forwarded_for, "198.51.100.9");
  request.peer = Ip("::1");
  EXPECT_TRUE(CallerOf(request).principal.trusted());
  request.peer = Ip("192.0.2.7");
  EXPECT_FALSE(CallerOf(request).principal.trusted());
  request.peer = Ip("127.0.0.1");
  request.headers.emplace_back("Authorization", "Bearer box-credential");
  EXPECT_FALSE(CallerOf(request).principal.trusted());
}

TEST(TrustedProxies, ABadListNamesTheFlag) {
  const auto proxies = TrustedProxies::Parse("127.0.0.1, nonsense");
  ASSERT_FALSE(proxies.ok());
  EXPECT_THAT(std::string(proxies.status().message()), HasSubstr("trusted_proxies"));
}

}  // namespace
}  // namespace fairlead
