#include "libs/steering/ladder_book.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "libs/steering/spread.h"

namespace fairlead {
namespace {

Prefix P(absl::string_view text) {
  return Prefix::Parse(text).value();
}

// Twelve sites of three boxes, every third an open IX; each box of an embedded site and each IX site has a session.
class LadderBookTest : public testing::Test {
 protected:
  LadderBookTest() {
    auto everything = std::make_shared<PrefixTable<std::monostate>>();
    for (const char* all : {"0.0.0.0/0", "::/0"}) everything->Insert(P(all), {});
    std::vector<SiteView> sites;
    std::vector<ApplianceView> boxes;
    for (int site = 0; site < 12; ++site) {
      const bool ix = site % 3 == 0;
      const SiteId id(absl::StrCat("s", 10 + site));
      sites.push_back({.id = id,
                       .kind = ix ? SiteKind::kIx : SiteKind::kEmbedded,
                       .at = Coordinates::FromDegrees(5 * site, 7 * site),
                       .open_to_unrouted = ix});
      for (int box = 0; box < 3; ++box) {
        const ApplianceId name(absl::StrCat(id.value(), "-b", box));
        boxes.push_back({.id = name, .site = id, .kind = ApplianceKind::kStorage});
        SessionView session = {.id = BgpSessionId(absl::StrCat("n", 99 - sessions_.size())),  // Not in the order of sites.
                               .transport = ix ? TransportClass::kPublicPeering : TransportClass::kEmbedded,
                               .site = id,
                               .allowed = everything};
        if (!ix) session.appliance = name;
        if (!ix || box == 0) sessions_.push_back(std::move(session));
      }
    }
    fleet_ = Fleet::Build(sites, boxes, {});
  }

  std::vector<RouteView> DrawRoutes(uint64_t seed) {
    std::vector<RouteView> routes;
    for (uint64_t i = 0; i < Mix(seed) % 6; ++i) {
      routes.push_back({.session = static_cast<uint32_t>(Mix(seed, i) % sessions_.size()),
                        .neighbour_as = static_cast<uint32_t>(Mix(seed, i + 100) % 3),
                        .med = static_cast<uint32_t>(Mix(seed, i + 200) % 3),
                        .as_path_length = static_cast<uint16_t>(1 + Mix(seed, i + 300) % 3),
                        .demoted = Mix(seed, i + 400) % 8 == 0});
    }
    return routes;
  }

  std::shared_ptr<const LadderTable> FromNothing(const std::map<Prefix, std::vector<RouteView>>& all) {
    std::vector<RouteView> flat;
    for (const auto& [prefix, routes] : all) {
      for (RouteView route : routes) {
        route.prefix = prefix;
        flat.push_back(route);
      }
    }
    return LadderTable::Build(*fleet_, sessions_, flat, &places_, {});
  }

  static void ExpectEqual(const LadderTable& a, const LadderTable& b, const std::vector<IpAddress>& clients) {
    ASSERT_EQ(a.prefixes(), b.prefixes());
    ASSERT_EQ(a.distinct_ladders(), b.distinct_ladders());
    for (const IpAddress& client : clients) {
      const LadderTable::Found one = a.Find(client);
      const LadderTable::Found two = b.Find(client);
      ASSERT_EQ(*one.ladder, *two.ladder) << client;
      ASSERT_EQ(one.prefix, two.prefix) << client;
      ASSERT_EQ(one.place, two.place) << client;
      ASSERT_EQ(a.LongestRouted(client), b.LongestRouted(client)) << client;
      ASSERT_EQ(a.RoutesCovering(client).size(), b.RoutesCovering(client).size()) << client;
    }
  }

  std::vector<SessionView> sessions_;
  std::shared_ptr<const Fleet> fleet_;
  PlaceTable places_;
};

TEST_F(LadderBookTest, AfterAnyChangesTheTableIsTheOneMadeFromNothing) {
  places_.Insert(P("80.0.4.0/22"), {.at = Coordinates::FromDegrees(30, 40), .country = "XX", .source = PlaceSource::kGeofeed});
  std::vector<IpAddress> clients;
  for (uint32_t i = 0; i < 300; ++i) clients.push_back(IpAddress::V4(0x50000000 + (static_cast<uint32_t>(Mix(7, i)) & 0x3fff)));
  LadderBook book(fleet_, sessions_, &places_, {});
  std::map<Prefix, std::vector<RouteView>> all;
  std::vector<std::shared_ptr<const LadderTable>> kept;
  std::vector<std::shared_ptr<const LadderTable>> expected;
  for (uint64_t step = 0; step < 120; ++step) {
    for (uint64_t i = 0; i < 1 + step % 4; ++i) {
      const uint64_t draw = Mix(step, i);
      const int length = 18 + static_cast<int>(draw % 9);
      const Prefix prefix = Prefix::Of(IpAddress::V4(0x50000000 + (static_cast<uint32_t>(draw >> 20) & 0x3fff)), length);
      std::vector<RouteView> routes = DrawRoutes(draw);
      book.Set(prefix, routes);
      if (routes.empty()) {
        all.erase(prefix);
      } else {
        all[prefix] = std::move(routes);
      }
    }
    kept.push_back(book.Publish());
    expected.push_back(FromNothing(all));
    ExpectEqual(*kept.back(), *expected.back(), clients);
    if (HasFatalFailure()) FAIL() << "step " << step;
    if (kept.size() > 5) {  // Readers let go of tables in any order; the others stay as they were.
      kept.erase(kept.begin() + static_cast<ptrdiff_t>(step % 4));
      expected.erase(expected.begin() + static_cast<ptrdiff_t>(step % 4));
    }
  }
  for (size_t i = 0; i < kept.size(); ++i) ExpectEqual(*kept[i], *expected[i], clients);
}

// Two books, the later of which hears of half of the prefixes from time to time only, as they follow one another.
TEST_F(LadderBookTest, OneThatFollowsAnotherSharesItsIndexAndEachShowsItsOwnRoutes) {
  std::vector<IpAddress> clients;
  for (uint32_t i = 0; i < 300; ++i) clients.push_back(IpAddress::V4(0x50000000 + (static_cast<uint32_t>(Mix(11, i)) & 0x3fff)));
  auto book = std::make_unique<LadderBook>(fleet_, sessions_, nullptr, SteeringPolicy());
  std::map<Prefix, std::vector<RouteView>> all;
  uint64_t draws = 0;
  const auto change = [&](LadderBook* next, std::map<Prefix, std::vector<RouteView>>& of_next) {
    const uint64_t draw = Mix(5, ++draws);
    const Prefix prefix =
        Prefix::Of(IpAddress::V4(0x50000000 + (static_cast<uint32_t>(draw >> 20) & 0x3fff)), 18 + static_cast<int>(draw % 9));
    const std::vector<RouteView> routes = DrawRoutes(draw);
    // What one of them may not have, the other may.
    for (LadderBook* const to : {book.get(), next}) {
      if (to == nullptr) continue;
      const bool may = next == nullptr || Mix(draw, to == next) % 4 != 0;
      to->Set(prefix, may ? routes : std::vector<RouteView>());
      (to == next ? of_next : all)[prefix] = may ? routes : std::vector<RouteView>();
    }
  };
  std::map<Prefix, std::vector<RouteView>> none;
  for (int i = 0; i < 60; ++i) change(nullptr, none);
  auto last = book->Publish();
  for (int generation = 0; generation < 12; ++generation) {
    auto next = std::make_unique<LadderBook>(fleet_, sessions_, nullptr, SteeringPolicy(), book.get());
    std::map<Prefix, std::vector<RouteView>> of_next;
    std::vector<Prefix> known = book->PrefixesLeftOut();
    for (const Prefix& prefix : book->PrefixesAfter(nullptr, 1'000'000)) known.push_back(prefix);
    for (const Prefix& prefix : known) {
      if (Mix(draws, 3) % 3 == 0) change(next.get(), of_next);
      if (!of_next.contains(prefix))
        of_next[prefix] =
            DrawRoutes(Mix(Mix(static_cast<uint64_t>(generation), static_cast<uint64_t>(prefix.length())), prefix.address().low()));
      next->Set(prefix, of_next[prefix]);
      next->Settle();
      last = book->Publish();
      const auto expected = FromNothing(all);
      for (const IpAddress& client : clients) {
        ASSERT_EQ(*last->Find(client).ladder, *expected->Find(client).ladder) << client << " in generation " << generation;
        ASSERT_EQ(last->LongestRouted(client), expected->LongestRouted(client)) << client << " in generation " << generation;
      }
    }
    book->Leave();
    std::swap(book, next);
    std::swap(all, of_next);
    const auto first = book->Publish();
    ExpectEqual(*first, *FromNothing(all), clients);
    if (HasFatalFailure()) FAIL() << "generation " << generation;
    last = nullptr;
    int steps = 1;
    while (!next->FreeSome([] { return true; })) ++steps;
    EXPECT_GT(steps, 2);
    ExpectEqual(*first, *FromNothing(all), clients);
  }
}

TEST_F(LadderBookTest, ToSetAllAgainChangesWhatDiffersAndTakesAwayWhatIsGone) {
  std::vector<RouteView> routes;
  for (uint32_t i = 0; i < 50; ++i) {
    for (RouteView route : DrawRoutes(i)) {
      route.prefix = Prefix::Of(IpAddress::V4(0x50000000 + (i << 16)), 16);
      routes.push_back(route);
    }
  }
  LadderBook book(fleet_, sessions_, nullptr, {});
  book.SetAll(routes);
  const size_t prefixes = book.Publish()->prefixes();
  book.SetAll(routes);
  EXPECT_EQ(book.Publish()->prefixes(), prefixes);
  EXPECT_EQ(book.leaves_visited(), 0u);
  const Prefix last = routes.back().prefix;
  while (routes.back().prefix == last) routes.pop_back();
  routes.front().as_path_length = 9;
  book.SetAll(routes);
  const auto table = book.Publish();
  EXPECT_EQ(table->prefixes(), prefixes - 1);
  EXPECT_EQ(book.leaves_visited(), 1u);
  EXPECT_FALSE(table->LongestRouted(last.address()).has_value());
}

TEST_F(LadderBookTest, AChangeLooksAtWhatLiesBelowItAndNothingElse) {
  LadderBook book(fleet_, sessions_, nullptr, {});
  for (uint32_t i = 0; i < 256; ++i) {
    book.Set(Prefix::Of(IpAddress::V4(0x50000000 + (i << 16)), 16), DrawRoutes(i | 1));
    for (uint32_t j = 0; j < 4; ++j) book.Set(Prefix::Of(IpAddress::V4(0x50000000 + (i << 16) + (j << 8)), 24), DrawRoutes(900 + i + j));
  }
  book.Publish();
  const auto routes = DrawRoutes(12'345);
  ASSERT_FALSE(routes.empty());
  book.Set(P("80.3.0.0/16"), routes);
  book.Publish();
  EXPECT_LE(book.leaves_visited(), 5u);
  EXPECT_GE(book.leaves_visited(), 1u);
  book.Set(P("80.3.1.0/24"), routes);
  book.Publish();
  EXPECT_EQ(book.leaves_visited(), 1u);
  book.Set(P("80.3.1.0/24"), routes);
  book.Publish();
  EXPECT_EQ(book.leaves_visited(), 0u) << "nothing changed";
}

// Two lists, of which one is narrower, and later another: equal routes are different ones where they may not all count.
TEST_F(LadderBookTest, EachPrefixHasTheRoutesThatTheirSessionsMayAnnounceForIt) {
  auto narrow = std::make_shared<PrefixTable<std::monostate>>();
  narrow->Insert(P("80.0.0.0/16"), {});
  sessions_[1].allowed = narrow;
  sessions_[2].allowed = nullptr;  // Not transit: it may announce nothing.
  LadderBook book(fleet_, sessions_, nullptr, {});
  const std::vector<RouteView> routes = {{.session = 2}, {.session = 1}, {.session = 4}, {.session = 1'000}};
  const auto heard = [&](absl::string_view client) {
    std::vector<std::string> ids;
    const auto table = book.Publish();
    for (const RouteView& route : table->RoutesCovering(IpAddress::Parse(client).value())) {
      ids.push_back(table->sessions()[route.session].id.value());
    }
    return ids;
  };
  const std::string one = sessions_[1].id.value();
  const std::string four = sessions_[4].id.value();
  for (const char* prefix : {"80.0.1.0/24", "80.1.1.0/24", "80.0.2.0/24"}) book.Set(P(prefix), routes);
  EXPECT_EQ(heard("80.0.1.1"), (std::vector<std::string>{four, one}));  // By their ids.
  EXPECT_EQ(heard("80.1.1.1"), (std::vector<std::string>{four}));
  EXPECT_EQ(heard("80.0.2.1"), heard("80.0.1.1"));
  EXPECT_EQ(book.Publish()->routes_left_out(), 7u);
  EXPECT_EQ(book.PrefixesLeftOut().size(), 3u);

  auto none = std::make_shared<PrefixTable<std::monostate>>();
  book.SetAllowed(1, none);
  book.SetAllowed(4, narrow);
  for (const char* prefix : {"80.0.1.0/24", "80.1.1.0/24"}) book.Set(P(prefix), routes);
  EXPECT_EQ(heard("80.0.1.1"), (std::vector<std::string>{four}));
  EXPECT_TRUE(heard("80.1.1.1").empty());
  EXPECT_EQ(heard("80.0.2.1"), (std::vector<std::string>{four, one})) << "what was set before stays";
}

TEST_F(LadderBookTest, APrefixWithTheRoutesOfTheOneAroundItHasItsLadder) {
  LadderBook book(fleet_, sessions_, nullptr, {});
  const std::vector<RouteView> routes = {{.session = 4, .as_path_length = 2}, {.session = 7, .as_path_length = 1}};
  for (const char* prefix : {"80.0.0.0/16", "80.0.1.0/24", "80.0.1.0/25", "80.0.2.0/24"}) book.Set(P(prefix), routes);
  book.Set(P("80.0.2.0/25"), {{.session = 1}});
  book.Set(P("80.0.1.0/26"), {{.session = 1}});
  const auto table = book.Publish();
  EXPECT_EQ(book.ladders_built(), 2u);
  EXPECT_EQ(table->RoutedPrefixOf(table->LeafOf(IpAddress::Parse("80.0.1.77").value())), P("80.0.1.0/25"));
  EXPECT_EQ(table->RoutesCovering(IpAddress::Parse("80.0.1.1").value()).size(), 7u);
}

// Where a prefix's length decides behind MED, a shorter one's route holds up those of its neighbour as long as it waits itself.
TEST_F(LadderBookTest, TheSameRoutesAgainCountWhereThePrefixLengthIsNotTheFirstStep) {
  SteeringPolicy policy;
  policy.steps = {ProximityStep::kMed, ProximityStep::kPrefixLength, ProximityStep::kDistance};
  policy.med_scope = MedScope::kNeighbourAs;
  places_.Insert(P("80.0.0.0/16"), {.at = Coordinates::FromDegrees(5, 7), .country = "XX", .source = PlaceSource::kGeofeed});
  LadderBook book(fleet_, sessions_, &places_, policy);
  const std::vector<RouteView> routes = {{.session = 1, .neighbour_as = 1, .med = 0},
                                         {.session = 4, .neighbour_as = 1, .med = 1},
                                         {.session = 8, .neighbour_as = 2, .med = 0}};
  for (const char* prefix : {"80.0.0.0/16", "80.0.1.0/24"}) book.Set(P(prefix), routes);
  const auto table = book.Publish();
  const auto sites = [&](absl::string_view client) {
    std::vector<std::string> ids;
    const auto found = table->Find(IpAddress::Parse(client).value());
    for (const LadderEntry& entry : found.ladder->entries) {
      if (!entry.fallback) ids.push_back(fleet_->sites()[entry.site].view.id.value());
    }
    return ids;
  };
  EXPECT_EQ(sites("80.0.2.1"), (std::vector<std::string>{"s11", "s12", "s14"}));
  EXPECT_EQ(sites("80.0.1.1"), (std::vector<std::string>{"s11", "s14", "s12"}));
}

TEST_F(LadderBookTest, AClientOfASmallPrefixHasAFullListBehindRankZero) {
  LadderBook book(fleet_, sessions_, nullptr, {});
  // The small prefix is heard by one box of one embedded site; the one around it by another site and at an IX.
  book.Set(P("80.0.0.0/16"), {{.session = 4, .as_path_length = 2}, {.session = 7, .as_path_length = 1}});
  book.Set(P("80.0.1.0/24"), {{.session = 1, .as_path_length = 3}});
  const auto table = book.Publish();
  const auto found = table->Find(IpAddress::Parse("80.0.1.9").value());
  std::vector<std::string> sites;
  size_t fallback = 0;
  for (const LadderEntry& entry : found.ladder->entries) {
    sites.push_back(fleet_->sites()[entry.site].view.id.value());
    fallback += entry.fallback ? 1 : 0;
  }
  ASSERT_GE(sites.size(), 5u);
  EXPECT_EQ(found.ladder->entries[0].rank, 0u);
  EXPECT_EQ(found.ladder->entries[0].boxes.size(), 1u);
  EXPECT_FALSE(found.ladder->entries[1].fallback) << "the covering prefix's routes come next";
  EXPECT_FALSE(found.ladder->entries[2].fallback);
  EXPECT_GE(fallback, 3u) << "then the open IX sites";
  std::sort(sites.begin(), sites.end());
  EXPECT_EQ(std::adjacent_find(sites.begin(), sites.end()), sites.end()) << "no site twice";
}

}  // namespace
}  // namespace fairlead
