#include "tests/bench/publication_world.h"

#include <numeric>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/content/paths.h"
#include "roaring/roaring.hh"

namespace fairlead {
namespace {

namespace rv1 = registry::v1;
namespace iv1 = ingest::v1;

// Partners may announce anything: what is measured is not admission.
constexpr const char* kEverything[] = {"0.0.0.0/0", "::/0"};

rv1::ConfigEntry SiteEntry(const SiteView& site) {
  rv1::ConfigEntry entry;
  entry.set_key(site.id.name());
  rv1::Site& record = *entry.mutable_site();
  record.set_name(site.id.name());
  record.set_kind(static_cast<common::v1::SiteKind>(site.kind));
  record.mutable_coordinates()->set_latitude(1e-6 * site.at.latitude_microdegrees);
  record.mutable_coordinates()->set_longitude(1e-6 * site.at.longitude_microdegrees);
  record.set_country(site.country);
  record.set_open_to_unrouted(site.open_to_unrouted);
  return entry;
}

rv1::ConfigEntry PartnerEntry(const PartnerId& id) {
  rv1::ConfigEntry entry;
  entry.set_key(id.name());
  entry.mutable_partner()->set_name(id.name());
  for (const char* all : kEverything) entry.mutable_partner()->add_allowed_prefixes(all);
  return entry;
}

rv1::ConfigEntry ApplianceEntry(const std::string& name, const SiteId& site, ApplianceKind kind, AdminState admin) {
  rv1::ConfigEntry entry;
  entry.set_key(name);
  rv1::Appliance& record = *entry.mutable_appliance();
  record.set_name(name);
  record.set_site(site.name());
  record.set_kind(static_cast<common::v1::ApplianceKind>(kind));
  record.set_admin_state(static_cast<common::v1::AdminState>(admin));
  return entry;
}

}  // namespace

PublicationWorld::PublicationWorld(const World& world) : world_(world) {}

std::string PublicationWorld::Hearer(const SessionView& session) const {
  return session.appliance.has_value() ? session.appliance->name() : absl::StrCat("appliances/rc-", session.site.value());
}

rv1::ConfigEntry PublicationWorld::Appliance(const ApplianceView& box, AdminState admin) const {
  Config entry = ApplianceEntry(box.id.name(), box.site, box.kind, admin);
  entry.mutable_appliance()->set_capacity_bps(static_cast<int64_t>(box.capacity_bps));
  for (const Endpoint& endpoint : box.endpoints) {
    rv1::Endpoint& to = *entry.mutable_appliance()->add_endpoints();
    to.set_family(static_cast<common::v1::AddressFamily>(endpoint.family));
    to.set_scheme(endpoint.scheme);
    to.set_host(endpoint.host);
    to.set_port(endpoint.port);
  }
  return entry;
}

std::vector<rv1::ConfigEntry> PublicationWorld::ConfigEntries(const std::string& cell_address) const {
  std::vector<Config> entries;
  std::set<PartnerId> partners;
  for (const SiteView& site : world_.sites()) {
    entries.push_back(SiteEntry(site));
    if (site.kind == SiteKind::kIx) {
      entries.push_back(
          ApplianceEntry(absl::StrCat("appliances/rc-", site.id.value()), site.id, ApplianceKind::kCollector, AdminState::kLive));
    }
  }
  for (const ApplianceView& box : world_.appliances()) entries.push_back(Appliance(box, box.admin));
  std::vector<SessionView> sessions = world_.sessions();
  sessions.push_back({.id = BgpSessionId(kLostSession),
                      .partner = PartnerId("lost"),
                      .transport = TransportClass::kPublicPeering,
                      .site = world_.sites().front().id});
  for (const SessionView& session : sessions) {
    if (partners.insert(session.partner).second) entries.push_back(PartnerEntry(session.partner));
    Config& entry = entries.emplace_back();
    entry.set_key(session.id.name());
    rv1::BgpSession& record = *entry.mutable_bgp_session();
    record.set_name(session.id.name());
    record.set_appliance(Hearer(session));
    record.set_role(session.appliance.has_value() ? rv1::BgpSession::ROLE_DIRECT : rv1::BgpSession::ROLE_VIA_ROUTER);
    record.set_partner(session.partner.name());
    record.set_transport_class(static_cast<common::v1::TransportClass>(session.transport));
  }
  Config& cell = entries.emplace_back();
  cell.set_key("cells/c1");
  cell.mutable_cell()->set_name("cells/c1");
  cell.mutable_cell()->set_address(cell_address);
  return entries;
}

content::v1::CatalogEntry PublicationWorld::Catalogue() const {
  content::v1::CatalogEntry entry;
  entry.set_key("titles/t");
  content::v1::Title& title = *entry.mutable_title();
  title.set_name("titles/t");
  title.set_current_version("v1");
  content::v1::TitleVersion& version = *title.add_versions();
  version.set_version("v1");
  for (uint32_t file = 0; file < kFiles; ++file) {
    content::v1::Rendition& rendition = *version.add_renditions();
    rendition.set_rendition(absl::StrCat("r", file));
    rendition.mutable_file()->set_file_number(file);
    rendition.mutable_file()->set_path(absl::StrCat("t/v1/r", file, "/media.mp4"));
  }
  return entry;
}

iv1::FleetEntry PublicationWorld::State(const ApplianceView& box, HealthState health, uint64_t sequence) const {
  Fleet entry;
  entry.set_key(absl::StrCat("state/", box.id.value()));
  iv1::ApplianceState& state = *entry.mutable_state();
  state.set_appliance(box.id.name());
  state.set_incarnation(1);
  state.set_sequence(sequence);
  state.set_health(static_cast<common::v1::HealthState>(health));
  state.set_weight(box.weight_permille / 1000.0);
  // A tenth, so that uplinks, whose use is the sum of their boxes', aren't full everywhere.
  state.mutable_last_heartbeat()->mutable_network()->set_throughput_bps(static_cast<int64_t>(box.use_bps / 10));
  return entry;
}

content::v1::CatalogEntry PublicationWorld::Title(uint32_t number) const {
  const TitleView view = world_.Title(number);
  content::v1::CatalogEntry entry;
  entry.set_key(view.id.name());
  content::v1::Title& title = *entry.mutable_title();
  title.set_name(view.id.name());
  title.set_display_name(absl::StrCat("The title ", number));
  title.set_popularity(0.5);
  for (const VersionView& from : view.versions) {
    title.set_current_version(from.version);
    content::v1::TitleVersion& version = *title.add_versions();
    version.set_version(from.version);
    for (const FileView& file : from.files) {
      content::v1::Rendition& rendition = *version.add_renditions();
      rendition.set_rendition(file.rendition);
      rendition.set_kind(content::v1::Rendition::KIND_VIDEO);
      rendition.set_bandwidth_bps(static_cast<int64_t>(file.bitrate_bps));
      rendition.set_codecs("avc1.64001f");
      rendition.set_width(1'280);
      rendition.set_height(720);
      content::v1::File& to = *rendition.mutable_file();
      to.set_file_number(file.number);
      to.set_path(file.path);
      to.set_size_bytes(static_cast<int64_t>(file.size_bytes));
      to.set_sha256(std::string(32, 's'));
      to.set_duration_seconds(5'400);
      to.set_segment_count(900);
      to.mutable_playlist()->set_path(absl::StrCat(file.path.substr(0, file.path.rfind('/') + 1), kPlaylistFileName));
      to.mutable_playlist()->set_size_bytes(60'000);
      to.mutable_playlist()->set_sha256(std::string(32, 'p'));
    }
  }
  return entry;
}

iv1::FleetEntry PublicationWorld::Holdings(const ApplianceView& box, const std::vector<uint32_t>& files) {
  Roaring held(files.size(), files.data());
  held.runOptimize();  // As ingestd tells them.
  std::string bitmap(held.getSizeInBytes(), '\0');
  held.write(bitmap.data());
  Fleet entry;
  entry.set_key(absl::StrCat("holdings/", box.id.value()));
  entry.mutable_holdings()->set_appliance(box.id.name());
  entry.mutable_holdings()->set_incarnation(1);
  entry.mutable_holdings()->set_bitmap(std::move(bitmap));
  return entry;
}

std::vector<iv1::FleetEntry> PublicationWorld::CellEntries(bool holdings) const {
  std::vector<Fleet> entries;
  std::vector<uint32_t> all(kFiles);
  std::iota(all.begin(), all.end(), 0);
  for (const ApplianceView& box : world_.appliances()) {
    entries.push_back(State(box, box.health, 1));
    if (holdings) entries.push_back(Holdings(box, all));
  }
  const auto add_session = [&](const std::string& id, const std::string& hearer) {
    Fleet& entry = entries.emplace_back();
    entry.set_key(absl::StrCat("session/", id));
    entry.mutable_session()->set_session(absl::StrCat("bgpSessions/", id));
    entry.mutable_session()->set_appliance(hearer);
    entry.mutable_session()->set_established(true);
    entry.mutable_session()->set_incarnation(1);
  };
  for (const SessionView& session : world_.sessions()) add_session(session.id.value(), Hearer(session));
  add_session(kLostSession, absl::StrCat("appliances/rc-", world_.sites().front().id.value()));
  return entries;
}

iv1::FleetEntry PublicationWorld::RouteEntry(const std::string& session, const std::string& hearer, const Prefix& prefix,
                                             const WorldRoute& route) {
  Fleet entry;
  entry.set_key(absl::StrCat("route/", session, "/", prefix.ToString(), "/0"));
  iv1::AdmittedRoute& record = *entry.mutable_route();
  record.set_session(absl::StrCat("bgpSessions/", session));
  record.set_appliance(hearer);
  record.mutable_prefix()->set_address(prefix.address().ToBytes());
  record.mutable_prefix()->set_length(static_cast<uint32_t>(prefix.length()));
  record.set_as_path_length(route.as_path_length);
  record.set_neighbour_as(route.neighbour_as);
  record.set_med(route.med);
  return entry;
}

iv1::FleetEntry PublicationWorld::Route(const Prefix& prefix, const WorldRoute& route) const {
  const SessionView& session = world_.sessions()[route.session];
  return RouteEntry(session.id.value(), Hearer(session), prefix, route);
}

iv1::FleetEntry PublicationWorld::LostRoute(const Prefix& prefix) const {
  return RouteEntry(kLostSession, absl::StrCat("appliances/rc-", world_.sites().front().id.value()), prefix,
                    {.neighbour_as = 65'000, .as_path_length = 1});
}

iv1::FleetEntry PublicationWorld::Removal(const Fleet& entry) {
  Fleet removal;
  removal.set_key(entry.key());
  return removal;
}

std::vector<rv1::ConfigEntry> PublicationWorld::NewSite(const std::string& id) {
  return {SiteEntry({.id = SiteId(id), .kind = SiteKind::kEmbedded, .country = "NL"}),
          ApplianceEntry(absl::StrCat("appliances/", id, "-b00"), SiteId(id), ApplianceKind::kFlash, AdminState::kLive)};
}

}  // namespace fairlead
