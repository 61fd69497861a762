// A small valid fleet for tests: one embedded site and one exchange.
#ifndef FAIRLEAD_LIBS_REGISTRY_TEST_FLEET_H_
#define FAIRLEAD_LIBS_REGISTRY_TEST_FLEET_H_

#include <string>

#include "absl/time/time.h"
#include "libs/registry/fleet_plan.h"

namespace fairlead::registry {

inline const absl::Time kTestTime = absl::FromUnixSeconds(1'800'000'000);

inline Partner TestPartner(const std::string& id = "isp", const std::string& prefix = "198.51.100.0/24", uint32_t asn = 64500) {
  Partner partner;
  partner.id = PartnerId(id);
  partner.asns = {asn};
  partner.allowed_prefixes = {prefix};
  return partner;
}

inline Site TestSite(const std::string& id = "lhr001", SiteKind kind = SiteKind::kEmbedded) {
  Site site;
  site.id = SiteId(id);
  site.kind = kind;
  if (kind == SiteKind::kEmbedded) site.partner = PartnerId("isp");
  site.coordinates = Coordinates{.latitude = 51.47, .longitude = -0.45};
  site.country = "GB";
  site.time_zone = "Europe/London";
  return site;
}

inline Link TestLink(const std::string& id = "lhr001-uplink", const std::string& site = "lhr001") {
  Link link;
  link.id = LinkId(id);
  link.site = SiteId(site);
  link.kind = LinkKind::kSiteUplink;
  link.capacity_bps = 100'000'000'000;
  return link;
}

inline Cluster TestCluster(const std::string& id = "lhr001-a", const std::string& site = "lhr001") {
  Cluster cluster;
  cluster.id = ClusterId(id);
  cluster.site = SiteId(site);
  cluster.content_region = "emea";
  cluster.popularity_feed = "emea";
  cluster.copies = 2;
  return cluster;
}

inline Appliance TestAppliance(const std::string& id = "oca-1", const std::string& host = "198.51.100.10") {
  Appliance appliance;
  appliance.id = ApplianceId(id);
  appliance.serial = "SN-" + id;
  appliance.site = SiteId("lhr001");
  appliance.cluster = ClusterId("lhr001-a");
  appliance.kind = ApplianceKind::kStorage;
  appliance.tiers = {{.tier = Tier::kDisk, .capacity_bytes = 200'000'000'000'000}};
  appliance.capacity_bps = 36'000'000'000;
  Endpoint endpoint;
  endpoint.family = AddressFamily::kIpv4;
  endpoint.scheme = "https";
  endpoint.host = host;
  endpoint.port = 443;
  appliance.endpoints = {endpoint};
  BgpSpeaker speaker;
  speaker.address = host;
  speaker.port = 179;
  speaker.asn = 64496;
  appliance.bgp = speaker;
  return appliance;
}

inline BgpSession TestSession(const std::string& id = "oca-1-isp", const std::string& appliance = "oca-1") {
  BgpSession session;
  session.id = BgpSessionId(id);
  session.appliance = ApplianceId(appliance);
  session.role = SessionRole::kDirect;
  session.families = {AddressFamily::kIpv4};
  session.peer_address = "198.51.100.1";
  session.peer_asn = 64500;
  session.partner = PartnerId("isp");
  session.transport_class = TransportClass::kEmbedded;
  session.link = LinkId("lhr001-uplink");
  return session;
}

inline Cell TestCell(const std::string& id = "cell-1", const std::string& address = "127.0.0.1:7002") {
  Cell cell;
  cell.id = CellId(id);
  cell.address = address;
  cell.sites = {SiteId("lhr001")};
  return cell;
}

inline DeclaredFleet TestDeclared() {
  DeclaredFleet declared;
  declared.Of<Partner>() = {TestPartner()};
  declared.Of<Site>() = {TestSite(), TestSite("ams-ix", SiteKind::kIx)};
  declared.Of<Link>() = {TestLink()};
  declared.Of<Cluster>() = {TestCluster()};
  declared.Of<Appliance>() = {TestAppliance()};
  declared.Of<BgpSession>() = {TestSession()};
  declared.Of<Cell>() = {TestCell()};
  return declared;
}

inline Rules TestRules() {
  return {.now = kTestTime, .zone_exists = nullptr};
}

// The declared fleet as if it had been applied.
inline Fleet TestFleet() {
  Fleet fleet;
  fleet.set_position({.epoch = 1, .version = 1});
  for (const AnyWrite& write : PlanFleet(fleet, TestDeclared(), false, TestRules()).writes) fleet.Apply(write);
  return fleet;
}

}  // namespace fairlead::registry

#endif  // FAIRLEAD_LIBS_REGISTRY_TEST_FLEET_H_
