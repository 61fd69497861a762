#include "libs/contentsteering/choice.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Boxes are named by their site: "a-1" is of site a.
Candidate Box(const std::string& box, uint32_t rank = 0) {
  return {.appliance = ApplianceId(box), .site = SiteId(box.substr(0, box.find('-'))), .rank = rank};
}

Pathway Site(const std::vector<Candidate>& holders) {
  return {.site = holders.front().site, .rank = holders.front().rank, .holders = holders};
}

std::vector<std::string> Words(const std::vector<DeclaredPathway>& pathways) {
  std::vector<std::string> words;
  for (const DeclaredPathway& pathway : pathways) {
    words.push_back(absl::StrCat(pathway.id, "=", absl::StrJoin(pathway.holders, ",", [](std::string* out, const Candidate& holder) {
                                   absl::StrAppend(out, holder.appliance.value(), "@", holder.position);
                                 })));
  }
  return words;
}

TEST(ChoosePathwaysTest, TheBestSitesASecondSetOfTheBestAndAnExchangeAsLastResort) {
  SteeringAnswer answer;
  answer.files = {{.file = 1, .candidates = {Box("a-1"), Box("a-2"), Box("b-1", 1)}},
                  {.file = 2, .candidates = {Box("a-2"), Box("a-3"), Box("b-1", 1)}}};
  answer.pathways = {Site({Box("a-1"), Box("a-2")}), Site({Box("b-1", 1), Box("b-1", 1)}), Site({Box("c-1", 2), Box("c-1", 2)}),
                     Site({Box("d-1", 3), Box("d-1", 3)}), Site({Box("ix-1", 4), Box("ix-1", 4)})};
  EXPECT_THAT(Words(ChoosePathways(answer, {SiteId("ix")})),
              ElementsAre("a=a-1@0,a-2@0", "a.2=a-2@1,a-3@1", "b=b-1@2,b-1@2", "c=c-1@3,c-1@3", "ix=ix-1@4,ix-1@4"));
  // An exchange among the best is last resort enough.
  EXPECT_THAT(Words(ChoosePathways(answer, {SiteId("b"), SiteId("ix")})),
              ElementsAre("a=a-1@0,a-2@0", "a.2=a-2@1,a-3@1", "b=b-1@2,b-1@2", "c=c-1@3,c-1@3"));
}

TEST(ChoosePathwaysTest, ASecondSetIsOneOnlyIfItHasEveryFileInOtherBoxesAsFitAsTheFirst) {
  SteeringAnswer answer;
  answer.files = {{.file = 1, .candidates = {Box("a-1"), Box("a-2")}}, {.file = 2, .candidates = {Box("a-1"), Box("b-1")}}};
  answer.pathways = {Site({Box("a-1"), Box("a-1")})};
  EXPECT_THAT(Words(ChoosePathways(answer, {})), ElementsAre("a=a-1@0,a-1@0"));
  answer.files[1].candidates.push_back(Box("a-2"));
  EXPECT_THAT(Words(ChoosePathways(answer, {})), ElementsAre("a=a-1@0,a-1@0", "a.2=a-2@1,a-2@1"));
  answer.files[1].candidates.back().fitness = Fitness::kSick;
  EXPECT_THAT(Words(ChoosePathways(answer, {})), ElementsAre("a=a-1@0,a-1@0"));
}

TEST(ChoosePathwaysTest, WhereNoSiteHoldsEverythingEachFileComesFromItsBestHolder) {
  SteeringAnswer answer;
  answer.files = {{.file = 1, .candidates = {Box("a-1"), Box("b-1")}}, {.file = 2, .candidates = {Box("b-1"), Box("b-2")}}};
  EXPECT_THAT(Words(ChoosePathways(answer, {})), ElementsAre("mixed=a-1@0,b-1@0", "mixed.2=b-1@1,b-2@1"));
  answer.files[1].candidates.clear();
  EXPECT_THAT(Words(ChoosePathways(answer, {})), IsEmpty());
}

TEST(FirstSessionTest, NamesEachBoxOfAPathwayOnce) {
  const SteeringSession session =
      FirstSession(TitleId("film"), "v1", {{"a", {Box("a-1"), Box("a-2"), Box("a-1")}}, {"b", {Box("b-1")}}}, 7);
  EXPECT_EQ(session, (SteeringSession{.title = TitleId("film"),
                                      .version = "v1",
                                      .pathways = {{.id = "a", .boxes = {ApplianceId("a-1"), ApplianceId("a-2")}},
                                                   {.id = "b", .boxes = {ApplianceId("b-1")}}},
                                      .seed = 7}));
}

}  // namespace
}  // namespace fairlead
