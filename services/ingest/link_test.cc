// Streams, states, generations, bounds and traffic.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "libs/signing/digest.h"
#include "services/ingest/ingest_fixture.h"

namespace fairlead::ingest {
namespace {

using ::testing::HasSubstr;

TEST_F(IngestTest, AHelloIsAckedAndAsksForWhatIsMissing) {
  StartConfigured();
  Agent agent(server_->target(), "oca-1");
  agent.Hello();
  EXPECT_TRUE(agent.Acked(1));
  EXPECT_TRUE(agent.Told(AsksRoutes));
  EXPECT_TRUE(agent.Told(AsksHoldings));
  agent.Beat();
  EXPECT_TRUE(agent.Acked(2));
  const v1::ApplianceState state = State();
  EXPECT_EQ(state.health(), common::v1::HEALTH_STATE_OK);
  EXPECT_EQ(state.weight(), 1);
  EXPECT_EQ(state.cell(), "cells/lhr");
  EXPECT_EQ(state.agent_version(), "test");
  EXPECT_EQ(state.sequence(), 2u);
  EXPECT_EQ(state.last_heartbeat().network().capacity_bps(), 10'000'000'000);
}

TEST_F(IngestTest, CredentialsDecideWhoMayReport) {
  StartConfigured();
  sources_.Set("appliances/unbound", "site: 'sites/lhr001'");
  AddBox("retired", "admin_state: ADMIN_STATE_RETIRED");
  AddBox("last");
  // Once it is taken, the configuration is through.
  ASSERT_TRUE(Eventually([this] {
    Agent last(server_->target(), "last");
    last.Hello();
    return last.Greeted();
  }));
  const auto refusal = [this](const std::string& id, const std::string& credential) {
    Agent agent(server_->target(), id, 1, credential);
    agent.Hello();
    return agent.End();
  };
  EXPECT_EQ(refusal("oca-1", "none").error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(refusal("oca-1", "wrong").error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(refusal("retired", SecretOf("retired")).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(refusal("unbound", SecretOf("unbound")).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  const grpc::Status unknown = refusal("nobody", SecretOf("nobody"));
  EXPECT_EQ(unknown.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(unknown.error_message(), HasSubstr("appliances/nobody"));
}

TEST_F(IngestTest, BeforeTheConfigurationIsKnownBoxesAreToldToComeBack) {
  Start();
  Agent agent(server_->target(), "oca-1");
  agent.Hello();
  const grpc::Status ended = agent.End();
  EXPECT_EQ(ended.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(ended.error_message(), HasSubstr("configuration"));
  Configure();
  EXPECT_TRUE(Eventually([this] {
    Agent later(server_->target(), "oca-1", 2);
    later.Hello();
    return later.Greeted();
  }));
}

TEST_F(IngestTest, WhatAnswersWaitForIsPublishedWhenItComes) {
  publish_interval_ = absl::Hours(1);  // Nothing goes by the beat.
  Configure();
  Start();
  std::unique_ptr<Agent> agent;
  ASSERT_TRUE(Eventually([&] {
    agent = std::make_unique<Agent>(server_->target(), "oca-1", 1);
    agent->Hello();
    return agent->Greeted();
  }));
  Subscriber subscriber(server_->target());
  const std::string route = "route/s1/198.51.1.0/24/0";
  agent->Routes("s1", {MakeRoute("198.51.1.0/24", {64500})}, /*restart=*/true);
  EXPECT_TRUE(Eventually([&] { return subscriber.Has("session/s1") && subscriber.Has(route); }));
  agent->Hold({1, 2});
  EXPECT_TRUE(Eventually([&] { return subscriber.Holdings("oca-1").size() == 2; }));
  v1::Heartbeat stopped = IdleHeartbeat();
  stopped.mutable_nginx()->set_state(v1::NginxStatus::STATE_STOPPED);
  agent->Beat(stopped);
  EXPECT_TRUE(Eventually([&] { return subscriber.Get("state/oca-1").state().health() == common::v1::HEALTH_STATE_SICK; }));
  v1::Report withdrawal = agent->Next();
  withdrawal.mutable_route_update()->set_session("bgpSessions/s1");
  *withdrawal.mutable_route_update()->add_withdrawn()->mutable_prefix() = MakeRoute("198.51.1.0/24", {}).prefix();
  agent->Send(withdrawal);
  EXPECT_TRUE(Eventually([&] { return !subscriber.Has(route); }));
}

TEST_F(IngestTest, AStreamThatDoesNotBeginWithAHelloIsRefused) {
  StartConfigured();
  Agent agent(server_->target(), "oca-1");
  agent.Beat();
  EXPECT_EQ(agent.End().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(IngestTest, ANewerStreamOfABoxReplacesTheOlder) {
  StartConfigured();
  const auto older = Connected();
  const auto newer = Connected("oca-1", 2);
  EXPECT_EQ(older->End().error_code(), grpc::StatusCode::ABORTED);
  newer->Beat();
  EXPECT_TRUE(newer->Acked());
  Agent oldest(server_->target(), "oca-1", 1);
  oldest.Hello();
  const grpc::Status refused = oldest.End();
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(refused.error_message(), HasSubstr("report.incarnation '1'"));
  newer->Beat();
  EXPECT_TRUE(newer->Acked());
}

TEST_F(IngestTest, ReportsThatAreNotNewerAreDroppedAndAcked) {
  StartConfigured();
  const auto agent = Connected();
  agent->Beat();
  agent->Beat();
  ASSERT_TRUE(agent->Acked(3));
  v1::Heartbeat late = IdleHeartbeat();
  late.mutable_network()->set_throughput_bps(7);
  agent->SetSequence(1);
  agent->Beat(late);  // Sequence 2, again.
  agent->SetSequence(3);
  agent->Beat();
  ASSERT_TRUE(agent->Acked(4));
  EXPECT_EQ(State().last_heartbeat().network().throughput_bps(), 1'000'000'000);
  EXPECT_THAT(server_->MetricsText(), HasSubstr("fairlead_ingest_repeated_reports_total 1"));
}

TEST_F(IngestTest, AGapInTheSequenceMeansThatRoutesAndHoldingsAreAskedForAgain) {
  StartConfigured();
  const auto agent = Connected();
  agent->Hold({1, 2, 3});
  agent->Routes("s1", {}, /*restart=*/true);
  ASSERT_TRUE(agent->Acked());
  const int asked = agent->Count(AsksHoldings);
  agent->SkipSequences(5);
  agent->ChangeHoldings({9}, {});  // To a base that isn't known here.
  EXPECT_TRUE(Eventually([&] { return agent->Count(AsksHoldings) > asked && agent->Count(AsksRoutes) > 1; }));
  ASSERT_TRUE(agent->Acked());
  Subscriber subscriber(server_->target());
  EXPECT_TRUE(Eventually([&] { return subscriber.Has("holdings/oca-1"); }));
  EXPECT_EQ(subscriber.Holdings("oca-1"), (std::vector<uint32_t>{1, 2, 3})) << "9 may have been added to anything";
  agent->Hold({1, 9});
  EXPECT_TRUE(Eventually([&] { return subscriber.Holdings("oca-1") == std::vector<uint32_t>{1, 9}; }));
}

TEST_F(IngestTest, AReconnectWithoutLossAsksForNothing) {
  StartConfigured();
  const auto agent = Connected();
  agent->Hold({1});
  agent->Routes("s1", {}, /*restart=*/true);
  ASSERT_TRUE(agent->Acked());
  agent->Reconnect();
  agent->Hello();
  agent->Beat();
  ASSERT_TRUE(agent->Acked());
  EXPECT_EQ(agent->Count(AsksRoutes), 0);
  EXPECT_EQ(agent->Count(AsksHoldings), 0);
}

TEST_F(IngestTest, AfterARestartWithoutItsCheckpointBoxesAreAskedForEverythingAndTheFeedHasAHigherEpoch) {
  StartConfigured();
  Subscriber subscriber(server_->target());
  const auto agent = Connected();
  agent->Hold({1});
  agent->Routes("s1", {MakeRoute("198.51.1.0/24", {64500})}, /*restart=*/true);
  ASSERT_TRUE(Eventually([&] { return subscriber.Has("holdings/oca-1") && subscriber.Has("route/s1/198.51.1.0/24/0"); }));
  server_.reset();
  EXPECT_EQ(agent->End().error_code(), grpc::StatusCode::UNAVAILABLE);
  LoseCheckpoint();
  Start();
  EXPECT_TRUE(Eventually([&] {
    agent->Reconnect();
    agent->Hello();
    return agent->Greeted();
  }));
  EXPECT_TRUE(agent->Told(AsksRoutes));
  EXPECT_TRUE(agent->Told(AsksHoldings));
  agent->Hold({2});
  EXPECT_TRUE(Eventually([&] { return subscriber.Holdings("oca-1") == std::vector<uint32_t>{2}; }));
}

TEST_F(IngestTest, SilenceBeginsAtTheConfiguredTime) {
  sources_.Set("policies/health", "health { lost_after { seconds: 30 } }");
  StartConfigured();
  const auto agent = Connected();
  agent->Beat();
  ASSERT_TRUE(agent->Acked());
  Subscriber subscriber(server_->target());
  clock_.Advance(absl::Seconds(30) - absl::Nanoseconds(1));
  ASSERT_TRUE(Eventually([&] { return subscriber.Has("state/oca-1"); }));
  EXPECT_EQ(State().health(), common::v1::HEALTH_STATE_OK);
  clock_.Advance(absl::Nanoseconds(1));
  EXPECT_TRUE(Eventually([&] { return subscriber.Get("state/oca-1").state().health() == common::v1::HEALTH_STATE_SILENT; }));
  EXPECT_EQ(subscriber.Get("state/oca-1").state().weight(), 0);
  EXPECT_EQ(State().report_age().seconds(), 30);
  agent->Beat();  // Back, but not at once at full weight.
  ASSERT_TRUE(agent->Acked());
  EXPECT_EQ(State().health(), common::v1::HEALTH_STATE_SILENT);
  clock_.Advance(absl::Seconds(10));
  agent->Beat();
  EXPECT_TRUE(Eventually([&] { return subscriber.Get("state/oca-1").state().health() == common::v1::HEALTH_STATE_DEGRADED; }));
}

TEST_F(IngestTest, TimeInWhichIngestdItselfWasFrozenIsNobodysSilence) {
  longest_deafness_ = absl::Seconds(1);
  StartConfigured();
  const auto agent = Connected();
  agent->Beat();
  ASSERT_TRUE(agent->Acked());
  Subscriber subscriber(server_->target());
  ASSERT_TRUE(Eventually([&] { return subscriber.Has("state/oca-1"); }));
  const auto unheard = [&](int seconds) {
    return server_->MetricsText().find(absl::StrCat("fairlead_ingest_unheard_seconds ", seconds, "\n")) != std::string::npos;
  };
  clock_.Advance(absl::Seconds(300));  // As after a SIGSTOP: the machine's clock went on.
  ASSERT_TRUE(Eventually([&] { return unheard(299); }));
  EXPECT_EQ(State().health(), common::v1::HEALTH_STATE_OK);
  EXPECT_EQ(State().report_age().seconds(), 1);
  // Awake again, it listens, and its box says nothing any more.
  EXPECT_TRUE(Eventually([&] {
    clock_.Advance(absl::Milliseconds(100));
    return subscriber.Get("state/oca-1").state().health() == common::v1::HEALTH_STATE_SILENT;
  }));
}

TEST_F(IngestTest, AStreamThatSaysNothingIsClosed) {
  StartConfigured();
  const auto quiet = Connected();
  Agent mute(server_->target(), "oca-1");
  clock_.Advance(absl::Seconds(61));
  EXPECT_EQ(quiet->End().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(Eventually([&] {
    clock_.Advance(absl::Seconds(11));
    return server_->MetricsText().find("fairlead_ingest_streams 0") != std::string::npos;
  }));
}

TEST_F(IngestTest, GenerationsAreToldWhenTheyDifferAndWhenTheyChange) {
  sources_.Set("generations/oca-1", "generation: 'c1'");
  sources_.SetManifest("oca-1", "m1");
  StartConfigured();
  Agent agent(server_->target(), "oca-1");
  agent.Hello("c0", "m0");
  const auto tells_config = [](const std::string& generation) {
    return [generation](const v1::Instruction& instruction) { return instruction.config_generation().generation() == generation; };
  };
  const auto tells_manifest = [](const std::string& generation) {
    return [generation](const v1::Instruction& instruction) { return instruction.manifest_generation().generation() == generation; };
  };
  EXPECT_TRUE(agent.Told(tells_config("c1")));
  EXPECT_TRUE(agent.Told(tells_manifest("m1")));
  v1::Heartbeat heartbeat = IdleHeartbeat();
  heartbeat.set_config_generation("c1");
  heartbeat.set_manifest_generation("m1");
  agent.Beat(heartbeat);
  ASSERT_TRUE(agent.Acked());
  EXPECT_EQ(agent.Count(tells_config("c1")), 1) << "it has it now";
  sources_.Set("generations/oca-1", "generation: 'c2'");
  EXPECT_TRUE(agent.Told(tells_config("c2")));
  sources_.SetManifest("oca-1", "m2");
  EXPECT_TRUE(agent.Told(tells_manifest("m2")));
  // A box that doesn't follow is told again, but not with every heartbeat.
  for (int i = 0; i < 5; ++i) agent.Beat(heartbeat);
  ASSERT_TRUE(agent.Acked());
  const int told = agent.Count(tells_config("c2"));
  EXPECT_LE(told, 2);
  clock_.Advance(absl::Seconds(11));
  agent.Beat(heartbeat);
  EXPECT_TRUE(Eventually([&] { return agent.Count(tells_config("c2")) > told; }));
}

TEST_F(IngestTest, ANewCredentialEndsTheStreamOfTheOldOne) {
  StartConfigured();
  const auto agent = Connected();
  sources_.Set("appliances/oca-1", absl::StrCat("site: 'sites/lhr001' credential_sha256: '", Sha256Hex("another"), "'"));
  EXPECT_EQ(agent->End().error_code(), grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(IngestTest, BoxesAndStreamsAreBounded) {
  most_appliances_ = 1;
  most_streams_ = 2;
  StartConfigured();
  AddBox("oca-2");
  const auto first = Connected();
  EXPECT_TRUE(Eventually([&] {
    Agent second(server_->target(), "oca-2");
    second.Hello();
    return second.End().error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED;
  }));
  Agent waiting(server_->target(), "oca-1");
  EXPECT_TRUE(Eventually([&] {
    Agent third(server_->target(), "oca-1");
    third.Hello();
    return third.End().error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED;
  }));
  EXPECT_THAT(server_->MetricsText(), Not(HasSubstr("fairlead_ingest_refused_appliances_total 0")));
  EXPECT_THAT(server_->MetricsText(), Not(HasSubstr("fairlead_ingest_refused_streams_total 0")));
}

TEST_F(IngestTest, TrafficIsSummedByTheHour) {
  StartConfigured();
  const auto agent = Connected();
  for (int i = 0; i < 3; ++i) {
    v1::Report report = agent->Next();
    v1::TrafficSummary& summary = *report.mutable_traffic_summary();
    summary.mutable_start_time()->set_seconds(absl::ToUnixSeconds(clock_.Now()));
    summary.mutable_length()->set_seconds(10);
    v1::TrafficRow& row = *summary.add_rows();
    row.set_title("titles/film");
    row.set_version("v1");
    row.set_cause(common::v1::MISS_CAUSE_NONE);
    row.set_family(common::v1::ADDRESS_FAMILY_IPV6);
    row.set_requests(2);
    row.set_bytes(1'000);
    agent->Send(report);
  }
  ASSERT_TRUE(agent->Acked());
  EXPECT_TRUE(Eventually([&] {
    const auto sums = traffic_.sums();
    return sums.size() == 1 && sums.begin()->second == TrafficCounts{.requests = 6, .bytes = 3'000, .refused_requests = 0};
  }));
  EXPECT_EQ(std::get<0>(traffic_.sums().begin()->first), "oca-1");
  EXPECT_EQ(std::get<2>(traffic_.sums().begin()->first).title, "film");
}

TEST_F(IngestTest, AStoreThatIsDownHurtsNobodyAndLosesNothing) {
  traffic_.Fail(absl::UnavailableError("down"));
  StartConfigured();
  const auto agent = Connected();
  v1::Report report = agent->Next();
  report.mutable_traffic_summary()->mutable_start_time()->set_seconds(absl::ToUnixSeconds(clock_.Now()));
  report.mutable_traffic_summary()->add_rows()->set_bytes(1);
  agent->Send(report);
  agent->Beat();
  ASSERT_TRUE(agent->Acked());
  EXPECT_TRUE(Eventually([&] { return server_->MetricsText().find("fairlead_ingest_traffic_waiting_rows 1") != std::string::npos; }));
  EXPECT_EQ(State().health(), common::v1::HEALTH_STATE_OK);
  traffic_.Fail(absl::OkStatus());
  EXPECT_TRUE(Eventually([&] { return traffic_.sums().size() == 1; }));
}

TEST_F(IngestTest, StatesAreListedInPages) {
  StartConfigured();
  for (int i = 2; i <= 5; ++i) AddBox(absl::StrCat("oca-", i));
  std::vector<std::unique_ptr<Agent>> agents;
  agents.push_back(Connected());
  ASSERT_TRUE(Eventually([&] {
    Agent last(server_->target(), "oca-5");
    last.Hello();
    return last.Greeted();
  }));
  for (int i = 2; i <= 4; ++i) agents.push_back(Connected(absl::StrCat("oca-", i)));
  const auto stub = v1::FleetQueryService::NewStub(MakeChannel(server_->target()));
  std::vector<std::string> names;
  v1::ListApplianceStatesRequest request;
  request.set_page_size(2);
  do {
    grpc::ClientContext context;
    SetPrincipal(context, "operator/test");
    v1::ListApplianceStatesResponse response;
    ASSERT_TRUE(stub->ListApplianceStates(&context, request, &response).ok());
    EXPECT_LE(response.appliance_states_size(), 2);
    for (const v1::ApplianceState& state : response.appliance_states()) names.push_back(state.appliance());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(names,
              ::testing::ElementsAre("appliances/oca-1", "appliances/oca-2", "appliances/oca-3", "appliances/oca-4", "appliances/oca-5"));
  grpc::ClientContext context;
  SetPrincipal(context, "operator/test");
  request.set_page_size(-1);
  v1::ListApplianceStatesResponse response;
  EXPECT_EQ(stub->ListApplianceStates(&context, request, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(IngestTest, ABoxThatWasNeverHeardIsNotFound) {
  StartConfigured();
  const auto stub = v1::FleetQueryService::NewStub(MakeChannel(server_->target()));
  grpc::ClientContext context;
  SetPrincipal(context, "operator/test");
  v1::GetApplianceStateRequest request;
  request.set_name("appliances/oca-1");
  v1::ApplianceState state;
  const grpc::Status status = stub->GetApplianceState(&context, request, &state);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("appliances/oca-1"));
}

TEST_F(IngestTest, TheFleetIsForOperatorsAndServicesOnly) {
  StartConfigured();
  const auto agent = Connected();
  const auto query = v1::FleetQueryService::NewStub(MakeChannel(server_->target()));
  const auto feed = v1::FleetFeedService::NewStub(MakeChannel(server_->target()));
  // As a box with its valid credential, and as nobody.
  for (const bool box : {true, false}) {
    const grpc::StatusCode want = box ? grpc::StatusCode::PERMISSION_DENIED : grpc::StatusCode::UNAUTHENTICATED;
    const auto code_of = [box](auto call) {
      grpc::ClientContext context;
      SetTimeout(context, absl::Seconds(10));
      if (box) SetBearer(context, SecretOf("oca-1"));
      return call(context).error_code();
    };
    EXPECT_EQ(code_of([&](grpc::ClientContext& context) {
                v1::GetApplianceStateRequest request;
                request.set_name("appliances/oca-1");
                v1::ApplianceState response;
                return query->GetApplianceState(&context, request, &response);
              }),
              want);
    EXPECT_EQ(code_of([&](grpc::ClientContext& context) {
                v1::ListApplianceStatesResponse response;
                return query->ListApplianceStates(&context, v1::ListApplianceStatesRequest(), &response);
              }),
              want);
    EXPECT_EQ(code_of([&](grpc::ClientContext& context) {
                v1::ListRoutesRequest request;
                request.set_appliance("appliances/oca-1");
                v1::ListRoutesResponse response;
                return query->ListRoutes(&context, request, &response);
              }),
              want);
    EXPECT_EQ(code_of([&](grpc::ClientContext& context) {
                const auto reader = feed->WatchFleet(&context, v1::WatchFleetRequest());
                v1::WatchFleetResponse response;
                EXPECT_FALSE(reader->Read(&response));
                return reader->Finish();
              }),
              want);
  }
}

TEST_F(IngestTest, WrongOptionsAreTold) {
  Configure();
  Start();
  IngestOptions options;
  options.listen = absl::StrCat("127.0.0.1:", port_);
  options.cell = "lhr";
  options.registry = sources_.server->target();
  options.state_dir = state_dir_;
  const auto in_use = IngestServer::Start(options);
  EXPECT_EQ(in_use.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(in_use.status().message()), HasSubstr(absl::StrCat(port_)));
  options.cell = "Not An Id";
  EXPECT_THAT(std::string(IngestServer::Start(options).status().message()), HasSubstr("cell"));
  options.cell = "cells/lhr";
  options.state_dir = "/no/such/folder";
  EXPECT_EQ(IngestServer::Start(options).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace fairlead::ingest
