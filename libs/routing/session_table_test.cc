#include "libs/routing/session_table.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr absl::Time kStart = absl::UnixEpoch();

Prefix P(absl::string_view text) {
  return Prefix::Parse(text).value();
}
RouteKey K(absl::string_view prefix, uint32_t path_id = 0) {
  return {P(prefix), path_id};
}
RawRoute Route(absl::string_view prefix, uint32_t path_id = 0, std::vector<uint32_t> path = {3320}) {
  return {.key = K(prefix, path_id), .as_path = SequencePath(std::move(path))};
}

SessionRecord Session(uint32_t max_prefix = 0) {
  return {.id = BgpSessionId("s1"), .partner = PartnerId("dtag"), .transport = TransportClass::kTransit, .max_prefix = max_prefix};
}

DropReason ReasonOf(const SessionTable& table, absl::string_view prefix, uint32_t path_id = 0) {
  const KeptRoute* kept = table.Find(K(prefix, path_id));
  EXPECT_NE(kept, nullptr) << prefix;
  return kept == nullptr ? DropReason::kAdmitted : kept->admission.reason;
}

TEST(SessionTable, DroppedRoutesAreKeptWithTheirReasonAndCounted) {
  SessionTable table(Session());
  EXPECT_THAT(table.Announce(Route("80.0.0.0/8")), ElementsAre(K("80.0.0.0/8")));
  EXPECT_THAT(table.Announce(Route("10.0.0.0/8")), ElementsAre(K("10.0.0.0/8")));
  EXPECT_EQ(table.admitted(), 1u);
  EXPECT_EQ(table.dropped(), 1u);
  EXPECT_EQ(table.count(DropReason::kBogon), 1u);
  EXPECT_EQ(ReasonOf(table, "10.0.0.0/8"), DropReason::kBogon);
  EXPECT_THAT(table.Withdraw(K("10.0.0.0/8")), ElementsAre(K("10.0.0.0/8")));
  EXPECT_EQ(table.dropped(), 0u);
  EXPECT_EQ(table.Find(K("10.0.0.0/8")), nullptr);
}

TEST(SessionTable, TheSameAnnouncementAgainChangesNothing) {
  SessionTable table(Session());
  table.Announce(Route("80.0.0.0/8"));
  EXPECT_THAT(table.Announce(Route("80.0.0.0/8")), IsEmpty());
  EXPECT_THAT(table.Announce(Route("80.0.0.0/8", 0, {3320, 7})), ElementsAre(K("80.0.0.0/8")));
  EXPECT_THAT(table.Withdraw(K("81.0.0.0/8")), IsEmpty());
}

TEST(SessionTable, RestoredRoutesAreJudgedAndAgeAsIfTheyHadBeenHeardHere) {
  SessionTable heard(Session(2));
  for (const char* prefix : {"80.0.0.0/8", "10.0.0.0/8", "81.0.0.0/16", "82.0.0.0/16"}) heard.Announce(Route(prefix));
  heard.Announce(Route("81.0.0.0/16", 7));
  heard.SessionDown(SessionLoss::kLost, kStart);
  SessionTable restored((SessionRecord()));
  for (const auto& [key, kept] : heard.routes()) restored.Restore(kept.route, kept.demoted, kept.stale_since);
  restored.Reconfigure(Session(2), nullptr);
  EXPECT_EQ(restored.admitted(), heard.admitted());
  EXPECT_EQ(restored.dropped(), 2u);
  ASSERT_EQ(restored.routes().size(), 5u);
  for (const auto& [key, kept] : heard.routes()) {
    EXPECT_EQ(restored.Find(key)->route, kept.route);
    EXPECT_EQ(restored.Find(key)->admission.reason, kept.admission.reason) << key;
  }
  for (const absl::Time now : {kStart + absl::Seconds(90) - absl::Nanoseconds(1), kStart + absl::Seconds(90)}) {
    EXPECT_EQ(restored.Tick(now), heard.Tick(now));
  }
  EXPECT_TRUE(restored.Find(K("80.0.0.0/8"))->demoted);
  EXPECT_EQ(restored.EndOfRib(AddressFamily::kIpv4).size(), 5u) << "none of them was announced again";
}

TEST(SessionTable, BeyondTheLimitTheLongerPrefixesGive) {
  SessionTable table(Session(2));
  table.Announce(Route("80.1.2.0/24"));
  table.Announce(Route("80.1.1.0/24"));
  EXPECT_THAT(table.Announce(Route("80.1.0.0/16")), ElementsAre(K("80.1.0.0/16"), K("80.1.2.0/24")));
  EXPECT_EQ(ReasonOf(table, "80.1.2.0/24"), DropReason::kMaxPrefix);
  EXPECT_EQ(ReasonOf(table, "80.1.1.0/24"), DropReason::kAdmitted);
  EXPECT_THAT(table.Withdraw(K("80.1.0.0/16")), ElementsAre(K("80.1.0.0/16"), K("80.1.2.0/24")));
  EXPECT_EQ(ReasonOf(table, "80.1.2.0/24"), DropReason::kAdmitted);
}

TEST(SessionTable, TheLimitCountsPrefixesNotPathsAndEachFamilyByItself) {
  SessionTable table(Session(1));
  table.Announce(Route("80.0.0.0/8", 1));
  table.Announce(Route("80.0.0.0/8", 2));
  table.Announce(Route("2a00::/32", 1));
  table.Announce(Route("10.0.0.0/8", 1));  // A bogon uses up nothing.
  EXPECT_EQ(table.admitted(), 3u);
  table.Announce(Route("81.0.0.0/8", 1));
  EXPECT_EQ(ReasonOf(table, "81.0.0.0/8", 1), DropReason::kMaxPrefix);
  EXPECT_THAT(table.Withdraw(K("80.0.0.0/8", 1)), ElementsAre(K("80.0.0.0/8", 1)));
  EXPECT_EQ(ReasonOf(table, "81.0.0.0/8", 1), DropReason::kMaxPrefix) << "the other path still holds the place";
  table.Withdraw(K("80.0.0.0/8", 2));
  EXPECT_EQ(ReasonOf(table, "81.0.0.0/8", 1), DropReason::kAdmitted);
}

TEST(SessionTable, APathThatTurnsBadGivesItsPlaceUp) {
  SessionTable table(Session(1));
  table.Announce(Route("80.0.0.0/8"));
  table.Announce(Route("81.0.0.0/8"));
  EXPECT_THAT(table.Announce(Route("80.0.0.0/8", 0, {})), ElementsAre(K("80.0.0.0/8"), K("81.0.0.0/8")));
  EXPECT_EQ(ReasonOf(table, "80.0.0.0/8"), DropReason::kEmptyAsPath);
  EXPECT_EQ(ReasonOf(table, "81.0.0.0/8"), DropReason::kAdmitted);
}

// The heart of the limit: what stands in the end depends on what is announced, not on the way there.
TEST(SessionTable, AnyHistoryThatEndsInTheSameRoutesGivesTheSameVerdicts) {
  std::vector<RawRoute> routes;
  for (int i = 0; i < 60; ++i) {
    const Prefix prefix = Prefix::Of(IpAddress::V4(0x50000000 + (static_cast<uint32_t>(i) << 18)), 14 + i % 11);
    routes.push_back({.key = {prefix, static_cast<uint32_t>(i % 3)}, .as_path = SequencePath({3320, i % 7 == 0 ? 0u : 5u})});
  }
  uint64_t state = 7;
  const auto next = [&state](uint64_t bound) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % bound;
  };
  std::string expected;
  for (int round = 0; round < 200; ++round) {
    for (size_t i = routes.size(); i > 1; --i) std::swap(routes[i - 1], routes[next(i)]);
    SessionTable table(Session(20));
    for (const RawRoute& route : routes) {
      table.Announce(route);
      // Detours: some route goes, and comes back in the end.
      if (next(3) == 0) table.Withdraw(routes[next(routes.size())].key);
    }
    for (const RawRoute& route : routes) table.Announce(route);
    if (next(2) == 0) table.Reconfigure(Session(20), nullptr);
    std::string verdicts;
    size_t admitted = 0;
    for (const auto& [key, kept] : table.routes()) {
      absl::StrAppend(&verdicts, key.prefix.ToString(), "#", key.path_id, " ", ToString(kept.admission.reason), "\n");
      admitted += kept.admission.admitted() ? 1 : 0;
    }
    EXPECT_EQ(table.admitted(), admitted);
    if (expected.empty()) expected = verdicts;
    ASSERT_EQ(verdicts, expected) << "round " << round;
  }
  EXPECT_NE(expected.find("MAX_PREFIX"), std::string::npos);
}

// A subscriber that applies only the reported changes must see what the table holds.
TEST(SessionTable, TheReportedChangesAreAllTheChanges) {
  SessionTable table(Session(15));
  absl::btree_map<RouteKey, std::pair<DropReason, bool>> mirror;
  uint64_t state = 3;
  const auto next = [&state](uint64_t bound) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % bound;
  };
  absl::Time now = kStart;
  for (int step = 0; step < 20'000; ++step) {
    now += absl::Seconds(5);
    const uint32_t bits = static_cast<uint32_t>(next(40));
    RawRoute route = {
        .key = {Prefix::Of(IpAddress::V4(0x50000000 | bits << 16), 14 + static_cast<int>(bits % 3)), static_cast<uint32_t>(next(2))},
        .as_path = SequencePath(next(5) == 0 ? std::vector<uint32_t>{} : std::vector<uint32_t>{3320})};
    if (next(6) == 0) route.communities = {kGracefulShutdown};
    std::vector<RouteKey> changed;
    const uint64_t what = next(100);
    if (what < 60) {
      changed = table.Announce(route);
    } else if (what < 90) {
      changed = table.Withdraw(route.key);
    } else if (what < 93) {
      changed = table.SessionDown(SessionLoss::kLost, now);
    } else if (what < 95) {
      changed = table.SessionUp(now);
    } else if (what < 96) {
      changed = table.EndOfRib(AddressFamily::kIpv4);
    } else if (what < 97) {
      changed = table.Reconfigure(Session(static_cast<uint32_t>(5 + next(20))), nullptr);
    } else {
      changed = table.Tick(now);
    }
    EXPECT_TRUE(std::is_sorted(changed.begin(), changed.end()));
    EXPECT_EQ(std::adjacent_find(changed.begin(), changed.end()), changed.end());
    for (const RouteKey& key : changed) {
      const KeptRoute* kept = table.Find(key);
      if (kept == nullptr) {
        mirror.erase(key);
      } else {
        mirror[key] = {kept->admission.reason, kept->demoted};
      }
    }
    ASSERT_EQ(mirror.size(), table.routes().size()) << "step " << step;
    std::array<size_t, kDropReasons> counts = {};
    for (const auto& [key, kept] : table.routes()) {
      const std::pair<DropReason, bool> now_held = {kept.admission.reason, kept.demoted};
      ASSERT_EQ(mirror[key], now_held) << "step " << step << " " << key;
      ++counts[static_cast<size_t>(kept.admission.reason)];
    }
    for (int i = 0; i < kDropReasons; ++i) ASSERT_EQ(table.count(static_cast<DropReason>(i)), counts[i]) << "step " << step;
  }
}

TEST(SessionTable, ALostSessionKeepsItsRoutesThenDemotesThem) {
  SessionTable table(Session());
  table.Announce(Route("80.0.0.0/8"));
  EXPECT_THAT(table.SessionDown(SessionLoss::kLost, kStart), IsEmpty());
  EXPECT_THAT(table.Tick(kStart + absl::Seconds(89)), IsEmpty());
  EXPECT_FALSE(table.Find(K("80.0.0.0/8"))->demoted);
  EXPECT_THAT(table.Tick(kStart + absl::Seconds(90)), ElementsAre(K("80.0.0.0/8")));
  EXPECT_TRUE(table.Find(K("80.0.0.0/8"))->demoted);
  EXPECT_THAT(table.Tick(kStart + absl::Hours(10'000)), IsEmpty()) << "never the last serving option";
  EXPECT_EQ(table.admitted(), 1u);
}

TEST(SessionTable, AReturnedSessionKeepsWhatItAnnouncesAgainAndLosesTheRest) {
  SessionTable table(Session());
  table.Announce(Route("80.0.0.0/8"));
  table.Announce(Route("81.0.0.0/8"));
  table.Announce(Route("2a00::/32"));
  table.SessionDown(SessionLoss::kLost, kStart);
  table.Tick(kStart + absl::Seconds(90));
  table.SessionUp(kStart + absl::Seconds(100));
  EXPECT_THAT(table.Announce(Route("80.0.0.0/8")), ElementsAre(K("80.0.0.0/8"))) << "no longer demoted";
  EXPECT_FALSE(table.Find(K("80.0.0.0/8"))->demoted);
  EXPECT_THAT(table.EndOfRib(AddressFamily::kIpv4), ElementsAre(K("81.0.0.0/8")));
  EXPECT_NE(table.Find(K("2a00::/32")), nullptr) << "the other family isn't through yet";
  EXPECT_THAT(table.EndOfRib(AddressFamily::kIpv6), ElementsAre(K("2a00::/32")));
}

TEST(SessionTable, AFlappingSessionCannotPutOffDemotionForEver) {
  SessionTable table(Session());
  table.Announce(Route("80.0.0.0/8"));
  absl::Time now = kStart;
  for (int i = 0; i < 4; ++i, now += absl::Seconds(30)) {
    table.SessionDown(SessionLoss::kLost, now);
    table.SessionUp(now + absl::Seconds(10));
  }
  EXPECT_THAT(table.Tick(kStart + absl::Seconds(90)), ElementsAre(K("80.0.0.0/8")));
}

TEST(SessionTable, ACeasedSessionTakesItsRoutesAtOnce) {
  SessionTable table(Session(1));
  table.Announce(Route("80.0.0.0/8"));
  table.Announce(Route("81.0.0.0/8"));
  EXPECT_THAT(table.SessionDown(SessionLoss::kCeased, kStart), ElementsAre(K("80.0.0.0/8"), K("81.0.0.0/8")));
  EXPECT_TRUE(table.routes().empty());
  EXPECT_EQ(table.admitted(), 0u);
  table.Announce(Route("82.0.0.0/8"));
  EXPECT_EQ(ReasonOf(table, "82.0.0.0/8"), DropReason::kAdmitted) << "the limit is free again";
}

TEST(SessionTable, RoutesCanBeForgottenWhenThePolicySaysSo) {
  SessionTable table(Session(), nullptr, {.forget_after = absl::Hours(1)});
  table.Announce(Route("80.0.0.0/8"));
  table.SessionDown(SessionLoss::kLost, kStart);
  table.Tick(kStart + absl::Seconds(90));
  EXPECT_THAT(table.Tick(kStart + absl::Minutes(59)), IsEmpty());
  EXPECT_THAT(table.Tick(kStart + absl::Hours(1)), ElementsAre(K("80.0.0.0/8")));
  EXPECT_TRUE(table.routes().empty());
}

TEST(SessionTable, GracefulShutdownIsRecordedAsDemotion) {
  SessionTable table(Session());
  RawRoute route = Route("80.0.0.0/8");
  route.communities = {kGracefulShutdown};
  table.Announce(route);
  EXPECT_TRUE(table.Find(route.key)->demoted);
  EXPECT_EQ(table.admitted(), 1u);
  table.Announce(Route("80.0.0.0/8"));
  EXPECT_FALSE(table.Find(route.key)->demoted);
}

TEST(SessionTable, ANewConfigurationJudgesEveryRouteAgain) {
  SessionTable table(Session());
  table.Announce(Route("80.0.0.0/8"));
  table.Announce(Route("81.0.0.0/8"));
  table.Announce(Route("10.0.0.0/8"));
  EXPECT_THAT(table.Reconfigure(Session(1), nullptr), ElementsAre(K("81.0.0.0/8")));
  EXPECT_EQ(ReasonOf(table, "81.0.0.0/8"), DropReason::kMaxPrefix);
  auto vrps = std::make_shared<VrpTable>();
  vrps->Add({P("80.0.0.0/8"), 8, 1});
  EXPECT_THAT(table.Reconfigure(Session(1), vrps), ElementsAre(K("80.0.0.0/8"), K("81.0.0.0/8")));
  EXPECT_EQ(ReasonOf(table, "80.0.0.0/8"), DropReason::kRpkiInvalid);
  EXPECT_EQ(ReasonOf(table, "81.0.0.0/8"), DropReason::kAdmitted);
}

}  // namespace
}  // namespace fairlead
