#include "tests/lab/routes.h"

#include <cstdlib>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;

std::vector<LabPartner> ThreePartners() {
  return {
      {"a", "A", 500101, 1, "a-1", TransportClass::kPrivatePeering},
      {"b", "B", 500102, 2, "b-1", TransportClass::kPublicPeering},
      {"c", "C", 500103, 4, "", TransportClass::kPublicPeering},
  };
}

// Sixty /16s and /32s, each with two more-specifics.
std::vector<Prefix> SmallTable() {
  std::vector<Prefix> prefixes;
  for (uint32_t i = 0; i < 60; ++i) {
    for (const int length : {16, 20, 24}) prefixes.push_back(Prefix::Of(IpAddress::V4((45u << 24) | (i << 16)), length));
    for (const int length : {32, 40, 48})
      prefixes.push_back(Prefix::Of(IpAddress::V6((uint64_t{0x2a02} << 48) | (uint64_t{i} << 32), 0), length));
  }
  return prefixes;
}

TEST(RoutePlan, TheSameSeedGivesTheSamePlanAndAnotherSeedAnother) {
  const absl::StatusOr<RoutePlan> first = PlanRoutes(SmallTable(), ThreePartners(), 7);
  const absl::StatusOr<RoutePlan> again = PlanRoutes(SmallTable(), ThreePartners(), 7);
  const absl::StatusOr<RoutePlan> other = PlanRoutes(SmallTable(), ThreePartners(), 8);
  ASSERT_TRUE(first.ok() && again.ok() && other.ok()) << first.status();
  EXPECT_EQ(first->partners[0].allowed, again->partners[0].allowed);
  EXPECT_NE(first->partners[0].allowed, other->partners[0].allowed);
}

TEST(RoutePlan, NoPartnersAllowListOverlapsAnothers) {
  const absl::StatusOr<RoutePlan> plan = PlanRoutes(SmallTable(), ThreePartners(), 1);
  ASSERT_TRUE(plan.ok()) << plan.status();
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_GT(plan->partners[i].allowed.size(), 10u);
    for (size_t j = i + 1; j < 3; ++j) {
      for (const Prefix& mine : plan->partners[i].allowed) {
        for (const Prefix& theirs : plan->partners[j].allowed) EXPECT_FALSE(mine.Overlaps(theirs)) << mine << " " << theirs;
      }
    }
  }
}

TEST(RoutePlan, ViewersOfBothFamiliesComeFromEveryPartnerFromPeeringAndFromNowhere) {
  const absl::StatusOr<RoutePlan> plan = PlanRoutes(SmallTable(), ThreePartners(), 1);
  ASSERT_TRUE(plan.ok()) << plan.status();
  std::vector<std::string> seen;
  for (const LabViewer& viewer : plan->viewers)
    seen.push_back(absl::StrCat(viewer.label, viewer.address.is_v4() ? " 4 " : " 6 ", viewer.site));
  EXPECT_THAT(seen, ::testing::ElementsAre("a 4 a-1", "a 6 a-1", "a (peered) 4 ix-1", "b 4 b-1", "b 6 b-1", "c 4 ix-1", "c 6 ix-1",
                                           "nobody's 4 ix-1", "nobody's 6 ix-1"));
  EXPECT_THAT(plan->viewers[0].matched_prefix, HasSubstr("/24"));
  EXPECT_EQ(plan->viewers.back().matched_prefix, "");
}

TEST(RoutePlan, AListTooSmallIsRefused) {
  EXPECT_EQ(PlanRoutes({Prefix::Of(IpAddress::V4(45u << 24), 16)}, ThreePartners(), 1).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(PrefixList, SkipsCommentsAndNamesTheLineOfABadPrefix) {
  const std::string path = absl::StrCat(std::getenv("TEST_TMPDIR"), "/list");
  std::ofstream(path) << "# a table\n192.0.2.0/24  65000\n\n2001:db8::/32\n";
  const absl::StatusOr<std::vector<Prefix>> prefixes = ReadPrefixList(path);
  ASSERT_TRUE(prefixes.ok()) << prefixes.status();
  EXPECT_EQ(prefixes->size(), 2u);
  std::ofstream(path) << "192.0.2.0/24\n192.0.2.1/24\n";
  const absl::Status bad = ReadPrefixList(path).status();
  EXPECT_EQ(bad.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(bad.message()), HasSubstr(":2"));
  EXPECT_EQ(ReadPrefixList("/no/such/file").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace fairlead
