#include "services/ingest/codec.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>

#include "libs/base/errors.h"
#include "services/ingest/box.h"

namespace fairlead::ingest {
namespace {

v1::Report Parse(const std::string& text) {
  v1::Report report;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString("incarnation: 1 sequence: 1 " + text, &report)) << text;
  return report;
}

struct BadReport {
  const char* text;
  const char* field;
};

class BadReportTest : public ::testing::TestWithParam<BadReport> {};

TEST_P(BadReportTest, IsRefusedByTheNameOfTheField) {
  const absl::Status refused = CheckReport(Parse(GetParam().text), /*serves=*/true).status();
  EXPECT_TRUE(absl::IsInvalidArgument(refused) || absl::IsResourceExhausted(refused)) << refused;
  EXPECT_EQ(FieldOf(refused), GetParam().field) << refused;
}

INSTANTIATE_TEST_SUITE_P(
    Fields, BadReportTest,
    ::testing::Values(
        BadReport{"hello { appliance: 'oca-1' }", "report.hello.appliance"},
        BadReport{"hello { appliance: 'appliances/OCA' }", "report.hello.appliance"},
        BadReport{"heartbeat { cpu { utilisation: nan } }", "report.heartbeat.cpu.utilisation"},
        BadReport{"heartbeat { cpu { utilisation: 1.5 } }", "report.heartbeat.cpu.utilisation"},
        BadReport{"heartbeat { cpu { load_average_1m: inf } }", "report.heartbeat.cpu.load_average_1m"},
        BadReport{"heartbeat { memory { total_bytes: -1 } }", "report.heartbeat.memory.total_bytes"},
        BadReport{"heartbeat { network { throughput_bps: -1 } }", "report.heartbeat.network.throughput_bps"},
        BadReport{"heartbeat { temperature_celsius: nan }", "report.heartbeat.temperature_celsius"},
        BadReport{"heartbeat { tiers { } }", "report.heartbeat.tiers[0].tier"},
        BadReport{"heartbeat { tiers { tier: TIER_DISK } tiers { tier: TIER_FLASH utilisation: -0.1 } }",
                  "report.heartbeat.tiers[1].utilisation"},
        BadReport{"heartbeat { tiers { tier: TIER_DISK read_latency { seconds: -1 } } }", "report.heartbeat.tiers[0].read_latency"},
        BadReport{"heartbeat { bgp_sessions { session: 'x' } }", "report.heartbeat.bgp_sessions[0].session"},
        BadReport{"route_update { session: 'sites/x' }", "report.route_update.session"},
        BadReport{"route_update { session: 'bgpSessions/s' announced { prefix { address: 'abc' length: 8 } } }",
                  "report.route_update.announced[0].prefix.address"},
        BadReport{"route_update { session: 'bgpSessions/s' announced { prefix { address: 'abcd' length: 33 } } }",
                  "report.route_update.announced[0].prefix"},
        BadReport{"route_update { session: 'bgpSessions/s' announced { prefix { address: 'abcd' length: 4294967295 } } }",
                  "report.route_update.announced[0].prefix"},
        BadReport{"route_update { session: 'bgpSessions/s' announced { prefix { address: 'abcd' length: 8 } } }",
                  "report.route_update.announced[0].prefix"},
        BadReport{"route_update { session: 'bgpSessions/s' announced { prefix { address: 'a\\0\\0\\0' length: 8 } next_hop: 'x' } }",
                  "report.route_update.announced[0].next_hop"},
        BadReport{"route_update { session: 'bgpSessions/s' announced { prefix { address: 'a\\0\\0\\0' length: 8 } origin: 3 } }",
                  "report.route_update.announced[0].origin"},
        BadReport{"route_update { session: 'bgpSessions/s' announced { prefix { address: 'a\\0\\0\\0' length: 8 } as_path { } } }",
                  "report.route_update.announced[0].as_path.kind"},
        BadReport{"route_update { session: 'bgpSessions/s' withdrawn { } }", "report.route_update.withdrawn[0].prefix.address"},
        BadReport{"route_update { session: 'bgpSessions/s' end_of_rib: ADDRESS_FAMILY_UNSPECIFIED }", "report.route_update.end_of_rib"},
        BadReport{"route_update { session: 'bgpSessions/s' session_change { } }", "report.route_update.session_change.kind"},
        BadReport{"holdings_update { full: true bitmap: 'x' }", "report.holdings_update.bitmap"},
        BadReport{"holdings_update { removed: 'x' }", "report.holdings_update.removed"},
        BadReport{"traffic_summary { start_time { seconds: -1 } }", "report.traffic_summary.start_time"},
        BadReport{"traffic_summary { rows { title: 'film' } }", "report.traffic_summary.rows[0].title"},
        BadReport{"traffic_summary { rows { version: 'a b' } }", "report.traffic_summary.rows[0].version"},
        BadReport{"traffic_summary { rows { } rows { rank: 4 } }", "report.traffic_summary.rows[1].rank"},
        BadReport{"traffic_summary { rows { position: -1 } }", "report.traffic_summary.rows[0].position"},
        BadReport{"traffic_summary { rows { bytes: -1 } }", "report.traffic_summary.rows[0].bytes"},
        BadReport{"fill_progress { files { bytes_done: -1 } }", "report.fill_progress.files[0].bytes_done"}));

TEST(CodecTest, ReportsAreNumberedFromOne) {
  v1::Report report = Parse("heartbeat { }");
  report.set_sequence(0);
  EXPECT_EQ(FieldOf(CheckReport(report, true).status()), "report.sequence");
  report = Parse("heartbeat { }");
  report.set_incarnation(0);
  EXPECT_EQ(FieldOf(CheckReport(report, true).status()), "report.incarnation");
}

TEST(CodecTest, LongListsAndTextsAreRefused) {
  v1::Report report = Parse("route_update { session: 'bgpSessions/s' }");
  for (int i = 0; i <= ReportLimits::kMostRoutes; ++i) report.mutable_route_update()->add_withdrawn();
  EXPECT_EQ(CheckReport(report, true).status().code(), absl::StatusCode::kResourceExhausted);
  report = Parse("traffic_summary { }");
  for (int i = 0; i <= ReportLimits::kMostTrafficRows; ++i) report.mutable_traffic_summary()->add_rows();
  EXPECT_EQ(CheckReport(report, true).status().code(), absl::StatusCode::kResourceExhausted);
  report = Parse("heartbeat { }");
  report.mutable_heartbeat()->mutable_nginx()->set_detail(std::string(ReportLimits::kMostText + 1, 'x'));
  EXPECT_EQ(FieldOf(CheckReport(report, true).status()), "report.heartbeat.nginx.detail");
}

TEST(CodecTest, EveryStateOfTheWebServerIsRead) {
  const auto read = [](const std::string& state) {
    return CheckReport(Parse("heartbeat { nginx { state: STATE_" + state + " } }"), /*serves=*/true)->figures.server;
  };
  EXPECT_EQ(read("RUNNING"), ServerState::kRunning);
  EXPECT_EQ(read("STOPPED"), ServerState::kStopped);
  EXPECT_EQ(read("CONFIG_REFUSED"), ServerState::kConfigRefused);
  EXPECT_EQ(read("UNRESPONSIVE"), ServerState::kUnresponsive);
  EXPECT_EQ(read("REFUSING"), ServerState::kRefusing);
  EXPECT_EQ(read("UNSPECIFIED"), ServerState::kUnknown);
}

TEST(CodecTest, ACollectorsWebServerAndDisksSayNothingAboutIt) {
  const v1::Report report =
      Parse("heartbeat { nginx { state: STATE_STOPPED } tiers { tier: TIER_DISK failed: true } cpu { utilisation: 0.5 } }");
  const HealthFigures figures = CheckReport(report, /*serves=*/false)->figures;
  EXPECT_EQ(figures.server, ServerState::kUnknown);
  EXPECT_TRUE(figures.tiers.empty());
  EXPECT_EQ(figures.cpu_utilisation, 0.5);
}

TEST(CodecTest, AReportOfANewerAgentIsASignOfLife) {
  EXPECT_TRUE(CheckReport(Parse(""), true).ok());
}

TEST(CodecTest, ARouteKeepsItsAttributes) {
  const v1::Report report = Parse(R"(route_update { session: 'bgpSessions/s' announced {
    prefix { address: 'a\0\0\0' length: 8 } path_id: 3 med: 0 communities: 4259840000 next_hop: 'abcd' origin: 2
    as_path { kind: KIND_SEQUENCE asns: 1 asns: 2 } as_path { kind: KIND_SET asns: 3 asns: 4 } } })");
  const RouteChange change = *CheckReport(report, true)->routes;
  const RawRoute& route = change.announced[0].route;
  EXPECT_EQ(route.key.prefix.ToString(), "97.0.0.0/8");
  EXPECT_EQ(route.key.path_id, 3u);
  EXPECT_EQ(route.med, 0u);
  EXPECT_EQ(route.origin, RouteOrigin::kIncomplete);
  EXPECT_EQ(ToString(route.as_path), "1 2 {3,4}");
  EXPECT_EQ(change.announced[0].next_hop->ToString(), "97.98.99.100");
  KeptRoute kept;
  kept.route = route;
  const v1::AdmittedRoute proto = RouteToProto(ApplianceId("oca-1"), BgpSessionId("s"), kept);
  EXPECT_EQ(proto.as_path_length(), 3u);
  EXPECT_EQ(proto.neighbour_as(), 1u);
  EXPECT_EQ(proto.origin_as(), 0u) << "a path that ends in a set has no origin";
  EXPECT_TRUE(proto.has_med());
  EXPECT_EQ(proto.as_path_size(), 4);
  EXPECT_EQ(RouteEntryKey(BgpSessionId("s"), route.key), "route/s/97.0.0.0/8/3");
}

}  // namespace
}  // namespace fairlead::ingest
