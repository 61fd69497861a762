#include "libs/fill/plan.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Title MakeTitle(const std::string& id, double popularity, uint32_t first, int64_t bytes) {
  Title title;
  title.id = TitleId(id);
  title.popularity = popularity;
  title.current_version = "v1";
  title.versions.push_back({.version = "v1", .renditions = {}});
  for (uint32_t i = 0; i < 2; ++i) {
    Rendition rendition;
    rendition.id = absl::StrCat("video-", i);
    rendition.file.number = first + i;
    rendition.file.size_bytes = bytes - 1;
    rendition.file.playlist.size_bytes = 1;
    title.versions[0].renditions.push_back(rendition);
  }
  return title;
}

PlanBox Box(const std::string& id, const std::string& cluster, AdminState admin = AdminState::kLive) {
  return {.id = ApplianceId(id),
          .cluster = ClusterId(cluster),
          .kind = ApplianceKind::kStorage,
          .admin = admin,
          .flash_bytes = 0,
          .disk_bytes = 10'000,
          .capacity_bps = 1000};
}

const std::vector<PlanCluster> kClusters = {{ClusterId("c2"), 1}, {ClusterId("c1"), 2}};

FillPlan Plan(const std::vector<PlanBox>& boxes, const std::vector<Title>& titles) {
  return MakePlan(kClusters, boxes, RankedSets(SetsOf(titles)));
}

TEST(SetsOf, ASetIsATitleVersionAndItsBytesIncludePlaylists) {
  Title title = MakeTitle("film", 3, 5, 100);
  title.versions.push_back({.version = "v2", .renditions = {}});
  title.current_version = "v2";
  const std::vector<PlacementSet> sets = SetsOf({title});
  ASSERT_EQ(sets.size(), 2u);
  EXPECT_EQ(sets[0].key, "film/v1");
  EXPECT_FALSE(sets[0].current);
  EXPECT_TRUE(sets[1].current);
  EXPECT_EQ(sets[0].files[1].number, 6u);
  EXPECT_EQ(sets[0].files[1].bytes, 100);
}

TEST(Plan, EveryClusterGetsItsCopiesInTheOrderToFetch) {
  const FillPlan plan =
      Plan({Box("a", "c1"), Box("b", "c1"), Box("c", "c2")}, {MakeTitle("tail", 1, 1, 100), MakeTitle("head", 9, 3, 100)});
  ASSERT_EQ(plan.clusters.size(), 2u);
  EXPECT_EQ(plan.clusters[0].cluster, ClusterId("c1"));
  for (const char* id : {"a", "b", "c"}) {
    const BoxManifest* box = plan.FindManifest(ApplianceId(id));
    ASSERT_NE(box, nullptr) << id;
    EXPECT_THAT(box->files, ElementsAre(PlacedFile{3, Tier::kDisk}, PlacedFile{4, Tier::kDisk}, PlacedFile{1, Tier::kDisk},
                                        PlacedFile{2, Tier::kDisk}));
    EXPECT_EQ(box->bytes, 400);
    EXPECT_EQ(box->capacity_bytes, 10'000);
  }
  EXPECT_EQ(plan.FindManifest(ApplianceId("d")), nullptr);
}

TEST(Plan, RetiredBoxesCollectorsAndStrangersHaveNoManifest) {
  PlanBox collector = Box("collector", "c1");
  collector.kind = ApplianceKind::kCollector;
  const FillPlan plan = Plan({Box("gone", "c1", AdminState::kRetired), collector, Box("stranger", "c9"), Box("none", ""), Box("a", "c1")},
                             {MakeTitle("t", 1, 1, 100)});
  EXPECT_NE(plan.FindManifest(ApplianceId("a")), nullptr);
  for (const char* id : {"gone", "collector", "stranger", "none"}) EXPECT_EQ(plan.FindManifest(ApplianceId(id)), nullptr) << id;
}

TEST(Plan, ADrainMovesNothingAndABoxInProvisioningTakesNothing) {
  std::vector<Title> titles;
  for (uint32_t i = 0; i < 40; ++i) titles.push_back(MakeTitle(absl::StrCat("t-", i), i, 2 * i + 1, 100));
  const FillPlan before = Plan({Box("a", "c2"), Box("b", "c2")}, titles);
  const FillPlan draining = Plan({Box("a", "c2"), Box("b", "c2", AdminState::kDraining)}, titles);
  EXPECT_TRUE(SameManifests(before, draining));
  const FillPlan joining = Plan({Box("a", "c2"), Box("b", "c2"), Box("c", "c2", AdminState::kProvisioning)}, titles);
  EXPECT_EQ(joining.FindManifest(ApplianceId("a"))->generation, before.FindManifest(ApplianceId("a"))->generation);
  EXPECT_FALSE(joining.FindManifest(ApplianceId("c"))->files.empty());
}

TEST(Plan, TheGenerationIsThatOfTheEntries) {
  const std::vector<PlacedFile> files = {{1, Tier::kDisk}, {2, Tier::kFlash}};
  EXPECT_EQ(ManifestGeneration(files), ManifestGeneration(files));
  EXPECT_NE(ManifestGeneration(files), ManifestGeneration({{2, Tier::kFlash}, {1, Tier::kDisk}}));
  EXPECT_NE(ManifestGeneration(files), ManifestGeneration({{1, Tier::kDisk}, {2, Tier::kDisk}}));
  EXPECT_NE(ManifestGeneration(files), ManifestGeneration({}));
  EXPECT_EQ(ManifestGeneration({}), "m-99aa06d3014798d86001c324468d497f") << "XXH3-128 of nothing: stable across releases";
}

TEST(Plan, ChangesAreCountedAgainstThePlanBefore) {
  const std::vector<PlanBox> boxes = {Box("a", "c2")};
  const FillPlan before = Plan(boxes, {MakeTitle("x", 1, 1, 100), MakeTitle("y", 2, 3, 100)});
  FillPlan after = Plan(boxes, {MakeTitle("y", 2, 3, 100), MakeTitle("z", 3, 5, 100), MakeTitle("w", 3, 7, 100)});
  CountChanges(before, after);
  const BoxManifest* box = after.FindManifest(ApplianceId("a"));
  EXPECT_EQ(box->files_added, 4);
  EXPECT_EQ(box->files_removed, 2);
  EXPECT_FALSE(SameManifests(before, after));
  CountChanges(after, after);
  EXPECT_EQ(box->files_added, 0);
}

TEST(Plan, ATitleThatDoesNotFitIsShort) {
  const FillPlan plan = Plan({Box("a", "c2")}, {MakeTitle("huge", 1, 1, 100'000)});
  EXPECT_EQ(plan.clusters[1].short_files.size(), 2u);
  EXPECT_THAT(plan.clusters[0].short_files, IsEmpty()) << "a cluster without boxes wants nothing";
}

}  // namespace
}  // namespace fairlead
