// Box: everything ingestd knows of one appliance: order of its reports, health, routes, holdings, and what of it must be published.
//
// Values in, decisions out: the caller (FleetState) brings the time and holds the box's lock. Times are of one clock that doesn't jump.
//
// Order: reports count by (incarnation, sequence). What isn't newer than what is known is dropped, as a repetition. A gap (reports that
// went to another cell, or were lost with a stream) means that routes and holdings may be stale, so both are asked for again; until a full
// update has come, changes of holdings are dropped, because a change to an unknown base could make up files that the box doesn't hold.
//
// A box put back from a checkpoint goes on from there: a report that follows its last one is taken, a later one shows the gap.
#ifndef FAIRLEAD_SERVICES_INGEST_BOX_H_
#define FAIRLEAD_SERVICES_INGEST_BOX_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "fairlead/ingest/v1/appliance_link_service.pb.h"
#include "fairlead/ingest/v1/checkpoint.pb.h"
#include "fairlead/ingest/v1/fleet_service.pb.h"
#include "libs/base/ids.h"
#include "libs/checkpoint/change_batch.h"
#include "libs/feed/feed_table.h"
#include "libs/health/health.h"
#include "services/ingest/box_config.h"
#include "services/ingest/checkpoint_codec.h"
#include "services/ingest/holdings.h"
#include "services/ingest/route_book.h"
#include "services/ingest/traffic_buffer.h"

namespace fairlead::ingest {

// What a box should be told; later ones replace earlier ones, so that at most one of each waits.
struct Outgoing {
  std::optional<uint64_t> ack;
  bool resend_routes = false;
  bool resend_holdings = false;
  std::optional<std::string> config_generation;
  std::optional<std::string> manifest_generation;

  bool empty() const {
    return !ack.has_value() && !resend_routes && !resend_holdings && !config_generation.has_value() && !manifest_generation.has_value();
  }
  void Merge(const Outgoing& other);
};

// A HoldingsUpdate, checked.
struct HoldingsChange {
  bool full = false;
  Holdings bitmap;
  Holdings added;
  Holdings removed;
};
absl::StatusOr<HoldingsChange> HoldingsChangeFromProto(const v1::HoldingsUpdate& update);

// A report, checked as far as that can be done without knowing the box. The message outlives it.
struct CheckedReport {
  uint64_t incarnation = 0;
  uint64_t sequence = 0;
  const v1::Report* message = nullptr;
  HealthFigures figures;  // Of a heartbeat.
  std::optional<RouteChange> routes;
  std::optional<HoldingsChange> holdings;
  std::optional<TrafficReport> traffic;  // Only counted here; the caller passes it on.
};
// INVALID_ARGUMENT or RESOURCE_EXHAUSTED naming the field.
absl::StatusOr<CheckedReport> CheckReport(const v1::Report& report, bool serves);

// What a checkpoint holds of a box.
struct RestoredBox {
  v1::BoxRecord record;
  std::optional<v1::HoldingsRecord> holdings;
  absl::btree_map<BgpSessionId, std::vector<RestoredRoute>> routes;  // Each in the order of their keys.
};

class Box {
 public:
  Box(std::shared_ptr<const BoxConfig> config, std::string cell, RouteLimits limits, const FleetPolicy& policy, absl::Time now);

  const ApplianceId& id() const { return config_->id; }
  const BoxConfig& config() const { return *config_; }

  // New configuration of this box; what to tell it.
  Outgoing Configure(std::shared_ptr<const BoxConfig> config);
  void SetPolicy(const FleetPolicy& policy);
  void SetVrps(std::shared_ptr<const VrpTable> vrps);
  Outgoing SetManifestGeneration(const std::string& generation);

  // A new stream began with this report. FAILED_PRECONDITION if its incarnation is older than what is known.
  absl::StatusOr<Outgoing> Hello(const CheckedReport& report, absl::Time now);
  // Any later report. `taken` is false if it was known already. RESOURCE_EXHAUSTED if
  // holdings grow too large: they stay as they were until a full update comes.
  absl::StatusOr<Outgoing> Take(CheckedReport report, absl::Time now, bool& taken);

  // Health and routes at `now`.
  void Tick(absl::Time now);

  // Whether something is to be published that answers wait for: routes, sessions, holdings, another health. The rest of a state is not.
  bool urgent() const { return routes_.has_changes() || holdings_dirty_ || verdict_dirty_; }
  // Appends what must be published; up to about `most_routes` routes.
  void TakeChanges(absl::Time now, size_t most_routes, std::vector<EncodedEntry>& entries);
  // The same, of what is urgent alone.
  void TakeUrgent(absl::Time now, size_t most_routes, std::vector<EncodedEntry>& entries);
  // Appends the removal of all that is published of the box, which is going.
  void TakeRemovals(std::vector<EncodedEntry>& entries);

  // Appends to a checkpoint what has changed since the last time; up to about `most_routes` routes. False if there is more: what was
  // appended then counts only together with the rest.
  bool Save(const CheckpointClock& clock, size_t most_routes, ChangeBatch& batch);
  // Takes the place of everything known, right after construction. A box that wasn't SILENT has a fresh lease from `now` on.
  void Restore(RestoredBox kept, const CheckpointClock& clock, absl::Time now);

  v1::ApplianceState State(absl::Time now) const;
  const RouteBook& routes() const { return routes_; }
  const HealthVerdict& verdict() const { return verdict_; }
  uint64_t files() const { return holdings_.size(); }

 private:
  // Whether the report is newer than what is known; notes it and any gap.
  bool Advance(const CheckedReport& report, absl::Time now);
  void TakeHeartbeat(const CheckedReport& report, absl::Time now);
  absl::Status TakeHoldings(const HoldingsChange& change);
  void HoldingsChanged();
  // Where what the box has isn't what it should have. At most once every kRepeat for one generation.
  void TellGenerations(Outgoing& outgoing, absl::Time now);
  // At most once every kRepeat.
  void AskAgain(Outgoing& outgoing, absl::Time now);
  void SetVerdict(absl::Time now);
  void TakeRoutes(size_t most, std::vector<EncodedEntry>& entries);
  void TakeHeldFiles(std::vector<EncodedEntry>& entries);
  void TakeState(absl::Time now, std::vector<EncodedEntry>& entries);
  v1::BoxRecord Record(const CheckpointClock& clock);

  std::shared_ptr<const BoxConfig> config_;
  const std::string cell_;
  HealthTuning tuning_;
  LossPolicy loss_;

  uint64_t incarnation_ = 0;
  uint64_t sequence_ = 0;
  std::string agent_version_;
  std::string config_generation_;    // What the box has.
  std::string manifest_generation_;  // What the box has.
  std::string manifest_wanted_;      // Empty: not known.
  v1::Heartbeat heartbeat_;
  std::vector<v1::FileFill> fills_;

  ApplianceHealth health_;
  HealthVerdict verdict_;
  RouteBook routes_;
  Holdings holdings_;
  bool routes_valid_ = false;
  bool holdings_valid_ = false;
  // When it was asked for: the wait for an answer.
  absl::Time asked_at_ = absl::InfinitePast();
  absl::Time told_config_at_ = absl::InfinitePast();
  absl::Time told_manifest_at_ = absl::InfinitePast();

  bool state_dirty_ = true;
  bool verdict_dirty_ = false;  // And with it the state.
  bool holdings_dirty_ = false;
  bool published_holdings_ = false;
  // Of the report that changed the holdings last.
  uint64_t holdings_incarnation_ = 0;
  uint64_t holdings_sequence_ = 0;
  bool record_unsaved_ = false;
  bool holdings_unsaved_ = false;
};

}  // namespace fairlead::ingest

#endif  // FAIRLEAD_SERVICES_INGEST_BOX_H_
