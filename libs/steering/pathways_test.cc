#include "libs/steering/pathways.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::ElementsAre;

// An embedded site with emb-1 and emb-2, which hear 80.0.0.0/16, and the open IX site ix with ix-1; all hold t1's two files.
class PathwaysTest : public testing::Test {
 protected:
  PathwaysTest() {
    in_.sites = {{.id = SiteId("emb"), .kind = SiteKind::kEmbedded, .uplinks = {LinkId("up")}},
                 {.id = SiteId("ix"), .kind = SiteKind::kIx, .open_to_unrouted = true}};
    in_.links = {{.id = LinkId("up"), .capacity_bps = 1'000, .use_bps = 100}};
    allowed_->Insert(Prefix::Parse("80.0.0.0/16").value(), {});
    for (const std::string box : {"emb-1", "emb-2", "ix-1"}) {
      in_.appliances.push_back({.id = ApplianceId(box),
                                .site = SiteId(box.substr(0, box.find('-'))),
                                .kind = ApplianceKind::kStorage,
                                .endpoints = {{AddressFamily::kIpv4, "http", "192.0.2.1", 80}},
                                .capacity_bps = 20'000'000'000,
                                .admin = AdminState::kLive,
                                .health = HealthState::kOk});
      Hold(box, {1, 2});
      if (box == "ix-1") continue;
      in_.sessions.push_back({.id = BgpSessionId("s-" + box),
                              .partner = PartnerId("p"),
                              .transport = TransportClass::kEmbedded,
                              .site = SiteId("emb"),
                              .appliance = ApplianceId(box),
                              .allowed = allowed_});
      in_.routes.push_back(
          {.prefix = Prefix::Parse("80.0.0.0/16").value(), .session = static_cast<uint32_t>(in_.sessions.size() - 1), .as_path_length = 1});
    }
    in_.titles = {{.id = TitleId("t1"),
                   .versions = {{.version = "v1",
                                 .files = {{.number = 1, .path = "t1/v1/video/v.mp4", .rendition = "video"},
                                           {.number = 2, .path = "t1/v1/audio/a.mp4", .rendition = "audio"}}}}}};
  }
  void Hold(const std::string& id, std::vector<uint32_t> files) {
    std::erase_if(in_.holdings, [&](const HoldingsView& view) { return view.appliance == ApplianceId(id); });
    in_.holdings.push_back({ApplianceId(id), std::make_shared<const FileSet>(FileSet::Of(std::move(files)))});
  }
  ApplianceView& Box(absl::string_view id) {
    return *std::find_if(in_.appliances.begin(), in_.appliances.end(), [&](const ApplianceView& view) { return view.id.value() == id; });
  }

  // "good 0": the pathways, each as its boxes joined by a space.
  std::vector<std::string> Judge(const std::vector<std::vector<std::string>>& pathways, const std::string& client = "80.0.0.9") {
    std::vector<GivenPathway> given;
    for (const auto& boxes : pathways) {
      given.emplace_back();
      for (const std::string& box : boxes) given.back().boxes.emplace_back(box);
    }
    std::vector<std::string> words;
    for (const PathwayStanding& now :
         JudgePathways(*BuildSteeringTable(in_).value(), {.client = IpAddress::Parse(client).value(), .title = title_}, given)) {
      words.push_back(absl::StrCat(ToString(now.condition), " ", now.rank));
    }
    return words;
  }

  SteeringInputs in_;
  TitleId title_ = TitleId("t1");
  std::shared_ptr<PrefixTable<std::monostate>> allowed_ = std::make_shared<PrefixTable<std::monostate>>();
};

TEST_F(PathwaysTest, APathwayIsAsGoodAsTheWorstOfItsBoxesAndAsFarAsTheFarthest) {
  EXPECT_THAT(Judge({{"emb-1"}, {"emb-1", "emb-2"}, {"ix-1"}}), ElementsAre("good 0", "good 0", "good 1"));
  Box("emb-2").health = HealthState::kSick;
  EXPECT_THAT(Judge({{"emb-1"}, {"emb-1", "emb-2"}, {"ix-1"}}), ElementsAre("good 0", "sick 0", "good 1"));
  Box("emb-2").health = HealthState::kSilent;
  EXPECT_THAT(Judge({{"emb-2"}}), ElementsAre("silent 0"));
  Box("emb-2").health = HealthState::kOverloaded;
  EXPECT_THAT(Judge({{"emb-2"}}), ElementsAre("full 0"));
}

TEST_F(PathwaysTest, AFullUplinkMakesAllPathwaysOfItsSiteFull) {
  in_.links[0].use_bps = 990;
  EXPECT_THAT(Judge({{"emb-1"}, {"emb-2"}, {"ix-1"}}), ElementsAre("full 0", "full 0", "good 1"));
}

TEST_F(PathwaysTest, ADrainLeavesPlayersAloneThenMovesThemThenIsNoPathway) {
  const auto stage = [&](AdminState admin, DrainStage drain) {
    Box("emb-1").admin = admin;
    Box("emb-1").drain_stage = drain;
    return Judge({{"emb-1"}, {"emb-2"}});
  };
  EXPECT_THAT(stage(AdminState::kDraining, DrainStage::kNoNewSessions), ElementsAre("good 0", "good 0"));
  EXPECT_THAT(stage(AdminState::kDraining, DrainStage::kMovingPlayers), ElementsAre("leaving 0", "good 0"));
  EXPECT_THAT(stage(AdminState::kDraining, DrainStage::kRefusing), ElementsAre("out 0", "good 0"));
  EXPECT_THAT(stage(AdminState::kDrained, DrainStage::kRefusing), ElementsAre("out 0", "good 0"));
  EXPECT_THAT(stage(AdminState::kDisabled, DrainStage::kNone), ElementsAre("out 0", "good 0"));
  EXPECT_THAT(stage(AdminState::kLive, DrainStage::kNone), ElementsAre("good 0", "good 0"));
}

TEST_F(PathwaysTest, WhatAClientMayNotUseAndWhatNobodyKnowsIsOut) {
  EXPECT_THAT(Judge({{"emb-1"}, {"ix-1"}, {"gone"}, {"ix-1", "gone"}, {}}, "9.9.9.9"),
              ElementsAre("out 0", "good 0", "out 0", "out 0", "out 0"));
}

TEST_F(PathwaysTest, AFileThatNoBoxOfThePathwayHoldsAnyMoreTakesItOut) {
  Hold("emb-1", {1});
  EXPECT_THAT(Judge({{"emb-1"}, {"emb-1", "emb-2"}}), ElementsAre("out 0", "good 0"));
  title_ = TitleId("taken-out");  // Of the catalogue: nobody is moved for that.
  EXPECT_THAT(Judge({{"emb-1"}}), ElementsAre("good 0"));
}

}  // namespace
}  // namespace fairlead
