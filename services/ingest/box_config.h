// What the config feed says about each box, in the form that ingest needs it.
//
// ConfigTable takes the feed's changes and says whose configuration changed; BoxConfig is one box's part of it, immutable and shared.
// Not thread-safe (ConfigTable).
#ifndef FAIRLEAD_SERVICES_INGEST_BOX_CONFIG_H_
#define FAIRLEAD_SERVICES_INGEST_BOX_CONFIG_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "fairlead/registry/v1/config_service.pb.h"
#include "libs/base/ids.h"
#include "libs/feed/feed_replica.h"
#include "libs/net/ip_address.h"
#include "libs/routing/admission.h"

namespace fairlead::ingest {

// A BGP session as the box reports it: its own or its collector's iBGP one.
enum class SessionRole : uint8_t { kDirect, kRouterFeed, kViaRouter };

struct SessionConfig {
  BgpSessionId id;
  SessionRole role = SessionRole::kDirect;
  IpAddress peer_address;    // Of VIA_ROUTER: the next hop of its routes.
  BgpSessionId router_feed;  // Of VIA_ROUTER.
  SessionRecord record;      // Of a ROUTER_FEED only the id counts.
};

struct BoxConfig {
  ApplianceId id;
  bool serves = true;             // A collector serves nothing, so its web server says nothing about its health.
  bool may_report = true;         // A retired box may not.
  std::string credential_sha256;  // Hex; empty: no box is bound.
  std::string generation;
  // The same pointer for as long as nothing in it changes.
  std::shared_ptr<const std::vector<SessionConfig>> sessions;
};

struct FleetPolicy {
  absl::Duration lost_after = absl::Seconds(10);
  absl::Duration session_grace = absl::Seconds(90);

  friend bool operator==(const FleetPolicy&, const FleetPolicy&) = default;
};

class ConfigTable {
 public:
  // The appliances whose BoxConfig changed, came or went. Entries that make no sense are skipped and logged: one bad resource must
  // not keep the others from being used.
  std::vector<ApplianceId> Apply(const FeedChange<registry::v1::ConfigEntry>& change);

  // False until the first change.
  bool received() const { return received_; }
  // Null if there is no such appliance.
  std::shared_ptr<const BoxConfig> Find(const ApplianceId& id) const;
  const FleetPolicy& policy() const { return policy_; }
  size_t appliances() const { return appliances_.size(); }

 private:
  struct PartnerRules {
    std::vector<uint32_t> asns;
    std::shared_ptr<const PrefixSet> allowed;  // Null: none registered.
    uint64_t fingerprint = 0;
  };

  void ApplyEntry(const registry::v1::ConfigEntry& entry, absl::btree_set<ApplianceId>& touched);
  void SetPartner(const std::string& name, const registry::v1::Partner* partner, absl::btree_set<ApplianceId>& touched);
  void SetSession(const std::string& name, const registry::v1::BgpSession* session, absl::btree_set<ApplianceId>& touched);
  void SetPolicy(const registry::v1::Policy* policy);
  void Clear(absl::btree_set<ApplianceId>& touched);
  std::shared_ptr<const BoxConfig> Build(const ApplianceId& id) const;
  std::shared_ptr<const std::vector<SessionConfig>> BuildSessions(const registry::v1::Appliance& appliance, uint64_t& fingerprint) const;
  bool BuildSession(const registry::v1::BgpSession& session, uint32_t local_asn, SessionConfig& config) const;

  struct Built {
    std::shared_ptr<const BoxConfig> config;
    uint64_t sessions_fingerprint = 0;
  };

  bool received_ = false;
  absl::flat_hash_map<ApplianceId, registry::v1::Appliance> appliances_;
  absl::flat_hash_map<ApplianceId, std::string> generations_;
  absl::flat_hash_map<std::string, PartnerRules> partners_;                     // By name.
  absl::flat_hash_map<std::string, registry::v1::BgpSession> sessions_;         // By name.
  absl::flat_hash_map<std::string, absl::btree_set<std::string>> sessions_of_;  // By the appliance's name.
  absl::flat_hash_map<ApplianceId, Built> built_;
  FleetPolicy policy_;
};

}  // namespace fairlead::ingest

#endif  // FAIRLEAD_SERVICES_INGEST_BOX_CONFIG_H_
