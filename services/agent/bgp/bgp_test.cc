#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/agent/bgp/message.h"
#include "services/agent/bgp/speaker.h"

namespace fairlead::agent::bgp {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr Encoding kAddPath{true, true};

RouteKey Key(const char* prefix, uint32_t path_id = 0) {
  return {Prefix::Parse(prefix).value(), path_id};
}

Update::Announcement Announcement(std::vector<RouteKey> routes) {
  Update::Announcement announcement;
  announcement.attributes.as_path = {{AsPathSegment::Kind::kSequence, {64500, 4200000001}}, {AsPathSegment::Kind::kSet, {1, 2}}};
  announcement.attributes.origin = RouteOrigin::kIgp;
  announcement.attributes.med = 50;
  announcement.attributes.local_pref = 100;
  announcement.attributes.communities = {Community(64500, 7), kGracefulShutdown};
  announcement.attributes.large_communities = {{40027, 1, 2}};
  announcement.attributes.next_hop =
      routes.front().prefix.family() == AddressFamily::kIpv4 ? std::string("\x7f\x00\x00\x02", 4) : std::string(16, '\x21');
  announcement.routes = std::move(routes);
  return announcement;
}

absl::StatusOr<Update> RoundTrip(const Update& update, const Encoding& encoding) {
  return DecodeUpdate(absl::string_view(EncodeUpdate(update, encoding)).substr(kHeaderSize), encoding);
}

TEST(BgpMessageTest, AnUpdateKeepsEveryAttributeAndPathIdentifierOfBothFamilies) {
  for (const Encoding& encoding : {kAddPath, Encoding{}}) {
    const uint32_t id = encoding.add_path_v4 ? 7 : 0;
    for (const auto& routes :
         {std::vector<RouteKey>{Key("198.51.100.0/24", id), Key("203.0.113.128/25", id + 1 - !id), Key("0.0.0.0/0", id)},
          std::vector<RouteKey>{Key("2001:db8::/32", id), Key("2001:db8:1:2::/64", id), Key("::/0", id)}}) {
      Update update;
      update.announced.push_back(Announcement(routes));
      const auto decoded = RoundTrip(update, encoding);
      ASSERT_TRUE(decoded.ok()) << decoded.status();
      ASSERT_THAT(decoded->announced, SizeIs(1));
      EXPECT_EQ(decoded->announced[0].attributes, update.announced[0].attributes);
      EXPECT_EQ(decoded->announced[0].routes, routes);
      EXPECT_FALSE(decoded->end_of_rib.has_value());
    }
  }
}

TEST(BgpMessageTest, WithdrawalsNameTheirPath) {
  Update update;
  update.withdrawn = {Key("2001:db8::/32", 3)};
  EXPECT_THAT(RoundTrip(update, kAddPath)->withdrawn, ElementsAre(Key("2001:db8::/32", 3)));
  update.withdrawn = {Key("198.51.100.0/24", 9)};
  EXPECT_THAT(RoundTrip(update, kAddPath)->withdrawn, ElementsAre(Key("198.51.100.0/24", 9)));
}

TEST(BgpMessageTest, EndOfRibIsToldFromAnEmptyWithdrawalByFamily) {
  Update update;
  update.end_of_rib = AddressFamily::kIpv4;
  EXPECT_EQ(RoundTrip(update, kAddPath)->end_of_rib, AddressFamily::kIpv4);
  update.end_of_rib = AddressFamily::kIpv6;
  EXPECT_EQ(RoundTrip(update, kAddPath)->end_of_rib, AddressFamily::kIpv6);
}

TEST(BgpMessageTest, OpenKeepsItsCapabilities) {
  Open open{.asn = 4200000001,
            .hold_time_seconds = 90,
            .router_id = 1,
            .four_octet_asn = true,
            .multiprotocol_v4 = true,
            .multiprotocol_v6 = true};
  open.add_path_receive_v4 = open.add_path_send_v6 = true;
  const auto decoded = DecodeOpen(absl::string_view(EncodeOpen(open)).substr(kHeaderSize));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, open);
}

TEST(BgpMessageTest, ALengthBeyondTheMessageIsRefusedWithWhatWasWrong) {
  const std::string too_long_prefix("\0\0\0\0\x21\1\2\3\4\5", 10);
  EXPECT_THAT(DecodeUpdate(too_long_prefix, {}).status().message(), HasSubstr("prefix length 33"));
  EXPECT_FALSE(DecodeUpdate(std::string("\x10\0", 2), {}).ok());
  EXPECT_FALSE(DecodeOpen(std::string(5, '\4')).ok());
  std::string header(19, '\xff');
  EXPECT_FALSE(DecodeHeader(header).ok());
}

// A million random edits would find what a reader that trusts a length does; some ten thousand keep the test quick.
TEST(BgpMessageTest, NoMutationOfAMessageMakesTheDecoderReadOutside) {
  std::mt19937 random(20260101);
  Update update;
  update.announced.push_back(Announcement({Key("198.51.100.0/24", 1)}));
  Update v6;
  v6.announced.push_back(Announcement({Key("2001:db8::/32", 1), Key("2001:db8:7::/48", 2)}));
  const std::vector<std::string> seeds = {EncodeUpdate(update, kAddPath), EncodeUpdate(v6, kAddPath),
                                          EncodeOpen({.asn = 1, .four_octet_asn = true})};
  int accepted = 0;
  for (int round = 0; round < 30000; ++round) {
    std::string bytes = seeds[random() % seeds.size()].substr(kHeaderSize);
    for (int edits = 1 + random() % 4; edits > 0; --edits) bytes[random() % bytes.size()] = static_cast<char>(random());
    bytes.resize(random() % 3 == 0 ? random() % bytes.size() : bytes.size());
    const std::vector<char> exact(bytes.begin(), bytes.end());  // Its own allocation, so that a sanitizer sees an overrun.
    const absl::string_view view(exact.data(), exact.size());
    accepted += DecodeUpdate(view, kAddPath).ok();
    accepted += DecodeOpen(view).ok();
  }
  EXPECT_GT(accepted, 0);
}

class SpeakerTest : public ::testing::Test {
 protected:
  void Establish() {
    speaker_.Start(absl::ZeroDuration());
    Open open{
        .asn = 40027, .hold_time_seconds = 30, .router_id = 2, .four_octet_asn = true, .multiprotocol_v4 = true, .multiprotocol_v6 = true};
    open.add_path_send_v4 = open.add_path_send_v6 = true;
    ASSERT_TRUE(Receive(EncodeOpen(open) + EncodeKeepalive()).ok());
    ASSERT_TRUE(speaker_.established());
    EXPECT_EQ(speaker_.TakeOutput(), EncodeKeepalive());
  }
  absl::Status Receive(const std::string& bytes, absl::Duration now = absl::ZeroDuration()) {
    return speaker_.Receive(bytes, now, [this](const Update& update) { updates_.push_back(update); });
  }

  Speaker speaker_{{.asn = 40027, .router_id = 1}};
  std::vector<Update> updates_;
};

TEST_F(SpeakerTest, MessagesMayArriveByteByByte) {
  Establish();
  Update update;
  update.announced.push_back(Announcement({Key("198.51.100.0/24", 4)}));
  for (const char c : EncodeUpdate(update, kAddPath) + EncodeKeepalive()) ASSERT_TRUE(Receive(std::string(1, c)).ok());
  ASSERT_THAT(updates_, SizeIs(1));
  EXPECT_THAT(updates_[0].announced[0].routes, ElementsAre(Key("198.51.100.0/24", 4)));
}

TEST_F(SpeakerTest, TheLowerHoldTimeRulesAndSilenceEndsTheSession) {
  Establish();
  EXPECT_TRUE(speaker_.Tick(absl::Seconds(10)).ok());
  EXPECT_EQ(speaker_.TakeOutput(), EncodeKeepalive());
  EXPECT_TRUE(speaker_.Tick(absl::Seconds(30)).ok());
  EXPECT_EQ(speaker_.Tick(absl::Seconds(31)).code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(SpeakerTest, ABrokenUpdateIsAnsweredWithANotification) {
  Establish();
  std::string bytes = EncodeUpdate({}, kAddPath);
  bytes[kHeaderSize] = '\x7f';  // Withdrawn length.
  EXPECT_EQ(Receive(bytes).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(speaker_.TakeOutput(), EncodeNotification(kUpdateMessageError));
}

TEST_F(SpeakerTest, AnotherAsnIsRefused) {
  speaker_.Start(absl::ZeroDuration());
  const absl::Status status = Receive(EncodeOpen({.asn = 64500, .hold_time_seconds = 30, .four_octet_asn = true}));
  EXPECT_THAT(status.message(), HasSubstr("64500"));
}

TEST_F(SpeakerTest, ANotificationIsReportedWithItsName) {
  Establish();
  EXPECT_THAT(Receive(EncodeNotification(kCeaseAdministrativeShutdown)).message(), HasSubstr("Cease"));
}

}  // namespace
}  // namespace fairlead::agent::bgp
