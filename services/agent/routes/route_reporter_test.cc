#include "services/agent/routes/route_reporter.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/agent/bird/config.h"

namespace fairlead::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const BgpSessionId kOne("isp-1"), kTwo("isp-2");

RouteKey Key(const char* prefix, uint32_t path_id) {
  return {Prefix::Parse(prefix).value(), path_id};
}

bgp::Update Announce(const BgpSessionId& session, std::vector<RouteKey> routes) {
  const uint64_t tag = SessionTag(session);
  bgp::Update update;
  bgp::PathAttributes attributes;
  attributes.large_communities = {{64500, 1, 1}, {kTagAdministrator, static_cast<uint32_t>(tag >> 32), static_cast<uint32_t>(tag)}};
  update.announced.push_back({attributes, std::move(routes)});
  return update;
}

bgp::Update Withdraw(std::vector<RouteKey> routes) {
  bgp::Update update;
  update.withdrawn = std::move(routes);
  return update;
}

class RouteReporterTest : public ::testing::Test {
 protected:
  void SetUp() override { reporter_.SetSessions({kOne, kTwo}); }

  BirdProtocol Up(const BgpSessionId& id, int64_t v4, const std::string& since = "1") const {
    return {SessionProtocol(id), since, "Established", "", v4, 0};
  }
  BirdProtocol Down(const BgpSessionId& id, const std::string& error, const std::string& since = "2") const {
    return {SessionProtocol(id), since, "Active", error, 0, 0};
  }
  std::vector<SessionReport> Take() { return std::exchange(reports_, {}); }
  // Both sessions are up with these paths.
  void BringUp(std::vector<RouteKey> one, std::vector<RouteKey> two) {
    const int64_t count_one = one.size(), count_two = two.size();
    if (!one.empty()) reporter_.OnUpdate(Announce(kOne, std::move(one)));
    if (!two.empty()) reporter_.OnUpdate(Announce(kTwo, std::move(two)));
    for (int i = 0; i < 2; ++i) {
      reporter_.OnProtocols({Up(kOne, count_one), Up(kTwo, count_two)}, now_);
      now_ += RouteReporter::kSettleEmpty;
    }
    ASSERT_THAT(Take(), SizeIs(2));
  }

  std::vector<SessionReport> reports_;
  RouteReporter reporter_{[this](SessionReport report) { reports_.push_back(std::move(report)); }};
  absl::Duration now_ = absl::Seconds(100);
};

TEST_F(RouteReporterTest, AMillisecondInBirdsClocksIsNoNewSession) {
  const auto look = [this](const std::string& since) {
    reporter_.OnProtocols({Up(kOne, 0, since), Down(kTwo, "")}, now_);
    now_ += RouteReporter::kSettleEmpty;
  };
  for (int i = 0; i < 2; ++i) look("2026-11-22 14:29:59.999");
  ASSERT_THAT(Take(), SizeIs(2));
  for (const char* since : {"2026-11-22 14:30:00.000", "2026-11-22 14:29:59.998"}) look(since);
  EXPECT_THAT(Take(), IsEmpty());
  look("2026-11-22 14:30:01.000");
  EXPECT_THAT(Take(), SizeIs(1)) << "lost, and up anew";
}

TEST_F(RouteReporterTest, ASessionIsSilentUntilItsTableIsWholeAndThenReportedAtOnce) {
  reporter_.OnUpdate(Announce(kOne, {Key("198.51.100.0/24", 1)}));
  reporter_.OnProtocols({Up(kOne, 2), Down(kTwo, "")}, now_);
  const auto first = Take();
  ASSERT_THAT(first, SizeIs(1));
  EXPECT_EQ(first[0].session, kTwo);
  EXPECT_EQ(first[0].change->kind, SessionChange::Kind::kLost);
  reporter_.OnProtocols({Up(kOne, 2), Down(kTwo, "")}, now_ + absl::Seconds(60));
  EXPECT_THAT(Take(), IsEmpty());
  reporter_.OnUpdate(Announce(kOne, {Key("203.0.113.0/24", 1)}));
  reporter_.OnProtocols({Up(kOne, 2), Down(kTwo, "")}, now_ + absl::Seconds(61));
  EXPECT_THAT(Take(), IsEmpty());
  reporter_.OnProtocols({Up(kOne, 2), Down(kTwo, "")}, now_ + absl::Seconds(62));
  const auto whole = Take();
  ASSERT_THAT(whole, SizeIs(1));
  EXPECT_TRUE(whole[0].restart);
  EXPECT_EQ(whole[0].change->kind, SessionChange::Kind::kUp);
  EXPECT_THAT(whole[0].announced, SizeIs(2));
  EXPECT_THAT(whole[0].announced[0].attributes->large_communities, IsEmpty()) << "the mark stays inside";
  EXPECT_THAT(whole[0].end_of_rib, ElementsAre(AddressFamily::kIpv4, AddressFamily::kIpv6));
}

TEST_F(RouteReporterTest, PathsOfOnePrefixBelongToTheirOwnSessions) {
  BringUp({Key("198.51.100.0/24", 1)}, {Key("198.51.100.0/24", 2)});
  reporter_.OnUpdate(Withdraw({Key("198.51.100.0/24", 2)}));
  ASSERT_TRUE(reporter_.has_changes());
  reporter_.OnProtocols({Up(kOne, 1), Up(kTwo, 0)}, now_);
  const auto reports = Take();
  ASSERT_THAT(reports, SizeIs(1));
  EXPECT_EQ(reports[0].session, kTwo);
  EXPECT_THAT(reports[0].withdrawn, ElementsAre(Key("198.51.100.0/24", 2)));
  EXPECT_FALSE(reports[0].restart);
}

TEST_F(RouteReporterTest, WithdrawalsOfALostSessionAreNotReportedAsWithdrawals) {
  BringUp({Key("198.51.100.0/24", 1)}, {});
  reporter_.OnUpdate(Withdraw({Key("198.51.100.0/24", 1)}));
  reporter_.OnProtocols({Down(kOne, "Socket: Connection closed"), Up(kTwo, 0)}, now_);
  auto reports = Take();
  ASSERT_THAT(reports, SizeIs(1));
  EXPECT_EQ(reports[0].change, (SessionChange{SessionChange::Kind::kLost, "Socket: Connection closed"}));
  EXPECT_THAT(reports[0].withdrawn, IsEmpty());
  reporter_.OnProtocols({Down(kOne, "Socket: Connection closed"), Up(kTwo, 0)}, now_);
  EXPECT_THAT(Take(), IsEmpty()) << "an end is told once";
}

TEST_F(RouteReporterTest, AShutdownIsAnEndOnPurpose) {
  BringUp({Key("198.51.100.0/24", 1)}, {});
  reporter_.OnUpdate(Withdraw({Key("198.51.100.0/24", 1)}));
  reporter_.OnProtocols({Down(kOne, "Received: Administrative shutdown"), Up(kTwo, 0)}, now_);
  EXPECT_EQ(Take()[0].change->kind, SessionChange::Kind::kClosed);
}

TEST_F(RouteReporterTest, AFlapBetweenTwoLooksIsALossAndANewTable) {
  BringUp({Key("198.51.100.0/24", 1)}, {});
  reporter_.OnUpdate(Withdraw({Key("198.51.100.0/24", 1)}));
  BirdProtocol again = Up(kOne, 0, "3");
  again.last_error = "Received: Hold timer expired";
  reporter_.OnProtocols({again, Up(kTwo, 0)}, now_);
  EXPECT_EQ(Take()[0].change, (SessionChange{SessionChange::Kind::kLost, "Received: Hold timer expired"}));
  reporter_.OnProtocols({again, Up(kTwo, 0)}, now_ + absl::Seconds(5));
  const auto reports = Take();
  ASSERT_THAT(reports, SizeIs(1));
  EXPECT_TRUE(reports[0].restart);
  EXPECT_EQ(reports[0].change->kind, SessionChange::Kind::kUp);
}

TEST_F(RouteReporterTest, AnIdentifierThatPassesToAnotherSessionLeavesTheFirst) {
  BringUp({Key("198.51.100.0/24", 1)}, {});
  reporter_.OnUpdate(Announce(kTwo, {Key("198.51.100.0/24", 1)}));
  reporter_.OnProtocols({Up(kOne, 0), Up(kTwo, 1)}, now_);
  int withdrawn = 0, announced = 0;
  for (const SessionReport& report : Take()) {
    withdrawn += report.session == kOne ? report.withdrawn.size() : 0;
    announced += report.session == kTwo ? report.announced.size() : 0;
  }
  EXPECT_EQ(withdrawn, 1);
  EXPECT_EQ(announced, 1);
}

TEST_F(RouteReporterTest, AfterTheTapWasLostTheTableIsSentAnewWithoutAnEnd) {
  BringUp({Key("198.51.100.0/24", 1)}, {});
  reporter_.OnTapLost();
  reporter_.OnProtocols({Up(kOne, 1), Up(kTwo, 0)}, now_);
  EXPECT_THAT(Take(), IsEmpty());
  reporter_.OnUpdate(Announce(kOne, {Key("198.51.100.0/24", 5)}));
  reporter_.OnProtocols({Up(kOne, 1), Up(kTwo, 0)}, now_ + absl::Seconds(1));
  reporter_.OnProtocols({Up(kOne, 1), Up(kTwo, 0)}, now_ + absl::Seconds(2));
  bool restarted = false;
  for (const SessionReport& report : Take()) restarted |= report.session == kOne && report.restart && report.announced.size() == 1;
  EXPECT_TRUE(restarted);
}

TEST_F(RouteReporterTest, WhenBirdIsGoneAllItsSessionsAreLost) {
  BringUp({Key("198.51.100.0/24", 1)}, {});
  reporter_.OnBirdDown("BIRD is not running");
  const auto reports = Take();
  ASSERT_THAT(reports, SizeIs(2));
  for (const SessionReport& report : reports) EXPECT_EQ(report.change->kind, SessionChange::Kind::kLost);
  EXPECT_EQ(reporter_.path_count(), 0u);
}

TEST_F(RouteReporterTest, ARemovedSessionIsClosed) {
  BringUp({Key("198.51.100.0/24", 1)}, {});
  reporter_.SetSessions({kTwo});
  const auto reports = Take();
  ASSERT_THAT(reports, SizeIs(1));
  EXPECT_EQ(reports[0].session, kOne);
  EXPECT_EQ(reports[0].change->kind, SessionChange::Kind::kClosed);
}

TEST_F(RouteReporterTest, MessagesAreOfAThousandRoutesAtMostAndOnlyTheFirstRestarts) {
  std::vector<RouteKey> routes;
  for (uint32_t i = 0; i < 2500; ++i) routes.push_back({Prefix::Of(IpAddress::V4(0x0b000000 + (i << 8)), 24), 1});
  reporter_.OnUpdate(Announce(kOne, routes));
  for (int i = 0; i < 2; ++i) reporter_.OnProtocols({Up(kOne, 2500)}, now_ += absl::Seconds(1));
  std::vector<size_t> sizes;
  for (const SessionReport& report : Take()) {
    if (report.session != kOne) continue;
    EXPECT_EQ(report.restart, sizes.empty());
    EXPECT_EQ(report.end_of_rib.empty(), sizes.size() < 2);
    sizes.push_back(report.announced.size());
  }
  EXPECT_THAT(sizes, ElementsAre(1000, 1000, 500));
}

TEST_F(RouteReporterTest, EverythingIsReportedAgainWhenAsked) {
  BringUp({Key("198.51.100.0/24", 1)}, {});
  reporter_.OnProtocols({Up(kOne, 1), Down(kTwo, "Received: Cease")}, now_);
  Take();
  reporter_.ReportAll();
  const auto reports = Take();
  ASSERT_THAT(reports, SizeIs(2));
  for (const SessionReport& report : reports) {
    EXPECT_THAT(report.announced, SizeIs(report.session == kOne ? 1 : 0));
    EXPECT_EQ(report.change->kind, report.session == kOne ? SessionChange::Kind::kUp : SessionChange::Kind::kClosed);
  }
}

}  // namespace
}  // namespace fairlead::agent
