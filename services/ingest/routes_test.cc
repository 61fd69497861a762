// Routes, sessions and holdings, from a box to a subscriber of the fleet feed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "services/ingest/ingest_fixture.h"

namespace fairlead::ingest {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

TEST_F(IngestTest, EveryDropReasonIsVisibleInTheRouteReport) {
  sources_.Set("partners/isp", "asns: 64500 asns: 64501 allowed_prefixes: '198.51.0.0/16'");
  AddBox("oca-1");
  sources_.Set("bgpSessions/s1", R"(appliance: 'appliances/oca-1' role: ROLE_DIRECT peer_asn: 64500 partner: 'partners/isp'
               transport_class: TRANSPORT_CLASS_EMBEDDED families: ADDRESS_FAMILY_IPV4 max_prefixes: 2)");
  Start();
  ASSERT_TRUE(Eventually([this] { return server_->MetricsText().find("config_age_seconds -1") == std::string::npos; }));
  const auto agent = Connected();
  std::vector<uint32_t> long_path(60, 64501);
  for (size_t i = 0; i < long_path.size(); ++i) long_path[i] = static_cast<uint32_t>(64600 + i);
  long_path[0] = 64500;
  agent->Routes("s1",
                {MakeRoute("198.51.1.0/24", {64500}), MakeRoute("198.51.2.0/24", {64500, 3356}), MakeRoute("198.51.3.0/24", {64500}),
                 MakeRoute("2a00:100::/32", {64500}), MakeRoute("0.0.0.0/0", {64500}), MakeRoute("10.0.0.0/8", {64500}),
                 MakeRoute("198.51.4.0/25", {64500}), MakeRoute("198.51.5.0/24", {}), MakeRoute("198.51.6.0/24", {64500, 0}),
                 MakeRoute("198.51.7.0/24", long_path), MakeRoute("198.51.8.0/24", {64500, 65001}),
                 MakeRoute("198.51.9.0/24", {3356, 64500}), MakeRoute("81.0.0.0/16", {64500})},
                /*restart=*/true);
  ASSERT_TRUE(agent->Acked());
  EXPECT_THAT(Verdicts(), UnorderedElementsAre("198.51.1.0/24 ADMITTED", "198.51.2.0/24 ADMITTED", "198.51.3.0/24 MAX_PREFIX",
                                               "2a00:100::/32 FAMILY_MISMATCH", "0.0.0.0/0 DEFAULT_ROUTE", "10.0.0.0/8 BOGON",
                                               "198.51.4.0/25 LENGTH_OUT_OF_BOUNDS", "198.51.5.0/24 EMPTY_AS_PATH",
                                               "198.51.6.0/24 INVALID_AS", "198.51.7.0/24 PATH_TOO_LONG", "198.51.8.0/24 AS_LOOP",
                                               "198.51.9.0/24 WRONG_FIRST_AS", "81.0.0.0/16 NOT_IN_ALLOW_LIST"));
  std::map<std::string, int64_t> drops;
  const v1::ApplianceState state = State();
  for (const v1::DropCount& drop : state.dropped_routes()) drops[drop.reason()] = drop.count();
  EXPECT_EQ(drops.size(), 11u);
  EXPECT_EQ(drops["BOGON"], 1);

  v1::ListRoutesRequest request;
  request.set_filter(v1::ListRoutesRequest::FILTER_DROPPED);
  request.set_reason("NOT_IN_ALLOW_LIST");
  v1::ListRoutesResponse response;
  ASSERT_TRUE(Routes(response, request).ok());
  ASSERT_EQ(response.routes_size(), 1);
  EXPECT_FALSE(response.routes(0).drop_detail().empty());
  EXPECT_EQ(response.routes(0).route().session(), "bgpSessions/s1");
}

TEST_F(IngestTest, RoutesThatTheVrpFileCallsInvalidAreDroppedAndComeBackWithItsNextVersion) {
  vrp_file_ = state_dir_ + "/vrps.csv";
  const auto write = [this](const std::string& rows) {
    std::ofstream(vrp_file_ + ".new") << "ASN,IP Prefix,Max Length,Trust Anchor\n" << rows;
    ASSERT_EQ(std::rename((vrp_file_ + ".new").c_str(), vrp_file_.c_str()), 0);
  };
  write("AS64999,198.51.1.0/24,24,ripe\nAS64500,198.51.2.0/24,24,ripe\n");
  StartConfigured();
  Subscriber subscriber(server_->target());
  const auto agent = Connected();
  agent->Routes("s1", {MakeRoute("198.51.1.0/24", {64500}), MakeRoute("198.51.2.0/24", {64500}), MakeRoute("198.51.3.0/24", {64500})},
                /*restart=*/true);
  ASSERT_TRUE(agent->Acked());
  EXPECT_THAT(Verdicts(), UnorderedElementsAre("198.51.1.0/24 RPKI_INVALID", "198.51.2.0/24 ADMITTED", "198.51.3.0/24 ADMITTED"));
  EXPECT_TRUE(Eventually([&] { return subscriber.Has("route/s1/198.51.2.0/24/0"); }));
  EXPECT_FALSE(subscriber.Has("route/s1/198.51.1.0/24/0"));
  write("nonsense\n");
  EXPECT_TRUE(Eventually([&] { return server_->MetricsText().find("fairlead_ingest_vrp_file_failures_total 1") != std::string::npos; }));
  EXPECT_THAT(Verdicts(), ::testing::Contains("198.51.1.0/24 RPKI_INVALID")) << "the file before stays";
  write("AS64999,198.51.2.0/24,24,ripe\n");
  EXPECT_TRUE(Eventually([&] { return subscriber.Has("route/s1/198.51.1.0/24/0") && !subscriber.Has("route/s1/198.51.2.0/24/0"); }));
}

TEST_F(IngestTest, RoutesArePublishedWithdrawnAndPaged) {
  StartConfigured();
  Subscriber subscriber(server_->target());
  const auto agent = Connected();
  std::vector<v1::Route> routes;
  for (int i = 0; i < 250; ++i) routes.push_back(MakeRoute(absl::StrCat("198.51.", i, ".0/24"), {64500, 64510}, 7));
  agent->Routes("s1", routes, /*restart=*/true);
  ASSERT_TRUE(Eventually([&] { return subscriber.Has("route/s1/198.51.249.0/24/7"); }));
  const v1::AdmittedRoute route = subscriber.Get("route/s1/198.51.0.0/24/7").route();
  EXPECT_EQ(route.session(), "bgpSessions/s1");
  EXPECT_EQ(route.appliance(), "appliances/oca-1");
  EXPECT_EQ(route.as_path_length(), 2u);
  EXPECT_EQ(route.neighbour_as(), 64500u);
  EXPECT_EQ(route.origin_as(), 64510u);
  EXPECT_FALSE(route.has_med());
  // All but 198.51.100.0/24, which is for documentation.
  EXPECT_TRUE(Eventually([&] { return subscriber.Get("session/s1").session().admitted_routes() == 249; }));

  v1::ListRoutesRequest request;
  request.set_page_size(100);
  int pages = 0;
  int total = 0;
  do {
    v1::ListRoutesResponse response;
    ASSERT_TRUE(Routes(response, request).ok());
    ++pages;
    total += response.routes_size();
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(total, 250);
  request.set_page_token("nonsense");
  v1::ListRoutesResponse response;
  EXPECT_EQ(Routes(response, request).error_code(), grpc::StatusCode::INVALID_ARGUMENT);

  v1::Report report = agent->Next();
  report.mutable_route_update()->set_session("bgpSessions/s1");
  v1::WithdrawnRoute* withdrawn = report.mutable_route_update()->add_withdrawn();
  *withdrawn->mutable_prefix() = routes[0].prefix();
  withdrawn->set_path_id(7);
  agent->Send(report);
  EXPECT_TRUE(Eventually([&] { return !subscriber.Has("route/s1/198.51.0.0/24/7"); }));
}

TEST_F(IngestTest, ALostSessionKeepsItsRoutesForTheGraceTimeAndThenDemotesThem) {
  StartConfigured();
  Subscriber subscriber(server_->target());
  const auto agent = Connected();
  agent->Routes("s1", {MakeRoute("198.51.1.0/24", {64500})}, /*restart=*/true);
  const std::string key = "route/s1/198.51.1.0/24/0";
  ASSERT_TRUE(Eventually([&] { return subscriber.Has(key); }));
  agent->Change("s1", v1::SessionChange::KIND_LOST, "Hold timer expired");
  ASSERT_TRUE(Eventually([&] { return subscriber.Get("session/s1").session().in_grace(); }));
  EXPECT_EQ(subscriber.Get("session/s1").session().detail(), "Hold timer expired");
  clock_.Advance(absl::Seconds(90) - absl::Nanoseconds(1));
  agent->Beat();
  ASSERT_TRUE(agent->Acked());
  EXPECT_FALSE(subscriber.Get(key).route().demoted());
  clock_.Advance(absl::Nanoseconds(1));
  EXPECT_TRUE(Eventually([&] { return subscriber.Get(key).route().demoted(); }));
  EXPECT_TRUE(Eventually([&] { return !subscriber.Get("session/s1").session().in_grace(); }));
  agent->Change("s1", v1::SessionChange::KIND_CLOSED, "Cease");
  EXPECT_TRUE(Eventually([&] { return !subscriber.Has(key); })) << "Cease is the partner's will: at once";
}

TEST_F(IngestTest, ARestartedSessionLosesWhatItDoesNotAnnounceAgainAtEndOfRib) {
  StartConfigured();
  Subscriber subscriber(server_->target());
  const auto agent = Connected();
  agent->Routes("s1", {MakeRoute("198.51.1.0/24", {64500}), MakeRoute("198.51.2.0/24", {64500})}, /*restart=*/true);
  ASSERT_TRUE(Eventually([&] { return subscriber.Has("route/s1/198.51.2.0/24/0"); }));
  v1::Report report = agent->Next();
  report.mutable_route_update()->set_session("bgpSessions/s1");
  report.mutable_route_update()->set_restart(true);
  *report.mutable_route_update()->add_announced() = MakeRoute("198.51.1.0/24", {64500});
  report.mutable_route_update()->add_end_of_rib(common::v1::ADDRESS_FAMILY_IPV4);
  agent->Send(report);
  EXPECT_TRUE(Eventually([&] { return !subscriber.Has("route/s1/198.51.2.0/24/0"); }));
  EXPECT_TRUE(subscriber.Has("route/s1/198.51.1.0/24/0"));
}

TEST_F(IngestTest, AChangedAllowListIsAppliedToRoutesThatAreThere) {
  StartConfigured();
  Subscriber subscriber(server_->target());
  const auto agent = Connected();
  agent->Routes("s1", {MakeRoute("198.51.1.0/24", {64500}), MakeRoute("81.0.0.0/16", {64500})}, /*restart=*/true);
  ASSERT_TRUE(Eventually([&] { return subscriber.Has("route/s1/198.51.1.0/24/0"); }));
  sources_.Set("partners/isp", "asns: 64500 allowed_prefixes: '81.0.0.0/8'");
  EXPECT_TRUE(Eventually([&] { return subscriber.Has("route/s1/81.0.0.0/16/0") && !subscriber.Has("route/s1/198.51.1.0/24/0"); }));
  sources_.Remove("partners/isp");
  EXPECT_TRUE(Eventually([&] { return !subscriber.Has("route/s1/81.0.0.0/16/0"); }));
}

TEST_F(IngestTest, ACollectorsRoutesBelongToTheSessionThatTheirNextHopNames) {
  sources_.Set("partners/a", "asns: 64500 allowed_prefixes: '198.51.0.0/16'");
  sources_.Set("partners/b", "asns: 64501 allowed_prefixes: '81.0.0.0/8'");
  AddBox("oca-1", "kind: APPLIANCE_KIND_COLLECTOR");
  sources_.Set("bgpSessions/feed", "appliance: 'appliances/oca-1' role: ROLE_ROUTER_FEED peer_address: '192.0.2.1' peer_asn: 65001");
  sources_.Set("bgpSessions/via-a", R"(appliance: 'appliances/oca-1' role: ROLE_VIA_ROUTER peer_address: '195.66.224.1' peer_asn: 64500
               partner: 'partners/a' transport_class: TRANSPORT_CLASS_PUBLIC_PEERING router_feed: 'bgpSessions/feed')");
  Start();
  Subscriber subscriber(server_->target());
  ASSERT_TRUE(Eventually([this] { return server_->MetricsText().find("config_age_seconds -1") == std::string::npos; }));
  const auto agent = Connected();
  agent->Routes("feed",
                {MakeRoute("198.51.1.0/24", {64500}, 1, "195.66.224.1"), MakeRoute("81.1.0.0/16", {64501}, 2, "195.66.224.2"),
                 MakeRoute("198.51.1.0/24", {64501}, 3, "195.66.224.2")},
                /*restart=*/true);
  ASSERT_TRUE(agent->Acked());
  EXPECT_TRUE(Eventually([&] { return subscriber.Has("route/via-a/198.51.1.0/24/1"); }));
  EXPECT_THAT(Verdicts(), UnorderedElementsAre("198.51.1.0/24 ADMITTED", "198.51.1.0/24 UNKNOWN_NEXT_HOP", "81.1.0.0/16 UNKNOWN_NEXT_HOP"));
  // The peer is registered: its routes are judged by its own rules, and were kept meanwhile.
  sources_.Set("bgpSessions/via-b", R"(appliance: 'appliances/oca-1' role: ROLE_VIA_ROUTER peer_address: '195.66.224.2' peer_asn: 64501
               partner: 'partners/b' transport_class: TRANSPORT_CLASS_PUBLIC_PEERING router_feed: 'bgpSessions/feed')");
  EXPECT_TRUE(Eventually([&] { return subscriber.Has("route/via-b/81.1.0.0/16/2"); }));
  EXPECT_THAT(Verdicts(), UnorderedElementsAre("198.51.1.0/24 ADMITTED", "198.51.1.0/24 NOT_IN_ALLOW_LIST", "81.1.0.0/16 ADMITTED"));
  // And away again: what was published under its name goes.
  sources_.Remove("bgpSessions/via-a");
  EXPECT_TRUE(Eventually([&] { return !subscriber.Has("route/via-a/198.51.1.0/24/1") && !subscriber.Has("session/via-a"); }));
  EXPECT_TRUE(subscriber.Has("route/via-b/81.1.0.0/16/2"));
  // A path that moves to another next hop moves to the other session.
  agent->Routes("feed", {MakeRoute("81.1.0.0/16", {64501}, 2, "195.66.224.9")});
  EXPECT_TRUE(Eventually([&] { return !subscriber.Has("route/via-b/81.1.0.0/16/2"); }));
}

TEST_F(IngestTest, RoutesOfASessionThatIsNotRegisteredAreCountedAndAskedForOnceItIs) {
  StartConfigured();
  const auto agent = Connected();
  ASSERT_TRUE(agent->Told(AsksRoutes));
  agent->Routes("s2", {MakeRoute("198.51.1.0/24", {64500})}, /*restart=*/true);
  ASSERT_TRUE(agent->Acked());
  ASSERT_EQ(State().dropped_routes_size(), 1);
  EXPECT_EQ(State().dropped_routes(0).reason(), "UNKNOWN_SESSION");
  sources_.Set("bgpSessions/s2", R"(appliance: 'appliances/oca-1' role: ROLE_DIRECT peer_asn: 64500
               partner: 'partners/isp' transport_class: TRANSPORT_CLASS_EMBEDDED)");
  EXPECT_TRUE(Eventually([&] { return agent->Count(AsksRoutes) == 2; }));
}

TEST_F(IngestTest, HoldingsAreTakenFullAndByChanges) {
  StartConfigured();
  Subscriber subscriber(server_->target());
  const auto agent = Connected();
  agent->Hold({1, 2, 70'000});
  ASSERT_TRUE(Eventually([&] { return subscriber.Holdings("oca-1") == std::vector<uint32_t>{1, 2, 70'000}; }));
  agent->ChangeHoldings({5}, {2});
  EXPECT_TRUE(Eventually([&] { return subscriber.Holdings("oca-1") == std::vector<uint32_t>{1, 5, 70'000}; }));
}

TEST_F(IngestTest, GarbageInHoldingsEndsOnlyTheStreamThatSentIt) {
  StartConfigured();
  AddBox("oca-2");
  const auto good = Connected();
  good->Hold({1});
  std::unique_ptr<Agent> bad;
  ASSERT_TRUE(Eventually([&] {
    bad = std::make_unique<Agent>(server_->target(), "oca-2");
    bad->Hello();
    return bad->Greeted();
  }));
  v1::Report report = bad->Next();
  report.mutable_holdings_update()->set_full(true);
  report.mutable_holdings_update()->set_bitmap("garbage");
  bad->Send(report);
  const grpc::Status ended = bad->End();
  EXPECT_EQ(ended.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(ended.error_message(), HasSubstr("report.holdings_update.bitmap"));
  good->Beat();
  EXPECT_TRUE(good->Acked());
  EXPECT_THAT(server_->MetricsText(), HasSubstr("fairlead_ingest_invalid_reports_total 1"));
}

TEST_F(IngestTest, HeartbeatsDoNotPublishHoldingsOrRoutesAgain) {
  StartConfigured();
  Subscriber subscriber(server_->target());
  const auto agent = Connected();
  agent->Hold({1, 2, 3});
  agent->Routes("s1", {MakeRoute("198.51.1.0/24", {64500})}, /*restart=*/true);
  ASSERT_TRUE(Eventually([&] { return subscriber.Has("holdings/oca-1") && subscriber.Has("route/s1/198.51.1.0/24/0"); }));
  const int states = subscriber.Seen("state/oca-1");
  for (int i = 0; i < 20; ++i) {
    agent->Beat();
    ASSERT_TRUE(agent->Acked());
  }
  agent->Hold({1, 2, 3});  // The same again is no change either.
  agent->Beat();
  ASSERT_TRUE(agent->Acked());
  EXPECT_TRUE(Eventually([&] { return subscriber.Get("state/oca-1").state().sequence() == State().sequence(); }));
  EXPECT_GT(subscriber.Seen("state/oca-1"), states);
  EXPECT_EQ(subscriber.Seen("holdings/oca-1"), 1);
  EXPECT_EQ(subscriber.Seen("route/s1/198.51.1.0/24/0"), 1);
}

TEST_F(IngestTest, ABoxThatIsRemovedLosesItsStreamAndItsEntries) {
  StartConfigured();
  Subscriber subscriber(server_->target());
  const auto agent = Connected();
  agent->Hold({1});
  agent->Routes("s1", {MakeRoute("198.51.1.0/24", {64500})}, /*restart=*/true);
  ASSERT_TRUE(Eventually([&] { return subscriber.Has("route/s1/198.51.1.0/24/0") && subscriber.Has("holdings/oca-1"); }));
  sources_.Remove("appliances/oca-1");
  EXPECT_EQ(agent->End().error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_TRUE(Eventually([&] {
    return !subscriber.Has("route/s1/198.51.1.0/24/0") && !subscriber.Has("holdings/oca-1") && !subscriber.Has("state/oca-1") &&
           !subscriber.Has("session/s1");
  }));
}

}  // namespace
}  // namespace fairlead::ingest
