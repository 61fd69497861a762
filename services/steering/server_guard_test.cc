// The guard over all cells, through a whole steerd.
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/steering/server_fixture.h"

namespace fairlead {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class GuardServerTest : public SteeringServerTest {
 protected:
  bool Shows(const std::string& series) { return absl::StrContains(metrics_->Text(), series); }
  // The first box of each of many sessions: every box that gets its share.
  std::set<std::string> Leaders(const std::string& client) {
    std::set<std::string> leaders;
    for (int i = 0; i < 40; ++i) {
      sv1::SteerRequest request = Request(client);
      request.set_session_id(absl::StrCat("session-", i));
      const sv1::SteerResponse response = MustSteer(request);
      if (!response.files().empty() && !response.files(0).urls().empty()) leaders.insert(response.files(0).urls(0).appliance());
    }
    return leaders;
  }
  // What Explain's health layer says of a box.
  std::string HealthOf(const std::string& appliance) {
    sv1::ExplainResponse response;
    EXPECT_TRUE(Explain(Request(kInside), response).ok());
    if (response.files().empty()) return "";
    for (const sv1::CandidateVerdicts& candidate : response.files(0).candidates()) {
      if (candidate.appliance() != "appliances/" + appliance) continue;
      for (const sv1::LayerVerdict& layer : candidate.layers()) {
        if (layer.layer() == "health") return layer.detail();
      }
    }
    return "";
  }
  const std::vector<std::string> all_ = {"oca-1", "oca-2", "oca-3", "oca-4"};
};

TEST_F(GuardServerTest, OneSilentBoxIsTakenAndExplained) {
  StartWithWorld();
  EXPECT_THAT(Leaders(kInside), ElementsAre("appliances/oca-1", "appliances/oca-2"));
  sources_->PutSilences(0, {"oca-1"}, 1, 1);
  EXPECT_TRUE(Eventually([&] { return Shows("fairlead_steering_guard_gone_boxes 1"); }));
  EXPECT_TRUE(Eventually([&] { return Leaders(kInside) == std::set<std::string>{"appliances/oca-2"}; }));
  EXPECT_THAT(HealthOf("oca-1"), HasSubstr("SILENT, weight 0.0 %; silent for at least 1"));
  EXPECT_THAT(HealthOf("oca-1"), HasSubstr("s, believed by the guard"));
  EXPECT_EQ(Boxes(kInside).size(), 4u);  // Last, and not excluded.
  sources_->PutState(0, "oca-1", 1, 2);
  EXPECT_TRUE(Eventually([&] { return Leaders(kInside).size() == 2; }));
}

TEST_F(GuardServerTest, ACellThatFallsSilentChangesNoAnswer) {
  StartWithWorld();
  const std::string policy = "key: 'policies/steering' policy { steering { guard { thaw_after { nanos: 100000000 } } } }";
  sources_->PutConfig(policy);
  sources_->PutSilences(0, all_, 1, 1);
  EXPECT_TRUE(Eventually([&] { return Shows("fairlead_steering_guard_frozen 1"); }));
  EXPECT_TRUE(Eventually([&] { return absl::StrContains(HealthOf("oca-1"), "held OK"); }));
  EXPECT_THAT(Leaders(kInside), ElementsAre("appliances/oca-1", "appliances/oca-2"));
  EXPECT_THAT(Leaders(kOutside), ElementsAre("appliances/oca-3", "appliances/oca-4"));
  EXPECT_EQ(MustSteer(Request(kInside)).files(0).urls(0).cause(), common::v1::MISS_CAUSE_NONE);
  EXPECT_THAT(HealthOf("oca-2"), HasSubstr("OK, weight 100.0 %; silent for at least 1"));
  EXPECT_THAT(HealthOf("oca-2"),
              HasSubstr("held OK by the guard: 4 of 4 boxes at 2 sites fell silent together and share only cells/c1, frozen for "));
  EXPECT_TRUE(Shows("fairlead_steering_guard_held_boxes 4"));
  EXPECT_TRUE(Shows("fairlead_steering_guard_freezes_total 1"));
  EXPECT_TRUE(Shows("fairlead_steering_guard_believed_silences_total{why=\"limit\"} 0"));

  for (const std::string& id : all_) sources_->PutState(0, id, 1, 2);
  EXPECT_TRUE(Eventually([&] { return Shows("fairlead_steering_guard_frozen 0"); }));
  EXPECT_TRUE(Shows("fairlead_steering_guard_held_boxes 0"));
  EXPECT_EQ(HealthOf("oca-2"), "OK, weight 100.0 %");
}

TEST_F(GuardServerTest, AnOperatorsOverrideBelievesEverySilenceAndStillEverybodyIsServed) {
  StartWithWorld();
  sources_->PutSilences(0, all_, 1, 1);
  EXPECT_TRUE(Eventually([&] { return Shows("fairlead_steering_guard_frozen 1"); }));
  sources_->PutConfig("key: 'policies/steering' policy { steering { guard { mode: MODE_BELIEVE_ALL } } }");
  EXPECT_TRUE(Eventually([&] { return Shows("fairlead_steering_guard_gone_boxes 4"); }));
  EXPECT_TRUE(Eventually([&] { return absl::StrContains(HealthOf("oca-1"), "believed by policy"); }));
  EXPECT_TRUE(Shows("fairlead_steering_guard_frozen 0"));
  for (const char* client : {kInside, kOutside}) EXPECT_TRUE(Answers(client)) << LastError(client);
  EXPECT_EQ(First(kInside), "sites/emb");
}

TEST_F(GuardServerTest, ACatalogueThatIsEmptiedTitleByTitleIsHeldUntilAnOperatorKnowsBetter) {
  StartWithWorld();
  const auto position = [&] { return server_->state()->sources[1].position; };
  const FeedPosition believed = position();
  sources_->RemoveCatalog("titles/movie");
  ASSERT_TRUE(Eventually([&] { return Shows("fairlead_steering_catalogue_held 1"); }));
  EXPECT_TRUE(Answers(kInside)) << LastError(kInside);
  // All else goes on, and the catalogue is said to be as old as it is.
  sources_->PutAppliance("oca-1", "emb", "ADMIN_STATE_DRAINED");
  EXPECT_TRUE(Eventually([&] { return Boxes(kInside).size() == 3; }));
  EXPECT_EQ(position(), believed);
  sources_->PutConfig("key: 'policies/steering' policy { steering { guard { mode: MODE_BELIEVE_ALL } } }");
  EXPECT_TRUE(Eventually([&] { return Shows("fairlead_steering_catalogue_held 0"); }));
  EXPECT_TRUE(Eventually([&] { return absl::StrContains(LastError(kInside), "titles/movie"); }));
  EXPECT_TRUE(Eventually([&] { return position().version > believed.version; }));
}

TEST_F(GuardServerTest, ACatalogueThatComesBackIsServedAgain) {
  StartWithWorld();
  sources_->RemoveCatalog("titles/movie");
  ASSERT_TRUE(Eventually([&] { return Shows("fairlead_steering_catalogue_held 1"); }));
  sources_->PutCatalog(
      "key: 'titles/other' title { name: 'titles/other' current_version: 'v1' versions { version: 'v1' renditions { rendition: 'r' file { "
      "file_number: 1 path: 'other/v1/r/media.mp4' size_bytes: 1000 } } } }");
  ASSERT_TRUE(Eventually([&] { return server_->state()->table->catalogue->FindTitle(TitleId("other")) != nullptr; }));
  EXPECT_TRUE(Shows("fairlead_steering_catalogue_held 0"));
  EXPECT_EQ(server_->state()->table->catalogue->FindTitle(TitleId("movie")), nullptr);
}

TEST_F(GuardServerTest, WhoInsistsOnAnEmptyCatalogueForLongEnoughIsBelieved) {
  SteeringServerOptions options = Options();
  options.table_hold = absl::Milliseconds(500);
  sources_->SetUpWorld("k-1");
  StartServer(options);
  ASSERT_TRUE(Eventually([&] { return Answers(kInside); }));
  sources_->RemoveCatalog("titles/movie");
  EXPECT_TRUE(Eventually([&] { return Shows("fairlead_steering_catalogue_held 1"); }));
  EXPECT_TRUE(Eventually([&] { return server_->state()->table->catalogue->file_count() == 0; }));
  EXPECT_TRUE(Shows("fairlead_steering_catalogue_held 0"));
}

TEST_F(GuardServerTest, ASiteWhoseRouterSessionsWentDownIsTakenInFull) {
  StartWithWorld();
  for (const auto& [session, box] : {std::pair("s-1", "oca-1"), {"s-2", "oca-2"}}) sources_->PutSession(0, session, box, false);
  sources_->PutSilences(0, {"oca-1", "oca-2"}, 1, 1);
  EXPECT_TRUE(Eventually([&] { return Shows("fairlead_steering_guard_believed_silences_total{why=\"corroborated\"} 2"); }));
  EXPECT_TRUE(Eventually([&] { return First(kInside) == "sites/ix"; }));
  EXPECT_THAT(HealthOf("oca-2"), HasSubstr("its router sessions went down with it"));
}

TEST_F(GuardServerTest, ASiteWhoseDataPortsRefuseIsTakenInFull) {
  StartWithWorld();
  // Nobody listens at the discard port.
  for (const std::string id : {"oca-1", "oca-2"}) {
    sources_->PutConfig(absl::StrCat("key: 'appliances/", id, "' appliance { name: 'appliances/", id, "' site: 'sites/emb'",
                                     " kind: APPLIANCE_KIND_STORAGE admin_state: ADMIN_STATE_LIVE capacity_bps: 10000000000",
                                     " endpoints { family: ADDRESS_FAMILY_IPV4 scheme: 'http' host: '127.0.0.1' port: 9 } }"));
  }
  sources_->PutSilences(0, {"oca-1", "oca-2"}, 1, 1);
  EXPECT_TRUE(Eventually([&] { return Shows("fairlead_steering_guard_gone_boxes 2"); }));
  EXPECT_TRUE(Eventually([&] { return First(kInside) == "sites/ix"; }));
  for (const char* id : {"oca-1", "oca-2"}) EXPECT_THAT(HealthOf(id), HasSubstr("its data port refuses connections"));
  for (const std::string id : {"oca-1", "oca-2"}) sources_->PutState(0, id, 1, 2);
  EXPECT_TRUE(Eventually([&] { return First(kInside) == "sites/emb"; }));
}

TEST_F(GuardServerTest, ARestartWithAllSourcesDeadDoesNotTakeWhoTheCopyCallsSilent) {
  StartWithWorld();
  sources_->PutSilences(0, all_, 1, 1);
  EXPECT_TRUE(Eventually([&] { return Shows("fairlead_steering_guard_frozen 1"); }));
  ASSERT_TRUE(server_->SaveNow().ok());
  const SteeringServerOptions options = Options();
  server_.reset();
  sources_->Stop();
  StartServer(options);
  EXPECT_THAT(Leaders(kInside), ElementsAre("appliances/oca-1", "appliances/oca-2"));
  EXPECT_THAT(HealthOf("oca-1"), HasSubstr("held OK by the guard: its cell cells/c1 has not confirmed the copy on disk"));
  EXPECT_TRUE(Shows("fairlead_steering_guard_held_boxes 4"));
}

TEST_F(GuardServerTest, ARestartInTheMiddleOfACellsSilenceChangesNoAnswerEither) {
  StartWithWorld();
  sources_->PutSilences(0, all_, 1, 1);
  EXPECT_TRUE(Eventually([&] { return Shows("fairlead_steering_guard_frozen 1"); }));
  ASSERT_TRUE(server_->SaveNow().ok());
  server_.reset();
  StartServer();
  EXPECT_TRUE(Eventually([&] { return Shows("fairlead_steering_guard_frozen 1"); }));
  EXPECT_THAT(Leaders(kInside), ElementsAre("appliances/oca-1", "appliances/oca-2"));
  EXPECT_TRUE(Shows("fairlead_steering_guard_believed_silences_total{why=\"limit\"} 0"));
}

TEST_F(GuardServerTest, WhoWasGoneBeforeARestartIsGoneAfterItToo) {
  StartWithWorld();
  sources_->PutSilences(0, {"oca-1"}, 1, 1);
  EXPECT_TRUE(Eventually([&] { return Shows("fairlead_steering_guard_gone_boxes 1"); }));
  ASSERT_TRUE(server_->SaveNow().ok());
  const SteeringServerOptions options = Options();
  server_.reset();
  sources_->Stop();
  StartServer(options);
  EXPECT_THAT(Leaders(kInside), ElementsAre("appliances/oca-2"));
  EXPECT_TRUE(Shows("fairlead_steering_guard_gone_boxes 1"));
  EXPECT_TRUE(Shows("fairlead_steering_guard_believed_silences_total{why=\"limit\"} 0"));
}

}  // namespace
}  // namespace fairlead
