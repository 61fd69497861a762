#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/routing/admission.h"
#include "services/agent/report/codec.h"
#include "services/agent/report/host_stats.h"

namespace fairlead::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(HostStatsTest, ProcFilesAreReadAndNonsenseRefused) {
  const auto cpu = ParseProcStat("cpu  100 5 20 800 50 1 2 22 7 0\ncpu0 1 2 3 4\ncpu1 1 2 3 4\nintr 5\n");
  ASSERT_TRUE(cpu.ok()) << cpu.status();
  EXPECT_EQ(cpu->cores, 2);
  EXPECT_EQ(cpu->total, 1000);
  EXPECT_EQ(cpu->busy, 150);
  EXPECT_FALSE(ParseProcStat("nothing").ok());
  const auto memory = ParseMemInfo("MemTotal:       16 kB\nMemFree: 1 kB\nMemAvailable:    8 kB\n");
  EXPECT_EQ(memory->total_bytes, 16384);
  EXPECT_EQ(memory->available_bytes, 8192);
  EXPECT_FALSE(ParseMemInfo("").ok());
  const auto disk = ParseDiskStats("   8   0 sda 10 0 80 40 5 0 5 9 0 70 49\n 259   1 nvme0n1p1 7 0 0 21 0 0 0 0 0 300 0\n", 259, 1);
  ASSERT_TRUE(disk.has_value());
  EXPECT_EQ(disk->reads, 7);
  EXPECT_EQ(disk->read_millis, 21);
  EXPECT_EQ(disk->busy_millis, 300);
  EXPECT_FALSE(ParseDiskStats("", 0, 35).has_value());
}

TEST(HostStatsTest, ThisMachineHasCoresMemoryAndSpaceAndAMissingFolderHasFailed) {
  HostSampler sampler;
  const HostSample sample = sampler.Sample();
  EXPECT_GT(sample.cores, 0);
  EXPECT_GT(sample.memory.available_bytes, 0);
  EXPECT_GE(sample.cpu_utilisation, 0);
  EXPECT_LE(sample.cpu_utilisation, 1);
  EXPECT_GT(sampler.SampleFolder("/tmp", absl::Seconds(1)).free_bytes, 0);
  EXPECT_TRUE(sampler.SampleFolder("/no/such/folder", absl::Seconds(1)).failed);
}

SessionReport ReportWith(size_t routes, size_t communities) {
  auto attributes = std::make_shared<bgp::PathAttributes>();
  attributes->as_path = SequencePath({64500, 64501});
  attributes->next_hop = std::string("\x7f\0\0\2", 4);
  attributes->med = 0;
  attributes->communities.assign(communities, 0xffffffff);
  SessionReport report;
  report.session = BgpSessionId("isp-1");
  report.restart = true;
  report.change = SessionChange{SessionChange::Kind::kUp, "established"};
  report.end_of_rib = {AddressFamily::kIpv4, AddressFamily::kIpv6};
  for (size_t i = 0; i < routes; ++i) report.announced.push_back({{Prefix::Of(IpAddress::V4(0x0b000000 + (i << 8)), 24), 7}, attributes});
  return report;
}

TEST(ReportCodecTest, ARouteKeepsWhatTheWireSaid) {
  const auto updates = ToProto(ReportWith(1, 2));
  ASSERT_THAT(updates, SizeIs(1));
  const ingest::v1::RouteUpdate& update = updates[0];
  EXPECT_EQ(update.session(), "bgpSessions/isp-1");
  EXPECT_TRUE(update.restart());
  EXPECT_EQ(update.session_change().kind(), ingest::v1::SessionChange::KIND_UP);
  ASSERT_EQ(update.announced_size(), 1);
  EXPECT_EQ(update.announced(0).prefix().address(), std::string("\x0b\0\0\0", 4));
  EXPECT_EQ(update.announced(0).prefix().length(), 24u);
  EXPECT_EQ(update.announced(0).path_id(), 7u);
  EXPECT_TRUE(update.announced(0).has_med()) << "a MED of 0 is not an absent one";
  EXPECT_FALSE(update.announced(0).has_local_pref());
  EXPECT_THAT(update.announced(0).as_path(0).asns(), ElementsAre(64500, 64501));
  EXPECT_EQ(update.end_of_rib_size(), 2);
}

TEST(ReportCodecTest, LongRoutesAreSplitIntoMessagesThatFit) {
  const auto updates = ToProto(ReportWith(1000, 300));
  ASSERT_GT(updates.size(), 2u);
  int routes = 0;
  for (const auto& update : updates) {
    routes += update.announced_size();
    EXPECT_LT(update.ByteSizeLong(), size_t{1} << 20);
    EXPECT_EQ(update.restart(), &update == &updates.front());
    EXPECT_EQ(update.end_of_rib_size() > 0, &update == &updates.back());
    EXPECT_EQ(update.session(), "bgpSessions/isp-1");
  }
  EXPECT_EQ(routes, 1000);
}

TEST(ReportCodecTest, WhatANeighbourWritesNeverMakesAReportTooLongOrBroken) {
  SessionReport report = ReportWith(1, 0);
  auto attributes = std::make_shared<bgp::PathAttributes>();
  for (int i = 0; i < 5; ++i) attributes->as_path.push_back({AsPathSegment::Kind::kSequence, std::vector<uint32_t>(200, 64500)});
  for (int i = 0; i < 900; ++i) attributes->as_path.push_back({AsPathSegment::Kind::kSet, {}});
  attributes->communities.assign(1000, 7);
  attributes->communities.push_back(kGracefulShutdown);
  report.announced[0].attributes = attributes;
  report.change->reason = std::string(2000, '\xff');
  const auto updates = ToProto(report);
  const ingest::v1::Route& route = updates[0].announced(0);
  EXPECT_GT(route.as_path(0).asns_size(), 100) << "still too long to be admitted";
  EXPECT_LE(route.as_path_size(), 512);
  EXPECT_EQ(route.communities_size(), 512);
  EXPECT_EQ(route.communities(0), kGracefulShutdown);
  EXPECT_EQ(updates[0].session_change().reason(), std::string(300, '?'));
  RoutingStatus::Session session;
  session.id = BgpSessionId("isp-1");
  session.protocol.last_error = std::string(5000, '\x80');
  EXPECT_LE(ToProto(session).last_error().size(), 1000u);
  NginxReport nginx;
  nginx.detail = std::string(5000, 'x');
  EXPECT_LE(ToProto(nginx).detail().size(), 1000u);
}

AsPath PathAsReported(const AsPath& path) {
  SessionReport report = ReportWith(1, 0);
  auto attributes = std::make_shared<bgp::PathAttributes>();
  attributes->as_path = path;
  report.announced[0].attributes = attributes;
  const auto updates = ToProto(report);
  AsPath out;
  for (const ingest::v1::AsPathSegment& segment : updates[0].announced(0).as_path())
    out.push_back({static_cast<AsPathSegment::Kind>(segment.kind()), {segment.asns().begin(), segment.asns().end()}});
  return out;
}

TEST(ReportCodecTest, APathThatHadToBeCutIsNeverAdmitted) {
  SessionRecord session;
  session.transport = TransportClass::kTransit;
  RawRoute route;
  route.key.prefix = Prefix::Of(IpAddress::V4(0x0b000000), 24);
  // Each has few hops before the cut: large sets count one, empty ones too.
  const AsPathSegment large_set{AsPathSegment::Kind::kSet, std::vector<uint32_t>(200, 64501)};
  AsPath sets = SequencePath({64500});
  sets.insert(sets.end(), 4, large_set);
  const AsPath confederations(6, {AsPathSegment::Kind::kConfedSequence, std::vector<uint32_t>(200, 64501)});
  AsPath inside = confederations;
  inside.push_back({AsPathSegment::Kind::kSequence, {64500, 64501}});
  AsPath sequences = SequencePath({64500});
  sequences.insert(sequences.end(), 1, {AsPathSegment::Kind::kSequence, std::vector<uint32_t>(600, 64500)});
  for (const AsPath& path : {sets, sequences}) {
    route.as_path = PathAsReported(path);
    EXPECT_EQ(Admit(route, session, nullptr).reason, DropReason::kPathTooLong) << ToString(route.as_path);
  }
  route.as_path = PathAsReported(inside);
  EXPECT_EQ(route.as_path, SequencePath({64500, 64501})) << "confederations are no reason to cut";
  EXPECT_TRUE(Admit(route, session, nullptr).admitted());
}

registry::v1::ApplianceConfig Config() {
  registry::v1::ApplianceConfig config;
  config.mutable_appliance()->mutable_bgp()->set_address("127.0.9.1");
  config.mutable_appliance()->mutable_bgp()->set_asn(40027);
  registry::v1::BgpSession& direct = *config.add_bgp_sessions();
  direct.set_name("bgpSessions/isp-1");
  direct.set_role(registry::v1::BgpSession::ROLE_DIRECT);
  direct.set_peer_address("127.0.9.2");
  direct.set_peer_asn(64500);
  direct.add_families(common::v1::ADDRESS_FAMILY_IPV6);
  registry::v1::BgpSession& via = *config.add_bgp_sessions();
  via.set_name("bgpSessions/ix-1");
  via.set_role(registry::v1::BgpSession::ROLE_VIA_ROUTER);
  return config;
}

TEST(ReportCodecTest, OnlyTheBoxesOwnSessionsAreConfiguredInBird) {
  const auto bird = BirdConfigOf(Config());
  ASSERT_TRUE(bird.ok()) << bird.status();
  EXPECT_EQ(bird->port, 179);
  ASSERT_THAT(bird->sessions, SizeIs(1));
  EXPECT_FALSE(bird->sessions[0].ipv4);
  EXPECT_TRUE(bird->sessions[0].ipv6);
  EXPECT_EQ(bird->sessions[0].peer_port, 179);
  registry::v1::ApplianceConfig broken = Config();
  broken.mutable_bgp_sessions(0)->set_peer_address("127.0.9");
  EXPECT_THAT(std::string(BirdConfigOf(broken).status().message()),
              ::testing::AllOf(HasSubstr("bgp_sessions['bgpSessions/isp-1']"), HasSubstr("127.0.9")));
}

TEST(ReportCodecTest, RevokedKeysAreNotGivenToNginx) {
  registry::v1::ApplianceConfig config = Config();
  registry::v1::SigningKey& good = *config.add_signing_keys();
  good.set_name("signingKeys/k-1");
  good.set_state(registry::v1::SigningKey::STATE_VERIFY_ONLY);
  registry::v1::SigningKey& revoked = *config.add_signing_keys();
  revoked.set_name("signingKeys/k-0");
  revoked.set_state(registry::v1::SigningKey::STATE_REVOKED);
  const NginxConfigInput nginx = NginxConfigOf(config);
  ASSERT_THAT(nginx.keys, SizeIs(1));
  EXPECT_EQ(nginx.keys[0].id, "k-1");
}

TEST(ReportCodecTest, TheFillRateIsTheConfiguredOneOrThatOfTheKind) {
  registry::v1::Appliance appliance;
  appliance.set_kind(common::v1::APPLIANCE_KIND_FLASH);
  EXPECT_EQ(FillRateOf(appliance), 300'000'000);
  appliance.set_fill_rate_bps(5);
  EXPECT_EQ(FillRateOf(appliance), 5);
}

}  // namespace
}  // namespace fairlead::agent
