// Made-up configuration and reports, as feed entries.
#ifndef FAIRLEAD_SERVICES_FILL_TEST_FLEET_H_
#define FAIRLEAD_SERVICES_FILL_TEST_FLEET_H_

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "fairlead/ingest/v1/fleet_service.pb.h"
#include "fairlead/registry/v1/config_service.pb.h"
#include "libs/net/prefix.h"
#include "libs/signing/digest.h"
#include "services/fill/held_files.h"

namespace fairlead::fill {

inline registry::v1::ConfigEntry SiteEntry(const std::string& id, common::v1::SiteKind kind) {
  registry::v1::ConfigEntry entry;
  entry.set_key(absl::StrCat("sites/", id));
  entry.mutable_site()->set_name(entry.key());
  entry.mutable_site()->set_kind(kind);
  return entry;
}

inline registry::v1::ConfigEntry ClusterEntry(const std::string& id, const std::string& site, int copies) {
  registry::v1::ConfigEntry entry;
  entry.set_key(absl::StrCat("clusters/", id));
  entry.mutable_cluster()->set_name(entry.key());
  entry.mutable_cluster()->set_site(absl::StrCat("sites/", site));
  entry.mutable_cluster()->set_copies(copies);
  return entry;
}

// Credential "secret-<id>"; 1 MB of disk; http://127.0.0.1:8080.
inline registry::v1::ConfigEntry ApplianceEntry(const std::string& id, const std::string& site, const std::string& cluster,
                                                common::v1::ApplianceKind kind = common::v1::APPLIANCE_KIND_STORAGE) {
  registry::v1::ConfigEntry entry;
  entry.set_key(absl::StrCat("appliances/", id));
  registry::v1::Appliance& appliance = *entry.mutable_appliance();
  appliance.set_name(entry.key());
  appliance.set_site(absl::StrCat("sites/", site));
  if (!cluster.empty()) appliance.set_cluster(absl::StrCat("clusters/", cluster));
  appliance.set_kind(kind);
  appliance.set_capacity_bps(1'000'000'000);
  appliance.set_admin_state(common::v1::ADMIN_STATE_LIVE);
  appliance.set_credential_sha256(Sha256Hex(absl::StrCat("secret-", id)));
  registry::v1::TierCapacity& tier = *appliance.add_tiers();
  tier.set_tier(common::v1::TIER_DISK);
  tier.set_capacity_bytes(1'000'000);
  registry::v1::Endpoint& endpoint = *appliance.add_endpoints();
  endpoint.set_family(common::v1::ADDRESS_FAMILY_IPV4);
  endpoint.set_scheme("http");
  endpoint.set_host("127.0.0.1");
  endpoint.set_port(8080);
  return entry;
}

inline registry::v1::ConfigEntry CellEntry(const std::string& id, const std::string& address) {
  registry::v1::ConfigEntry entry;
  entry.set_key(absl::StrCat("cells/", id));
  entry.mutable_cell()->set_name(entry.key());
  entry.mutable_cell()->set_address(address);
  return entry;
}

inline registry::v1::ConfigEntry KeyEntry(const std::string& id, registry::v1::SigningKey::State state, int64_t created = 1) {
  registry::v1::ConfigEntry entry;
  entry.set_key(absl::StrCat("signingKeys/", id));
  entry.mutable_signing_key()->set_name(entry.key());
  entry.mutable_signing_key()->set_state(state);
  entry.mutable_signing_key()->mutable_create_time()->set_seconds(created);
  return entry;
}

template <typename Entry>
Entry Removal(const std::string& key) {
  Entry entry;
  entry.set_key(key);
  return entry;
}

inline ingest::v1::FleetEntry StateEntry(const std::string& id, uint64_t incarnation = 1, uint64_t sequence = 1,
                                         common::v1::HealthState health = common::v1::HEALTH_STATE_OK) {
  ingest::v1::FleetEntry entry;
  entry.set_key(absl::StrCat("state/", id));
  ingest::v1::ApplianceState& state = *entry.mutable_state();
  state.set_appliance(absl::StrCat("appliances/", id));
  state.set_incarnation(incarnation);
  state.set_sequence(sequence);
  state.set_health(health);
  state.set_weight(1);
  return entry;
}

inline ingest::v1::FleetEntry HoldingsEntry(const std::string& id, const std::vector<uint32_t>& files, uint64_t incarnation = 1,
                                            uint64_t sequence = 1) {
  ingest::v1::FleetEntry entry;
  entry.set_key(absl::StrCat("holdings/", id));
  entry.mutable_holdings()->set_appliance(absl::StrCat("appliances/", id));
  entry.mutable_holdings()->set_incarnation(incarnation);
  entry.mutable_holdings()->set_sequence(sequence);
  entry.mutable_holdings()->set_bitmap(HeldFiles::Of(files)->ToBytes());
  return entry;
}

inline ingest::v1::FleetEntry RouteEntry(const std::string& id, const std::string& prefix_text) {
  const Prefix prefix = Prefix::Parse(prefix_text).value();
  ingest::v1::FleetEntry entry;
  entry.set_key(absl::StrCat("route/session-1/", prefix_text, "/1"));
  entry.mutable_route()->set_session("bgpSessions/session-1");
  entry.mutable_route()->set_appliance(absl::StrCat("appliances/", id));
  entry.mutable_route()->mutable_prefix()->set_address(prefix.address().ToBytes());
  entry.mutable_route()->mutable_prefix()->set_length(static_cast<uint32_t>(prefix.length()));
  return entry;
}

}  // namespace fairlead::fill

#endif  // FAIRLEAD_SERVICES_FILL_TEST_FLEET_H_
