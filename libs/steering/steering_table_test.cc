#include "libs/steering/steering_table.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

SiteView Site(absl::string_view id, bool open = false) {
  return {.id = SiteId(std::string(id)), .kind = SiteKind::kIx, .open_to_unrouted = open};
}
ApplianceView Box(absl::string_view id, absl::string_view site, ApplianceKind kind = ApplianceKind::kStorage) {
  return {.id = ApplianceId(std::string(id)), .site = SiteId(std::string(site)), .kind = kind};
}

TEST(Fleet, NumbersDoNotDependOnTheOrderOfTheViews) {
  const auto one = Fleet::Build({Site("b"), Site("a")}, {Box("y", "a"), Box("x", "b")}, {{.id = LinkId("l2")}, {.id = LinkId("l1")}});
  const auto two = Fleet::Build({Site("a"), Site("b")}, {Box("x", "b"), Box("y", "a")}, {{.id = LinkId("l1")}, {.id = LinkId("l2")}});
  EXPECT_EQ(one->fingerprint(), two->fingerprint());
  EXPECT_EQ(one->FindSite(SiteId("a")), 0u);
  EXPECT_EQ(one->FindBox(ApplianceId("y")), 1u);
  EXPECT_EQ(one->FindLink(LinkId("l2")), 1u);
  EXPECT_EQ(one->FindSite(SiteId("c")), Fleet::kNone);
}

TEST(Fleet, ConditionDoesNotChangeTheFingerprintAndTopologyDoes) {
  const uint64_t before = Fleet::Build({Site("a")}, {Box("x", "a")}, {})->fingerprint();
  ApplianceView sick = Box("x", "a");
  sick.health = HealthState::kSick;
  sick.admin = AdminState::kDraining;
  sick.use_bps = 5;
  EXPECT_EQ(Fleet::Build({Site("a")}, {sick}, {})->fingerprint(), before);
  EXPECT_NE(Fleet::Build({Site("a", true)}, {Box("x", "a")}, {})->fingerprint(), before);
  EXPECT_NE(Fleet::Build({Site("a")}, {Box("x", "a"), Box("y", "a")}, {})->fingerprint(), before);
}

TEST(Fleet, ContradictionsAreLeftOutAndNamed) {
  SiteView with_unknown_link = Site("a");
  with_unknown_link.uplinks = {LinkId("nowhere")};
  const auto fleet = Fleet::Build({with_unknown_link, Site("a")}, {Box("x", "a"), Box("x", "a"), Box("y", "elsewhere")}, {});
  EXPECT_EQ(fleet->sites().size(), 1u);
  EXPECT_EQ(fleet->boxes().size(), 1u);
  EXPECT_THAT(fleet->issues(),
              ElementsAre(HasSubstr("sites/a"), HasSubstr("appliances/x"), HasSubstr("sites/elsewhere"), HasSubstr("links/nowhere")));
}

TEST(Fleet, CollectorsAndOriginNeverServeViewers) {
  SiteView origin = Site("o");
  origin.kind = SiteKind::kOrigin;
  const auto fleet = Fleet::Build({Site("a"), origin}, {Box("c", "a", ApplianceKind::kCollector), Box("s", "a"), Box("z", "o")}, {});
  EXPECT_THAT(fleet->sites()[0].boxes, ElementsAre(fleet->FindBox(ApplianceId("s"))));
  EXPECT_TRUE(fleet->sites()[1].boxes.empty());
}

TEST(SteeringTable, PartsOfAnotherTopologyAreRefused) {
  const auto table = BuildSteeringTable({.sites = {Site("a")}, .appliances = {Box("x", "a")}}).value();
  SteeringTable parts = *table;
  parts.fleet = Fleet::Build({Site("a")}, {Box("x", "a")}, {});
  EXPECT_TRUE(AssembleSteeringTable(parts).ok());
  parts.fleet = Fleet::Build({Site("a")}, {Box("x", "a"), Box("y", "a")}, {});
  EXPECT_EQ(AssembleSteeringTable(parts).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(SteeringTable, ABadPolicyIsRefused) {
  SteeringInputs inputs;
  inputs.policy.steps = {ProximityStep::kMed, ProximityStep::kMed};
  EXPECT_THAT(std::string(BuildSteeringTable(inputs).status().message()), HasSubstr("'MED' stands there twice"));
  inputs.policy = {};
  inputs.policy.distance_step_km = 0;
  EXPECT_FALSE(BuildSteeringTable(inputs).ok());
  inputs.policy = {};
  inputs.policy.congested_permille = 960;
  EXPECT_FALSE(BuildSteeringTable(inputs).ok());
  inputs.policy = {};
  inputs.policy.steps = {};
  EXPECT_TRUE(BuildSteeringTable(inputs).ok()) << "every step may be switched off";
}

TEST(Catalogue, FilesAreFoundByPathAndByNumber) {
  TitleView title = {.id = TitleId("t1")};
  title.versions = {{.version = "v1", .files = {{.number = 4, .path = "t1/v1/audio/a.mp4"}}},
                    {.version = "v2", .files = {{.number = 5, .path = "t1/v2/audio/a.mp4"}}}};
  const auto catalogue = Catalogue::Build({title});
  EXPECT_EQ(catalogue->FindPath("t1/v1/audio/a.mp4").file->number(), 4u);
  EXPECT_EQ(catalogue->FindFile(5).version->version(), "v2");
  for (const char* unknown :
       {"", "t1", "t1/v1", "t1/v1/", "t1/v1/audio/b.mp4", "t1/v3/audio/a.mp4", "t2/v1/audio/a.mp4", "/t1/v1/audio/a.mp4"}) {
    EXPECT_EQ(catalogue->FindPath(unknown).file, nullptr) << unknown;
  }
}

TEST(Holdings, OnlyReportedFilesAreHeld) {
  const auto fleet = Fleet::Build({Site("a")}, {Box("x", "a"), Box("y", "a")}, {});
  const auto files = std::make_shared<const FileSet>(FileSet::Of({9, 2, 9, 4}));
  EXPECT_THAT(files->numbers(), ElementsAre(2, 4, 9));
  const auto holdings = Holdings::Build(*fleet, {{ApplianceId("x"), files}, {ApplianceId("gone"), files}});
  EXPECT_TRUE(holdings->Holds(fleet->FindBox(ApplianceId("x")), 4));
  EXPECT_FALSE(holdings->Holds(fleet->FindBox(ApplianceId("x")), 3));
  EXPECT_FALSE(holdings->Holds(fleet->FindBox(ApplianceId("y")), 4));
}

}  // namespace
}  // namespace fairlead
