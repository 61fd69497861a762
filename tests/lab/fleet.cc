#include "tests/lab/fleet.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace fairlead {
namespace {

std::string Rate(ApplianceKind kind) {
  return kind == ApplianceKind::kFlash ? "100Gbps" : kind == ApplianceKind::kOrigin ? "40Gbps" : "36Gbps";
}

std::string Partners(const Layout& layout, const RoutePlan& plan) {
  std::string text = "partners:\n";
  for (size_t i = 0; i < layout.partners.size(); ++i) {
    const LabPartner& partner = layout.partners[i];
    absl::StrAppend(&text, "  - id: ", partner.id, "\n    display_name: ", partner.display_name, "\n    asns: [", partner.asn,
                    "]\n    allowed_prefixes:\n");
    for (const Prefix& prefix : plan.partners[i].allowed) absl::StrAppend(&text, "      - \"", prefix.ToString(), "\"\n");
  }
  return text;
}

std::string Sites(const Layout& layout) {
  std::string text = "sites:\n";
  for (const LabSite& site : layout.sites) {
    absl::StrAppend(&text, "  - id: ", site.id, "\n    display_name: ", site.city, "\n    kind: ", std::string(ToString(site.kind)), "\n");
    if (!site.partner.empty()) absl::StrAppend(&text, "    partner: ", site.partner, "\n");
    absl::StrAppend(&text, "    coordinates: {latitude: ", site.latitude, ", longitude: ", site.longitude, "}\n    country: ", site.country,
                    "\n    time_zone: ", site.time_zone, "\n    fill_window: {start: \"02:00\", length: 24h}\n");
    if (site.kind == SiteKind::kIx) absl::StrAppend(&text, "    open_to_unrouted: true\n");
  }
  return text;
}

std::string Links(const Layout& layout) {
  std::string text = "links:\n";
  for (const LabSite& site : layout.sites) {
    if (site.kind == SiteKind::kOrigin) continue;
    absl::StrAppend(&text, "  - {id: ", site.id, "-uplink, site: ", site.id, ", kind: SITE_UPLINK, capacity_bps: 200Gbps}\n");
  }
  for (const LabPartner& partner : layout.partners) {
    absl::StrAppend(&text, "  - {id: ix-1-", partner.id, ", site: ix-1, kind: PEERING_PORT, capacity_bps: 100Gbps}\n");
  }
  return text;
}

std::string Clusters(const Layout& layout) {
  std::string text = "clusters:\n";
  for (const LabSite& site : layout.sites) {
    if (site.kind == SiteKind::kOrigin) continue;
    int boxes = 0;
    for (const LabBox& box : layout.boxes) boxes += box.site == site.id && box.kind != ApplianceKind::kCollector ? 1 : 0;
    // One box of a site goes out for a file, and the others get it from that one. A feed of its own makes each site a fill cluster of
    // its own.
    absl::StrAppend(&text, "  - id: ", site.id, "-a\n    site: ", site.id, "\n    content_region: emea\n    popularity_feed: ", site.id,
                    "\n    copies: ", boxes > 1 ? 2 : 1,
                    "\n    fill_policy: {fill_masters: 1, forbid_origin: ", site.forbid_origin ? "true" : "false", "}\n");
  }
  return text;
}

std::string Appliances(const Layout& layout) {
  std::string text = "appliances:\n";
  for (const LabBox& box : layout.boxes) {
    const bool collector = box.kind == ApplianceKind::kCollector, origin = box.kind == ApplianceKind::kOrigin;
    absl::StrAppend(&text, "  - id: ", box.id, "\n    serial: ", "SN-", box.id, "\n    site: ", box.site,
                    "\n    kind: ", std::string(ToString(box.kind)), "\n");
    if (!collector) {
      absl::StrAppend(&text, "    capacity_bps: ", Rate(box.kind), "\n    tiers:\n      - {tier: DISK, capacity_bytes: 200MB}\n");
      if (box.kind == ApplianceKind::kFlash) absl::StrAppend(&text, "      - {tier: FLASH, capacity_bytes: 50MB}\n");
      absl::StrAppend(&text, "    endpoints:\n      - {family: IPV4, scheme: http, host: ", box.address, ", port: ", kHttpPort,
                      "}\n      - {family: IPV6, scheme: http, host: \"::1\", port: ", box.port_v6, "}\n");
    }
    if (!collector && !origin) absl::StrAppend(&text, "    cluster: ", box.site, "-a\n    fill_rate_bps: 400Mbps\n");
    if (!origin) {
      absl::StrAppend(&text, "    bgp: {address: ", box.address, ", port: ", kBgpPort, ", asn: ", collector ? kEdgeAsn : kApplianceAsn,
                      "}\n");
    }
  }
  return text;
}

struct Session {
  std::string id, appliance, role, families, peer;
  uint32_t asn = 0;
  std::string partner, transport, link, feed;
};

std::string Render(const Session& session) {
  std::string text = absl::StrCat("  - id: ", session.id, "\n    appliance: ", session.appliance, "\n    role: ", session.role,
                                  "\n    families: [", session.families, "]\n    peer_address: \"", session.peer,
                                  "\"\n    peer_port: ", kBgpPort, "\n    peer_asn: ", session.asn, "\n");
  if (!session.partner.empty())
    absl::StrAppend(&text, "    partner: ", session.partner, "\n    transport_class: ", session.transport, "\n");
  if (!session.link.empty()) absl::StrAppend(&text, "    link: ", session.link, "\n");
  if (!session.feed.empty()) absl::StrAppend(&text, "    router_feed: ", session.feed, "\n");
  return text;
}

std::string Sessions(const Layout& layout) {
  std::string text = "bgpSessions:\n";
  for (const LabPartner& partner : layout.partners) {
    for (const LabBox& box : layout.boxes) {
      if (partner.embedded_site.empty() || box.site != partner.embedded_site) continue;
      absl::StrAppend(&text, Render({absl::StrCat(box.id, "-", partner.id), box.id, "DIRECT", "IPV4, IPV6", layout.RouterOf(partner),
                                     partner.asn, partner.id, "EMBEDDED", "", ""}));
    }
  }
  for (const LabBox& box : layout.boxes) {
    if (box.kind != ApplianceKind::kCollector) continue;
    absl::StrAppend(&text, Render({"ix-1-feed", box.id, "ROUTER_FEED", "IPV4, IPV6", layout.edge_router, kEdgeAsn, "", "", "", ""}));
    for (const LabPartner& partner : layout.partners) {
      const std::string transport(ToString(partner.peering));
      const std::string link = absl::StrCat("ix-1-", partner.id);
      // A family each: the next hop tells the session, and that of an IPv6 route is an IPv6 address.
      absl::StrAppend(&text, Render({absl::StrCat("ix-1-", partner.id, "-v4"), box.id, "VIA_ROUTER", "IPV4", layout.RouterOf(partner),
                                     partner.asn, partner.id, transport, link, "ix-1-feed"}));
      absl::StrAppend(&text, Render({absl::StrCat("ix-1-", partner.id, "-v6"), box.id, "VIA_ROUTER", "IPV6", layout.RouterV6Of(partner),
                                     partner.asn, partner.id, transport, link, "ix-1-feed"}));
    }
  }
  return text;
}

std::string Cells(const Layout& layout) {
  std::vector<std::string> sites;
  for (const LabSite& site : layout.sites) sites.push_back(site.id);
  return absl::StrCat("cells:\n  - {id: cell-1, address: \"", layout.Relayed(layout.ingestd), "\", sites: [", absl::StrJoin(sites, ", "),
                      "]}\n");
}

}  // namespace

std::string RenderFleet(const Layout& layout, const RoutePlan& plan) {
  return absl::StrCat("# The lab's fleet: three partners, two of them with boxes inside their networks, one exchange, one origin.\n",
                      Partners(layout, plan), Sites(layout), Links(layout), Clusters(layout), Appliances(layout), Sessions(layout),
                      Cells(layout),
                      "policies:\n  - id: health\n    health: {heartbeat_interval: 1s, lost_after: 5s, session_grace: 30s}\n"
                      "  - id: drain\n    drain: {draining_for: 4s, evacuating_for: 4s, quiet_for: 4s, overdue_after: 60s}\n");
}

}  // namespace fairlead
