#include "libs/fill/source_ranking.h"

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/net/prefix.h"

namespace fairlead {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

SourceBox Box(const std::string& id, const std::string& site, SiteKind site_kind, const std::string& host) {
  return {.id = ApplianceId(id),
          .site = SiteId(site),
          .site_kind = site_kind,
          .cluster = ClusterId(site),
          .kind = site_kind == SiteKind::kOrigin ? ApplianceKind::kOrigin : ApplianceKind::kStorage,
          .endpoints = {{host.find(':') == std::string::npos ? AddressFamily::kIpv4 : AddressFamily::kIpv6, "http", host, 80}},
          .admin = AdminState::kLive,
          .health = site_kind == SiteKind::kOrigin ? HealthState::kUnspecified : HealthState::kOk,
          .weight = 1,
          .capacity_bps = 1'000'000'000,
          .use_bps = 0};
}

class SourceRankingTest : public ::testing::Test {
 protected:
  SourceRankingTest() {
    asker_.box = Box("me", "isp-1", SiteKind::kEmbedded, "192.0.2.1");
    boxes_ = {asker_.box, Box("peer", "isp-1", SiteKind::kEmbedded, "192.0.2.2"), Box("far", "isp-2", SiteKind::kEmbedded, "198.51.100.7"),
              Box("ix", "ams-ix", SiteKind::kIx, "203.0.113.1"), Box("origin", "origin", SiteKind::kOrigin, "origin.example")};
  }

  SourceBox& Find(const std::string& id) {
    return *std::find_if(boxes_.begin(), boxes_.end(), [&](const SourceBox& box) { return box.id.value() == id; });
  }
  std::vector<RankedSource> Sources(uint32_t file = 7, bool is_master = true) const {
    return SourceRanker(asker_, boxes_, policy_)
        .Rank(
            file, [this](const SourceBox& box) { return !lacking_.contains(box.id.value()); },
            [this](const SourceBox& box) { return behind_.contains(box.id.value()); }, is_master);
  }
  // "PEER peer", …
  std::vector<std::string> Names(uint32_t file = 7) const {
    std::vector<std::string> names;
    for (const RankedSource& source : Sources(file))
      names.push_back(absl::StrCat(ToString(source.source_class), " ", source.appliance.value()));
    return names;
  }
  std::string WhyNot(const std::string& id) const {
    const SourceRanker ranker(asker_, boxes_, policy_);
    for (const ExcludedSource& excluded : ranker.excluded()) {
      if (excluded.appliance.value() == id) return excluded.reason;
    }
    return "";
  }

  SourceAsker asker_;
  std::vector<SourceBox> boxes_;
  SourcePolicy policy_;
  std::map<std::string, bool> lacking_;
  std::map<std::string, bool> behind_;
};

TEST_F(SourceRankingTest, PeersComeBeforeTiersBeforeOrigin) {
  EXPECT_THAT(Names(), ElementsAre("PEER peer", "TIER ix", "ORIGIN origin"));
  for (const RankedSource& source : Sources()) EXPECT_EQ(source.wait, absl::ZeroDuration());
}

TEST_F(SourceRankingTest, WhoDoesNotHoldTheFileIsNoSourceButOriginHoldsAll) {
  lacking_ = {{"peer", true}, {"ix", true}, {"origin", true}};
  EXPECT_THAT(Names(), ElementsAre("ORIGIN origin"));
}

TEST_F(SourceRankingTest, AnotherPartnersBoxIsASourceOnlyByAnAddressThatAHeardRouteCovers) {
  EXPECT_THAT(WhyNot("far"), HasSubstr("admitted route"));
  PrefixTable<std::monostate> heard;
  heard.Insert(Prefix::Parse("198.51.0.0/16").value(), {});
  asker_.heard = &heard;
  EXPECT_EQ(WhyNot("far"), "");
  EXPECT_THAT(Names(), testing::Contains("TIER far"));
  Find("far").endpoints[0].host = "far.example";
  EXPECT_THAT(WhyNot("far"), HasSubstr("admitted route")) << "a name could mean any address";
}

TEST_F(SourceRankingTest, OfSeveralAddressesTheCoveredOneIsUsed) {
  PrefixTable<std::monostate> heard;
  heard.Insert(Prefix::Parse("2001:db8::/32").value(), {});
  asker_.heard = &heard;
  asker_.box.endpoints.push_back({AddressFamily::kIpv6, "http", "2001:db8::1", 80});
  Find("far").endpoints.push_back({AddressFamily::kIpv6, "http", "2001:db8::7", 8080});
  for (const RankedSource& source : Sources()) {
    if (source.appliance.value() != "far") continue;
    EXPECT_EQ(EndpointOrigin(source.endpoint), "http://[2001:db8::7]:8080");
    return;
  }
  FAIL() << "far is no source";
}

TEST_F(SourceRankingTest, AnIxBoxNeverFillsFromAPartnersBox) {
  asker_.box = Find("ix");
  EXPECT_THAT(WhyNot("peer"), HasSubstr("at a partner"));
  EXPECT_THAT(Names(), ElementsAre("ORIGIN origin"));
  boxes_.push_back(Box("ix-2", "lon-ix", SiteKind::kIx, "203.0.113.2"));
  EXPECT_THAT(Names(), ElementsAre("TIER ix-2", "ORIGIN origin"));
}

TEST_F(SourceRankingTest, ABoxOutOfServiceOrOutOfSightIsNoSource) {
  for (const AdminState state : {AdminState::kProvisioning, AdminState::kDrained, AdminState::kDisabled, AdminState::kRetired}) {
    Find("peer").admin = state;
    EXPECT_EQ(WhyNot("peer"), absl::StrCat("is ", ToString(state)));
  }
  Find("peer").admin = AdminState::kDraining;
  EXPECT_EQ(WhyNot("peer"), "") << "it still serves";
  Find("peer").lame_duck = true;
  EXPECT_EQ(WhyNot("peer"), "is a LAME_DUCK: it refuses everybody");
  Find("peer").lame_duck = false;
  for (const HealthState health : {HealthState::kSick, HealthState::kSilent}) {
    Find("peer").health = health;
    EXPECT_EQ(WhyNot("peer"), absl::StrCat("is ", ToString(health)));
  }
  Find("peer").health = HealthState::kUnspecified;
  EXPECT_EQ(WhyNot("peer"), "never reported");
  Find("origin").admin = AdminState::kProvisioning;
  EXPECT_EQ(WhyNot("origin"), "") << "no agent brings it out of that";
  Find("origin").admin = AdminState::kDisabled;
  EXPECT_EQ(WhyNot("origin"), "origin is DISABLED");
}

TEST_F(SourceRankingTest, ASourceNeedsAFamilyThatTheAskerHas) {
  Find("peer").endpoints = {{AddressFamily::kIpv6, "http", "2001:db8::2", 80}};
  EXPECT_THAT(WhyNot("peer"), HasSubstr("family"));
  asker_.box.endpoints.push_back({AddressFamily::kIpv6, "http", "2001:db8::1", 80});
  EXPECT_EQ(WhyNot("peer"), "");
}

TEST_F(SourceRankingTest, OriginCanBeForbidden) {
  policy_.forbid_origin = true;
  EXPECT_THAT(Names(), ElementsAre("PEER peer", "TIER ix"));
  EXPECT_THAT(WhyNot("origin"), HasSubstr("forbids"));
}

TEST_F(SourceRankingTest, EachClassWaitsForThoseBeforeItThatHaveASource) {
  policy_.escalation_wait = absl::Seconds(30);
  const std::vector<RankedSource> all = Sources();
  EXPECT_EQ(all[0].wait, absl::ZeroDuration());
  EXPECT_EQ(all[1].wait, absl::Seconds(30));
  EXPECT_EQ(all[2].wait, absl::Seconds(60));
  lacking_ = {{"peer", true}};
  const std::vector<RankedSource> some = Sources();
  EXPECT_EQ(some[0].wait, absl::ZeroDuration()) << "there is no peer to wait for";
  EXPECT_EQ(some[1].wait, absl::Seconds(30));
}

TEST_F(SourceRankingTest, ASourceThatDidWrongComesLastAndNobodyWaitsForIt) {
  policy_.escalation_wait = absl::Seconds(30);
  behind_ = {{"peer", true}};
  EXPECT_THAT(Names(), ElementsAre("TIER ix", "ORIGIN origin", "PEER peer"));
  const std::vector<RankedSource> sources = Sources();
  EXPECT_EQ(sources[0].wait, absl::ZeroDuration()) << "as if there were no peer";
  EXPECT_EQ(sources[1].wait, absl::Seconds(30));
  EXPECT_EQ(sources[2].wait, absl::ZeroDuration()) << "the last resort may be tried at any time";
  EXPECT_TRUE(sources[2].behind);
  behind_ = {{"peer", true}, {"ix", true}, {"origin", true}};
  EXPECT_THAT(Names(), ElementsAre("PEER peer", "TIER ix", "ORIGIN origin")) << "where all are behind none is";
  boxes_.push_back(Box("peer-2", "isp-1", SiteKind::kEmbedded, "192.0.2.3"));
  behind_ = {{"peer", true}};
  EXPECT_THAT(Names(), ElementsAre("PEER peer-2", "TIER ix", "ORIGIN origin", "PEER peer"));
  EXPECT_EQ(Sources()[1].wait, absl::Seconds(30)) << "a sound peer is waited for";
}

TEST_F(SourceRankingTest, WhoIsNoMasterWaitsBeforeGoingOut) {
  lacking_ = {{"peer", true}};
  const std::vector<RankedSource> sources = Sources(7, /*is_master=*/false);
  ASSERT_EQ(sources.size(), 2u);
  EXPECT_EQ(sources[0].wait, absl::Minutes(15));
  EXPECT_EQ(sources[1].wait, absl::Minutes(15));
  lacking_.clear();
  EXPECT_EQ(Sources(7, false)[0].wait, absl::ZeroDuration()) << "peers are never waited for";
}

TEST_F(SourceRankingTest, ExactlyTheGivenNumberOfBoxesAreMastersOfAFile) {
  std::vector<ApplianceId> wanting;
  for (int i = 0; i < 10; ++i) wanting.push_back(ApplianceId(absl::StrCat("box-", i)));
  std::map<std::string, int> times;
  for (uint32_t file = 0; file < 300; ++file) {
    int masters = 0;
    for (const ApplianceId& id : wanting) {
      const auto before =
          std::count_if(wanting.begin(), wanting.end(), [&](const ApplianceId& other) { return PrecedesAsFillMaster(other, id, file); });
      if (before >= 2) continue;
      ++masters;
      ++times[id.value()];
    }
    ASSERT_EQ(masters, 2);
  }
  for (const auto& [id, count] : times) EXPECT_NEAR(count, 60, 30) << id;
}

TEST_F(SourceRankingTest, PeersOfTheSameClusterComeBeforeOthersOfTheSite) {
  boxes_.push_back(Box("neighbour", "isp-1", SiteKind::kEmbedded, "192.0.2.3"));
  boxes_.back().cluster = ClusterId("other");
  for (uint32_t file = 0; file < 20; ++file) {
    EXPECT_EQ(Names(file)[0], "PEER peer");
    EXPECT_EQ(Names(file)[1], "PEER neighbour");
  }
}

TEST_F(SourceRankingTest, FullBoxesComeLastInTheirClass) {
  boxes_.push_back(Box("peer-2", "isp-1", SiteKind::kEmbedded, "192.0.2.3"));
  Find("peer").use_bps = 990'000'000;
  for (uint32_t file = 0; file < 20; ++file) EXPECT_EQ(Names(file)[0], "PEER peer-2");
  Find("peer").use_bps = 0;
  Find("peer-2").health = HealthState::kOverloaded;
  for (uint32_t file = 0; file < 20; ++file) EXPECT_EQ(Names(file)[0], "PEER peer");
  EXPECT_TRUE(Sources()[1].full);
}

TEST_F(SourceRankingTest, FilesSpreadOverPeersByFreeCapacity) {
  boxes_.push_back(Box("peer-2", "isp-1", SiteKind::kEmbedded, "192.0.2.3"));
  Find("peer").use_bps = 750'000'000;  // A quarter free.
  int first = 0;
  for (uint32_t file = 0; file < 1'000; ++file) first += Names(file)[0] == "PEER peer" ? 1 : 0;
  EXPECT_NEAR(first, 200, 60);
}

TEST_F(SourceRankingTest, TheAnswerIsBoundedAndDoesNotDependOnTheOrderOfTheBoxes) {
  for (int i = 0; i < 20; ++i) {
    boxes_.push_back(Box(absl::StrCat("peer-", i), "isp-1", SiteKind::kEmbedded, "192.0.2.9"));
    boxes_.push_back(Box(absl::StrCat("ix-", i), absl::StrCat("ix-", i), SiteKind::kIx, "203.0.113.9"));
    boxes_.push_back(Box(absl::StrCat("origin-", i), "origin", SiteKind::kOrigin, "198.51.100.9"));
  }
  const std::vector<std::string> names = Names();
  EXPECT_EQ(names.size(), SourceRanker::kMaxPeers + SourceRanker::kMaxTiers + SourceRanker::kMaxOrigins);
  std::mt19937 random(3);
  for (int round = 0; round < 10; ++round) {
    std::shuffle(boxes_.begin(), boxes_.end(), random);
    ASSERT_EQ(Names(), names);
  }
}

TEST_F(SourceRankingTest, TheAskerIsNeverItsOwnSource) {
  boxes_ = {asker_.box};
  EXPECT_THAT(Names(), IsEmpty());
  EXPECT_EQ(WhyNot("me"), "");
}

}  // namespace
}  // namespace fairlead
