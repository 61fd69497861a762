// ingestd is killed and starts again from its checkpoint: what subscribers, boxes and operators see of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <ctime>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "services/ingest/ingest_fixture.h"

namespace fairlead::ingest {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class RestartTest : public IngestTest {
 protected:
  // A box with routes (one dropped) and files, a collector with two peers and an unknown one, and a box that was never more than greeted.
  void StartFleet() {
    Configure();
    AddBox("collector", "kind: APPLIANCE_KIND_COLLECTOR");
    AddBox("oca-2");
    sources_.Set("bgpSessions/feed", "appliance: 'appliances/collector' role: ROLE_ROUTER_FEED peer_address: '192.0.2.1' peer_asn: 65001");
    for (const char* peer : {"1", "2"}) {
      sources_.Set(absl::StrCat("bgpSessions/via-", peer),
                   absl::StrCat("appliance: 'appliances/collector' role: ROLE_VIA_ROUTER peer_address: '195.66.224.", peer,
                                "' peer_asn: 64500 partner: 'partners/isp' transport_class: TRANSPORT_CLASS_PUBLIC_PEERING router_feed: "
                                "'bgpSessions/feed'"));
    }
    Start();
    ASSERT_TRUE(Eventually([this] {
      Agent last(server_->target(), "oca-2");
      last.Hello();
      return last.Greeted();
    }));
    box_ = Connected();
    box_->Hold({1, 2, 70'000});
    box_->Routes("s1",
                 {MakeRoute("198.51.1.0/24", {64500, 64510}, 7), MakeRoute("198.51.2.0/24", {64500}), MakeRoute("81.0.0.0/16", {64500})},
                 /*restart=*/true);
    v1::Heartbeat busy = IdleHeartbeat();
    busy.mutable_network()->set_throughput_bps(8'800'000'000);
    v1::BgpSessionStatus& session = *busy.add_bgp_sessions();
    session.set_session("bgpSessions/s1");
    session.set_established(true);
    box_->Beat(busy);
    v1::Report report = box_->Next();
    report.mutable_fill_progress()->add_files()->set_file_number(5);
    box_->Send(report);
    ASSERT_TRUE(box_->Acked());
    collector_ = Connected("collector");
    collector_->Routes("feed",
                       {MakeRoute("198.51.1.0/24", {64500}, 1, "195.66.224.1"), MakeRoute("198.51.1.0/24", {64500}, 2, "195.66.224.2"),
                        MakeRoute("198.51.9.0/24", {64501}, 3, "195.66.224.9")},
                       /*restart=*/true);
    collector_->Beat();
    ASSERT_TRUE(collector_->Acked());
    Settle();
  }
  // Everything told is published and on disk.
  void Settle() {
    ASSERT_TRUE(Eventually([this] { return FirstSnapshot(server_->target()) == Known(); }));
    ASSERT_TRUE(server_->SaveNow().ok());
  }
  // The feed with the states as the queries tell them: equal to the feed once all is published, for a box's state goes last.
  FleetEntries Known() {
    FleetEntries known = FirstSnapshot(server_->target());
    const auto stub = v1::FleetQueryService::NewStub(MakeChannel(server_->target()));
    grpc::ClientContext context;
    SetPrincipal(context, "operator/test");
    v1::ListApplianceStatesResponse response;
    EXPECT_TRUE(stub->ListApplianceStates(&context, v1::ListApplianceStatesRequest(), &response).ok());
    for (const v1::ApplianceState& state : response.appliance_states()) {
      v1::FleetEntry entry;
      entry.set_key(absl::StrCat("state/", state.appliance().substr(state.appliance().find('/') + 1)));
      *entry.mutable_state() = state;
      Put(entry, known);
    }
    return known;
  }
  static std::string Text(const FleetEntries& entries, const std::string& key) {
    const auto found = entries.find(key);
    return found == entries.end() ? "" : found->second;
  }
  double Metric(const std::string& name) {
    for (const absl::string_view line : absl::StrSplit(server_->MetricsText(), '\n')) {
      double value = 0;
      if (absl::StartsWith(line, absl::StrCat(name, " ")) && absl::SimpleAtod(line.substr(name.size() + 1), &value)) return value;
    }
    return -1000;
  }
  void Return(Agent& agent) {
    ASSERT_TRUE(Eventually([&] {
      agent.Reconnect();
      agent.Hello();
      return agent.Greeted();
    }));
  }

  FakeClock rebooted_;  // Its monotonic time is another than that of clock_, once that has advanced.
  std::unique_ptr<Agent> box_;
  std::unique_ptr<Agent> collector_;
};

TEST_F(RestartTest, TheFeedAfterAKillIsTheFeedBeforeEvenWithoutTheRegistry) {
  StartFleet();
  uint64_t epoch_before = 0;
  const FleetEntries before = FirstSnapshot(server_->target(), &epoch_before);
  for (const char* key : {"state/oca-1", "state/oca-2", "holdings/oca-1", "session/s1", "route/s1/198.51.1.0/24/7", "session/via-1",
                          "route/via-2/198.51.1.0/24/2"}) {
    ASSERT_THAT(before, Contains(Key(key)));
  }
  const std::vector<std::string> verdicts = Verdicts();
  registry_is_down_ = true;
  CrashAndStart();
  uint64_t epoch = 0;
  const FleetEntries after = FirstSnapshot(server_->target(), &epoch);
  EXPECT_GT(epoch, epoch_before);
  EXPECT_EQ(after, before);
  EXPECT_EQ(Verdicts(), verdicts) << "the dropped ones too";
  EXPECT_EQ(Metric("fairlead_ingest_restored_appliances"), 3);
  EXPECT_GE(Metric("fairlead_ingest_restore_seconds"), 0);
  // And again, from a checkpoint that was itself begun from one.
  CrashAndStart();
  EXPECT_EQ(FirstSnapshot(server_->target()), before);
  // Boxes are served by the configuration of before.
  Return(*box_);
  box_->Beat();
  EXPECT_TRUE(box_->Acked());
}

TEST_F(RestartTest, ABoxThatNeverReturnsIsSilentAfterTheTimeCountedFromTheRestart) {
  StartFleet();
  clock_.Advance(absl::Seconds(5));
  const FleetEntries before = FirstSnapshot(server_->target());
  CrashAndStart();
  server_.reset();
  server_clock_ = &rebooted_;
  Start();
  EXPECT_EQ(FirstSnapshot(server_->target()), before);
  rebooted_.Advance(absl::Seconds(10) - absl::Nanoseconds(1));
  Subscriber subscriber(server_->target());
  ASSERT_TRUE(Eventually([&] { return subscriber.Has("state/oca-1"); }));
  EXPECT_NE(State().health(), common::v1::HEALTH_STATE_SILENT);
  rebooted_.Advance(absl::Nanoseconds(1));
  EXPECT_TRUE(Eventually([&] { return subscriber.Get("state/oca-1").state().health() == common::v1::HEALTH_STATE_SILENT; }));
  EXPECT_TRUE(subscriber.Has("route/s1/198.51.1.0/24/7")) << "silence is no withdrawal";
  // What was silent before has no new lease.
  ASSERT_TRUE(server_->SaveNow().ok());
  CrashAndStart();
  EXPECT_EQ(State().health(), common::v1::HEALTH_STATE_SILENT);
  EXPECT_THAT(Text(FirstSnapshot(server_->target()), "state/oca-1"), HasSubstr("HEALTH_STATE_SILENT"));
  rebooted_.Advance(absl::Seconds(5));
  EXPECT_EQ(State().health(), common::v1::HEALTH_STATE_SILENT);
  EXPECT_EQ(State().report_age().seconds(), 15);
}

TEST_F(RestartTest, AfterAnOrderlyRestartABoxIsAskedForNothingAndNothingOfItChanges) {
  StartFleet();
  const FleetEntries before = FirstSnapshot(server_->target());
  server_.reset();
  Start();
  EXPECT_EQ(FirstSnapshot(server_->target()), before);
  Subscriber subscriber(server_->target());
  ASSERT_TRUE(Eventually([&] { return subscriber.Has("state/oca-1"); }));
  Return(*box_);
  box_->ChangeHoldings({9}, {2});  // To the base that is known.
  EXPECT_TRUE(Eventually([&] { return subscriber.Holdings("oca-1") == std::vector<uint32_t>{1, 9, 70'000}; }));
  EXPECT_EQ(box_->Count(AsksRoutes), 0);
  EXPECT_EQ(box_->Count(AsksHoldings), 0);
  EXPECT_EQ(subscriber.SeenOf("route/"), 4) << "each as it was in the snapshot, and no more";
  EXPECT_EQ(subscriber.SeenOf("session/"), 4);
}

TEST_F(RestartTest, ABoxWhoseReportsWereLostWithTheProcessSendsAgainAndOnlyWhatChangedIsSeen) {
  StartFleet();
  checkpoint_interval_ = absl::Hours(1);  // So that what comes next isn't in it.
  CrashAndStart();
  Return(*box_);
  box_->Hold({1});
  v1::Report report = box_->Next();
  report.mutable_route_update()->set_session("bgpSessions/s1");
  *report.mutable_route_update()->add_withdrawn()->mutable_prefix() = MakeRoute("198.51.2.0/24", {}).prefix();
  box_->Send(report);
  ASSERT_TRUE(box_->Acked());
  ASSERT_TRUE(Eventually([&] { return Text(FirstSnapshot(server_->target()), "route/s1/198.51.2.0/24/0").empty(); }));

  CrashAndStart();
  Subscriber subscriber(server_->target());
  ASSERT_TRUE(Eventually([&] { return subscriber.Has("route/s1/198.51.2.0/24/0"); })) << "as the checkpoint has it";
  const FleetEntries before = FirstSnapshot(server_->target());
  box_->Hang();
  Return(*box_);  // With a gap.
  EXPECT_TRUE(box_->Told(AsksRoutes));
  EXPECT_TRUE(box_->Told(AsksHoldings));
  box_->Hold({1, 2, 70'000});
  ASSERT_TRUE(box_->Acked());
  EXPECT_EQ(subscriber.Seen("holdings/oca-1"), 1);
  // The table that was asked for: what was withdrawn meanwhile goes with its End-of-RIB, and not before.
  box_->Routes("s1", {MakeRoute("198.51.1.0/24", {64500, 64510}, 7), MakeRoute("81.0.0.0/16", {64500})}, /*restart=*/true);
  EXPECT_TRUE(Eventually([&] { return !subscriber.Has("route/s1/198.51.2.0/24/0"); }));
  EXPECT_EQ(subscriber.Seen("route/s1/198.51.1.0/24/7"), 1) << "it was there all the time";
  FleetEntries after = FirstSnapshot(server_->target());
  for (FleetEntries entries : {before}) {
    for (const char* key : {"state/oca-1", "session/s1", "route/s1/198.51.2.0/24/0"}) {
      entries.erase(key);
      after.erase(key);
    }
    EXPECT_EQ(after, entries) << "everything else is as it was";
  }
}

TEST_F(RestartTest, ReportsOlderThanTheCheckpointAreDroppedAndAnOlderIncarnationRefused) {
  StartFleet();
  box_.reset();
  box_ = Connected("oca-1", 5);
  box_->Hold({3});
  box_->Beat();
  ASSERT_TRUE(box_->Acked());
  Settle();
  CrashAndStart();
  Agent older(server_->target(), "oca-1", 4);
  older.Hello();
  EXPECT_EQ(older.End().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  Return(*box_);
  v1::Heartbeat late = IdleHeartbeat();
  late.mutable_network()->set_throughput_bps(7);
  box_->SetSequence(1);
  box_->Beat(late);
  box_->SetSequence(4);
  box_->Beat();
  ASSERT_TRUE(box_->Acked());
  EXPECT_NE(State().last_heartbeat().network().throughput_bps(), 7);
  EXPECT_EQ(Metric("fairlead_ingest_repeated_reports_total"), 1);
  // A newer one begins anew: it is asked for everything, and what is known stays until it has told.
  box_.reset();
  box_ = std::make_unique<Agent>(server_->target(), "oca-1", 6);
  box_->Hello();
  EXPECT_TRUE(box_->Told(AsksRoutes));
  EXPECT_TRUE(box_->Told(AsksHoldings));
  Subscriber subscriber(server_->target());
  EXPECT_TRUE(Eventually([&] { return subscriber.Holdings("oca-1") == std::vector<uint32_t>{3}; }));
  EXPECT_TRUE(subscriber.Has("route/s1/198.51.1.0/24/7"));
}

TEST_F(RestartTest, ALostSessionHasTheRestOfItsGraceTime) {
  StartFleet();
  const std::string key = "route/s1/198.51.1.0/24/7";
  box_->Change("s1", v1::SessionChange::KIND_LOST, "Hold timer expired");
  ASSERT_TRUE(box_->Acked());
  clock_.Advance(absl::Seconds(60));
  ASSERT_TRUE(server_->SaveNow().ok());
  server_.reset();
  clock_.Advance(absl::Hours(1));  // Nobody counts it.
  Start();
  Subscriber subscriber(server_->target());
  ASSERT_TRUE(Eventually([&] { return subscriber.Get("session/s1").session().in_grace(); }));
  EXPECT_EQ(subscriber.Get("session/s1").session().detail(), "Hold timer expired");
  clock_.Advance(absl::Seconds(30) - absl::Microseconds(1));
  Return(*box_);
  EXPECT_FALSE(subscriber.Get(key).route().demoted());
  clock_.Advance(absl::Microseconds(1));
  EXPECT_TRUE(Eventually([&] { return subscriber.Get(key).route().demoted(); }));
  EXPECT_TRUE(Eventually([&] { return !subscriber.Get("session/s1").session().in_grace(); }));
  // And a demoted one stays so.
  ASSERT_TRUE(server_->SaveNow().ok());
  CrashAndStart();
  EXPECT_THAT(Text(FirstSnapshot(server_->target()), key), HasSubstr("demoted: true"));
}

TEST_F(RestartTest, ATableThatWasCutOffByTheRestartLosesNothingUntilItIsWhole) {
  StartFleet();
  v1::Report report = box_->Next();
  report.mutable_route_update()->set_session("bgpSessions/s1");
  report.mutable_route_update()->set_restart(true);
  *report.mutable_route_update()->add_announced() = MakeRoute("198.51.2.0/24", {64500});
  box_->Send(report);
  ASSERT_TRUE(box_->Acked());
  server_.reset();
  Start();
  Subscriber subscriber(server_->target());
  Return(*box_);
  EXPECT_TRUE(box_->Told(AsksRoutes)) << "which of the routes it had told again isn't known";
  // The rest of the table, as it was on its way.
  report = box_->Next();
  report.mutable_route_update()->set_session("bgpSessions/s1");
  *report.mutable_route_update()->add_announced() = MakeRoute("198.51.3.0/24", {64500});
  report.mutable_route_update()->add_end_of_rib(common::v1::ADDRESS_FAMILY_IPV4);
  report.mutable_route_update()->add_end_of_rib(common::v1::ADDRESS_FAMILY_IPV6);
  box_->Send(report);
  ASSERT_TRUE(Eventually([&] { return subscriber.Has("route/s1/198.51.3.0/24/0"); }));
  EXPECT_TRUE(subscriber.Has("route/s1/198.51.2.0/24/0"));
  EXPECT_TRUE(subscriber.Has("route/s1/198.51.1.0/24/7")) << "gone at last, but that is only known once the table came again";
  box_->Routes("s1", {MakeRoute("198.51.2.0/24", {64500}), MakeRoute("198.51.3.0/24", {64500})}, /*restart=*/true);
  EXPECT_TRUE(Eventually([&] { return !subscriber.Has("route/s1/198.51.1.0/24/7"); }));
  EXPECT_TRUE(subscriber.Has("route/s1/198.51.3.0/24/0"));
}

TEST_F(RestartTest, WhatWasUnregisteredMeanwhileGoesAndDoesNotComeBack) {
  StartFleet();
  server_.reset();
  sources_.Remove("appliances/oca-1");
  sources_.Remove("bgpSessions/via-1");
  Start();
  EXPECT_TRUE(Eventually([&] {
    const FleetEntries now = FirstSnapshot(server_->target());
    return now.count("state/oca-1") + now.count("route/s1/198.51.1.0/24/7") + now.count("session/via-1") + now.count("holdings/oca-1") == 0;
  }));
  EXPECT_THAT(FirstSnapshot(server_->target()), Contains(Key("route/via-2/198.51.1.0/24/2")));
  ASSERT_TRUE(server_->SaveNow().ok());
  AddBox("oca-1");  // Anew: it has nothing of the old one.
  registry_is_down_ = true;
  CrashAndStart();
  EXPECT_THAT(FirstSnapshot(server_->target()), Not(Contains(Key("state/oca-1"))));
  EXPECT_EQ(Metric("fairlead_ingest_restored_appliances"), 2);
}

TEST_F(RestartTest, ARouteThatMovesToAnotherNextHopIsRestoredThere) {
  StartFleet();
  collector_->Routes("feed",
                     {MakeRoute("198.51.1.0/24", {64500}, 1, "195.66.224.2"), MakeRoute("198.51.9.0/24", {64500}, 3, "195.66.224.1")});
  ASSERT_TRUE(collector_->Acked());
  Settle();
  const FleetEntries before = FirstSnapshot(server_->target());
  ASSERT_THAT(before, Contains(Key("route/via-2/198.51.1.0/24/1")));
  CrashAndStart();
  EXPECT_EQ(FirstSnapshot(server_->target()), before);
}

TEST_F(RestartTest, KilledAtAnyMomentItStartsAndBoxesMakeItTrueAgain) {
  checkpoint_interval_ = absl::Milliseconds(1);
  StartFleet();
  std::mt19937 random(7);
  for (uint64_t round = 1; round <= 8; ++round) {
    // Changes keep coming while the files are copied.
    std::vector<v1::Route> routes;
    for (int i = 0; i < 40; ++i) routes.push_back(MakeRoute(absl::StrCat("198.51.", 101 + random() % 60, ".0/24"), {64500}, random() % 3));
    for (const v1::Route& route : routes) box_->Routes("s1", {route});
    CrashAndStart();
    // Boxes and sessions are never missing.
    const FleetEntries first = FirstSnapshot(server_->target());
    for (const char* key : {"state/oca-1", "state/oca-2", "state/collector", "holdings/oca-1", "session/s1", "session/via-1",
                            "session/via-2", "route/via-2/198.51.1.0/24/2"}) {
      ASSERT_THAT(first, Contains(Key(key))) << round;
    }
    box_->Hang();
    Return(*box_);
    box_->Hold({static_cast<uint32_t>(round)});
    box_->Routes("s1", {MakeRoute("198.51.1.0/24", {64500, 64510}, 7), MakeRoute(absl::StrCat("198.51.", round, ".0/24"), {64500}, 9)},
                 /*restart=*/true);
    ASSERT_TRUE(box_->Acked());
    Subscriber subscriber(server_->target());
    ASSERT_TRUE(Eventually([&] { return subscriber.Has(absl::StrCat("route/s1/198.51.", round, ".0/24/9")); })) << round;
    ASSERT_TRUE(Eventually([&] { return subscriber.Holdings("oca-1") == std::vector<uint32_t>{static_cast<uint32_t>(round)}; }));
    int of_s1 = 0;
    for (const auto& [key, text] : FirstSnapshot(server_->target())) of_s1 += absl::StartsWith(key, "route/s1/") ? 1 : 0;
    EXPECT_EQ(of_s1, 2) << "exactly what the box told last";
  }
}

TEST_F(RestartTest, AFullDiskStopsNothingAndIsMadeUpForLater) {
  checkpoint_interval_ = absl::Milliseconds(10);
  StartFleet();
  signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit none = before;
  none.rlim_cur = 1;  // No file may grow.
  setrlimit(RLIMIT_FSIZE, &none);
  box_->Hold({4});
  box_->Routes("s1", {MakeRoute("198.51.7.0/24", {64500})});
  EXPECT_TRUE(box_->Acked());
  EXPECT_TRUE(Eventually([this] { return Metric("fairlead_ingest_checkpoint_failures_total") >= 2; }));
  EXPECT_FALSE(server_->SaveNow().ok());
  clock_.Advance(absl::Seconds(7));
  EXPECT_TRUE(Eventually([this] { return Metric("fairlead_ingest_checkpoint_age_seconds") >= 7; }));
  box_->Beat();
  EXPECT_TRUE(box_->Acked());
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_TRUE(Eventually([this] { return Metric("fairlead_ingest_checkpoint_age_seconds") == 0; }));
  Settle();
  const FleetEntries told = FirstSnapshot(server_->target());
  ASSERT_THAT(told, Contains(Key("route/s1/198.51.7.0/24/0")));
  CrashAndStart();
  EXPECT_EQ(FirstSnapshot(server_->target()), told);
}

TEST_F(RestartTest, ASpoiltCheckpointIsSaidPutAsideAndDoneWithout) {
  StartFleet();
  server_.reset();
  ASSERT_EQ(std::system(absl::StrCat("cd ", state_dir_, " && for f in fleet.log.*; do echo nonsense > $f; done").c_str()), 0);
  Start();
  EXPECT_GE(Metric("fairlead_ingest_checkpoint_failures_total"), 1);
  EXPECT_THAT(FirstSnapshot(server_->target()), IsEmpty());
  ASSERT_TRUE(Eventually([this] { return server_->MetricsText().find("config_age_seconds -1") == std::string::npos; }));
  Return(*box_);
  EXPECT_TRUE(box_->Told(AsksRoutes));
  box_->Hold({8});
  box_->Beat();
  ASSERT_TRUE(box_->Acked());
  Settle();
  const FleetEntries told = FirstSnapshot(server_->target());
  CrashAndStart();
  EXPECT_EQ(FirstSnapshot(server_->target()), told);
}

TEST_F(RestartTest, ASecondServerOnTheSameFolderIsRefusedAndTouchesNothing) {
  StartFleet();
  const FleetEntries told = FirstSnapshot(server_->target());
  IngestOptions options;
  options.listen = "127.0.0.1:0";
  options.cell = "lhr";
  options.registry = sources_.server->target();
  options.state_dir = state_dir_;
  const auto second = IngestServer::Start(options);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("fleet.lock"));
  ASSERT_TRUE(server_->SaveNow().ok());
  CrashAndStart();
  EXPECT_EQ(FirstSnapshot(server_->target()), told);
}

TEST_F(RestartTest, AHundredThousandRoutesAreBackSoon) {
  checkpoint_interval_ = absl::Hours(1);
  Configure();
  sources_.Set("partners/isp", "asns: 64500 allowed_prefixes: '20.0.0.0/8'");
  Start();
  ASSERT_TRUE(Eventually([this] { return server_->MetricsText().find("config_age_seconds -1") == std::string::npos; }));
  box_ = Connected();
  constexpr int kRoutes = 100'000;
  std::vector<v1::Route> routes;
  for (int i = 0; i < kRoutes; ++i) {
    routes.push_back(
        MakeRoute(absl::StrCat("20.", i % 256, ".", i / 256 % 256, ".0/24"), {64500, 64510, 64511}, static_cast<uint32_t>(i / 65'536)));
    if (routes.size() < 1'000) continue;
    v1::Report report = box_->Next();
    report.mutable_route_update()->set_session("bgpSessions/s1");
    report.mutable_route_update()->set_restart(i < 1'000);
    for (v1::Route& route : routes) *report.mutable_route_update()->add_announced() = std::move(route);
    routes.clear();
    if (i + 1 == kRoutes) {
      report.mutable_route_update()->add_end_of_rib(common::v1::ADDRESS_FAMILY_IPV4);
      report.mutable_route_update()->add_end_of_rib(common::v1::ADDRESS_FAMILY_IPV6);
    }
    box_->Send(report);
  }
  ASSERT_TRUE(Eventually([this] { return Metric("fairlead_ingest_feed_entries") == kRoutes + 2; }, absl::Seconds(60)));
  ASSERT_TRUE(server_->SaveNow().ok());
  ASSERT_TRUE(Eventually([this] { return Metric("fairlead_ingest_checkpoint_bytes") > kRoutes; }));
  const double bytes = Metric("fairlead_ingest_checkpoint_bytes");
  server_.reset();
  const std::clock_t before = std::clock();
  Start();
  const double processor = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
  EXPECT_EQ(FirstSnapshot(server_->target()).size(), static_cast<size_t>(kRoutes + 2));
  std::cout << kRoutes << " routes: " << bytes << " bytes, back in " << Metric("fairlead_ingest_restore_seconds") << " s, of which "
            << processor << " s processor time\n";
}

// ---- What is held back until it is whole ----

TEST_F(RestartTest, ASessionIsPublishedOnlyOnceItsTableIsWhole) {
  StartConfigured();
  Subscriber subscriber(server_->target());
  box_ = Connected();
  v1::Report report = box_->Next();
  report.mutable_route_update()->set_session("bgpSessions/s1");
  report.mutable_route_update()->set_restart(true);
  *report.mutable_route_update()->add_announced() = MakeRoute("198.51.1.0/24", {64500});
  report.mutable_route_update()->add_end_of_rib(common::v1::ADDRESS_FAMILY_IPV6);
  box_->Send(report);
  box_->Beat();
  ASSERT_TRUE(box_->Acked());
  ASSERT_TRUE(Eventually([&] { return subscriber.Get("state/oca-1").state().sequence() >= 3; }));
  EXPECT_EQ(subscriber.SeenOf("session/") + subscriber.SeenOf("route/"), 0) << "IPv4 isn't through";
  // Nor after a restart in between.
  ASSERT_TRUE(server_->SaveNow().ok());
  CrashAndStart();
  EXPECT_THAT(FirstSnapshot(server_->target()), UnorderedElementsAre(Key("state/oca-1")));
  Return(*box_);
  ASSERT_TRUE(box_->Told(AsksRoutes));
  box_->Routes("s1", {MakeRoute("198.51.1.0/24", {64500}), MakeRoute("198.51.2.0/24", {64500})}, /*restart=*/true);
  EXPECT_TRUE(Eventually([&] { return subscriber.Has("session/s1"); }));
  EXPECT_TRUE(subscriber.Has("route/s1/198.51.1.0/24/0"));
  EXPECT_TRUE(subscriber.Has("route/s1/198.51.2.0/24/0"));
  // From then on changes are told as they come.
  box_->Routes("s1", {MakeRoute("198.51.3.0/24", {64500})});
  EXPECT_TRUE(Eventually([&] { return subscriber.Has("route/s1/198.51.3.0/24/0"); }));
}

TEST_F(RestartTest, ASessionWhoseTableNeverBecomesWholeIsPublishedAfterTheBoundedTime) {
  StartConfigured();
  Subscriber subscriber(server_->target());
  box_ = Connected();
  v1::Report report = box_->Next();
  report.mutable_route_update()->set_session("bgpSessions/s1");
  report.mutable_route_update()->set_restart(true);
  *report.mutable_route_update()->add_announced() = MakeRoute("198.51.1.0/24", {64500});
  box_->Send(report);
  ASSERT_TRUE(box_->Acked());
  clock_.Advance(RouteLimits().longest_hold / 2);
  ASSERT_TRUE(Eventually([&] { return subscriber.Get("state/oca-1").state().health() == common::v1::HEALTH_STATE_SILENT; }));
  EXPECT_FALSE(subscriber.Has("session/s1"));
  // A restart doesn't begin the wait anew.
  ASSERT_TRUE(server_->SaveNow().ok());
  CrashAndStart();
  EXPECT_THAT(FirstSnapshot(server_->target()), Not(Contains(Key("session/s1"))));
  clock_.Advance(RouteLimits().longest_hold / 2);
  EXPECT_TRUE(Eventually([&] { return subscriber.Has("session/s1") && subscriber.Has("route/s1/198.51.1.0/24/0"); }));
}

TEST_F(RestartTest, ASessionThatIsClosedOnPurposeIsPublishedAtOnceAndOneThatIsLostIsWaitedFor) {
  StartConfigured();
  Subscriber subscriber(server_->target());
  box_ = Connected();
  box_->Change("s1", v1::SessionChange::KIND_LOST, "not up yet");
  box_->Beat();
  ASSERT_TRUE(box_->Acked());
  ASSERT_TRUE(Eventually([&] { return subscriber.Get("state/oca-1").state().sequence() >= 3; }));
  EXPECT_FALSE(subscriber.Has("session/s1"));
  box_->Change("s1", v1::SessionChange::KIND_CLOSED, "Cease");
  EXPECT_TRUE(Eventually([&] { return subscriber.Has("session/s1"); }));
}

}  // namespace
}  // namespace fairlead::ingest
