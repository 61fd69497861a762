// The ladder against an independent, naive reading of its rules: run the decision process over all that is left, note the best,
// take it out, run again.
#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "libs/net/prefix.h"
#include "libs/net/prefix_table.h"
#include "libs/steering/ladder.h"
#include "libs/steering/ladder_book.h"
#include "libs/steering/ladder_table.h"
#include "libs/steering/rung.h"
#include "tests/generator/routes.h"
#include "tests/oracle/full_table.h"
#include "tests/oracle/random_fleet.h"

namespace fairlead {
namespace {

struct Heard {
  RouteView route;
  const SessionView* session;
  const SiteView* site;
  int step;  // Of distance.
};

// Rank by rank, "site/box/link" each; works on views and ids alone.
using Rungs = std::vector<std::set<std::string>>;

class NaiveLadder {
 public:
  NaiveLadder(const SteeringInputs& in, const ClientPlace& place) : in_(in), place_(place) {}

  Rungs Build(const std::vector<RouteView>& routes) {
    std::vector<Heard> fresh;
    std::vector<Heard> demoted;
    for (const RouteView& route : routes) {
      const SessionView& session = in_.sessions[route.session];
      const SiteView* site = Site(session.site);
      if (site == nullptr || site->kind == SiteKind::kOrigin || session.transport == TransportClass::kUnspecified) continue;
      const ApplianceView* box = session.appliance.has_value() ? Box(*session.appliance) : nullptr;
      if (session.appliance.has_value() && (box == nullptr || box->site != session.site || box->kind == ApplianceKind::kOrigin)) continue;
      (route.demoted ? demoted : fresh).push_back({route, &session, site, Step(*site)});
    }
    const bool direct =
        std::any_of(fresh.begin(), fresh.end(), [](const Heard& h) { return h.session->transport != TransportClass::kTransit; });
    if (direct && in_.policy.more_specific_scope != MoreSpecificScope::kAll) {
      for (std::vector<Heard>* list : {&fresh, &demoted}) {
        list->erase(
            std::remove_if(list->begin(), list->end(), [](const Heard& h) { return h.session->transport == TransportClass::kTransit; }),
            list->end());
      }
    }
    AddAll(fresh);
    AddAll(demoted);
    std::map<int, std::set<std::string>> open;
    for (const SiteView& site : in_.sites) {
      if (site.kind != SiteKind::kIx || !site.open_to_unrouted) continue;
      for (const std::string& box : Servers(site.id)) {
        if (!placed_.contains(box)) open[Step(site)].insert(absl::StrCat(site.id.value(), "/", box, "/"));
      }
    }
    for (const auto& [step, rung] : open) rungs_.push_back(rung);
    return rungs_;
  }
  // How many ranks a rule of class_steps gave: of a class alone, and of a class and partner.
  size_t by_class() const { return by_class_; }
  size_t by_partner() const { return by_partner_; }

 private:
  const SiteView* Site(const SiteId& id) const {
    for (const SiteView& site : in_.sites) {
      if (site.id == id) return &site;
    }
    return nullptr;
  }
  const ApplianceView* Box(const ApplianceId& id) const {
    for (const ApplianceView& box : in_.appliances) {
      if (box.id == id) return &box;
    }
    return nullptr;
  }
  std::vector<std::string> Servers(const SiteId& site) const {
    std::vector<std::string> ids;
    for (const ApplianceView& box : in_.appliances) {
      if (box.site == site && (box.kind == ApplianceKind::kStorage || box.kind == ApplianceKind::kFlash)) ids.push_back(box.id.value());
    }
    return ids;
  }
  int Step(const SiteView& site) const { return place_.known() ? DistanceKm(place_.at, site.at) / in_.policy.distance_step_km : 0; }
  bool KnownLink(const LinkId& id) const {
    return std::any_of(in_.links.begin(), in_.links.end(), [&](const LinkView& link) { return link.id == id; });
  }

  // True if `a` is out because of `b`.
  bool Beats(const Heard& b, const Heard& a, ProximityStep step) const {
    switch (step) {
      case ProximityStep::kPrefixLength:
        if (in_.policy.more_specific_scope == MoreSpecificScope::kClass && a.session->transport != b.session->transport) return false;
        return b.route.prefix.length() > a.route.prefix.length();
      case ProximityStep::kClass:
        return b.session->transport < a.session->transport;
      case ProximityStep::kAsPathLength:
        return b.route.as_path_length < a.route.as_path_length;
      case ProximityStep::kMed:
        if (in_.policy.med_scope == MedScope::kNeighbourAs && a.route.neighbour_as != b.route.neighbour_as) return false;
        if (in_.policy.med_scope == MedScope::kPartner && a.session->partner != b.session->partner) return false;
        return b.route.med < a.route.med;
      case ProximityStep::kDistance:
        return b.step < a.step;
    }
    return false;
  }

  // What the policy has for routes that TRANSPORT_CLASS left tied: a rule of their class and of the one partner that all are of goes
  // before one of their class alone. Null: neither is there.
  const ClassSteps* RuleFor(const std::vector<Heard>& tied) const {
    const ClassSteps* of_class = nullptr;
    for (const ClassSteps& rule : in_.policy.class_steps) {
      if (rule.transport != tied.front().session->transport) continue;
      if (!rule.partner.has_value()) of_class = &rule;
      const auto of_partner = [&](const Heard& heard) { return heard.session->partner == rule.partner; };
      if (rule.partner.has_value() && std::all_of(tied.begin(), tied.end(), of_partner)) return &rule;
    }
    return of_class;
  }

  void AddAll(std::vector<Heard> left) {
    while (!left.empty()) {
      std::vector<bool> in(left.size(), true);
      std::vector<ProximityStep> steps = in_.policy.steps;
      for (size_t next = 0; next < steps.size(); ++next) {
        const ProximityStep step = steps[next];
        const std::vector<bool> before = in;
        for (size_t a = 0; a < left.size(); ++a) {
          for (size_t b = 0; b < left.size(); ++b) {
            if (before[a] && before[b] && Beats(left[b], left[a], step)) in[a] = false;
          }
        }
        if (step != ProximityStep::kClass) continue;
        std::vector<Heard> tied;
        for (size_t i = 0; i < left.size(); ++i) {
          if (in[i]) tied.push_back(left[i]);
        }
        if (const ClassSteps* rule = RuleFor(tied); rule != nullptr) {
          steps.resize(next + 1);
          steps.insert(steps.end(), rule->steps.begin(), rule->steps.end());
          ++(rule->partner.has_value() ? by_partner_ : by_class_);
        }
      }
      std::vector<Heard> best;
      std::vector<Heard> rest;
      for (size_t i = 0; i < left.size(); ++i) (in[i] ? best : rest).push_back(left[i]);
      AddRung(best);
      left = rest;
    }
  }

  void AddRung(const std::vector<Heard>& best) {
    std::set<std::string> rung;
    std::set<std::string> now;
    for (const Heard& heard : best) {
      const SessionView& session = *heard.session;
      std::vector<std::string> boxes = Servers(session.site);
      if (session.appliance.has_value() && Box(*session.appliance)->kind != ApplianceKind::kCollector) boxes = {session.appliance->value()};
      for (const std::string& box : boxes) {
        if (placed_.contains(box)) continue;
        const std::string link = session.link.has_value() && KnownLink(*session.link) ? session.link->value() : "";
        rung.insert(absl::StrCat(session.site.value(), "/", box, "/", link));
        now.insert(box);
      }
    }
    placed_.insert(now.begin(), now.end());
    if (!rung.empty()) rungs_.push_back(rung);
  }

  const SteeringInputs& in_;
  const ClientPlace& place_;
  std::set<std::string> placed_;
  Rungs rungs_;
  size_t by_class_ = 0;
  size_t by_partner_ = 0;
};

Rungs ToRungs(const Fleet& fleet, const Ladder& ladder) {
  Rungs rungs;
  for (const LadderEntry& entry : ladder.entries) {
    if (rungs.size() <= entry.rank) rungs.resize(entry.rank + 1);
    for (const uint32_t box : entry.boxes) {
      const std::string link = entry.link == Fleet::kNone ? "" : fleet.links()[entry.link].id.value();
      EXPECT_TRUE(rungs[entry.rank]
                      .insert(absl::StrCat(fleet.sites()[entry.site].view.id.value(), "/", fleet.boxes()[box].view.id.value(), "/", link))
                      .second);
    }
  }
  return rungs;
}

// Every field of every entry: equal texts are equal bytes.
std::string Bytes(const Ladder& ladder) {
  std::string bytes;
  for (const LadderEntry& e : ladder.entries) {
    absl::StrAppend(&bytes, e.rank, " ", e.site, " ", e.session, " ", e.link, " ", e.demoted, " ", e.fallback, ":");
    for (const uint32_t box : e.boxes) absl::StrAppend(&bytes, " ", box);
    absl::StrAppend(&bytes, "\n");
  }
  return bytes;
}

TEST(LadderOracle, EveryLadderIsWhatTheRulesSayAndTheSameInEveryOrderOfArrival) {
  SeededRandom random(1);
  size_t rungs_seen = 0;
  size_t by_class = 0;
  size_t by_partner = 0;
  for (int round = 0; round < 4'000; ++round) {
    SteeringInputs in = RandomFleet(random, 2 + random.Below(8), 1 + random.Below(40));
    in.policy = RandomPolicy(random);
    ASSERT_TRUE(ValidatePolicy(in.policy).ok()) << ValidatePolicy(in.policy);
    ClientPlace place;
    if (!random.OneIn(4)) place = {.at = Coordinates::FromDegrees(44, 6), .country = "FR", .source = PlaceSource::kMmdb};
    const auto fleet = Fleet::Build(in.sites, in.appliances, in.links);
    const std::vector<LadderSession> sessions = ResolveSessions(*fleet, in.sessions);
    const Ladder ladder = BuildLadder(*fleet, sessions, in.routes, place, in.policy);
    NaiveLadder naive(in, place);
    const Rungs expected = naive.Build(in.routes);
    ASSERT_EQ(ToRungs(*fleet, ladder), expected) << "round " << round;
    rungs_seen += expected.size();
    by_class += naive.by_class();
    by_partner += naive.by_partner();
    for (int shuffle = 0; shuffle < 5; ++shuffle) {
      Shuffle(in.routes, random);
      std::vector<LadderFigures> figures;
      const Ladder again = BuildLadder(*fleet, sessions, in.routes, place, in.policy, &figures);
      ASSERT_EQ(Bytes(again), Bytes(ladder)) << "round " << round;
      ASSERT_EQ(figures.size(), again.entries.size());
    }
  }
  EXPECT_GT(rungs_seen, 8'000u) << "the worlds must not be trivial";
  EXPECT_GT(by_class, 1'000u) << "steps of classes must have ranked";
  EXPECT_GT(by_partner, 1'000u) << "and steps of partners";
}

TEST(LadderOracle, TheTableGivesEachClientTheLadderOfItsCoveringRoutes) {
  SeededRandom random(2);
  RouteGenerator addresses(3);
  for (int round = 0; round < 300; ++round) {
    SteeringInputs in = RandomFleet(random, 2 + random.Below(8), 5 + random.Below(60));
    in.policy = RandomPolicy(random);
    PlaceTable places;
    for (int i = 0; i < 4; ++i) {
      const Prefix block = PartnerBlocks()[random.Below(3)];
      places.Insert(Prefix::Of(addresses.AddressIn(block), block.length() + static_cast<int>(random.Below(5))),
                    {.at = Coordinates::FromDegrees(40.0 + static_cast<double>(random.Below(12)), 5),
                     .country = "",
                     .source = PlaceSource::kGeofeed});
    }
    const auto fleet = Fleet::Build(in.sites, in.appliances, in.links);
    const auto table = LadderTable::Build(*fleet, in.sessions, in.routes, &places, in.policy);
    Shuffle(in.routes, random);
    const auto shuffled = LadderTable::Build(*fleet, in.sessions, in.routes, &places, in.policy);
    for (int i = 0; i < 40; ++i) {
      const IpAddress client =
          random.OneIn(10) ? addresses.Address(AddressFamily::kIpv4) : addresses.AddressIn(PartnerBlocks()[random.Below(3)]);
      const LadderTable::Found found = table->Find(client);
      ASSERT_EQ(Bytes(*found.ladder), Bytes(*shuffled->Find(client).ladder));
      std::vector<RouteView> covering;
      for (const RouteView& route : in.routes) {
        const SessionView& session = in.sessions[route.session];
        const bool allowed = session.allowed == nullptr ? session.transport == TransportClass::kTransit
                                                        : session.allowed->LongestMatch(route.prefix).has_value();
        if (route.prefix.Contains(client) && allowed) covering.push_back(route);
      }
      ASSERT_EQ(ToRungs(*fleet, *found.ladder), NaiveLadder(in, found.place).Build(covering)) << "round " << round << " client " << client;
      if (const auto geofeed = places.LongestMatch(client)) {
        ASSERT_EQ(found.place, *geofeed->value);
      }
    }
  }
}

// Some windows of the full table, so that real more-specifics stand in real covering chains; attributes are random, and tie often.
std::vector<RouteView> RoutesOverRealPrefixes(const std::vector<Prefix>& table, const SteeringInputs& in, SeededRandom& random) {
  constexpr size_t kWindows = 20;
  constexpr size_t kWindow = 200;
  std::vector<RouteView> routes;
  for (size_t window = 0; window < kWindows; ++window) {
    const size_t first = random.Below(table.size() - kWindow);
    for (size_t i = first; i < first + kWindow; ++i) {
      for (uint64_t paths = 1 + random.Below(3); paths > 0; --paths) {
        routes.push_back({.prefix = table[i],
                          .session = static_cast<uint32_t>(random.Below(in.sessions.size())),
                          .neighbour_as = static_cast<uint32_t>(1 + random.Below(3)),
                          .med = static_cast<uint32_t>(random.Below(3)),
                          .as_path_length = static_cast<uint16_t>(1 + random.Below(3)),
                          .demoted = random.OneIn(8)});
      }
    }
  }
  return routes;
}

TEST(LadderOracle, OnAFullTableEachClientGetsTheLadderOfItsCoveringRoutesInEveryOrderOfArrival) {
  const std::vector<Prefix> full = LoadFullTable();
  auto everything = std::make_shared<PrefixTable<std::monostate>>();
  for (const char* all : {"0.0.0.0/0", "::/0"}) everything->Insert(Prefix::Parse(all).value(), {});
  SeededRandom random(4);
  RouteGenerator addresses(5);
  size_t deepest = 0;
  for (int round = 0; round < 10; ++round) {
    SteeringInputs in = RandomFleet(random, 8, 0);
    in.policy = RandomPolicy(random);
    for (SessionView& session : in.sessions) session.allowed = everything;
    in.routes = RoutesOverRealPrefixes(full, in, random);
    const auto fleet = Fleet::Build(in.sites, in.appliances, in.links);
    const auto table = LadderTable::Build(*fleet, in.sessions, in.routes, nullptr, in.policy);
    Shuffle(in.routes, random);
    const auto shuffled = LadderTable::Build(*fleet, in.sessions, in.routes, nullptr, in.policy);
    for (int i = 0; i < 300; ++i) {
      const IpAddress client = addresses.AddressIn(in.routes[random.Below(in.routes.size())].prefix);
      const LadderTable::Found found = table->Find(client);
      ASSERT_EQ(Bytes(*found.ladder), Bytes(*shuffled->Find(client).ladder)) << client;
      std::vector<RouteView> covering;
      std::set<Prefix> chain;
      for (const RouteView& route : in.routes) {
        if (!route.prefix.Contains(client)) continue;
        covering.push_back(route);
        chain.insert(route.prefix);
      }
      deepest = std::max(deepest, chain.size());
      ASSERT_EQ(ToRungs(*fleet, *found.ladder), NaiveLadder(in, found.place).Build(covering)) << "round " << round << " client " << client;
    }
  }
  EXPECT_GE(deepest, 3u) << "some client must stand under several covering prefixes";
}

// Routes that come and go, and a table that is kept by differences, on one policy.
class ChangingRoutes {
 public:
  ChangingRoutes(SeededRandom& random, const SteeringPolicy& policy) : random_(random), in_(RandomFleet(random, 2 + random.Below(8), 50)) {
    auto everything = std::make_shared<PrefixTable<std::monostate>>();
    for (const char* all : {"0.0.0.0/0", "::/0"}) everything->Insert(Prefix::Parse(all).value(), {});
    for (SessionView& session : in_.sessions) session.allowed = everything;
    in_.policy = policy;
    for (const RouteView& route : in_.routes) Add(route);
    fleet_ = Fleet::Build(in_.sites, in_.appliances, in_.links);
    sessions_ = ResolveSessions(*fleet_, in_.sessions);
    book_ = std::make_unique<LadderBook>(fleet_, in_.sessions, nullptr, in_.policy);
    for (const auto& [prefix, routes] : routes_) book_->Set(prefix, routes);
  }

  // A session goes or comes back, a route goes, comes, or is another; a prefix has the routes of one that it covers or that covers it.
  void Change() {
    const uint32_t session = static_cast<uint32_t>(random_.Below(in_.sessions.size()));
    RouteView route = in_.routes[random_.Below(in_.routes.size())];
    switch (random_.Below(5)) {
      case 0:
        for (auto& [prefix, routes] : routes_) {
          if (std::erase_if(routes, [&](const RouteView& each) { return each.session == session; }) > 0) book_->Set(prefix, routes);
        }
        break;
      case 1:
        for (const RouteView& each : in_.routes) {
          if (each.session == session) Add(each);
        }
        for (const auto& [prefix, routes] : routes_) book_->Set(prefix, routes);
        break;
      case 2:
        if (routes_[route.prefix].empty()) break;
        routes_[route.prefix].erase(routes_[route.prefix].begin());
        book_->Set(route.prefix, routes_[route.prefix]);
        break;
      case 3:
        for (const auto& [prefix, routes] : routes_) {
          if (prefix == route.prefix || !prefix.Overlaps(route.prefix)) continue;
          Copy(routes, route.prefix);
          break;
        }
        break;
      default:
        route.med = static_cast<uint32_t>(random_.Below(3));
        route.demoted = random_.OneIn(4);
        Add(route);
        book_->Set(route.prefix, routes_[route.prefix]);
    }
  }

  // Rung for rung, with all flags, the ladder that all routes of the chain give when they are ranked together.
  void Check() {
    const auto table = book_->Publish();
    ASSERT_EQ(table->distinct_ladders(), LadderTable::Build(*fleet_, in_.sessions, Flat(), nullptr, in_.policy)->distinct_ladders());
    for (const auto& [prefix, own] : routes_) {
      const IpAddress client = prefix.address();
      std::vector<RouteView> covering;
      for (const auto& [other, routes] : routes_) {
        if (other.Contains(client)) covering.insert(covering.end(), routes.begin(), routes.end());
      }
      const LadderTable::Found found = table->Find(client);
      ASSERT_EQ(found.place, HearingPlace(covering));
      Ladder expected = BuildLadder(*fleet_, sessions_, covering, found.place, in_.policy);
      std::erase_if(expected.entries, [](const LadderEntry& entry) { return entry.fallback; });
      const LadderRef head = table->LadderOf(table->LeafOf(client));
      ASSERT_EQ(std::vector<Rung>(head.head, head.head + head.head_size), MakeRungs(*fleet_, expected)) << client;
      rungs_seen_ += head.head_size;
    }
  }
  size_t rungs_seen() const { return rungs_seen_; }
  size_t copied() const { return copied_; }

 private:
  // In place of the same session's of the same length: it may have several.
  void Add(const RouteView& route) {
    std::vector<RouteView>& routes = routes_[route.prefix];
    std::erase_if(routes,
                  [&](const RouteView& other) { return other.session == route.session && other.as_path_length == route.as_path_length; });
    routes.push_back(route);
  }
  void Copy(std::vector<RouteView> routes, const Prefix& to) {
    for (RouteView& route : routes) route.prefix = to;
    routes_[to] = std::move(routes);
    book_->Set(to, routes_[to]);
    ++copied_;
  }
  std::vector<RouteView> Flat() const {
    std::vector<RouteView> all;
    for (const auto& [prefix, routes] : routes_) all.insert(all.end(), routes.begin(), routes.end());
    return all;
  }
  ClientPlace HearingPlace(const std::vector<RouteView>& covering) const {
    SteeringPolicy usual;
    std::erase(usual.steps, ProximityStep::kDistance);
    const Ladder ladder = BuildLadder(*fleet_, sessions_, covering, {}, usual);
    if (ladder.entries.empty() || ladder.entries.front().fallback) return {};
    const SiteView& site = fleet_->sites()[ladder.entries.front().site].view;
    return {.at = site.at, .country = site.country, .source = PlaceSource::kHearingSite};
  }

  SeededRandom& random_;
  SteeringInputs in_;
  std::map<Prefix, std::vector<RouteView>> routes_;
  std::shared_ptr<const Fleet> fleet_;
  std::vector<LadderSession> sessions_;
  std::unique_ptr<LadderBook> book_;
  size_t rungs_seen_ = 0;
  size_t copied_ = 0;
};

// Mostly one whose routes are ranked prefix by prefix; with steps of classes and partners.
SteeringPolicy AnyPolicy(SeededRandom& random) {
  SteeringPolicy policy = RandomPolicy(random);
  if (random.OneIn(4)) return policy;
  std::erase(policy.steps, ProximityStep::kPrefixLength);
  policy.steps.insert(policy.steps.begin(), ProximityStep::kPrefixLength);
  policy.more_specific_scope = MoreSpecificScope::kPeering;
  policy.class_steps.clear();  // They may name a step that stands up to TRANSPORT_CLASS now.
  const auto parting = std::find(policy.steps.begin(), policy.steps.end(), ProximityStep::kClass);
  if (parting == policy.steps.end() || random.OneIn(2)) return policy;
  if (random.OneIn(2)) {
    policy.class_steps = RandomClassSteps(random, policy.steps);
    return policy;
  }
  std::vector<ProximityStep> behind(parting + 1, policy.steps.end());
  Shuffle(behind, random);
  policy.class_steps.push_back({.transport = TransportClass::kPublicPeering, .steps = behind});
  Shuffle(behind, random);
  if (!behind.empty()) behind.pop_back();
  policy.class_steps.push_back(
      {.transport = static_cast<TransportClass>(1 + random.Below(4)), .partner = PartnerId("p1"), .steps = behind});
  return policy;
}

TEST(LadderOracle, WhateverIsLostOrComesEachLadderIsTheOneOfAllItsRoutesRankedTogether) {
  SeededRandom random(6);
  size_t rungs_seen = 0;
  size_t copied = 0;
  for (int round = 0; round < 400; ++round) {
    const SteeringPolicy policy = AnyPolicy(random);
    ASSERT_TRUE(ValidatePolicy(policy).ok());
    ChangingRoutes routes(random, policy);
    for (int step = 0; step < 12; ++step) {
      routes.Check();
      if (testing::Test::HasFatalFailure()) FAIL() << "round " << round << " step " << step;
      for (uint64_t changes = 1 + random.Below(4); changes > 0; --changes) routes.Change();
    }
    rungs_seen += routes.rungs_seen();
    copied += routes.copied();
  }
  EXPECT_GT(rungs_seen, 100'000u) << "the worlds must not be trivial";
  EXPECT_GT(copied, 500u) << "prefixes inside others must have their routes";
}

}  // namespace
}  // namespace fairlead
