#include "libs/contentsteering/manifest.h"

#include <fstream>
#include <set>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;

SteeringSession Example() {
  return {.title = TitleId("film"),
          .version = "v1",
          .pathways = {{.id = "ix-1", .boxes = {ApplianceId("box-c")}},
                       {.id = "north-1", .boxes = {ApplianceId("box-a"), ApplianceId("box-b")}, .avoid = 7},
                       {.id = "south-1", .boxes = {ApplianceId("box-d")}, .listed = false}},
          .stay = 3,
          .seed = 0x1f,
          .round = 12};
}

// The very text that ./run lint gives to somebody else's validator.
TEST(SteeringManifestTest, AManifestIsTheOneThatIsValidated) {
  std::stringstream golden;
  golden << std::ifstream("libs/contentsteering/testdata/steering-manifest.json").rdbuf();
  EXPECT_EQ(ManifestOf("https://steering.example.net", Example(), absl::Seconds(30)).ToJson() + "\n", golden.str());
}

TEST(SteeringManifestTest, TheTtlIsAWholeSecondAtLeast) {
  EXPECT_THAT((SteeringManifest{.ttl = absl::ZeroDuration()}).ToJson(), HasSubstr("\"TTL\":1,"));
  EXPECT_THAT((SteeringManifest{.ttl = absl::Milliseconds(2900)}).ToJson(), HasSubstr("\"TTL\":2,"));
}

TEST(SteeringManifestTest, AUriCanNotEndTheString) {
  EXPECT_THAT((SteeringManifest{.reload_uri = "http://h/\"\\\n"}).ToJson(), HasSubstr(R"("http://h/\"\\\u000a")"));
}

TEST(SteeringManifestTest, ShedSessionsWaitLongerAndNotAllEquallyLong) {
  SteeringSession session = Example();
  std::set<int64_t> waits;
  for (session.seed = 0; session.seed < 200; ++session.seed) {
    const absl::Duration wait = ShedTtl(absl::Seconds(30), session);
    EXPECT_GE(wait, absl::Seconds(90));
    EXPECT_LT(wait, absl::Seconds(180));
    waits.insert(absl::ToInt64Seconds(wait));
  }
  EXPECT_GT(waits.size(), 50u);
}

}  // namespace
}  // namespace fairlead
