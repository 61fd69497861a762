#include "services/registry/fleet_file.h"

#include <fstream>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/registry/test_fleet.h"
#include "services/registry/writer.h"

namespace fairlead::registry {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

std::string Refusal(const std::string& yaml) {
  const absl::StatusOr<FleetFile> file = FleetFile::Parse(yaml);
  if (file.ok()) return "";
  EXPECT_EQ(file.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(file.status().message());
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST(FleetFileTest, TheExampleIsValidAndUsesEveryCollection) {
  const absl::StatusOr<FleetFile> file = FleetFile::Parse(ReadFile("deploy/fleet.example.yaml"));
  ASSERT_TRUE(file.ok()) << file.status();
  const FleetPlan plan = PlanFleet(Fleet(), file->declared(), false, {.now = kTestTime, .zone_exists = &ZoneExists});
  EXPECT_TRUE(file->Explain(plan.problems).ok()) << file->Explain(plan.problems);
  DeclaredKinds::ForEach([&]<typename T>() { EXPECT_THAT(file->declared().Of<T>(), Not(IsEmpty())) << T::kKind; });
  const Appliance& box = file->declared().Of<Appliance>()[0];
  EXPECT_EQ(box.tiers[0].capacity_bytes, 200'000'000'000'000);
  EXPECT_EQ(box.capacity_bps, 36'000'000'000);
  EXPECT_EQ(file->declared().Of<BgpSession>()[0].max_prefixes, 5'000);
}

TEST(FleetFileTest, ReferencesAreIdsOrNames) {
  const auto file = FleetFile::Parse("links:\n  - {id: a, site: lhr001}\n  - {id: b, site: sites/lhr001}\n");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->declared().Of<Link>()[0].site, file->declared().Of<Link>()[1].site);
  EXPECT_THAT(Refusal("links:\n  - {id: a, site: partners/x}\n"), HasSubstr("2:19: links[0].site: 'partners/x' must be an id"));
}

TEST(FleetFileTest, EveryMistakeIsToldWithItsPlace) {
  const std::string message = Refusal(
      "sites:\n"
      "  - id: lhr001\n"
      "    kind: EMBEDED\n"
      "    time_zon: UTC\n"
      "    etag: x\n"
      "    coordinates: 5\n"
      "    fill_window: {length: 12}\n"
      "  - kind: IX\n"
      "  - id: Bad\n"
      "    open_to_unrouted: yes\n"
      "appliances:\n"
      "  - id: a\n"
      "    admin_state: LIVE\n"
      "    power_watts: 3000000000\n"
      "    capacity_bps: 10TB\n"
      "    tiers: {tier: DISK}\n"
      "    endpoints: [{famly: IPV4}]\n"
      "widgets: []\n");
  for (const char* line :
       {"3:11: sites[0].kind: 'EMBEDED' must be one of EMBEDDED, IX, ORIGIN", "4:5: sites[0].time_zon: unknown key",
        "5:5: sites[0].etag: is output only", "6:18: sites[0].coordinates: must be a mapping, not a value",
        "7:27: sites[0].fill_window.length: '12' must be a duration", "8:5: sites[1]: has no id", "9:9: sites[2]: id 'Bad': must match",
        "10:23: sites[2].open_to_unrouted: 'yes' must be true or false", "13:5: appliances[0].admin_state: is output only",
        "14:18: appliances[0].power_watts: '3000000000' must be in",
        "15:19: appliances[0].capacity_bps: '10TB' must be a whole number of bit/s",
        "16:12: appliances[0].tiers: must be a list, not a mapping", "17:18: appliances[0].endpoints[0].famly: unknown key",
        "18:1: widgets: unknown key; there are partners, sites,"}) {
    EXPECT_THAT(message, HasSubstr(line));
  }
  EXPECT_THAT(message, HasSubstr("fleet.yaml: 14 problems"));
}

TEST(FleetFileTest, DuplicateKeysAndBrokenTextAreRefused) {
  EXPECT_THAT(Refusal("sites:\n  - id: a\n    id: b\n"), HasSubstr("3:5: 'id' is there twice"));
  EXPECT_THAT(Refusal("sites: [\n"), HasSubstr("1 problem"));
  EXPECT_THAT(Refusal("just text"), HasSubstr("must be a mapping of collections"));
  EXPECT_THAT(Refusal("sites: 5\n"), HasSubstr("1:8: sites: must be a list"));
}

TEST(FleetFileTest, ProblemsOfTheContentHaveLinesToo) {
  const auto file = FleetFile::Parse(
      "partners:\n"
      "  - id: isp\n"
      "    asns: [64500]\n"
      "    allowed_prefixes:\n"
      "      - 198.51.100.0/24\n"
      "      - 198.51.100.7/24\n"
      "sites:\n"
      "  - {id: lhr001, kind: EMBEDDED, partner: nobody}\n"
      "  - {id: mars01, kind: IX, time_zone: Mars/Olympus}\n");
  ASSERT_TRUE(file.ok()) << file.status();
  FleetPlan plan = PlanFleet(Fleet(), file->declared(), false, {.now = kTestTime, .zone_exists = &ZoneExists});
  std::string message(file->Explain(plan.problems).message());
  EXPECT_THAT(
      message,
      HasSubstr("6:9: partners/isp: partner.allowed_prefixes[1] '198.51.100.7/24': has host bits set; did you mean 198.51.100.0/24?"));
  EXPECT_THAT(message, HasSubstr("9:39: sites/mars01: site.time_zone 'Mars/Olympus': there is no such IANA time zone"));

  DeclaredFleet second = file->declared();
  second.Of<Partner>()[0].allowed_prefixes.pop_back();
  second.Of<Site>().pop_back();
  plan = PlanFleet(Fleet(), second, false, {.now = kTestTime});
  const absl::Status status = file->Explain(plan.problems);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("8:43: sites/lhr001: site.partner 'partners/nobody': does not exist"));
}

TEST(FleetFileTest, AnEmptyFileIsAnEmptyFleet) {
  const auto file = FleetFile::Parse("sites:\npartners: []\n");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT(file->declared().Of<Site>(), IsEmpty());
}

}  // namespace
}  // namespace fairlead::registry
