// FleetState: the boxes of this cell. Streams bring reports in, the config and catalogue feeds bring what boxes should be, the publishing
// loop takes out what has changed, and queries read.
//
// Thread-safe. Each box has its own lock, so a box with a million routes holds up nobody else; the table of boxes is locked for lookups
// only. Links are called under the box's lock and must not call back.
//
// What it knows can be followed by a checkpoint (Save) and put back from one (Restore): checkpoint_writer.h.
//
//   FleetState fleet({.cell = "cells/lhr"}, clock, traffic, metrics);
//   ASSIGN_OR_RETURN(FleetState::Lease lease, fleet.Hello(report, credential, link));
//   RETURN_IF_ERROR(fleet.Take(lease, report));
#ifndef FAIRLEAD_SERVICES_INGEST_FLEET_STATE_H_
#define FAIRLEAD_SERVICES_INGEST_FLEET_STATE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "fairlead/content/v1/catalog_service.pb.h"
#include "fairlead/ingest/v1/appliance_link_service.pb.h"
#include "fairlead/ingest/v1/fleet_service.pb.h"
#include "fairlead/registry/v1/config_service.pb.h"
#include "libs/base/clock.h"
#include "libs/base/ids.h"
#include "libs/checkpoint/change_batch.h"
#include "libs/checkpoint/checkpoint.h"
#include "libs/feed/feed_replica.h"
#include "libs/feed/feed_table.h"
#include "libs/feed/position.h"
#include "libs/routing/rpki.h"
#include "services/ingest/box.h"
#include "services/ingest/box_config.h"
#include "services/ingest/checkpoint_codec.h"
#include "services/ingest/metrics.h"
#include "services/ingest/traffic_buffer.h"

namespace fairlead::ingest {

// The way down to a box: one stream. Thread-safe; neither method blocks.
class Link {
 public:
  virtual ~Link() = default;
  virtual void Send(const Outgoing& outgoing) = 0;
  virtual void Close(const absl::Status& why) = 0;
};

struct FleetOptions {
  std::string cell;  // "cells/x"
  // Boxes heard of; more are answered RESOURCE_EXHAUSTED.
  size_t most_appliances = 20'000;
  RouteLimits routes = {};
};

// What a checkpoint held.
struct RestoredFleet {
  FeedPosition config_position;
  FeedKeys config_keys;
  size_t boxes = 0;
  size_t routes = 0;
  // Entries that could not be read, or of boxes that aren't registered or are too many: left out.
  size_t left_out = 0;
};

class FleetState {
 private:
  struct Slot;

 public:
  // A stream's hold on its box.
  class Lease {
   public:
    Lease() = default;
    explicit operator bool() const { return slot_ != nullptr; }

   private:
    friend class FleetState;
    std::shared_ptr<Slot> slot_;
    const Link* link_ = nullptr;
  };

  // Routes handed out of one box at a time, so that a large table doesn't hold the box's lock for long.
  static constexpr size_t kMostRoutesATick = 20'000;
  // And of what is urgent: what is beyond waits for TakeChanges, so that a table that comes or goes isn't faster than subscribers are.
  static constexpr size_t kMostUrgentRoutes = 2'000;
  // What one ListRoutes call looks at, at most; its page may then be short.
  static constexpr int kMostScanned = 100'000;

  // `traffic` may be null: then traffic summaries are counted and dropped. All must outlive this object.
  FleetState(FleetOptions options, const Clock& clock, TrafficBuffer* traffic, IngestMetrics& metrics);

  absl::Status ApplyConfig(const FeedChange<registry::v1::ConfigEntry>& change) ABSL_LOCKS_EXCLUDED(config_mu_, boxes_mu_);
  absl::Status ApplyCatalog(const FeedChange<content::v1::CatalogEntry>& change) ABSL_LOCKS_EXCLUDED(config_mu_, boxes_mu_);

  // Routes are judged by these VRPs from now on; null: by none. Judges all routes of all boxes again, one box after the other.
  void SetVrps(std::shared_ptr<const VrpTable> vrps) ABSL_LOCKS_EXCLUDED(config_mu_, boxes_mu_);

  // The first report of a stream. UNAVAILABLE before the configuration is known, UNAUTHENTICATED without a credential, PERMISSION_DENIED
  // for a wrong one (or an unknown box: which of them isn't told), FAILED_PRECONDITION if it is no Hello. An older stream of the box is
  // closed.
  absl::StatusOr<Lease> Hello(const v1::Report& report, absl::string_view credential, std::shared_ptr<Link> link)
      ABSL_LOCKS_EXCLUDED(config_mu_, boxes_mu_);
  // Later reports. ABORTED if the stream was replaced; else the errors of CheckReport and Box::Take.
  absl::Status Take(const Lease& lease, const v1::Report& report);
  void StreamEnded(Lease lease);

  // Health and grace times; to be called several times a second.
  void Tick() ABSL_LOCKS_EXCLUDED(boxes_mu_);
  // What the fleet feed must publish next. This and TakeUrgent from one thread.
  std::vector<EncodedEntry> TakeChanges() ABSL_LOCKS_EXCLUDED(boxes_mu_, urgent_mu_);
  // Until a report has changed something that answers wait for (Box::urgent); false after `patience`.
  bool AwaitUrgent(absl::Duration patience) ABSL_LOCKS_EXCLUDED(urgent_mu_);
  // That, of the boxes that reported it; costs nothing for the others.
  std::vector<EncodedEntry> TakeUrgent() ABSL_LOCKS_EXCLUDED(urgent_mu_);

  // Puts back what `checkpoint` holds: once, before anything but SetVrps. On an error nothing has happened.
  absl::StatusOr<RestoredFleet> Restore(const Checkpoint& checkpoint) ABSL_LOCKS_EXCLUDED(config_mu_, boxes_mu_);
  // Appends to a checkpoint what has changed since the last time, of the boxes behind `after`, until `batch` has about `most_bytes`; true
  // if that was all, else `after` is where to go on. From one thread.
  bool Save(size_t most_bytes, ApplianceId& after, ChangeBatch& batch) ABSL_LOCKS_EXCLUDED(config_mu_, boxes_mu_);

  // NOT_FOUND for a box that this cell has never heard.
  absl::StatusOr<v1::ApplianceState> GetState(const ApplianceId& id) const;
  // In the order of ids, those after `after`; up to `most`.
  std::vector<v1::ApplianceState> ListStates(absl::string_view after, size_t most) const;
  // Filter and page token as in the request, checked.
  absl::StatusOr<v1::ListRoutesResponse> ListRoutes(const ApplianceId& id, const v1::ListRoutesRequest& request, size_t most) const;

  bool config_received() const ABSL_LOCKS_EXCLUDED(config_mu_);
  // Fills the gauges that are sums over all boxes.
  void Measure() const ABSL_LOCKS_EXCLUDED(boxes_mu_);

 private:
  struct Slot {
    explicit Slot(Box box_in) : box(std::move(box_in)) {}
    absl::Mutex mu;
    Box box ABSL_GUARDED_BY(mu);
    std::shared_ptr<Link> link ABSL_GUARDED_BY(mu);
    bool gone ABSL_GUARDED_BY(mu) = false;    // Removed from the configuration.
    bool queued ABSL_GUARDED_BY(mu) = false;  // In urgent_.
  };

  using Boxes = absl::btree_map<ApplianceId, std::shared_ptr<Slot>>;
  // Reads a checkpoint into values of its own.
  class Restorer;

  void SaveConfig(ChangeBatch& batch) ABSL_LOCKS_EXCLUDED(config_mu_);
  void NoteConfig(const FeedChange<registry::v1::ConfigEntry>& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(config_mu_);

  absl::Time Now() const { return absl::UnixEpoch() + clock_.Monotonic(); }
  absl::StatusOr<std::shared_ptr<const BoxConfig>> Authenticate(const ApplianceId& id, absl::string_view credential) const;
  // The box's slot, and whether it was made for this call.
  absl::StatusOr<std::pair<std::shared_ptr<Slot>, bool>> FindOrAdd(const std::shared_ptr<const BoxConfig>& config)
      ABSL_LOCKS_EXCLUDED(boxes_mu_);
  // Brings the slot up to the newest state: what was changed since the box was looked up missed a slot that wasn't in the table yet. The
  // errors of Authenticate, by its rule.
  absl::Status CatchUp(Slot& slot, const ApplianceId& id, absl::string_view credential) ABSL_EXCLUSIVE_LOCKS_REQUIRED(slot.mu)
      ABSL_LOCKS_EXCLUDED(config_mu_);
  std::shared_ptr<Slot> Find(const ApplianceId& id) const ABSL_LOCKS_EXCLUDED(boxes_mu_);
  std::vector<std::shared_ptr<Slot>> AllSlots() const ABSL_LOCKS_EXCLUDED(boxes_mu_);
  void Reconfigure(const ApplianceId& id, std::shared_ptr<const BoxConfig> config, const FleetPolicy& policy);
  // The stream of `link` is the box's from now on.
  absl::StatusOr<Lease> Attach(const std::shared_ptr<Slot>& slot, const CheckedReport& checked, std::shared_ptr<Link> link)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(slot->mu);
  // With `only` nothing happens unless it is the box's slot.
  void Remove(const ApplianceId& id, const Slot* only = nullptr) ABSL_LOCKS_EXCLUDED(boxes_mu_);

  const FleetOptions options_;
  const Clock& clock_;
  TrafficBuffer* const traffic_;
  IngestMetrics& metrics_;

  mutable absl::Mutex config_mu_;
  ConfigTable config_ ABSL_GUARDED_BY(config_mu_);
  absl::flat_hash_map<ApplianceId, std::string> manifests_ ABSL_GUARDED_BY(config_mu_);
  std::shared_ptr<const VrpTable> vrps_ ABSL_GUARDED_BY(config_mu_);
  FeedPosition config_position_ ABSL_GUARDED_BY(config_mu_);
  // By key, what a checkpoint hasn't got yet; without value: gone. With `config_whole_unsaved_` everything else is gone too.
  absl::btree_map<std::string, std::optional<std::string>> config_unsaved_ ABSL_GUARDED_BY(config_mu_);
  bool config_whole_unsaved_ ABSL_GUARDED_BY(config_mu_) = false;

  mutable absl::Mutex boxes_mu_;
  Boxes boxes_ ABSL_GUARDED_BY(boxes_mu_);
  std::vector<EncodedEntry> removals_ ABSL_GUARDED_BY(boxes_mu_);
  std::vector<ApplianceId> removed_unsaved_ ABSL_GUARDED_BY(boxes_mu_);  // What a checkpoint must forget.
  CheckpointClock checkpoint_clock_;                                     // Set by Restore only.

  absl::Mutex urgent_mu_;
  // Boxes with something urgent, each twice at most: a look at all of them may come between.
  std::vector<std::shared_ptr<Slot>> urgent_ ABSL_GUARDED_BY(urgent_mu_);
};

}  // namespace fairlead::ingest

#endif  // FAIRLEAD_SERVICES_INGEST_FLEET_STATE_H_
