// The decision against the product's invariants, on thousands of random worlds. Eligibility is worked out here from the views alone:
// a box of an EMBEDDED site for clients of a prefix that it hears itself, a box of an IX site for prefixes heard there, or for anyone if
// the site is open to unrouted clients.
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "libs/steering/decide.h"
#include "libs/steering/steering_table.h"
#include "tests/generator/routes.h"
#include "tests/oracle/random_fleet.h"

namespace fairlead {
namespace {

class World {
 public:
  World(const SteeringInputs& in, const SteeringRequest& request) : in_(in), request_(request) {
    for (const SiteView& site : in.sites) sites_[site.id.value()] = &site;
    for (const HoldingsView& view : in.holdings) held_[view.appliance.value()] = view.files.get();
    transit_counts_ = in.policy.more_specific_scope == MoreSpecificScope::kAll || !HearsDirectly();
  }

  bool Holds(const ApplianceView& box, uint32_t file) const { return held_.at(box.id.value())->Contains(file); }

  // Without a word about health: that is only about who comes first.
  bool MayServe(const ApplianceView& box, uint32_t file) const {
    return IsServer(box) && box.admin == AdminState::kLive && Holds(box, file) && IsEligible(box) && HasEndpoint(box);
  }
  bool IsEligible(const ApplianceView& box) const {
    const SiteView& site = *sites_.at(box.site.value());
    if (!IsServer(box) || site.kind == SiteKind::kOrigin) return false;
    if (site.kind == SiteKind::kIx && site.open_to_unrouted) return true;
    return std::any_of(in_.routes.begin(), in_.routes.end(), [&](const RouteView& route) { return Hears(box, route); });
  }
  const ApplianceView& Box(const ApplianceId& id) const {
    return *std::find_if(in_.appliances.begin(), in_.appliances.end(), [&](const ApplianceView& box) { return box.id == id; });
  }

 private:
  static bool IsServer(const ApplianceView& box) { return box.kind == ApplianceKind::kStorage || box.kind == ApplianceKind::kFlash; }

  bool HasEndpoint(const ApplianceView& box) const {
    return std::any_of(box.endpoints.begin(), box.endpoints.end(), [&](const Endpoint& endpoint) {
      return endpoint.family == AddressFamily::kIpv6 || request_.client.is_v4() || endpoint.host != "127.0.0.1";
    });
  }
  // The route is valid for this client: it covers it and its partner may announce it.
  bool Counts(const RouteView& route) const {
    const SessionView& session = in_.sessions[route.session];
    if (!route.prefix.Contains(request_.client)) return false;
    if (session.allowed == nullptr) return session.transport == TransportClass::kTransit;
    return session.allowed->LongestMatch(route.prefix).has_value();
  }
  const ApplianceView* Ear(const SessionView& session) const {
    for (const ApplianceView& box : in_.appliances) {
      if (session.appliance == box.id) return &box;
    }
    return nullptr;
  }
  bool IsSound(const SessionView& session) const {
    if (sites_.at(session.site.value())->kind == SiteKind::kOrigin) return false;
    if (!session.appliance.has_value()) return true;
    const ApplianceView* ear = Ear(session);
    return ear->site == session.site && ear->kind != ApplianceKind::kOrigin;
  }
  bool Hears(const ApplianceView& box, const RouteView& route) const {
    const SessionView& session = in_.sessions[route.session];
    if (!Counts(route) || !IsSound(session) || session.site != box.site) return false;
    if (session.transport == TransportClass::kTransit && !transit_counts_) return false;
    return !session.appliance.has_value() || Ear(session)->kind == ApplianceKind::kCollector || session.appliance == box.id;
  }
  bool HearsDirectly() const {
    return std::any_of(in_.routes.begin(), in_.routes.end(), [&](const RouteView& route) {
      const SessionView& session = in_.sessions[route.session];
      return Counts(route) && IsSound(session) && !route.demoted && session.transport != TransportClass::kTransit;
    });
  }

  const SteeringInputs& in_;
  const SteeringRequest& request_;
  std::map<std::string, const SiteView*> sites_;
  std::map<std::string, const FileSet*> held_;
  bool transit_counts_ = true;
};

SteeringRequest RandomRequest(SeededRandom& random, RouteGenerator& addresses) {
  SteeringRequest request = {
      .title = TitleId("t1"), .max_urls = static_cast<int>(1 + random.Below(5)), .session_key = absl::StrCat(random.Below(100))};
  request.client = random.OneIn(8) ? addresses.Address(random.OneIn(2) ? AddressFamily::kIpv4 : AddressFamily::kIpv6)
                                   : addresses.AddressIn(PartnerBlocks()[random.Below(3)]);
  return request;
}

void CheckList(const World& world, const SteeringRequest& request, const FileAnswer& file) {
  bool left_family = false;
  for (uint32_t position = 0; position < file.candidates.size(); ++position) {
    const Candidate& candidate = file.candidates[position];
    ASSERT_TRUE(world.MayServe(world.Box(candidate.appliance), file.file)) << "I2: " << candidate.appliance;
    ASSERT_EQ(candidate.position, position);
    ASSERT_NE(candidate.cause, MissCause::kUnspecified);
    ASSERT_TRUE(candidate.rank > 0 || candidate.cause == MissCause::kNone);
    ASSERT_FALSE(request.client.is_v6() && candidate.endpoint.family == AddressFamily::kIpv4 && candidate.endpoint.host == "127.0.0.1");
    const bool of_client = candidate.endpoint.family == request.client.family();
    ASSERT_FALSE(left_family && of_client) << "the client's own family comes first";
    left_family = !of_client;
  }
}

void CheckFile(const SteeringInputs& in, const World& world, const SteeringRequest& request, const FileAnswer& file) {
  std::set<std::string> sites;
  for (const ApplianceView& box : in.appliances) {
    if (world.MayServe(box, file.file)) sites.insert(box.site.value());
  }
  ASSERT_EQ(file.candidates.empty(), sites.empty()) << "I1: " << file.sentence;
  ASSERT_EQ(file.candidates.empty(), file.not_servable != NotServable::kServable);
  ASSERT_EQ(file.candidates.empty(), !file.sentence.empty());
  ASSERT_LE(file.candidates.size(), static_cast<size_t>(request.max_urls));
  CheckList(world, request, file);
  std::set<std::string> named;
  for (const Candidate& candidate : file.candidates) named.insert(candidate.site.value());
  ASSERT_TRUE(request.max_urls < 2 || sites.size() < 2 || named.size() >= 2) << "I1: two sites where two exist";
}

std::string Text(const SteeringAnswer& answer) {
  std::string text;
  for (const FileAnswer& file : answer.files) {
    absl::StrAppend(&text, file.path, " ", ToString(file.not_servable), "\n");
    for (const Candidate& c : file.candidates)
      absl::StrAppend(&text, " ", c.appliance.value(), " ", c.rank, " ", ToString(c.cause), " ", c.endpoint.host, "\n");
  }
  for (const Pathway& p : answer.pathways) absl::StrAppend(&text, p.site.value(), " ", p.rank, " ", ToString(p.fitness), "\n");
  return text;
}

TEST(DecisionOracle, EveryAnswerKeepsTheInvariants) {
  SeededRandom random(11);
  RouteGenerator addresses(12);
  size_t served = 0;
  size_t refused = 0;
  for (int round = 0; round < 3'000; ++round) {
    SteeringInputs in = RandomFleet(random, 1 + random.Below(8), random.Below(40));
    if (random.OneIn(2)) in.policy = RandomPolicy(random);
    const auto table = BuildSteeringTable(in).value();
    for (int i = 0; i < 10; ++i) {
      const SteeringRequest request = RandomRequest(random, addresses);
      const World world(in, request);
      Explanation record;
      const SteeringAnswer answer = Decide(*table, request, &record);
      ASSERT_EQ(Text(answer), Text(Decide(*table, request))) << "the recorder changed the answer";
      ASSERT_EQ(answer.files.size(), 4u);
      for (const FileAnswer& file : answer.files) {
        CheckFile(in, world, request, file);
        if (HasFatalFailure()) FAIL() << "round " << round << " client " << request.client;
        (file.candidates.empty() ? refused : served) += 1;
      }
      for (const Pathway& pathway : answer.pathways) {
        ASSERT_EQ(pathway.holders.size(), 4u);
        for (size_t file = 0; file < 4; ++file) {
          ASSERT_EQ(pathway.holders[file].site, pathway.site);
          ASSERT_TRUE(world.MayServe(world.Box(pathway.holders[file].appliance), answer.files[file].file));
        }
      }
    }
  }
  EXPECT_GT(served, 10'000u);
  EXPECT_GT(refused, 5'000u);
}

TEST(DecisionOracle, TheOrderOfTheFeedsNeverShowsInAnAnswer) {
  SeededRandom random(21);
  RouteGenerator addresses(22);
  for (int round = 0; round < 500; ++round) {
    SteeringInputs in = RandomFleet(random, 1 + random.Below(8), random.Below(40));
    SteeringInputs mixed = in;
    Shuffle(mixed.sites, random);
    Shuffle(mixed.appliances, random);
    Shuffle(mixed.links, random);
    Shuffle(mixed.routes, random);
    Shuffle(mixed.holdings, random);
    const auto table = BuildSteeringTable(in).value();
    const auto other = BuildSteeringTable(mixed).value();
    for (int i = 0; i < 10; ++i) {
      const SteeringRequest request = RandomRequest(random, addresses);
      ASSERT_EQ(Text(Decide(*table, request)), Text(Decide(*other, request))) << "round " << round;
    }
  }
}

// I5: whatever partner 1 announces, clients of partner 0's block (where nobody else is registered) are steered as before.
TEST(DecisionOracle, OnePartnersRoutesNeverMoveAnothersClients) {
  SeededRandom random(31);
  RouteGenerator addresses(32);
  for (int round = 0; round < 1'000; ++round) {
    SteeringInputs in = RandomFleet(random, 2 + random.Below(6), 20);
    const auto before = BuildSteeringTable(in).value();
    SteeringInputs after_in = in;
    for (int i = 0; i < 30; ++i) {
      RouteView route = in.routes[random.Below(in.routes.size())];
      route.prefix = Prefix::Of(addresses.AddressIn(PartnerBlocks()[0]), 16 + static_cast<int>(random.Below(9)));
      route.session = static_cast<uint32_t>(random.Below(in.sessions.size()));
      const SessionView& session = in.sessions[route.session];
      if (session.partner == PartnerId("p0") || session.transport == TransportClass::kTransit) continue;
      after_in.routes.push_back(route);
    }
    const auto after = BuildSteeringTable(after_in).value();
    for (int i = 0; i < 10; ++i) {
      SteeringRequest request = RandomRequest(random, addresses);
      request.client = addresses.AddressIn(PartnerBlocks()[0]);
      ASSERT_EQ(Text(Decide(*before, request)), Text(Decide(*after, request))) << "round " << round;
    }
  }
}

// I10: silence changes who comes first, never whether anyone comes.
TEST(DecisionOracle, SilenceNeverTakesTheLastOption) {
  SeededRandom random(41);
  RouteGenerator addresses(42);
  for (int round = 0; round < 1'000; ++round) {
    SteeringInputs in = RandomFleet(random, 1 + random.Below(6), random.Below(30));
    const auto before = BuildSteeringTable(in).value();
    for (ApplianceView& box : in.appliances) {
      if (!random.OneIn(3)) box.health = HealthState::kSilent;
    }
    SteeringTable parts = *before;
    parts.fleet = Fleet::Build(in.sites, in.appliances, in.links);
    const auto after = AssembleSteeringTable(parts).value();
    for (int i = 0; i < 10; ++i) {
      const SteeringRequest request = RandomRequest(random, addresses);
      const SteeringAnswer was = Decide(*before, request);
      const SteeringAnswer is = Decide(*after, request);
      for (size_t file = 0; file < was.files.size(); ++file) {
        ASSERT_EQ(was.files[file].candidates.empty(), is.files[file].candidates.empty()) << "round " << round;
      }
    }
  }
}

// A fit box is never passed over for an unfit one, nor a nearer rank for a farther among the fit (up to the client's family).
TEST(DecisionOracle, TheFirstChoiceIsTheFittestAndNearest) {
  SeededRandom random(51);
  RouteGenerator addresses(52);
  for (int round = 0; round < 2'000; ++round) {
    SteeringInputs in = RandomFleet(random, 2 + random.Below(6), random.Below(40));
    for (ApplianceView& box : in.appliances) box.endpoints = {{AddressFamily::kIpv4, "https", box.id.value() + ".example.net", 443}};
    const auto table = BuildSteeringTable(in).value();
    SteeringRequest request = RandomRequest(random, addresses);
    request.max_urls = SteeringRequest::kMaxUrls;
    for (const FileAnswer& file : Decide(*table, request).files) {
      for (size_t i = 1; i < file.candidates.size(); ++i) {
        const Candidate& a = file.candidates[i - 1];
        const Candidate& b = file.candidates[i];
        ASSERT_TRUE(std::tie(a.fitness, a.rank) <= std::tie(b.fitness, b.rank))
            << "round " << round << ": " << a.appliance << " before " << b.appliance;
      }
    }
  }
}

}  // namespace
}  // namespace fairlead
