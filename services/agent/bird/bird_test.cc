#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/agent/bird/config.h"
#include "services/agent/bird/control.h"

namespace fairlead::agent {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

BirdConfigInput Input() {
  BirdConfigInput input;
  input.address = IpAddress::Parse("127.0.9.1").value();
  input.port = 1179;
  input.asn = 40027;
  input.log_path = "/var/lib/ocad/bird/bird.log";
  input.sessions = {{BgpSessionId("isp-1"), false, true, true, IpAddress::Parse("127.0.9.2").value(), 179, 64500},
                    {BgpSessionId("feed-1"), true, true, false, IpAddress::Parse("127.0.9.3").value(), 1179, 40027}};
  return input;
}

TEST(BirdConfigTest, TheTextFollowsFromTheInputsAlone) {
  const auto text = RenderBirdConfig(Input());
  ASSERT_TRUE(text.ok()) << text.status();
  BirdConfigInput reversed = Input();
  std::swap(reversed.sessions[0], reversed.sessions[1]);
  EXPECT_EQ(*text, *RenderBirdConfig(reversed)) << "the order of sessions is no reason to reconfigure";
  EXPECT_THAT(*text, AllOf(HasSubstr("log \"/var/lib/ocad/bird/bird.log\" 16000000 \"/var/lib/ocad/bird/bird.log.old\" all;\n"),
                           HasSubstr("router id 127.0.9.1;"),
                           HasSubstr("  local 127.0.9.1 port 1179 as 40027;\n  neighbor 127.0.0.1 as 40027;\n  passive yes;"),
                           HasSubstr("protocol bgp s_isp_1 from heard {\n  # bgpSessions/isp-1\n  local 127.0.9.1 port 1179 as 40027;\n"
                                     "  neighbor 127.0.9.2 port 179 as 64500;\n  ipv4 {\n"),
                           Not(HasSubstr("@")), Not(HasSubstr("protocol kernel"))));
  // Only the router feed takes several paths a prefix.
  EXPECT_EQ(text->find("add paths rx"), text->rfind("add paths rx"));
  EXPECT_LT(text->find("protocol bgp s_feed_1"), text->find("add paths rx"));
  EXPECT_GT(text->find("protocol bgp s_isp_1"), text->find("add paths rx"));
}

TEST(BirdConfigTest, ASessionKeepsItsMarkWhenOthersComeAndGo) {
  BirdConfigInput alone = Input();
  alone.sessions.erase(alone.sessions.begin() + 1);
  const std::string text = RenderBirdConfig(alone).value();
  const std::string session = text.substr(text.find("protocol bgp s_isp_1"));
  EXPECT_THAT(RenderBirdConfig(Input()).value(), HasSubstr(session));
}

TEST(BirdConfigTest, WhatCannotBeConfiguredIsRefusedByName) {
  BirdConfigInput input = Input();
  input.asn = 0;
  EXPECT_THAT(RenderBirdConfig(input).status().message(), HasSubstr("appliance.bgp.asn '0'"));
  input = Input();
  input.sessions[0].ipv4 = input.sessions[0].ipv6 = false;
  EXPECT_THAT(RenderBirdConfig(input).status().message(), HasSubstr("bgp_sessions['isp-1'].families"));
  input = Input();
  input.sessions[1].peer_asn = 64500;
  EXPECT_THAT(RenderBirdConfig(input).status().message(), HasSubstr("own ASN 40027"));
  input = Input();
  input.sessions.push_back(input.sessions[0]);
  EXPECT_THAT(RenderBirdConfig(input).status().message(), HasSubstr("listed twice"));
}

TEST(BirdConfigTest, ProtocolNamesFitBird) {
  EXPECT_EQ(SessionProtocol(BgpSessionId("isp-1")), "s_isp_1");
  EXPECT_THAT(SessionProtocol(BgpSessionId(std::string(63, 'a'))), SizeIs(18));
}

constexpr char kProtocols[] = R"(Name       Proto      Table      State  Since         Info
device1    Device     ---        up     2026-11-22 12:46:11.360  

s_isp_1    BGP        ---        up     2026-11-22 12:46:12.239  Established   
  BGP state:          Established
    Neighbor address: 127.0.61.2
    Last error:       Socket: Connection closed
  Channel ipv4
    State:          UP
    Routes:         2 imported, 0 exported, 2 preferred
  Channel ipv6
    Routes:         7 imported, 0 exported, 1 preferred

s_isp_2    BGP        ---        start  2026-11-22 12:46:28.181  Active        Received: Administrative shutdown
  BGP state:          Active
    Last error:       Received: Administrative shutdown
)";

TEST(BirdControlTest, ProtocolsAreReadWithTheirCountsAndErrors) {
  const auto protocols = ParseProtocols(kProtocols);
  ASSERT_THAT(protocols, SizeIs(2));
  EXPECT_EQ(protocols[0], (BirdProtocol{"s_isp_1", "2026-11-22 12:46:12.239", "Established", "Socket: Connection closed", 2, 7}));
  EXPECT_EQ(protocols[1], (BirdProtocol{"s_isp_2", "2026-11-22 12:46:28.181", "Active", "Received: Administrative shutdown", 0, 0}));
  EXPECT_THAT(ParseProtocols("nonsense\n\n  Routes:\n"), IsEmpty());
}

TEST(BirdControlTest, OnlyACeaseIsAnEndOnPurpose) {
  for (const char* error :
       {"Received: Administrative shutdown", "Received: Cease", "Received: Peer de-configured", "Received: Administrative reset",
        "BGP Error: Maximum number of prefixes reached", "Automatic shutdown: Route limit exceeded"}) {
    EXPECT_TRUE(EndedOnPurpose(error)) << error;
  }
  for (const char* error : {"", "Socket: Connection closed", "BGP Error: Hold timer expired", "Received: Hold timer expired",
                            "Socket: Connection reset by peer"}) {
    EXPECT_FALSE(EndedOnPurpose(error)) << error;
  }
}

TEST(BirdControlTest, AMissingSocketIsNamed) {
  EXPECT_THAT(AskBird("/tmp/no-such-bird.ctl", "show status", absl::Seconds(1)).status().message(), HasSubstr("/tmp/no-such-bird.ctl"));
}

}  // namespace
}  // namespace fairlead::agent
