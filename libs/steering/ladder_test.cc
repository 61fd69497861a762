#include "libs/steering/ladder.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "libs/steering/ladder_table.h"

namespace fairlead {
namespace {

Prefix P(absl::string_view text) {
  return Prefix::Parse(text).value();
}

// Four sites: an embedded one with two boxes, and IX sites at London, Paris (343 km) and New York.
class LadderTest : public testing::Test {
 protected:
  LadderTest() {
    AddSite("emb", SiteKind::kEmbedded, 51.5, -0.1, false);
    AddSite("lon", SiteKind::kIx, 51.5, 0.0, false);
    AddSite("nyc", SiteKind::kIx, 40.7, -74.0, true);
    AddSite("par", SiteKind::kIx, 48.9, 2.4, true);
    AddBox("emb-1", "emb");
    AddBox("emb-2", "emb");
    AddBox("lon-1", "lon");
    AddBox("nyc-1", "nyc");
    AddBox("par-1", "par");
    place_ = {.at = Coordinates::FromDegrees(51.5, -0.1), .country = "GB", .source = PlaceSource::kGeofeed};
  }

  void AddSite(std::string id, SiteKind kind, double latitude, double longitude, bool open) {
    sites_.push_back(
        {.id = SiteId(std::move(id)), .kind = kind, .at = Coordinates::FromDegrees(latitude, longitude), .open_to_unrouted = open});
  }
  void AddBox(std::string id, std::string site) {
    boxes_.push_back({.id = ApplianceId(std::move(id)), .site = SiteId(std::move(site)), .kind = ApplianceKind::kStorage});
  }
  // A session heard at `site` (by `box`, or by its collector), with `link` as its port.
  uint32_t Session(TransportClass transport, std::string site, std::string box = "", std::string link = "", std::string partner = "p") {
    SessionView view = {.id = BgpSessionId(absl::StrCat("s", 100 + sessions_.size())),
                        .partner = PartnerId(std::move(partner)),
                        .transport = transport,
                        .site = SiteId(std::move(site)),
                        .allowed = everything_};
    if (!box.empty()) view.appliance = ApplianceId(box);
    if (!link.empty()) {
      links_.push_back({.id = LinkId(link)});
      view.link = LinkId(link);
    }
    sessions_.push_back(view);
    return static_cast<uint32_t>(sessions_.size() - 1);
  }
  RouteView& Route(absl::string_view prefix, uint32_t session, uint16_t hops = 1, uint32_t neighbour = 64500, uint32_t med = 0) {
    routes_.push_back({.prefix = P(prefix), .session = session, .neighbour_as = neighbour, .med = med, .as_path_length = hops});
    return routes_.back();
  }

  // "0:emb[emb-1,emb-2] 1:lon[lon-1]/port 2:par[par-1]~": rank, site, boxes, link; ~ for a fall-back, ! for a demoted one.
  std::string Text() {
    const auto fleet = Fleet::Build(sites_, boxes_, links_);
    const Ladder ladder = BuildLadder(*fleet, ResolveSessions(*fleet, sessions_), routes_, place_, policy_);
    return absl::StrJoin(ladder.entries, " ", [&](std::string* out, const LadderEntry& entry) {
      absl::StrAppend(out, entry.rank, ":", fleet->sites()[entry.site].view.id.value(), "[");
      absl::StrAppend(
          out, absl::StrJoin(entry.boxes, ",", [&](std::string* o, uint32_t box) { o->append(fleet->boxes()[box].view.id.value()); }), "]");
      if (entry.link != Fleet::kNone) absl::StrAppend(out, "/", fleet->links()[entry.link].id.value());
      if (entry.demoted) absl::StrAppend(out, "!");
      if (entry.fallback) absl::StrAppend(out, "~");
    });
  }

  std::shared_ptr<const PrefixTable<std::monostate>> everything_ = [] {
    auto set = std::make_shared<PrefixTable<std::monostate>>();
    set->Insert(P("0.0.0.0/0"), {});
    set->Insert(P("::/0"), {});
    return set;
  }();
  std::vector<SiteView> sites_;
  std::vector<ApplianceView> boxes_;
  std::vector<LinkView> links_;
  std::vector<SessionView> sessions_;
  std::vector<RouteView> routes_;
  ClientPlace place_;
  SteeringPolicy policy_;
};

TEST_F(LadderTest, WithoutRoutesTheOpenSitesStandByDistance) {
  EXPECT_EQ(Text(), "0:par[par-1]~ 1:nyc[nyc-1]~");
  place_ = {};
  EXPECT_EQ(Text(), "0:nyc[nyc-1]~ 0:par[par-1]~") << "an unknown place is near nothing";
}

TEST_F(LadderTest, TheBetterClassComesFirst) {
  Route("80.0.0.0/16", Session(TransportClass::kPublicPeering, "nyc"));
  Route("80.0.0.0/16", Session(TransportClass::kPrivatePeering, "lon"), 4);
  const uint32_t emb = Session(TransportClass::kEmbedded, "emb", "emb-1");
  Route("80.0.0.0/16", emb, 6);
  EXPECT_EQ(Text(), "0:emb[emb-1] 1:lon[lon-1] 2:nyc[nyc-1] 3:par[par-1]~");
}

TEST_F(LadderTest, AMoreSpecificOverPeeringBeatsTheBoxUnlessScopedToItsClass) {
  Route("80.0.0.0/16", Session(TransportClass::kEmbedded, "emb", "emb-1"));
  Route("80.0.1.0/24", Session(TransportClass::kPublicPeering, "lon"), 5);
  EXPECT_EQ(Text(), "0:lon[lon-1] 1:emb[emb-1] 2:par[par-1]~ 3:nyc[nyc-1]~");
  policy_.more_specific_scope = MoreSpecificScope::kClass;
  EXPECT_EQ(Text(), "0:emb[emb-1] 1:lon[lon-1] 2:par[par-1]~ 3:nyc[nyc-1]~");
}

TEST_F(LadderTest, TransitCountsOnlyWhereNothingElseMatches) {
  Route("80.0.1.0/24", Session(TransportClass::kTransit, "nyc"));
  EXPECT_EQ(Text(), "0:nyc[nyc-1] 1:par[par-1]~");
  RouteView& peering = Route("80.0.0.0/16", Session(TransportClass::kPublicPeering, "lon"));
  EXPECT_EQ(Text(), "0:lon[lon-1] 1:par[par-1]~ 2:nyc[nyc-1]~");
  policy_.more_specific_scope = MoreSpecificScope::kAll;
  EXPECT_EQ(Text(), "0:nyc[nyc-1] 1:lon[lon-1] 2:par[par-1]~");
  policy_.more_specific_scope = MoreSpecificScope::kPeering;
  peering.demoted = true;
  EXPECT_EQ(Text(), "0:nyc[nyc-1] 1:lon[lon-1]! 2:par[par-1]~");
}

TEST_F(LadderTest, ShorterPathsThenNearerSitesAndOneMetroTies) {
  Route("80.0.0.0/16", Session(TransportClass::kPublicPeering, "nyc"), 2);
  Route("80.0.0.0/16", Session(TransportClass::kPublicPeering, "par"), 2);
  Route("80.0.0.0/16", Session(TransportClass::kPublicPeering, "lon"), 3);
  EXPECT_EQ(Text(), "0:par[par-1] 1:nyc[nyc-1] 2:lon[lon-1]");
  policy_.distance_step_km = 30'000;
  EXPECT_EQ(Text(), "0:nyc[nyc-1] 0:par[par-1] 1:lon[lon-1]");
}

TEST_F(LadderTest, MedIsComparedWithinOneNeighbourOnly) {
  policy_.distance_step_km = 30'000;
  Route("80.0.0.0/16", Session(TransportClass::kPublicPeering, "lon"), 2, 1, 100);
  Route("80.0.0.0/16", Session(TransportClass::kPublicPeering, "nyc"), 2, 1, 50);
  Route("80.0.0.0/16", Session(TransportClass::kPublicPeering, "par", "", "", "q"), 2, 2, 70);
  EXPECT_EQ(Text(), "0:nyc[nyc-1] 0:par[par-1] 1:lon[lon-1]");
  policy_.med_scope = MedScope::kAlways;
  EXPECT_EQ(Text(), "0:nyc[nyc-1] 1:par[par-1] 2:lon[lon-1]");
  policy_.med_scope = MedScope::kPartner;
  EXPECT_EQ(Text(), "0:nyc[nyc-1] 0:par[par-1] 1:lon[lon-1]");
}

// The classic trap: pairwise, lon < nyc (MED, same neighbour), nyc < par and par < lon (distance): a cycle. As an elimination it has
// one answer.
TEST_F(LadderTest, TheMedCycleHasOneAnswerInEveryOrder) {
  place_.at = Coordinates::FromDegrees(40.7, -74.0);  // At New York.
  Route("80.0.0.0/16", Session(TransportClass::kPublicPeering, "nyc"), 2, 1, 20);
  Route("80.0.0.0/16", Session(TransportClass::kPublicPeering, "lon"), 2, 1, 10);
  Route("80.0.0.0/16", Session(TransportClass::kPublicPeering, "par"), 2, 2, 0);
  std::sort(routes_.begin(), routes_.end(), [](const RouteView& a, const RouteView& b) { return a.session < b.session; });
  do {
    // nyc is out against lon; lon is nearer than par; without lon, nyc is back and nearest.
    EXPECT_EQ(Text(), "0:lon[lon-1] 1:nyc[nyc-1] 2:par[par-1]");
  } while (
      std::next_permutation(routes_.begin(), routes_.end(), [](const RouteView& a, const RouteView& b) { return a.session < b.session; }));
}

TEST_F(LadderTest, StepsCanBeSwitchedOffAndReordered) {
  Route("80.0.0.0/16", Session(TransportClass::kPrivatePeering, "nyc"), 1);
  Route("80.0.0.0/16", Session(TransportClass::kPublicPeering, "lon"), 2);
  EXPECT_EQ(Text(), "0:nyc[nyc-1] 1:lon[lon-1] 2:par[par-1]~");
  policy_.steps = {ProximityStep::kDistance, ProximityStep::kClass};
  EXPECT_EQ(Text(), "0:lon[lon-1] 1:nyc[nyc-1] 2:par[par-1]~");
  policy_.steps = {};
  EXPECT_EQ(Text(), "0:lon[lon-1] 0:nyc[nyc-1] 1:par[par-1]~");
}

TEST_F(LadderTest, OnlyTheBoxesThatHearTheRouteStandInTheEntry) {
  Route("80.0.1.0/24", Session(TransportClass::kEmbedded, "emb", "emb-1"));
  EXPECT_EQ(Text(), "0:emb[emb-1] 1:par[par-1]~ 2:nyc[nyc-1]~");
  const uint32_t second = Session(TransportClass::kEmbedded, "emb", "emb-2");
  Route("80.0.0.0/16", second);
  EXPECT_EQ(Text(), "0:emb[emb-1] 1:emb[emb-2] 2:par[par-1]~ 3:nyc[nyc-1]~") << "the second box hears the aggregate only";
  Route("80.0.1.0/24", second);
  EXPECT_EQ(Text(), "0:emb[emb-1,emb-2] 1:par[par-1]~ 2:nyc[nyc-1]~");
}

TEST_F(LadderTest, TiedRoutesOverTwoLinksAreTwoEntriesAndAWorseLinkIsNone) {
  Route("80.0.0.0/16", Session(TransportClass::kPublicPeering, "lon", "", "port-a"));
  Route("80.0.0.0/16", Session(TransportClass::kPublicPeering, "lon", "", "port-b"));
  Route("80.0.0.0/16", Session(TransportClass::kPublicPeering, "lon", "", "port-c"), 3);
  EXPECT_EQ(Text(), "0:lon[lon-1]/port-a 0:lon[lon-1]/port-b 1:par[par-1]~ 2:nyc[nyc-1]~");
}

TEST_F(LadderTest, DemotedRoutesComeBehindAllOthersAndBeforeTheOpenSites) {
  Route("80.0.1.0/24", Session(TransportClass::kEmbedded, "emb", "emb-1")).demoted = true;
  Route("80.0.0.0/16", Session(TransportClass::kPublicPeering, "lon"), 5);
  EXPECT_EQ(Text(), "0:lon[lon-1] 1:emb[emb-1]! 2:par[par-1]~ 3:nyc[nyc-1]~");
}

TEST_F(LadderTest, ALostSessionOfOneOfTwoBoxesLeavesTheSiteAtItsRankByTheOther) {
  const uint32_t first = Session(TransportClass::kEmbedded, "emb", "emb-1"), second = Session(TransportClass::kEmbedded, "emb", "emb-2");
  Route("80.0.1.0/24", first);
  Route("80.0.1.0/24", second);
  Route("80.0.0.0/16", Session(TransportClass::kPublicPeering, "lon"), 5);
  EXPECT_EQ(Text(), "0:emb[emb-1,emb-2] 1:lon[lon-1] 2:par[par-1]~ 3:nyc[nyc-1]~");
  routes_[0].demoted = true;  // The grace time is over.
  EXPECT_EQ(Text(), "0:emb[emb-2] 1:lon[lon-1] 2:emb[emb-1]! 3:par[par-1]~ 4:nyc[nyc-1]~");
  routes_[1].demoted = true;  // The other's too: nothing is left but what was heard last.
  EXPECT_EQ(Text(), "0:lon[lon-1] 1:emb[emb-1,emb-2]! 2:par[par-1]~ 3:nyc[nyc-1]~");
}

TEST_F(LadderTest, SessionsThatReferToNothingKnownAreIgnored) {
  Route("80.0.0.0/16", Session(TransportClass::kEmbedded, "nowhere"));
  Route("80.0.0.0/16", Session(TransportClass::kEmbedded, "emb", "lon-1"));  // A box of another site.
  Route("80.0.0.0/16", Session(TransportClass::kUnspecified, "emb"));
  Route("80.0.0.0/16", 77);
  EXPECT_EQ(Text(), "0:par[par-1]~ 1:nyc[nyc-1]~");
}

TEST_F(LadderTest, TheTableFindsTheLadderOfTheLongestPrefixAndItsPlace) {
  Route("80.0.0.0/16", Session(TransportClass::kPublicPeering, "lon"));
  Route("80.0.1.0/24", Session(TransportClass::kEmbedded, "emb", "emb-1"));
  PlaceTable places;
  places.Insert(P("80.0.0.0/20"), place_);
  const auto fleet = Fleet::Build(sites_, boxes_, links_);
  const auto table = LadderTable::Build(*fleet, sessions_, routes_, &places, policy_);
  const auto found = [&](absl::string_view address) { return table->Find(IpAddress::Parse(address).value()); };
  EXPECT_EQ(found("80.0.1.9").prefix, P("80.0.1.0/24"));
  EXPECT_EQ(found("80.0.1.9").place.source, PlaceSource::kGeofeed) << "inherited from the /20";
  EXPECT_EQ(found("80.0.2.9").prefix, P("80.0.0.0/20"));
  EXPECT_EQ(found("80.0.2.9").ladder->entries.size(), 3u);
  EXPECT_EQ(found("80.0.99.9").place.source, PlaceSource::kHearingSite);
  EXPECT_EQ(found("81.0.0.1").place.source, PlaceSource::kNone);
  EXPECT_EQ(found("81.0.0.1").ladder->entries.size(), 2u);
  EXPECT_EQ(table->RoutesCovering(IpAddress::Parse("80.0.1.9").value()).size(), 2u);
  EXPECT_EQ(table->LongestRouted(IpAddress::Parse("80.0.2.9").value()), P("80.0.0.0/16"));
}

TEST_F(LadderTest, ARouteOutsideItsPartnersAllowListMovesNobody) {
  auto own = std::make_shared<PrefixTable<std::monostate>>();
  own->Insert(P("80.0.0.0/16"), {});
  const uint32_t session = Session(TransportClass::kEmbedded, "emb", "emb-1");
  sessions_[session].allowed = own;
  Route("80.0.1.0/24", session);
  Route("90.0.0.0/16", session);
  const uint32_t forgotten = Session(TransportClass::kPublicPeering, "lon");
  sessions_[forgotten].allowed = nullptr;
  Route("91.0.0.0/16", forgotten);
  const auto fleet = Fleet::Build(sites_, boxes_, links_);
  const auto table = LadderTable::Build(*fleet, sessions_, routes_, nullptr, policy_);
  EXPECT_EQ(table->routes_left_out(), 2u);
  EXPECT_EQ(table->LongestRouted(IpAddress::Parse("90.0.0.1").value()), std::nullopt);
  EXPECT_EQ(table->LongestRouted(IpAddress::Parse("91.0.0.1").value()), std::nullopt);
}

TEST_F(LadderTest, AClassMayHaveStepsOfItsOwnAndAPartnerWithinIt) {
  AddSite("ams", SiteKind::kIx, 52.4, 4.9, false);
  AddBox("ams-1", "ams");
  const uint32_t near = Session(TransportClass::kPublicPeering, "lon", "", "", "p");
  const uint32_t far = Session(TransportClass::kPublicPeering, "ams", "", "", "p");
  const uint32_t transit = Session(TransportClass::kTransit, "nyc");
  Route("80.0.0.0/16", near, 3);
  Route("80.0.0.0/16", far, 1);
  Route("80.0.0.0/16", transit, 1);
  policy_.more_specific_scope = MoreSpecificScope::kAll;
  EXPECT_EQ(Text(), "0:ams[ams-1] 1:lon[lon-1] 2:nyc[nyc-1] 3:par[par-1]~") << "the shorter path first";
  policy_.class_steps = {{.transport = TransportClass::kPublicPeering, .steps = {ProximityStep::kDistance, ProximityStep::kAsPathLength}}};
  EXPECT_EQ(Text(), "0:lon[lon-1] 1:ams[ams-1] 2:nyc[nyc-1] 3:par[par-1]~") << "the nearer first, in this class";
  policy_.class_steps.push_back({.transport = TransportClass::kPublicPeering, .partner = PartnerId("p"), .steps = {}});
  EXPECT_EQ(Text(), "0:ams[ams-1] 0:lon[lon-1] 1:nyc[nyc-1] 2:par[par-1]~") << "this partner's all tie";
  policy_.class_steps[1].partner = PartnerId("other");
  EXPECT_EQ(Text(), "0:lon[lon-1] 1:ams[ams-1] 2:nyc[nyc-1] 3:par[par-1]~") << "another partner's rule is none of theirs";
  policy_.class_steps = {{.transport = TransportClass::kTransit, .steps = {}}};
  EXPECT_EQ(Text(), "0:ams[ams-1] 1:lon[lon-1] 2:nyc[nyc-1] 3:par[par-1]~") << "another class's rule is none of theirs";
  // Prefix lengths compared within a class only: an elimination that reaches the class step on its way.
  policy_.more_specific_scope = MoreSpecificScope::kClass;
  policy_.class_steps = {{.transport = TransportClass::kPublicPeering, .steps = {ProximityStep::kDistance}}};
  const uint32_t second = Session(TransportClass::kPrivatePeering, "nyc");
  Route("80.0.1.0/24", second, 5);
  Route("80.0.1.0/24", far, 5);
  Route("80.0.0.0/16", Session(TransportClass::kPublicPeering, "par"), 1);
  EXPECT_EQ(Text(), "0:nyc[nyc-1] 1:ams[ams-1] 2:lon[lon-1] 3:par[par-1]");
}

TEST_F(LadderTest, WhereOthersAreTakenOutAPartnersOwnStepsRankWhatIsLeftOfItsRoutes) {
  AddSite("ams", SiteKind::kIx, 52.4, 4.9, false);
  AddBox("ams-1", "ams");
  Route("80.0.0.0/16", Session(TransportClass::kPublicPeering, "nyc", "", "", "other"), 1);
  Route("80.0.0.0/16", Session(TransportClass::kPublicPeering, "ams", "", "", "p"), 2);
  Route("80.0.0.0/16", Session(TransportClass::kPublicPeering, "lon", "", "", "p"), 3);
  policy_.class_steps = {{.transport = TransportClass::kPublicPeering, .partner = PartnerId("p"), .steps = {}}};
  EXPECT_EQ(Text(), "0:nyc[nyc-1] 1:ams[ams-1] 1:lon[lon-1] 2:par[par-1]~");
}

TEST(PolicyTest, StepsOfAClassAreCheckedAgainstThoseBeforeIt) {
  const auto why = [](std::vector<ClassSteps> rules, std::vector<ProximityStep> steps = SteeringPolicy().steps) {
    SteeringPolicy policy;
    policy.steps = std::move(steps);
    policy.class_steps = std::move(rules);
    return std::string(ValidatePolicy(policy).message());
  };
  const ClassSteps good = {.transport = TransportClass::kTransit, .steps = {ProximityStep::kDistance}};
  EXPECT_EQ(why({good}), "");
  EXPECT_EQ(why({good, good}), "class_steps[1]: 'TRANSIT' for every partner stands there twice");
  EXPECT_EQ(why({{.transport = TransportClass::kUnspecified}}), "class_steps[0].transport: '0' is not a transport class");
  EXPECT_EQ(why({good}, {ProximityStep::kMed}),
            "class_steps[0]: steps: must contain 'TRANSPORT_CLASS', or no class is parted from the others");
  EXPECT_EQ(why({{.transport = TransportClass::kTransit, .steps = {ProximityStep::kPrefixLength}}}),
            "class_steps[0].steps: 'PREFIX_LENGTH' has been taken already when classes are parted");
  EXPECT_EQ(why({{.transport = TransportClass::kTransit, .steps = {ProximityStep::kMed, ProximityStep::kMed}}}),
            "class_steps[0].steps: 'MED' stands there twice");
}

}  // namespace
}  // namespace fairlead
