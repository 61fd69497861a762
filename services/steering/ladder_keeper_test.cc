// Ladders kept by differences against ladders made of everything: any sequence of announcements, withdrawals, moves between cells,
// snapshots and configurations must lead to the same table.
#include "services/steering/ladder_keeper.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "libs/steering/spread.h"

namespace fairlead {
namespace {

using Entry = CellStore::Entry;
using Routes = std::map<std::string, Entry>;  // By key.

constexpr size_t kCells = 3;
constexpr size_t kSites = 5;
constexpr size_t kSessions = 12;

class Random {
 public:
  explicit Random(uint64_t seed) : seed_(seed) {}
  uint64_t Below(uint64_t bound) { return Mix(seed_, ++drawn_) % bound; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }

 private:
  const uint64_t seed_;
  uint64_t drawn_ = 0;
};

Prefix DrawPrefix(Random& random) {
  const int length = 18 + static_cast<int>(random.Below(8));
  return Prefix::Of(IpAddress::V4(0x50000000 + static_cast<uint32_t>(random.Below(0x4000))), length);
}

// Which of the things that a configuration may have it has.
struct Plan {
  std::set<size_t> sites;
  std::set<size_t> boxes;  // Two a site; the last site has a collector besides.
  std::set<size_t> sessions;
  std::vector<int> classes = std::vector<int>(kSessions, 1);
  std::vector<bool> narrow = std::vector<bool>(kSessions, false);  // Its allow-list has only half of the prefixes.
  std::vector<bool> draining = std::vector<bool>(2 * kSites, false);
  int distance_step_km = 150;
};

ApplianceId Hearer(size_t session) {
  // The last two are heard by the collector of the last site.
  return ApplianceId(session >= kSessions - 2 ? "rc" : absl::StrCat("b", session % (2 * kSites)));
}

std::shared_ptr<const ConfigViews> MakeConfig(const Plan& plan) {
  auto config = std::make_shared<ConfigViews>();
  for (const size_t site : plan.sites) {
    config->sites.push_back({.id = SiteId(absl::StrCat("s", site)),
                             .kind = site >= kSites - 2 ? SiteKind::kIx : SiteKind::kEmbedded,
                             .at = Coordinates::FromDegrees(40 + 3.0 * static_cast<double>(site), 5),
                             .country = "NL",
                             .open_to_unrouted = site == kSites - 1});
  }
  for (const size_t box : plan.boxes) {
    if (!plan.sites.contains(box / 2)) continue;
    config->appliances.push_back({.id = ApplianceId(absl::StrCat("b", box)),
                                  .site = SiteId(absl::StrCat("s", box / 2)),
                                  .kind = ApplianceKind::kStorage,
                                  .admin = plan.draining[box] ? AdminState::kDraining : AdminState::kLive});
  }
  if (plan.sites.contains(kSites - 1)) {
    config->appliances.push_back(
        {.id = ApplianceId("rc"), .site = SiteId(absl::StrCat("s", kSites - 1)), .kind = ApplianceKind::kCollector});
  }
  auto all = std::make_shared<PrefixTable<std::monostate>>();
  all->Insert(Prefix::Parse("80.0.0.0/18").value(), {});
  auto half = std::make_shared<PrefixTable<std::monostate>>();
  half->Insert(Prefix::Parse("80.0.0.0/19").value(), {});
  for (const size_t session : plan.sessions) {
    const bool collected = session >= kSessions - 2;
    SessionView view = {.id = BgpSessionId(absl::StrCat("x", session)),
                        .partner = PartnerId(absl::StrCat("p", session % 3)),
                        .transport = static_cast<TransportClass>(plan.classes[session]),
                        .site = SiteId(absl::StrCat("s", collected ? kSites - 1 : session % (2 * kSites) / 2)),
                        .allowed = plan.narrow[session] ? half : all};
    if (!collected) view.appliance = Hearer(session);
    config->session_index[view.id] = {static_cast<uint32_t>(config->sessions.size()), Hearer(session)};
    config->sessions.push_back(std::move(view));
  }
  config->policy.distance_step_km = plan.distance_step_km;
  Fingerprint(*config);
  return config;
}

class LadderKeeperTest : public ::testing::TestWithParam<int> {
 protected:
  struct Cell {
    std::shared_ptr<CellStore> store;
    Routes routes;
    std::map<std::string, Entry> others;  // Sessions and states, by key.
  };

  void SetUp() override {
    small_ = GetParam() % 2 == 1;
    keeper_ = std::make_unique<LadderKeeper>(LadderKeeper::Limits{.at_once = small_ ? size_t{3} : size_t{5'000},
                                                                  .batch = 2,
                                                                  .ahead = small_ ? size_t{5} : size_t{2'000},
                                                                  .piece = small_ ? size_t{5} : size_t{10'000}});
    for (size_t i = 0; i < kCells; ++i) AddCell();
    for (size_t i = 0; i < kSites; ++i) plan_.sites.insert(i);
    for (size_t i = 0; i < 2 * kSites; ++i) plan_.boxes.insert(i);
    for (size_t i = 0; i < kSessions; ++i) plan_.sessions.insert(i);
    for (size_t i = 0; i < kSessions; ++i) plan_.classes[i] = 1 + static_cast<int>(random_.Below(4));
    config_ = MakeConfig(plan_);
  }
  void AddCell() {
    cells_.push_back({.store = std::make_shared<CellStore>(generations_, small_ ? 20 : 1'000), .routes = {}, .others = {}});
  }

  void Give(Cell& cell, std::vector<Entry> entries, bool snapshot = false) {
    ++position_.version;
    ASSERT_TRUE(
        cell.store->Apply({.snapshot = snapshot, .base = {}, .position = position_, .entries = std::move(entries), .held_entries = 0})
            .ok());
  }

  void ChangeRoute(Cell& cell) {
    const size_t session = random_.Below(kSessions);
    const Prefix prefix = DrawPrefix(random_);
    const uint32_t path_id = static_cast<uint32_t>(random_.Below(2));
    Entry entry;
    entry.set_key(RouteKeyText({BgpSessionId(absl::StrCat("x", session)), prefix, path_id}));
    if (random_.OneIn(4) && !cell.routes.empty()) {
      auto at = cell.routes.begin();
      std::advance(at, random_.Below(cell.routes.size()));
      entry.set_key(at->first);
      cell.routes.erase(at);
      return Give(cell, {entry});
    }
    auto& route = *entry.mutable_route();
    route.set_session(absl::StrCat("bgpSessions/x", session));
    route.set_appliance(random_.OneIn(10) ? "appliances/other" : Hearer(session).name());
    route.mutable_prefix()->set_address(prefix.address().ToBytes());
    route.mutable_prefix()->set_length(static_cast<uint32_t>(prefix.length()));
    route.set_path_id(path_id);
    route.set_as_path_length(1 + static_cast<uint32_t>(random_.Below(3)));
    route.set_neighbour_as(static_cast<uint32_t>(random_.Below(3)));
    route.set_med(static_cast<uint32_t>(random_.Below(3)));
    route.set_demoted(random_.OneIn(8));
    cell.routes[entry.key()] = entry;
    Give(cell, {entry});
  }

  // A router that loses all its routes at once; then, bit by bit, some of them come back.
  void LoseSession(Cell& cell) {
    const std::string of_it = absl::StrCat("route/x", random_.Below(kSessions), "/");
    std::vector<Entry> gone;
    for (auto at = cell.routes.begin(); at != cell.routes.end();) {
      if (!absl::StartsWith(at->first, of_it)) {
        ++at;
        continue;
      }
      lost_.push_back(at->second);
      gone.emplace_back().set_key(at->first);
      at = cell.routes.erase(at);
    }
    Give(cell, std::move(gone));
  }
  void BringBack(Cell& cell) {
    for (uint64_t i = 1 + random_.Below(3); i > 0 && !lost_.empty(); --i) {
      std::swap(lost_[random_.Below(lost_.size())], lost_.back());
      cell.routes[lost_.back().key()] = lost_.back();
      Give(cell, {lost_.back()});
      lost_.pop_back();
    }
  }

  // A session's table is whole in this cell from now on, or is known by the age of its box's report, or it is forgotten here.
  void ChangeSession(Cell& cell) {
    const size_t session = random_.Below(kSessions);
    Entry entry;
    entry.set_key(absl::StrCat("session/x", session));
    if (!random_.OneIn(6)) {
      entry.mutable_session()->set_session(absl::StrCat("bgpSessions/x", session));
      entry.mutable_session()->set_appliance(Hearer(session).name());
      if (!random_.OneIn(4)) entry.mutable_session()->set_incarnation(++age_);
    }
    Put(cell, entry);
  }
  void ChangeState(Cell& cell) {
    const ApplianceId box = Hearer(random_.Below(kSessions));
    Entry entry;
    entry.set_key(absl::StrCat("state/", box.value()));
    entry.mutable_state()->set_appliance(box.name());
    entry.mutable_state()->set_incarnation(++age_);
    Put(cell, entry);
  }
  void Put(Cell& cell, const Entry& entry) {
    if (IsRemoval(entry)) {
      cell.others.erase(entry.key());
    } else {
      cell.others[entry.key()] = entry;
    }
    Give(cell, {entry});
  }
  void Resnapshot(Cell& cell) {
    for (auto at = cell.routes.begin(); at != cell.routes.end();) at = random_.OneIn(10) ? cell.routes.erase(at) : std::next(at);
    std::vector<Entry> entries;
    for (const auto& [key, entry] : cell.routes) entries.push_back(entry);
    for (const auto& [key, entry] : cell.others) entries.push_back(entry);
    Give(cell, std::move(entries), /*snapshot=*/true);
  }
  void ChangeCells() {
    if (cells_.size() > 1 && random_.OneIn(2)) {
      cells_.erase(cells_.begin() + static_cast<ptrdiff_t>(random_.Below(cells_.size())));
    } else if (cells_.size() < kCells) {
      AddCell();
    }
  }
  void ChangeConfig() {
    const auto toggle = [this](std::set<size_t>& set, size_t all) {
      const size_t one = random_.Below(all);
      if (set.erase(one) == 0) set.insert(one);
    };
    switch (random_.Below(7)) {
      case 0:
        toggle(plan_.sessions, kSessions);
        break;
      case 1:
        toggle(plan_.boxes, 2 * kSites);
        break;
      case 2:
        toggle(plan_.sites, kSites);
        break;
      case 3:
        plan_.classes[random_.Below(kSessions)] = 1 + static_cast<int>(random_.Below(4));
        break;
      case 4:
        plan_.narrow[random_.Below(kSessions)].flip();
        break;
      case 5:
        plan_.draining[random_.Below(2 * kSites)].flip();
        break;
      default:
        plan_.distance_step_km = random_.OneIn(2) ? 150 : 400;
    }
    config_ = MakeConfig(plan_);
  }
  void ChangeSomething() {
    Cell& cell = cells_[random_.Below(cells_.size())];
    const uint64_t draw = random_.Below(100);
    if (draw < 60) return ChangeRoute(cell);
    if (draw < 63) return LoseSession(cell);
    if (draw < 70) return BringBack(cell);
    if (draw < 80) return ChangeSession(cell);
    if (draw < 88) return ChangeState(cell);
    if (draw < 91) return Resnapshot(cell);
    if (draw < 93) return ChangeCells();
    ChangeConfig();
  }

  // ---- What it should be, from all that is known ----

  std::vector<LadderKeeper::Cells::value_type> Stores() const {
    LadderKeeper::Cells stores;
    for (const Cell& cell : cells_) stores.push_back(cell.store);
    return stores;
  }
  struct Merged {
    std::vector<RouteView> routes;
    size_t foreign = 0;
  };
  Merged MergeAll() const {
    CellStores stores;
    for (const Cell& cell : cells_) stores.push_back(cell.store.get());
    const SessionOwners owners = MergeSessions(stores);
    Merged merged;
    for (size_t i = 0; i < cells_.size(); ++i) {
      for (const auto& [key, entry] : cells_[i].routes) {
        const BgpSessionId session = BgpSessionId::ParseName(entry.route().session()).value();
        const auto owner = owners.find(session);
        if (owner == owners.end() || owner->second != i) continue;
        const auto configured = config_->session_index.find(session);
        if (configured == config_->session_index.end() || configured->second.appliance.name() != entry.route().appliance()) {
          ++merged.foreign;
          continue;
        }
        merged.routes.push_back({.prefix = ParseRouteKey(key)->prefix,
                                 .session = configured->second.index,
                                 .neighbour_as = entry.route().neighbour_as(),
                                 .med = entry.route().med(),
                                 .as_path_length = static_cast<uint16_t>(entry.route().as_path_length()),
                                 .demoted = entry.route().demoted()});
      }
    }
    return merged;
  }

  void ExpectAsMadeOfEverything() const {
    const Merged merged = MergeAll();
    const auto fleet = Fleet::Build(config_->sites, config_->appliances, config_->links);
    const auto whole = LadderTable::Build(*fleet, config_->sessions, merged.routes, nullptr, config_->policy);
    const LadderTable& kept = *keeper_->ladders();
    ASSERT_EQ(kept.prefixes(), whole->prefixes());
    ASSERT_EQ(kept.distinct_ladders(), whole->distinct_ladders());
    ASSERT_EQ(kept.routes_left_out(), whole->routes_left_out());
    ASSERT_EQ(keeper_->foreign(), merged.foreign);
    for (uint32_t client = 0; client < 0x4000; client += 61) {
      const IpAddress address = IpAddress::V4(0x50000000 + client);
      const auto one = kept.Find(address);
      const auto two = whole->Find(address);
      ASSERT_EQ(*one.ladder, *two.ladder) << address;
      ASSERT_EQ(one.prefix, two.prefix) << address;
      ASSERT_EQ(one.place, two.place) << address;
      ASSERT_EQ(kept.LongestRouted(address), whole->LongestRouted(address)) << address;
      ASSERT_EQ(Texts(kept, address), Texts(*whole, address)) << address;
    }
  }
  static std::vector<std::string> Texts(const LadderTable& table, const IpAddress& client) {
    std::vector<std::string> texts;
    for (const RouteView& route : table.RoutesCovering(client)) {
      texts.push_back(absl::StrCat(route.prefix.ToString(), " ", table.sessions()[route.session].id.value(), " ", route.as_path_length, " ",
                                   route.neighbour_as, " ", route.med, " ", route.demoted));
    }
    return texts;
  }

  // Whatever is still being made: no route of a session that isn't configured, or not for this prefix; no box that serves and shouldn't.
  void ExpectNothingWithdrawn() const {
    const ConfigViews& served = *keeper_->served();
    for (uint32_t client = 0; client < 0x4000; client += 61) {
      const LadderTable& table = *keeper_->ladders();
      for (const RouteView& route : table.RoutesCovering(IpAddress::V4(0x50000000 + client))) {
        const SessionView& view = table.sessions()[route.session];
        const auto now = config_->session_index.find(view.id);
        ASSERT_NE(now, config_->session_index.end()) << view.id;
        const SessionView& newest = config_->sessions[now->second.index];
        ASSERT_EQ(newest.transport, view.transport) << view.id;
        ASSERT_TRUE(newest.allowed->LongestMatch(route.prefix).has_value()) << view.id << " " << route.prefix;
      }
    }
    std::set<ApplianceId> live;
    for (const ApplianceView& box : config_->appliances) {
      if (box.admin == AdminState::kLive) live.insert(box.id);
    }
    for (const ApplianceView& box : served.appliances) ASSERT_TRUE(box.admin != AdminState::kLive || live.contains(box.id)) << box.id;
    const auto fleet = Fleet::Build(served.sites, served.appliances, served.links, keeper_->fleet().get());
    ASSERT_EQ(fleet->fingerprint(), keeper_->ladders()->fingerprint()) << "what is served must fit the ladders";
  }

  Random random_{static_cast<uint64_t>(GetParam()) + 1};
  bool small_ = false;
  FleetGenerations generations_;
  FeedPosition position_ = {1, 0};
  uint64_t age_ = 0;
  std::vector<Cell> cells_;
  std::vector<Entry> lost_;
  Plan plan_;
  std::shared_ptr<const ConfigViews> config_;
  std::unique_ptr<LadderKeeper> keeper_;
};

TEST_P(LadderKeeperTest, ByDifferencesTheTableIsTheOneMadeOfEverything) {
  size_t rested = 0;
  for (int step = 0; step < 300; ++step) {
    for (uint64_t i = 0; i < 1 + random_.Below(step == 0 ? 300 : 6); ++i) ChangeSomething();
    // Mostly there isn't time for all; now and then there is.
    const bool patient = random_.OneIn(4);
    keeper_->Step(Stores(), config_, [&] { return !patient; });
    if (!small_) ExpectNothingWithdrawn();
    keeper_->BeginNext();
    if (!random_.OneIn(3)) keeper_->FreeSome([&] { return random_.OneIn(2); });
    if (!keeper_->busy()) {
      ExpectAsMadeOfEverything();
      ++rested;
    }
    if (HasFatalFailure()) FAIL() << "step " << step;
  }
  for (int i = 0; i < 10'000 && keeper_->busy(); ++i) {
    keeper_->Step(Stores(), config_, [] { return true; });
    keeper_->BeginNext();
  }
  ASSERT_FALSE(keeper_->busy());
  ExpectAsMadeOfEverything();
  EXPECT_GT(rested, 20u);
  EXPECT_GT(keeper_->rebuilds(), 5u);
}

// What comes right behind a topology is published before the time is spent that its ladders take to begin.
TEST_P(LadderKeeperTest, LaddersOfAnotherTopologyBeginBehindTheSecondStep) {
  const auto step = [&](const std::shared_ptr<const ConfigViews>& config) {
    keeper_->Step(Stores(), config, [] { return false; });
    keeper_->BeginNext();
  };
  for (int i = 0; i < 200; ++i) {
    ChangeSession(cells_[0]);
    ChangeRoute(cells_[0]);
  }
  step(config_);
  const auto before = keeper_->fleet();
  plan_.boxes.erase(0);
  const auto other = MakeConfig(plan_);
  ASSERT_NE(other->topology, config_->topology);

  step(other);
  EXPECT_TRUE(keeper_->busy());
  EXPECT_GT(keeper_->waiting(), 0u);
  step(config_);  // Taken back before they began: there is nothing to make.
  EXPECT_FALSE(keeper_->busy());
  step(config_);
  EXPECT_EQ(keeper_->fleet(), before);

  step(other);
  step(other);
  EXPECT_EQ(keeper_->fleet(), before) << "they begin now";
  EXPECT_TRUE(keeper_->busy());
  step(other);
  EXPECT_NE(keeper_->fleet(), before);
  EXPECT_FALSE(keeper_->busy());
  EXPECT_EQ(keeper_->rebuilds(), 1u);
}

// A session with so many routes, of prefixes of its own.
struct SomeRoutes {
  Entry session;
  std::vector<Entry> routes;
  std::vector<Entry> removals;

  SomeRoutes(size_t number, uint32_t count) {
    const std::string id = absl::StrCat("x", number);
    session.set_key(absl::StrCat("session/", id));
    session.mutable_session()->set_session(absl::StrCat("bgpSessions/", id));
    session.mutable_session()->set_appliance(Hearer(number).name());
    session.mutable_session()->set_incarnation(1);
    for (uint32_t i = 0; i < count; ++i) {
      const Prefix prefix = Prefix::Of(AddressIn(number, i), 24);
      Entry& entry = routes.emplace_back();
      entry.set_key(RouteKeyText({BgpSessionId(id), prefix, 0}));
      entry.mutable_route()->set_session(absl::StrCat("bgpSessions/", id));
      entry.mutable_route()->set_appliance(Hearer(number).name());
      entry.mutable_route()->mutable_prefix()->set_address(prefix.address().ToBytes());
      entry.mutable_route()->mutable_prefix()->set_length(24);
      removals.emplace_back().set_key(entry.key());
    }
  }
  static IpAddress AddressIn(size_t number, uint32_t i) {
    return IpAddress::V4(0x50000000 + (static_cast<uint32_t>(number) * 16 + i) * 256);
  }
};

// What waits is what was said first; what came since has been taken over already.
TEST_P(LadderKeeperTest, ALossThatWaitsIsNoMoreWhereItsRouteCameBack) {
  keeper_ = std::make_unique<LadderKeeper>(LadderKeeper::Limits{.at_once = 3, .batch = 2, .ahead = 5, .piece = 5});
  Cell& cell = cells_[0];
  const SomeRoutes router(0, 10);
  Put(cell, router.session);
  const auto step = [&](bool in_time) { keeper_->Step(Stores(), config_, [=] { return !in_time; }); };
  for (const Entry& entry : router.routes) cell.routes[entry.key()] = entry;
  Give(cell, router.routes);
  step(true);
  ASSERT_EQ(keeper_->ladders()->prefixes(), 10u);
  for (const Entry& entry : router.removals) cell.routes.erase(entry.key());
  Give(cell, router.removals);
  step(false);
  ASSERT_TRUE(keeper_->busy());
  cell.routes[router.routes.back().key()] = router.routes.back();
  Give(cell, {router.routes.back()});
  while (keeper_->busy()) step(false);
  ExpectAsMadeOfEverything();
  EXPECT_EQ(keeper_->ladders()->RoutesCovering(SomeRoutes::AddressIn(0, 9)).size(), 1u);
}

TEST_P(LadderKeeperTest, WhatOthersSayDoesNotWaitBehindALostRouter) {
  keeper_ = std::make_unique<LadderKeeper>(LadderKeeper::Limits{.at_once = 3, .batch = 2, .ahead = 5, .piece = 5});
  Cell& cell = cells_[0];
  const SomeRoutes router(0, 12), other(1, 3);
  Put(cell, router.session);
  Put(cell, other.session);
  const auto step = [&](bool in_time) { keeper_->Step(Stores(), config_, [=] { return !in_time; }); };
  const auto has = [&](size_t number, uint32_t i) { return !keeper_->ladders()->RoutesCovering(SomeRoutes::AddressIn(number, i)).empty(); };
  std::vector<Entry> before = router.routes;
  before.insert(before.end(), other.routes.begin(), other.routes.end() - 1);
  for (const Entry& entry : before) cell.routes[entry.key()] = entry;
  Give(cell, before);
  step(true);
  ASSERT_TRUE(has(0, 11) && has(1, 0) && has(1, 1) && !has(1, 2));
  // Of the other one a route goes, and one comes.
  std::vector<Entry> changes = router.removals;
  changes.push_back(other.removals.front());
  changes.push_back(other.routes.back());
  for (const Entry& entry : router.removals) cell.routes.erase(entry.key());
  cell.routes.erase(other.removals.front().key());
  cell.routes[other.routes.back().key()] = other.routes.back();
  Give(cell, changes);
  step(false);
  EXPECT_TRUE(keeper_->busy());
  EXPECT_TRUE(has(0, 11)) << "it waits";
  EXPECT_FALSE(has(1, 0));
  EXPECT_TRUE(has(1, 1));
  EXPECT_TRUE(has(1, 2));
  while (keeper_->busy()) step(false);
  EXPECT_FALSE(has(0, 11));
  ExpectAsMadeOfEverything();
}

INSTANTIATE_TEST_SUITE_P(Seeds, LadderKeeperTest, ::testing::Range(0, 8));

}  // namespace
}  // namespace fairlead
