#include "services/steering/cell_store.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "roaring/roaring.hh"
#include "services/steering/fake_sources.h"
#include "services/steering/fleet_merge.h"

namespace fairlead {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Entry = ingest::v1::FleetEntry;

std::string Bitmap(const std::vector<uint32_t>& files) {
  Roaring bitmap(files.size(), files.data());
  bitmap.runOptimize();
  std::string bytes(bitmap.getSizeInBytes(), '\0');
  bitmap.write(bytes.data());
  return bytes;
}

Entry State(const std::string& id, uint64_t incarnation, uint64_t sequence, const std::string& health = "HEALTH_STATE_OK") {
  return FromText<Entry>("key: 'state/" + id + "' state { appliance: 'appliances/" + id + "' incarnation: " + std::to_string(incarnation) +
                         " sequence: " + std::to_string(sequence) + " weight: 0.25 health: " + health + " }");
}
Entry HoldingsOf(const std::string& id, uint64_t sequence, const std::vector<uint32_t>& files) {
  Entry entry = FromText<Entry>("key: 'holdings/" + id + "' holdings { appliance: 'appliances/" + id +
                                "' incarnation: 1 sequence: " + std::to_string(sequence) + " }");
  entry.mutable_holdings()->set_bitmap(Bitmap(files));
  return entry;
}
Entry Session(const std::string& session, const std::string& appliance) {
  return FromText<Entry>("key: 'session/" + session + "' session { session: 'bgpSessions/" + session + "' appliance: 'appliances/" +
                         appliance + "' established: true }");
}
Entry Route(const std::string& session, const std::string& appliance, const std::string& prefix_fields) {
  return FromText<Entry>("key: 'route/" + session + "/192.0.2.0/24/0' route { session: 'bgpSessions/" + session +
                         "' appliance: 'appliances/" + appliance + "' prefix { " + prefix_fields + " } as_path_length: 100000 med: 5 }");
}
constexpr char kPrefix[] = R"(address: "\300\000\002\000" length: 24)";  // 192.0.2.0/24

void Give(CellStore& cell, const std::vector<Entry>& entries, bool snapshot = false) {
  static FeedPosition position = {1, 0};
  ++position.version;
  EXPECT_TRUE(cell.Apply({.snapshot = snapshot, .base = {}, .position = position, .entries = entries, .held_entries = 0}).ok());
}

std::vector<std::string> KeysOf(const CellStore& cell) {
  std::vector<std::string> keys;
  cell.ForEachKey([&keys](absl::string_view key) { keys.emplace_back(key); });
  return keys;
}

TEST(DecodeHoldings, ReadsEveryKindOfContainer) {
  std::vector<uint32_t> files = {1, 5, 70'000, 4'000'000'000};
  for (uint32_t i = 200'000; i < 240'000; i += 2) files.push_back(i);  // A bitset.
  for (uint32_t i = 300'000; i < 310'000; ++i) files.push_back(i);     // A run.
  const auto decoded = DecodeHoldings(Bitmap(files));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  std::sort(files.begin(), files.end());
  EXPECT_EQ(decoded->numbers(), files);
  EXPECT_THAT(DecodeHoldings(Bitmap({}))->numbers(), IsEmpty());
}

TEST(DecodeHoldings, RefusesWhatIsNoBitmapAndWhatIsTooLarge) {
  EXPECT_FALSE(DecodeHoldings("").ok());
  EXPECT_FALSE(DecodeHoldings("not a bitmap at all").ok());
  const std::string whole = Bitmap({1, 2, 3, 100'000});
  for (size_t length = 0; length < whole.size(); ++length) EXPECT_FALSE(DecodeHoldings(whole.substr(0, length)).ok()) << length;
  Roaring all;
  all.addRange(0, 5'000'000);
  all.runOptimize();
  std::string bytes(all.getSizeInBytes(), '\0');
  all.write(bytes.data());
  EXPECT_FALSE(DecodeHoldings(bytes).ok());
}

TEST(CellStore, ReadsReportsAndSaysWhatMustBeRebuilt) {
  FleetGenerations generations;
  CellStore cell(generations);
  Give(cell, {State("oca-1", 1, 1), HoldingsOf("oca-1", 1, {3}), Session("s-1", "oca-1"), Route("s-1", "oca-1", kPrefix)}, true);
  const uint64_t routes = generations.routes;
  const uint64_t holdings = generations.holdings;
  const uint64_t reports = generations.reports;
  Give(cell, {State("oca-1", 1, 2), Session("s-1", "oca-1")});  // A heartbeat, and a session's new figures.
  EXPECT_GT(generations.reports, reports);
  EXPECT_EQ(generations.holdings, holdings);
  EXPECT_EQ(generations.routes, routes);
  cell.ForEachReport([](const ApplianceId& id, const BoxReport& report) {
    EXPECT_EQ(id.value(), "oca-1");
    EXPECT_EQ(report.weight_permille, 250u);
    EXPECT_EQ(report.age, (ReportAge{1, 2}));
  });
  uint64_t speakers = cell.ForEachSpeaker([](uint32_t, const RouteSpeaker& speaker) {
    EXPECT_EQ(speaker.session.value(), "s-1");
    EXPECT_EQ(speaker.appliance.value(), "oca-1");
  });
  const Prefix prefix = Prefix::Parse("192.0.2.0/24").value();
  const Prefix other = Prefix::Parse("192.0.3.0/24").value();
  EXPECT_TRUE(cell.ForEachRouteOf({other, prefix}, speakers, [](size_t place, uint32_t speaker, const RouteAttributes& route) {
    EXPECT_EQ(place, 1u);
    EXPECT_EQ(speaker, 0u);
    EXPECT_EQ(route.as_path_length, 65535);  // Clamped, not wrapped.
    EXPECT_EQ(route.med, 5u);
  }));
  EXPECT_THAT(cell.TakeRouteChanges().prefixes, ElementsAre(prefix));
  EXPECT_THAT(cell.TakeRouteChanges().prefixes, IsEmpty());
  Give(cell, {Session("s-2", "oca-1")}, true);  // A snapshot: the rest is gone.
  EXPECT_EQ(cell.routes(), 0u);
  EXPECT_THAT(KeysOf(cell), ElementsAre("session/s-2"));
}

TEST(CellStore, WhatIsNearTheHoldingsAndTheRoutesAreTogetherAllThatItHolds) {
  FleetGenerations generations;
  CellStore cell(generations);
  Give(cell, {State("oca-1", 1, 9), HoldingsOf("oca-1", 1, {3}), Session("s-1", "oca-1"), Route("s-1", "oca-1", kPrefix)});
  std::vector<Entry> near;
  for (const auto& entry : cell.HeldNear().entries) near.push_back(*entry);
  ASSERT_THAT(near, SizeIs(2));
  EXPECT_EQ(near[0].key(), "session/s-1");
  EXPECT_EQ(near[1].key(), "state/oca-1");
  const Prefix prefix = Prefix::Parse("192.0.2.0/24").value();
  const std::vector<StoredRoute> routes = cell.RoutesAt(prefix);
  ASSERT_THAT(routes, SizeIs(1));

  CellStore restored(generations);
  restored.Restore({}, near);
  Give(restored, {*cell.entries().Find("holdings/oca-1")});
  restored.RestoreRoutes(prefix, routes);
  EXPECT_EQ(KeysOf(restored), KeysOf(cell));
  EXPECT_EQ(restored.unreadable(), 0u);
  EXPECT_EQ(restored.RoutesAt(prefix)[0].attributes, routes[0].attributes);
  EXPECT_EQ(restored.RoutesAt(prefix)[0].speaker, routes[0].speaker);

  restored.ForgetBulk();
  EXPECT_THAT(KeysOf(restored), ElementsAre("session/s-1", "state/oca-1"));
}

TEST(CellStore, WhatIsUnsavedIsAllAtFirstAndThenWhatChanged) {
  FleetGenerations generations;
  CellStore cell(generations);
  Give(cell, {HoldingsOf("oca-1", 1, {3}), Route("s-1", "oca-1", kPrefix)});
  EXPECT_TRUE(cell.TakeUnsavedRoutes().all);
  EXPECT_TRUE(cell.entries().TakeChanges().all);
  EXPECT_THAT(cell.TakeUnsavedRoutes().prefixes, IsEmpty());
  EXPECT_THAT(cell.entries().TakeChanges().keys, IsEmpty());
  // To look at a session's routes again changes nothing on disk.
  cell.TouchRoutesOf({BgpSessionId("s-1")});
  EXPECT_THAT(cell.TakeUnsavedRoutes().prefixes, IsEmpty());
  Give(cell, {Session("s-2", "oca-1")}, true);
  EXPECT_THAT(cell.TakeUnsavedRoutes().prefixes, ElementsAre(Prefix::Parse("192.0.2.0/24").value()));
  EXPECT_THAT(cell.entries().TakeChanges().keys, ::testing::UnorderedElementsAre("holdings/oca-1", "session/s-2"));
}

TEST(CellStore, RoutesOfAPrefixStandInTheOrderOfTheirSessionsWhateverOrderTheyCameIn) {
  FleetGenerations generations;
  CellStore cell(generations);
  const Prefix prefix = Prefix::Parse("192.0.2.0/24").value();
  const auto sessions = [&] {
    std::vector<std::string> ids;
    for (const StoredRoute& route : cell.RoutesAt(prefix))
      ids.push_back(route.speaker.session.value() + " by " + route.speaker.appliance.value());
    return ids;
  };
  for (const char* session : {"s-3", "s-1", "s-4", "s-2"}) Give(cell, {Route(session, "oca-1", kPrefix)});
  EXPECT_THAT(sessions(), ElementsAre("s-1 by oca-1", "s-2 by oca-1", "s-3 by oca-1", "s-4 by oca-1"));
  Entry removal;
  removal.set_key("route/s-2/192.0.2.0/24/0");
  Give(cell, {removal, Route("s-3", "oca-2", kPrefix)});  // Another box hears it now: a route in place of the one before.
  EXPECT_THAT(sessions(), ElementsAre("s-1 by oca-1", "s-3 by oca-2", "s-4 by oca-1"));
  Give(cell, {removal, Route("s-2", "oca-1", kPrefix)});
  EXPECT_THAT(sessions(), ElementsAre("s-1 by oca-1", "s-2 by oca-1", "s-3 by oca-2", "s-4 by oca-1"));
  EXPECT_EQ(cell.routes(), 4u);
}

TEST(CellStore, AnUnreadableEntryIsLeftOutAndTakesItsOlderSelfWithIt) {
  FleetGenerations generations;
  CellStore cell(generations);
  Give(cell, {HoldingsOf("oca-1", 1, {3}), Route("s-1", "oca-1", kPrefix)});
  Entry broken = HoldingsOf("oca-1", 2, {3});
  broken.mutable_holdings()->set_bitmap("garbage");
  Give(cell, {broken, Route("s-1", "oca-1", R"(address: "\300\000\002\001" length: 24)"), Route("s-3", "oca-1", "length: 500"),
              FromText<Entry>("key: 'state/oca-9' state { appliance: 'appliances/oca-8' }"), HoldingsOf("oca-2", 1, {4})});
  EXPECT_EQ(cell.unreadable(), 4u);
  EXPECT_EQ(cell.routes(), 0u);
  std::vector<std::string> holders;
  cell.ForEachHoldings([&](const ApplianceId& id, const BoxHoldings&) { holders.push_back(id.value()); });
  EXPECT_THAT(holders, ElementsAre("oca-2"));
}

class FleetMergeTest : public ::testing::Test {
 protected:
  HealthState HealthOf(const std::string& id) { return MergeReports({&a_, &b_}).at(ApplianceId(id)).health; }
  size_t Merged() {
    const CellStores cells = {&a_, &b_};
    const SessionOwners owners = MergeSessions(cells);
    const ConfiguredSessions configured = {{BgpSessionId("s-1"), {.index = 0, .appliance = ApplianceId("oca-1")}}};
    RouteMerge merge;
    merge.Follow(cells, owners, configured);
    std::vector<RouteMerge::Merged> merged = {{.routes = {{}}, .foreign = 7}};  // Of another time.
    merge.RoutesOf({Prefix::Parse("192.0.2.0/24").value()}, merged);
    foreign_ = merged[0].foreign;
    return merged[0].routes.size();
  }

  size_t foreign_ = 0;
  FleetGenerations generations_;
  CellStore a_{generations_};
  CellStore b_{generations_};
};

TEST_F(FleetMergeTest, TheHighestIncarnationThenTheHighestSequenceWins) {
  Give(a_, {State("oca-1", 1, 9), State("oca-2", 2, 1)});
  Give(b_, {State("oca-1", 1, 10, "HEALTH_STATE_SICK"), State("oca-2", 1, 99, "HEALTH_STATE_SICK")});
  EXPECT_EQ(HealthOf("oca-1"), HealthState::kSick);
  EXPECT_EQ(HealthOf("oca-2"), HealthState::kOk);
}

TEST_F(FleetMergeTest, OfEqualReportsTheOneThatIsNotSilentWins) {
  Give(a_, {State("oca-1", 1, 9, "HEALTH_STATE_SILENT")});
  Give(b_, {State("oca-1", 1, 9, "HEALTH_STATE_DEGRADED")});
  EXPECT_EQ(HealthOf("oca-1"), HealthState::kDegraded);
}

TEST_F(FleetMergeTest, HoldingsGoByTheirOwnAge) {
  Give(a_, {State("oca-1", 2, 1), HoldingsOf("oca-1", 5, {1, 2})});
  Give(b_, {State("oca-1", 1, 1), HoldingsOf("oca-1", 6, {2})});
  const auto views = MergeHoldings({&a_, &b_});
  ASSERT_THAT(views, SizeIs(1));
  EXPECT_THAT(views[0].files->numbers(), ElementsAre(2));
}

TEST_F(FleetMergeTest, ASessionsRoutesStayWithTheOldCellUntilTheNewOneKnowsIt) {
  Give(a_, {State("oca-1", 1, 9), Session("s-1", "oca-1"), Route("s-1", "oca-1", kPrefix)});
  EXPECT_EQ(Merged(), 1u);
  Give(b_, {State("oca-1", 2, 1)});  // It moved.
  EXPECT_EQ(Merged(), 1u);
  Give(b_, {Session("s-1", "oca-1")});  // The new cell knows the session, and says that it has no routes.
  EXPECT_EQ(Merged(), 0u);
}

TEST_F(FleetMergeTest, SessionsAreCountedByTheWordOfTheCellThatHearsTheirBoxNow) {
  const auto counts = [&] {
    const CellStores cells = {&a_, &b_};
    const SessionCount count = CountSessions(cells, MergeSessions(cells))[ApplianceId("oca-1")];
    return std::pair(count.up, count.down);
  };
  const auto session = [](const std::string& id, const std::string& established) {
    return FromText<CellStore::Entry>("key: 'session/" + id + "' session { session: 'bgpSessions/" + id +
                                      "' appliance: 'appliances/oca-1' established: " + established + " }");
  };
  Give(a_, {State("oca-1", 1, 9), session("s-1", "true"), session("s-2", "true")});
  EXPECT_EQ(counts(), std::pair(size_t{2}, size_t{0}));
  const uint64_t before = generations_.reports;
  Give(a_, {session("s-2", "false")});
  EXPECT_GT(generations_.reports, before);
  EXPECT_EQ(counts(), std::pair(size_t{1}, size_t{1}));
  Give(b_, {State("oca-1", 2, 1), session("s-2", "true")});
  EXPECT_EQ(counts(), std::pair(size_t{2}, size_t{0}));
}

TEST_F(FleetMergeTest, ReportsKnowTheCellTheyComeFromAndHowOldTheyWere) {
  Give(a_, {State("oca-1", 1, 9), State("oca-2", 1, 9)});
  Give(b_, {FromText<CellStore::Entry>("key: 'state/oca-2' state { appliance: 'appliances/oca-2' incarnation: 2 sequence: 1 "
                                       "health: HEALTH_STATE_OK report_age { seconds: 3 nanos: 500000000 } }")});
  const auto merged = MergeReports({&a_, &b_});
  EXPECT_EQ(merged.at(ApplianceId("oca-1")).cell, 0u);
  EXPECT_EQ(merged.at(ApplianceId("oca-1")).sent_after, absl::InfiniteDuration());
  EXPECT_EQ(merged.at(ApplianceId("oca-2")).cell, 1u);
  EXPECT_EQ(merged.at(ApplianceId("oca-2")).sent_after, absl::Milliseconds(3500));
}

TEST_F(FleetMergeTest, ABoxThatComesBackToACellWithAnOldTableKeepsTheNewerOneUntilTheTableIsWholeThere) {
  const auto session = [](uint64_t whole_at) {
    Entry entry = Session("s-1", "oca-1");
    entry.mutable_session()->set_incarnation(1);
    entry.mutable_session()->set_sequence(whole_at);
    return entry;
  };
  Give(a_, {State("oca-1", 1, 9), session(5)});
  Give(b_, {State("oca-1", 1, 20), session(15), Route("s-1", "oca-1", kPrefix)});
  EXPECT_EQ(Merged(), 1u);
  Give(a_, {State("oca-1", 1, 30)});  // It is back, but its table of then has no routes.
  EXPECT_EQ(Merged(), 1u);
  const uint64_t before = generations_.routes;
  Give(a_, {session(35)});
  EXPECT_EQ(Merged(), 0u);
  EXPECT_GT(generations_.routes, before) << "the table is built anew";
}

TEST_F(FleetMergeTest, RoutesOfUnconfiguredSessionsAndOfOtherBoxesAreLeftOut) {
  Give(a_, {State("oca-1", 1, 1), Session("s-1", "oca-1"), Session("s-2", "oca-1"), Route("s-1", "oca-7", kPrefix),
            Route("s-2", "oca-1", kPrefix)});
  EXPECT_EQ(Merged(), 0u);
  EXPECT_EQ(foreign_, 2u);
}

}  // namespace
}  // namespace fairlead
