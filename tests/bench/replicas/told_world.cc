#include "tests/bench/replicas/told_world.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

namespace fairlead {
namespace {

namespace iv1 = ingest::v1;

// Below the 4 MiB that ApplyFleet takes.
constexpr size_t kMostFleetBytes = 3 << 20;
constexpr uint32_t kFirstPartnerAsn = 3'000;
constexpr uint32_t kBoxAsn = 40'027;
constexpr uint32_t kEdgeAsn = 2'906;
// Behind the neighbour; public and nobody's above.
constexpr uint32_t kFirstTransitAsn = 200'000;
constexpr uint32_t kNoSession = ~uint32_t{0};
// Little enough that an uplink, whose use is the sum of its boxes', has room.
constexpr uint64_t kUseDivisor = 50;

// Sections as they come, in as many files as they need.
class FleetFileWriter {
 public:
  void Add(const std::string& section, const std::string& item) {
    if (files_.empty() || files_.back().size() + item.size() > kMostFleetBytes) {
      files_.emplace_back();
      section_.clear();
    }
    if (section != section_) absl::StrAppend(&files_.back(), section, ":\n");
    section_ = section;
    files_.back() += item;
  }
  std::vector<std::string> Take() { return std::move(files_); }

 private:
  std::vector<std::string> files_;
  std::string section_;
};

std::string CollectorId(const SiteId& site) {
  return absl::StrCat("rc-", site.value());
}

std::string Gbps(uint64_t bps) {
  return absl::StrCat(bps / 1'000'000'000, "Gbps");
}

void SetPrefix(const Prefix& prefix, common::v1::Prefix& out) {
  out.set_address(prefix.address().ToBytes());
  out.set_length(static_cast<uint32_t>(prefix.length()));
}

}  // namespace

ToldWorld::ToldWorld(const World& world) : world_(world) {
  std::map<SiteId, size_t> collectors;
  absl::flat_hash_map<std::string, size_t> boxes;
  for (const ApplianceView& box : world_.appliances()) {
    boxes[box.id.value()] = hearers_.size();
    hearers_.push_back({.id = box.id.value(),
                        .serial = absl::StrCat("SN-", box.id.value()),
                        .session = "",
                        .box = static_cast<uint32_t>(hearers_.size()),
                        .collector = false,
                        .capacity_bps = box.capacity_bps});
  }
  session_of_box_.assign(boxes.size(), kNoSession);
  for (const SiteView& site : world_.sites()) {
    if (site.kind != SiteKind::kIx) continue;
    collectors[site.id] = hearers_.size();
    const std::string id = CollectorId(site.id);
    hearers_.push_back({.id = id,
                        .serial = absl::StrCat("SN-", id),
                        .session = absl::StrCat("bgpSessions/rf-", site.id.value()),
                        .box = 0,
                        .collector = true,
                        .capacity_bps = 0});
  }
  std::map<SiteId, uint32_t> neighbours;
  for (size_t i = 0; i < world_.sessions().size(); ++i) {
    const SessionView& session = world_.sessions()[i];
    const uint32_t asn = asns_.try_emplace(session.partner, kFirstPartnerAsn + static_cast<uint32_t>(asns_.size())).first->second;
    if (session.appliance.has_value()) {
      const size_t hearer = boxes.at(session.appliance->value());
      hearer_of_session_.push_back(hearer);
      hearers_[hearer].session = session.id.name();
      session_of_box_[hearer] = static_cast<uint32_t>(i);
      hosts_.try_emplace(session.site, session.partner);
      peers_.push_back({.asn = asn, .path_id = 0, .next_hop = "", .address = "10.0.0.1"});
      continue;
    }
    const uint32_t neighbour = ++neighbours[session.site];
    const IpAddress address = IpAddress::V4(0x0a010000 + neighbour);
    hearer_of_session_.push_back(collectors.at(session.site));
    peers_.push_back({.asn = asn, .path_id = neighbour, .next_hop = address.ToBytes(), .address = address.ToString()});
  }
  routes_.resize(hearers_.size());
  for (uint32_t prefix = 0; prefix < world_.prefixes().size(); ++prefix) {
    const WorldRouteSet& set = world_.route_sets()[world_.set_of_prefix()[prefix]];
    for (uint32_t i = 0; i < set.size(); ++i) routes_[HearerOf(set[i])].push_back({prefix, i});
    route_count_ += set.size();
  }
}

// ---- The registry ----

std::string ToldWorld::SiteYaml(size_t number) const {
  const SiteView& site = world_.sites()[number];
  std::string text = absl::StrCat("  - {id: ", site.id.value(), ", kind: ", site.kind == SiteKind::kIx ? "IX" : "EMBEDDED");
  const auto host = hosts_.find(site.id);
  if (host != hosts_.end()) absl::StrAppend(&text, ", partner: ", host->second.value());
  absl::StrAppend(&text, ", coordinates: {latitude: ", 1e-6 * site.at.latitude_microdegrees,
                  ", longitude: ", 1e-6 * site.at.longitude_microdegrees, "}, country: \"", site.country, "\"",
                  site.open_to_unrouted ? ", open_to_unrouted: true" : "", "}\n");
  return text;
}

std::string ToldWorld::BoxYaml(const ApplianceView& box) const {
  std::string text =
      absl::StrCat("  - {id: ", box.id.value(), ", serial: SN-", box.id.value(), ", site: ", box.site.value(),
                   ", cluster: ", box.site.value(), "-a, kind: ", std::string(ToString(box.kind)),
                   ", capacity_bps: ", Gbps(box.capacity_bps), ", tiers: [{tier: DISK, capacity_bytes: 100TB}], endpoints: [");
  const char* separator = "";
  for (const Endpoint& endpoint : box.endpoints) {
    absl::StrAppend(&text, separator, "{family: ", std::string(ToString(endpoint.family)), ", scheme: ", endpoint.scheme,
                    ", host: ", endpoint.host, ", port: ", endpoint.port, "}");
    separator = ", ";
  }
  absl::StrAppend(&text, "], bgp: {address: 127.0.0.1, port: 179, asn: ", kBoxAsn, "}}\n");
  return text;
}

std::string ToldWorld::SessionYaml(size_t number) const {
  const SessionView& session = world_.sessions()[number];
  const Peer& peer = peers_[number];
  std::string text = absl::StrCat("  - {id: ", session.id.value(), ", appliance: ", hearers_[hearer_of_session_[number]].id,
                                  ", role: ", session.appliance.has_value() ? "DIRECT" : "VIA_ROUTER", ", families: [IPV4, IPV6]",
                                  ", peer_address: ", peer.address, ", peer_asn: ", peer.asn, ", partner: ", session.partner.value(),
                                  ", transport_class: ", std::string(ToString(session.transport)), ", max_prefixes: 10000000");
  if (session.link.has_value()) absl::StrAppend(&text, ", link: ", session.link->value());
  if (!session.appliance.has_value()) absl::StrAppend(&text, ", router_feed: rf-", session.site.value());
  return text + "}\n";
}

std::vector<std::string> ToldWorld::FleetFiles(const std::string& cell_address) const {
  FleetFileWriter out;
  for (const auto& [partner, asn] : asns_) {
    out.Add("partners", absl::StrCat("  - {id: ", partner.value(), ", asns: [", asn, "], allow_prefix_overlap: true, ",
                                     "allowed_prefixes: [\"0.0.0.0/1\", \"128.0.0.0/1\", \"::/1\", \"8000::/1\"]}\n"));
  }
  std::string cell = absl::StrCat("  - id: cell-1\n    address: \"", cell_address, "\"\n    sites: [");
  for (size_t i = 0; i < world_.sites().size(); ++i) {
    out.Add("sites", SiteYaml(i));
    absl::StrAppend(&cell, i == 0 ? "" : ", ", world_.sites()[i].id.value());
  }
  std::map<LinkId, SiteId> sites_of_links;
  for (const SiteView& site : world_.sites()) {
    for (const LinkId& link : site.uplinks) sites_of_links[link] = site.id;
  }
  for (const SessionView& session : world_.sessions()) {
    if (session.link.has_value()) sites_of_links[*session.link] = session.site;
  }
  for (const LinkView& link : world_.links()) {
    const bool uplink = link.id.value().compare(0, 3, "up-") == 0;
    out.Add("links", absl::StrCat("  - {id: ", link.id.value(), ", site: ", sites_of_links.at(link.id).value(),
                                  ", kind: ", uplink ? "SITE_UPLINK" : "PEERING_PORT", ", capacity_bps: ", Gbps(link.capacity_bps), "}\n"));
  }
  for (const SiteView& site : world_.sites()) {
    out.Add("clusters", absl::StrCat("  - {id: ", site.id.value(), "-a, site: ", site.id.value(),
                                     ", content_region: emea, popularity_feed: ", site.id.value(), ", copies: 1}\n"));
  }
  for (const ApplianceView& box : world_.appliances()) out.Add("appliances", BoxYaml(box));
  for (const SiteView& site : world_.sites()) {
    if (site.kind != SiteKind::kIx) continue;
    out.Add("appliances", absl::StrCat("  - {id: ", CollectorId(site.id), ", serial: SN-", CollectorId(site.id), ", site: ",
                                       site.id.value(), ", kind: COLLECTOR, bgp: {address: 127.0.0.1, port: 179, asn: ", kEdgeAsn, "}}\n"));
  }
  for (const SiteView& site : world_.sites()) {
    if (site.kind != SiteKind::kIx) continue;
    out.Add("bgpSessions",
            absl::StrCat("  - {id: rf-", site.id.value(), ", appliance: ", CollectorId(site.id),
                         ", role: ROUTER_FEED, families: [IPV4, IPV6], peer_address: 10.2.0.1, peer_asn: ", kEdgeAsn, "}\n"));
  }
  for (size_t i = 0; i < world_.sessions().size(); ++i) out.Add("bgpSessions", SessionYaml(i));
  out.Add("cells", cell + "]\n");
  return out.Take();
}

// ---- The catalogue ----

std::string ToldWorld::CatalogueSql() const {
  const size_t a_title = world_.options().files_a_title;
  const size_t files = world_.titles() * a_title;  // The last title is whole here.
  const std::string title = absl::StrCat("'t' || lpad((n / ", a_title, ")::text, 7, '0')");
  const std::string rendition = absl::StrCat("'r' || lpad((n % ", a_title, ")::text, 3, '0')");
  const std::string path = absl::StrCat(title, " || '/v1/' || ", rendition);
  return absl::StrCat("BEGIN; INSERT INTO fill.title SELECT 't' || lpad(n::text, 7, '0'), '', 1, 'v1', now(), 2 FROM generate_series(0, ",
                      world_.titles() - 1,
                      ") n; INSERT INTO fill.title_version SELECT id, 'v1', 0 FROM fill.title; INSERT INTO fill.rendition SELECT ", title,
                      ", 'v1', ", rendition, ", 'VIDEO', 3000000, 'avc1.64001f', 1280, 720, '', n + 1, ", path,
                      " || '/media.mp4', 1000000 + n % 1000, sha256(n::text::bytea), 5400, 900, ", path,
                      " || '/media.m3u8', 60000, sha256(n::text::bytea) FROM generate_series(0, ", files - 1,
                      ") n; UPDATE fill.state SET version = 2, next_file_number = ", files + 1, "; COMMIT;");
}

std::vector<std::vector<uint32_t>> ToldWorld::HeldFiles() const {
  std::vector<std::vector<uint32_t>> held(world_.appliances().size());
  std::vector<uint32_t> holders;
  for (uint32_t file = 0; file < world_.options().files; ++file) {
    world_.HoldersOf(file, holders);
    for (const uint32_t box : holders) held[box].push_back(file + 1);
  }
  return held;
}

// ---- Reports ----

void ToldWorld::Fill(uint32_t session, const Prefix& prefix, uint32_t length, uint32_t med, iv1::Route& route) const {
  const Peer& peer = peers_[session];
  SetPrefix(prefix, *route.mutable_prefix());
  route.set_path_id(peer.path_id);
  iv1::AsPathSegment& path = *route.add_as_path();
  path.set_kind(iv1::AsPathSegment::KIND_SEQUENCE);
  path.add_asns(peer.asn);
  for (uint32_t hop = 1; hop < length; ++hop) path.add_asns(kFirstTransitAsn + hop);
  if (!peer.next_hop.empty()) route.set_next_hop(peer.next_hop);
  if (med > 0) route.set_med(med);
}

void ToldWorld::Announce(const RouteRef& ref, uint32_t longer, iv1::RouteUpdate& update) const {
  const WorldRoute& route = world_.route_sets()[world_.set_of_prefix()[ref.prefix]][ref.of_set];
  Fill(route.session, world_.prefixes()[ref.prefix], route.as_path_length + longer, route.med, *update.add_announced());
}

void ToldWorld::AnnounceOwn(const Hearer& hearer, const Prefix& prefix, iv1::RouteUpdate& update) const {
  Fill(session_of_box_[hearer.box], prefix, 1, 0, *update.add_announced());
}

void ToldWorld::Withdraw(const Prefix& prefix, iv1::RouteUpdate& update) {
  SetPrefix(prefix, *update.add_withdrawn()->mutable_prefix());
}

iv1::Heartbeat ToldWorld::Beat(const Hearer& hearer, bool sick) const {
  iv1::Heartbeat beat;
  beat.mutable_cpu()->set_cores(16);
  beat.mutable_cpu()->set_utilisation(0.1);
  beat.mutable_memory()->set_total_bytes(64'000'000'000);
  beat.mutable_memory()->set_available_bytes(32'000'000'000);
  if (!hearer.session.empty()) {
    iv1::BgpSessionStatus& session = *beat.add_bgp_sessions();
    session.set_session(hearer.session);
    session.set_state("Established");
    session.set_established(true);
  }
  if (hearer.collector) return beat;
  iv1::TierStatus& tier = *beat.add_tiers();
  tier.set_tier(common::v1::TIER_DISK);
  tier.set_capacity_bytes(100'000'000'000'000);
  tier.set_used_bytes(50'000'000'000'000);
  tier.set_free_bytes(50'000'000'000'000);
  beat.mutable_network()->set_throughput_bps(static_cast<int64_t>(hearer.capacity_bps / kUseDivisor));
  beat.mutable_network()->set_capacity_bps(static_cast<int64_t>(hearer.capacity_bps));
  beat.mutable_nginx()->set_state(sick ? iv1::NginxStatus::STATE_STOPPED : iv1::NginxStatus::STATE_RUNNING);
  return beat;
}

}  // namespace fairlead
