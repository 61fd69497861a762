// What filld knows of the fleet: configuration from registryd, reports from every cell, merged into one immutable snapshot.
//
// The feeds' threads apply changes; a loop rebuilds the snapshot from time to time; RPCs read it. Of one box the report with the
// highest (incarnation, sequence) counts, whichever cell heard it, and its routes come from that cell. Records that make no sense are
// left out and counted: one bad record must not stop the filling of everything else. Thread-safe.
#ifndef FAIRLEAD_SERVICES_FILL_FLEET_STATE_H_
#define FAIRLEAD_SERVICES_FILL_FLEET_STATE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "fairlead/ingest/v1/fleet_service.pb.h"
#include "fairlead/registry/v1/config_service.pb.h"
#include "libs/base/ids.h"
#include "libs/base/published.h"
#include "libs/feed/feed_replica.h"
#include "libs/fill/plan.h"
#include "libs/fill/source_ranking.h"
#include "libs/net/prefix.h"
#include "libs/net/prefix_table.h"
#include "services/fill/held_files.h"

namespace fairlead::fill {

using HeardRoutes = PrefixTable<std::monostate>;

struct FleetBox {
  SourceBox source;
  std::string credential_sha256;    // Hex; empty while unbound.
  std::string reported_generation;  // Of its manifest.
  // Null: nothing reported.
  std::shared_ptr<const HeldFiles> held;
  std::shared_ptr<const HeardRoutes> routes;
};

struct FleetCluster {
  SourcePolicy policy;
  // Clusters with the same region and feed fill each other first.
  std::string fill_cluster;
};

struct FleetSnapshot {
  bool configured = false;      // False until the configuration has come once.
  uint64_t config_changes = 0;  // Goes up when clusters or boxes changed as far as plans care.
  std::vector<PlanCluster> plan_clusters;
  std::vector<PlanBox> plan_boxes;
  absl::btree_map<ApplianceId, FleetBox> boxes;
  std::vector<SourceBox> sources;  // Of all boxes, by id.
  absl::flat_hash_map<ClusterId, FleetCluster> clusters;
  std::vector<std::string> active_keys;             // Signing key ids, newest first.
  absl::btree_map<std::string, std::string> cells;  // Id → address.

  const FleetBox* FindBox(const ApplianceId& id) const {
    const auto at = boxes.find(id);
    return at == boxes.end() ? nullptr : &at->second;
  }
};

class FleetState {
 public:
  FleetState();

  absl::Status ApplyConfig(const FeedChange<registry::v1::ConfigEntry>& change) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status ApplyFleet(const std::string& cell, const FeedChange<ingest::v1::FleetEntry>& change) ABSL_LOCKS_EXCLUDED(mu_);
  // The cell is gone from the configuration.
  void ForgetCell(const std::string& cell) ABSL_LOCKS_EXCLUDED(mu_);

  // Publishes a new snapshot if anything was applied since the last one; whether it did.
  bool Rebuild() ABSL_LOCKS_EXCLUDED(mu_);
  std::shared_ptr<const FleetSnapshot> Get() const { return snapshot_.Get(); }

  int64_t bad_records() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Holdings {
    std::pair<uint64_t, uint64_t> order;  // (incarnation, sequence)
    std::shared_ptr<const HeldFiles> files;
  };
  struct BoxRoutes {
    absl::btree_map<std::string, Prefix> by_key;
    std::shared_ptr<const HeardRoutes> table;  // Null: to be made from by_key.
  };
  struct CellState {
    absl::flat_hash_map<std::string, ingest::v1::ApplianceState> states;  // By resource name.
    absl::flat_hash_map<std::string, Holdings> holdings;
    absl::flat_hash_map<std::string, BoxRoutes> routes;
    absl::flat_hash_map<std::string, std::string> route_owner;  // Feed key → resource name.
  };

  void ApplyFleetEntry(CellState& cell, const ingest::v1::FleetEntry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void PutHoldings(CellState& cell, const ingest::v1::ApplianceHoldings& holdings) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void PutRoute(CellState& cell, const std::string& key, const ingest::v1::AdmittedRoute& route) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RemoveRoute(CellState& cell, const std::string& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  void BuildClusters(FleetSnapshot& next) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void BuildKeysAndCells(FleetSnapshot& next) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void BuildBox(const registry::v1::Appliance& appliance, FleetSnapshot& next) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AddReports(const std::string& name, FleetBox& box) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable absl::Mutex mu_;
  bool dirty_ ABSL_GUARDED_BY(mu_) = false;
  bool configured_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t config_changes_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t bad_records_ ABSL_GUARDED_BY(mu_) = 0;
  absl::btree_map<std::string, registry::v1::ConfigEntry> config_ ABSL_GUARDED_BY(mu_);  // By key.
  absl::btree_map<std::string, CellState> cells_ ABSL_GUARDED_BY(mu_);
  Published<FleetSnapshot> snapshot_;
};

}  // namespace fairlead::fill

#endif  // FAIRLEAD_SERVICES_FILL_FLEET_STATE_H_
