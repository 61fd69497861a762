#include "services/steering/client_address.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/errors.h"

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

ClientAddressPolicy Policy(ClientAddressOptions options) {
  auto policy = ClientAddressPolicy::Parse(options);
  EXPECT_TRUE(policy.ok()) << policy.status();
  return *std::move(policy);
}

Caller Forwarded(const std::string& peer, const std::string& forwarded, const std::string& forwarded_for = "") {
  Caller caller = Stranger(peer, forwarded_for);
  caller.forwarded = forwarded;
  return caller;
}

TEST(ClientAddress, TheStandardHeaderIsReadWhereThePolicySaysSoAndTheOtherIsNot) {
  const ClientAddressPolicy policy = Policy({.trusted_proxies = "127.0.0.1,10.0.0.0/24", .forwarded_header = "forwarded"});
  EXPECT_EQ(*ClientAddress(Forwarded("127.0.0.1", "for=198.51.100.9", "1.2.3.4"), policy, ""), Ip("198.51.100.9"));
  EXPECT_EQ(
      *ClientAddress(Forwarded("127.0.0.1", "for=1.2.3.4, For=\"198.51.100.9:80\";proto=https;by=10.0.0.1, for=10.0.0.3"), policy, ""),
      Ip("198.51.100.9"));
  EXPECT_EQ(*ClientAddress(Forwarded("127.0.0.1", "for=\"[2001:db8::9]:4711\""), policy, ""), Ip("2001:db8::9"));
  EXPECT_EQ(*ClientAddress(Forwarded("127.0.0.1", "for=\"[::ffff:198.51.100.9]\""), policy, ""), Ip("198.51.100.9"));
  EXPECT_EQ(*ClientAddress(Forwarded("127.0.0.1", "", "198.51.100.9"), policy, ""), Ip("127.0.0.1")) << "the other header isn't believed";
  EXPECT_EQ(*ClientAddress(Forwarded("192.0.2.7", "for=198.51.100.9"), policy, ""), Ip("192.0.2.7")) << "nor a stranger's";
  for (const char* odd : {"for=unknown", "for=_hidden", "proto=https", "for=198.51.100.9;for=1.2.3.4", "for=\"198.51.100.9",
                          "for=\"\\198.51.100.9\"", "for=2001:db8::9", "for=198.51.100.9,", "for=\"1.2.3.4, for=198.51.100.9"}) {
    const auto address = ClientAddress(Forwarded("127.0.0.1", odd), policy, "");
    ASSERT_FALSE(address.ok()) << odd;
    EXPECT_EQ(address.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(address.status().message()), HasSubstr("forwarded '")) << odd;
  }
  EXPECT_EQ(*ClientAddress(Stranger("127.0.0.1", "198.51.100.9"), Policy({.trusted_proxies = "127.0.0.1", .forwarded_header = "none"}), ""),
            Ip("127.0.0.1"));
}

TEST(ClientAddress, NoMoreProxiesArePassedThanThereAre) {
  const auto with_hops = [](int hops) { return Policy({.trusted_proxies = "127.0.0.1,10.0.0.0/24", .proxy_hops = hops}); };
  const Caller caller = Stranger("127.0.0.1", "198.51.100.9, 10.0.0.4, 10.0.0.3");
  EXPECT_EQ(*ClientAddress(caller, with_hops(0), ""), Ip("127.0.0.1"));
  EXPECT_EQ(*ClientAddress(caller, with_hops(1), ""), Ip("10.0.0.3"));
  EXPECT_EQ(*ClientAddress(caller, with_hops(2), ""), Ip("10.0.0.4"));
  EXPECT_EQ(*ClientAddress(caller, with_hops(3), ""), Ip("198.51.100.9"));
  EXPECT_EQ(*ClientAddress(caller, with_hops(16), ""), Ip("198.51.100.9"));
}

TEST(ClientAddress, OnlyThoseWhomThePolicyNamesMayNameAViewer) {
  const ClientAddressPolicy policy = Policy({.address_setters = "service/playback, operator/*"});
  Caller caller = Service();
  EXPECT_EQ(*ClientAddress(caller, policy, "198.51.100.1"), Ip("198.51.100.1"));
  caller.principal = ParsePrincipal("operator/jane");
  EXPECT_EQ(*ClientAddress(caller, policy, "198.51.100.1"), Ip("198.51.100.1"));
  for (const char* other : {"service/filld", "service/playback2", "service/", "appliance/oca-1", ""}) {
    caller.principal = ParsePrincipal(other);
    EXPECT_EQ(ClientAddress(caller, policy, "198.51.100.1").status().code(), absl::StatusCode::kPermissionDenied) << other;
    EXPECT_EQ(*ClientAddress(caller, policy, ""), Ip("127.0.0.1")) << "answered as anybody: " << other;
  }
  EXPECT_FALSE(ClientAddress(Service(), Policy({.address_setters = ""}), "198.51.100.1").ok());
}

TEST(ClientAddress, ACallFromNowhereIsRefused) {
  EXPECT_EQ(ClientAddress({.principal = {}, .peer = IpAddress(), .forwarded_for = ""}, Proxies(), "").status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(ClientAddress, AHugeHeaderIsRefused) {
  EXPECT_EQ(ClientAddress(Stranger("127.0.0.1", std::string(100'000, ' ') + "198.51.100.9"), Proxies(), "").status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(ClientAddressPolicy, AnOptionThatMakesNoSenseIsNamed) {
  const auto blamed = [](const ClientAddressOptions& options) { return FieldOf(ClientAddressPolicy::Parse(options).status()); };
  EXPECT_EQ(blamed({.forwarded_header = "x-real-ip"}), "forwarded_header");
  EXPECT_EQ(blamed({.forwarded_header = ""}), "forwarded_header");
  EXPECT_EQ(blamed({.proxy_hops = -1}), "proxy_hops");
  EXPECT_EQ(blamed({.proxy_hops = kMaxForwardedHops + 1}), "proxy_hops");
  for (const char* setters : {"playback", "service", "service/", "appliance/oca-1", "service/play*", "operator/**", "*"}) {
    EXPECT_EQ(blamed({.address_setters = setters}), "address_setters") << setters;
  }
  EXPECT_EQ(blamed({}), "");
}

TEST(CallerOf, TwoPrincipalsAreNone) {
  HttpRequest request;
  request.peer = Ip("127.0.0.1");
  request.headers = {{"X-Fairlead-Principal", "service/playback"}, {"x-fairlead-principal", "operator/jane"}};
  EXPECT_FALSE(CallerOf(request).principal.trusted());
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
