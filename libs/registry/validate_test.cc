#include <cmath>
#include <functional>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/errors.h"
#include "libs/registry/check.h"
#include "libs/registry/plan.h"
#include "libs/registry/test_fleet.h"

namespace fairlead::registry {
namespace {

using ::testing::HasSubstr;

// The field that makes a value invalid after `spoil`; "" if it is valid.
template <typename T>
std::string Blamed(T value, const std::function<void(T&)>& spoil) {
  spoil(value);
  const absl::StatusOr<T> canonical = Canonical(std::move(value), TestRules());
  if (canonical.ok()) return "";
  EXPECT_EQ(canonical.status().code(), absl::StatusCode::kInvalidArgument);
  return FieldOf(canonical.status());
}

TEST(ValidateTest, TheTestFleetIsValid) {
  EXPECT_TRUE(PlanFleet(Fleet(), TestDeclared(), false, TestRules()).problems.empty());
}

TEST(ValidateTest, APartnerNeedsAPublicAsnAndPrefixesThatCanBeRead) {
  const Partner good = TestPartner();
  EXPECT_EQ(Blamed<Partner>(good, [](Partner& p) { p.asns.clear(); }), "partner.asns");
  EXPECT_EQ(Blamed<Partner>(good, [](Partner& p) { p.asns = {64500, 65000}; }), "partner.asns[1]");
  EXPECT_EQ(Blamed<Partner>(good, [](Partner& p) { p.allowed_prefixes = {"198.51.100.1/24"}; }), "partner.allowed_prefixes[0]");
  EXPECT_EQ(Blamed<Partner>(good, [](Partner& p) { p.allowed_prefixes = {"0.0.0.0/0"}; }), "partner.allowed_prefixes[0]");
  EXPECT_EQ(Blamed<Partner>(good,
                            [](Partner& p) {
                              p.allowed_prefixes = {"2001:db8::/32", "2001:DB8:0::/32"};
                            }),
            "partner.allowed_prefixes[1]");
  EXPECT_EQ(Blamed<Partner>(good, [](Partner& p) { p.as_set = "AS-EX AMPLE"; }), "partner.as_set");
  EXPECT_EQ(Blamed<Partner>(good, [](Partner& p) { p.display_name = "\xff"; }), "partner.display_name");
  EXPECT_EQ(Blamed<Partner>(good, [](Partner& p) { p.display_name = "a\nb"; }), "partner.display_name");
  EXPECT_EQ(Blamed<Partner>(good, [](Partner& p) { p.peak_traffic_bps = -1; }), "partner.peak_traffic_bps");
}

TEST(ValidateTest, PrivateAndReservedAsnsAreNotPublic) {
  for (const uint32_t asn : {0U, 23456U, 64512U, 65534U, 65535U, 4200000000U, 4294967295U}) EXPECT_FALSE(IsPublicAsn(asn)) << asn;
  for (const uint32_t asn : {1U, 2906U, 64500U, 65536U, 131072U, 4199999999U}) EXPECT_TRUE(IsPublicAsn(asn)) << asn;
}

TEST(ValidateTest, ASiteHasAPartnerExactlyIfItIsEmbedded) {
  EXPECT_EQ(Blamed<Site>(TestSite(), [](Site& s) { s.partner = PartnerId(); }), "site.partner");
  EXPECT_EQ(Blamed<Site>(TestSite("ix", SiteKind::kIx), [](Site& s) { s.partner = PartnerId("isp"); }), "site.partner");
  EXPECT_EQ(Blamed<Site>(TestSite(), [](Site& s) { s.kind = SiteKind::kUnspecified; }), "site.kind");
  EXPECT_EQ(Blamed<Site>(TestSite(), [](Site& s) { s.open_to_unrouted = true; }), "site.open_to_unrouted");
}

TEST(ValidateTest, PlacesAndTimesOfASiteAreChecked) {
  const Site good = TestSite();
  EXPECT_EQ(Blamed<Site>(good, [](Site& s) { s.coordinates->latitude = 90.5; }), "site.coordinates.latitude");
  EXPECT_EQ(Blamed<Site>(good, [](Site& s) { s.coordinates->longitude = std::numeric_limits<double>::quiet_NaN(); }),
            "site.coordinates.longitude");
  EXPECT_EQ(Blamed<Site>(good, [](Site& s) { s.country = "gb"; }), "site.country");
  EXPECT_EQ(Blamed<Site>(good, [](Site& s) { s.time_zone = "../etc/passwd"; }), "site.time_zone");
  EXPECT_EQ(Blamed<Site>(good, [](Site& s) { s.fill_window = FillWindow{.start = "24:00", .length = absl::Hours(1)}; }),
            "site.fill_window.start");
  EXPECT_EQ(Blamed<Site>(good, [](Site& s) { s.fill_window = FillWindow{.start = "23:59", .length = absl::Hours(25)}; }),
            "site.fill_window.length");
  Rules rules = TestRules();
  rules.zone_exists = [](absl::string_view zone) { return zone == "UTC"; };
  EXPECT_EQ(FieldOf(Canonical(good, rules).status()), "site.time_zone");
}

TEST(ValidateTest, DefaultsAreFilledIn) {
  Site site = TestSite();
  site.time_zone.clear();
  const absl::StatusOr<Site> canonical = Canonical(site, TestRules());
  ASSERT_TRUE(canonical.ok()) << canonical.status();
  EXPECT_EQ(canonical->time_zone, "UTC");
  EXPECT_EQ(canonical->fill_window->start, "02:00");
  EXPECT_EQ(canonical->fill_window->length, absl::Hours(12));
  EXPECT_EQ(Canonical(TestSession(), TestRules())->peer_port, 179);
}

TEST(ValidateTest, AnApplianceIsWholeOrRefused) {
  const Appliance good = TestAppliance();
  EXPECT_EQ(Blamed<Appliance>(good, [](Appliance& a) { a.serial = ""; }), "appliance.serial");
  EXPECT_EQ(Blamed<Appliance>(good, [](Appliance& a) { a.cluster = ClusterId(); }), "appliance.cluster");
  EXPECT_EQ(Blamed<Appliance>(good, [](Appliance& a) { a.tiers.clear(); }), "appliance.tiers");
  EXPECT_EQ(Blamed<Appliance>(good, [](Appliance& a) { a.tiers.push_back(a.tiers[0]); }), "appliance.tiers[1]");
  EXPECT_EQ(Blamed<Appliance>(good, [](Appliance& a) { a.tiers[0].capacity_bytes = 0; }), "appliance.tiers[0].capacity_bytes");
  EXPECT_EQ(Blamed<Appliance>(good, [](Appliance& a) { a.lag = LagPorts{.count = 4, .port_bps = 1'000'000'000}; }),
            "appliance.lag.port_bps");
  EXPECT_EQ(Blamed<Appliance>(good, [](Appliance& a) { a.lag = LagPorts{.count = 1, .port_bps = 10'000'000'000}; }), "appliance.lag.count");
  EXPECT_EQ(Blamed<Appliance>(good, [](Appliance& a) { a.lag = LagPorts{.count = 7, .port_bps = 10'000'000'000}; }), "appliance.lag.count");
  EXPECT_EQ(Blamed<Appliance>(good, [](Appliance& a) { a.lag = LagPorts{.count = 3, .port_bps = 100'000'000'000}; }),
            "appliance.lag.count");
  EXPECT_EQ(Blamed<Appliance>(good, [](Appliance& a) { a.lag = LagPorts{.count = 2, .port_bps = 10'000'000'000}; }),
            "appliance.capacity_bps");
  EXPECT_EQ(Blamed<Appliance>(good, [](Appliance& a) { a.capacity_bps = 0; }), "appliance.capacity_bps");
  EXPECT_EQ(Blamed<Appliance>(good, [](Appliance& a) { a.endpoints[0].scheme = "ftp"; }), "appliance.endpoints[0].scheme");
  EXPECT_EQ(Blamed<Appliance>(good, [](Appliance& a) { a.endpoints[0].port = 65536; }), "appliance.endpoints[0].port");
  EXPECT_EQ(Blamed<Appliance>(good, [](Appliance& a) { a.endpoints[0].host = "2001:db8::1"; }), "appliance.endpoints[0].host");
  EXPECT_EQ(Blamed<Appliance>(good, [](Appliance& a) { a.endpoints[0].host = "[2001:db8::1]"; }), "appliance.endpoints[0].host");
  EXPECT_EQ(Blamed<Appliance>(good, [](Appliance& a) { a.endpoints[0].host = "-bad-.example"; }), "appliance.endpoints[0].host");
  EXPECT_EQ(Blamed<Appliance>(good, [](Appliance& a) { a.endpoints[0].host = "oca.example"; }), "");
  EXPECT_EQ(Blamed<Appliance>(good, [](Appliance& a) { a.kind = ApplianceKind::kCollector; }), "appliance.cluster");
  EXPECT_EQ(Blamed<Appliance>(good, [](Appliance& a) { a.bgp->asn = 0; }), "appliance.bgp.asn");
}

TEST(ValidateTest, Ipv6TextBecomesCanonical) {
  Appliance appliance = TestAppliance();
  appliance.endpoints[0].family = AddressFamily::kIpv6;
  appliance.endpoints[0].host = "2001:DB8:0:0::1";
  EXPECT_EQ(Canonical(appliance, TestRules())->endpoints[0].host, "2001:db8::1");
  appliance.endpoints[0].host = "::ffff:192.0.2.1";
  EXPECT_EQ(FieldOf(Canonical(appliance, TestRules()).status()), "appliance.endpoints[0].host") << "a mapped address is IPv4";
}

TEST(ValidateTest, ASessionTellsWhereItsRoutesComeFrom) {
  const BgpSession good = TestSession();
  EXPECT_EQ(Blamed<BgpSession>(good, [](BgpSession& s) { s.partner = PartnerId(); }), "bgp_session.partner");
  EXPECT_EQ(Blamed<BgpSession>(good, [](BgpSession& s) { s.transport_class = TransportClass::kUnspecified; }),
            "bgp_session.transport_class");
  EXPECT_EQ(Blamed<BgpSession>(good, [](BgpSession& s) { s.role = SessionRole::kRouterFeed; }), "bgp_session.partner");
  EXPECT_EQ(Blamed<BgpSession>(good, [](BgpSession& s) { s.role = SessionRole::kViaRouter; }), "bgp_session.router_feed");
  EXPECT_EQ(Blamed<BgpSession>(good, [](BgpSession& s) { s.router_feed = BgpSessionId("x"); }), "bgp_session.router_feed");
  EXPECT_EQ(Blamed<BgpSession>(good, [](BgpSession& s) { s.families.clear(); }), "bgp_session.families");
  EXPECT_EQ(Blamed<BgpSession>(good, [](BgpSession& s) { s.peer_address = "router"; }), "bgp_session.peer_address");
  EXPECT_EQ(Blamed<BgpSession>(good, [](BgpSession& s) { s.min_length_v4 = 25; }), "bgp_session.min_length_v4")
      << "above the default longest";
  EXPECT_EQ(Blamed<BgpSession>(good, [](BgpSession& s) { s.max_length_v6 = 129; }), "bgp_session.max_length_v6");
}

TEST(ValidateTest, ClustersLinksCellsAndPoliciesHaveTheirBounds) {
  EXPECT_EQ(Blamed<Cluster>(TestCluster(), [](Cluster& c) { c.copies = 17; }), "cluster.copies");
  EXPECT_EQ(Blamed<Link>(TestLink(), [](Link& l) { l.capacity_bps = 0; }), "link.capacity_bps");
  EXPECT_EQ(Blamed<Link>(TestLink(), [](Link& l) { l.kind = LinkKind::kPartnerAgreement; }), "link.partner");
  EXPECT_EQ(Blamed<Cell>(TestCell(), [](Cell& c) { c.address = "2001:db8::1:7002"; }), "cell.address");
  EXPECT_EQ(Blamed<Cell>(TestCell(), [](Cell& c) { c.address = "[2001:db8::1]:7002"; }), "");
  EXPECT_EQ(Blamed<Cell>(TestCell(), [](Cell& c) { c.address = "host:0"; }), "cell.address");
  EXPECT_EQ(Blamed<Cell>(TestCell(), [](Cell& c) { c.sites.push_back(c.sites[0]); }), "cell.sites[1]");
  Policy policy;
  policy.id = PolicyId("steering");
  EXPECT_EQ(Blamed<Policy>(policy, [](Policy&) {}), "policy.body");
  policy.health.emplace();
  EXPECT_EQ(Blamed<Policy>(policy, [](Policy&) {}), "policy.body") << "a health body in policies/steering";
  policy.id = PolicyId("health");
  EXPECT_EQ(Blamed<Policy>(policy, [](Policy& p) { p.health->lost_after = absl::Seconds(3); }), "policy.health.lost_after");
  policy.health.reset();
  policy.steering.emplace();
  policy.id = PolicyId("other");
  EXPECT_EQ(Blamed<Policy>(policy, [](Policy& p) { p.steering->full_at = 1.5; }), "policy.steering.full_at");
  EXPECT_EQ(Blamed<Policy>(policy, [](Policy& p) { p.steering->max_urls = 9; }), "policy.steering.max_urls");
}

TEST(ValidateTest, StepsOfAClassMustBeOnesThatAreStillAheadAndEachRuleAloneInItsKind) {
  Policy policy;
  policy.id = PolicyId("steering");
  policy.steering.emplace();
  const auto blamed = [&](std::vector<ClassSteps> rules, std::vector<ProximityStep> steps = {}) {
    return Blamed<Policy>(policy, [&](Policy& p) { p.steering->class_steps = rules, p.steering->steps = steps; });
  };
  const ClassSteps good = {.transport_class = TransportClass::kTransit, .partner = {}, .steps = {ProximityStep::kDistance}};
  const ClassSteps of_partner = {.transport_class = TransportClass::kTransit, .partner = PartnerId("isp"), .steps = {}};
  const std::string field = "policy.steering.class_steps";
  EXPECT_EQ(blamed({ClassSteps{}}), field + "[0].transport_class");
  EXPECT_EQ(blamed({good, good}), field + "[1]");
  EXPECT_EQ(blamed({good, {.transport_class = TransportClass::kEmbedded, .partner = {}, .steps = {ProximityStep::kPrefixLength}}}),
            field + "[1].steps");
  EXPECT_EQ(blamed({{.transport_class = TransportClass::kEmbedded, .partner = {}, .steps = {ProximityStep::kMed, ProximityStep::kMed}}}),
            field + "[0].steps[1]");
  EXPECT_EQ(blamed({good}, {ProximityStep::kDistance, ProximityStep::kTransportClass}), field + "[0].steps");
  EXPECT_EQ(blamed({good}, {ProximityStep::kPrefixLength}), "policy.steering.steps");
  EXPECT_EQ(blamed(std::vector<ClassSteps>(1'001, good)), field);
  policy.steering->class_steps = {good, of_partner};
  EXPECT_TRUE(Canonical(policy, TestRules()).ok());
  policy.steering->steps = {ProximityStep::kTransportClass, ProximityStep::kDistance};
  EXPECT_TRUE(Canonical(policy, TestRules()).ok());
}

TEST(ValidateTest, EachFigureOfTheGuardHasItsRange) {
  Policy policy;
  policy.id = PolicyId("steering");
  policy.steering.emplace().guard.emplace();
  const auto blamed = [&](auto change) { return Blamed<Policy>(policy, [&](Policy& p) { change(*p.steering->guard); }); };
  const std::string guard = "policy.steering.guard.";
  for (const double share : {-0.1, 0.0009, 1.001, std::nan("")}) {
    EXPECT_EQ(blamed([&](GuardPolicy& p) { p.removable_share = share; }), guard + "removable_share") << share;
  }
  EXPECT_EQ(blamed([](GuardPolicy& p) { p.removable_boxes = -1; }), guard + "removable_boxes");
  EXPECT_EQ(blamed([](GuardPolicy& p) { p.window = absl::Milliseconds(999); }), guard + "window");
  EXPECT_EQ(blamed([](GuardPolicy& p) { p.wave_sites = 1; }), guard + "wave_sites");
  EXPECT_EQ(blamed([](GuardPolicy& p) { p.wave_sites = -1; }), guard + "wave_sites");
  EXPECT_EQ(blamed([](GuardPolicy& p) { p.thaw_after = absl::Hours(2); }), guard + "thaw_after");
  EXPECT_EQ(blamed([](GuardPolicy& p) { p.cell_stale_after = absl::Milliseconds(1); }), guard + "cell_stale_after");
  EXPECT_EQ(blamed([](GuardPolicy& p) { p.corroborated_sites = -1; }), guard + "corroborated_sites");
  EXPECT_EQ(blamed([](GuardPolicy& p) { p.answering_lease = absl::Milliseconds(999); }), guard + "answering_lease");
  EXPECT_EQ(blamed([](GuardPolicy& p) { p.failing_networks = 17; }), guard + "failing_networks");
  policy.steering->guard->removable_share = 1.5;
  EXPECT_THAT(std::string(Canonical(policy, TestRules()).status().message()), HasSubstr("removable_share '1.5': must be in [0.001, 1]"));
  policy.steering->guard = GuardPolicy{.mode = GuardMode::kBelieveAll,
                                       .removable_share = 0.001,
                                       .removable_boxes = 1,
                                       .window = absl::Seconds(1),
                                       .wave_sites = 2,
                                       .thaw_after = absl::Milliseconds(100),
                                       .cell_stale_after = absl::Seconds(1),
                                       .corroborated_sites = 1,
                                       .answering_lease = absl::Seconds(1),
                                       .failing_networks = 16};
  EXPECT_TRUE(Canonical(policy, TestRules()).ok());
}

TEST(ValidateTest, BadIdsAreRefused) {
  EXPECT_EQ(Canonical(TestSite("London"), TestRules()).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Canonical(TestSite("London"), TestRules()).status().message()), HasSubstr("'London'"));
}

}  // namespace
}  // namespace fairlead::registry
