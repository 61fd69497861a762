// Serves the table of a file until one is built of the feeds, or for good where there are no feeds.
//
// Ladders, holdings and catalogue are the file's and stay as old as it is. The fleet's condition is as new as what is known of it:
// configuration and the boxes' reports, from the small copy on disk at first and from their feeds as soon as these are there. So a box that
// configuration drains, moves or no longer has is named by no answer, however old the file is; one that is new waits for the next table.
// Answers say of the file's sources what they said when it was written ("cells/ams, in the table"), and how old that is by now.
//
//   StandIn stand_in({}, std::move(file), sources, signer.get(), metrics, clock, out);
//   stand_in.Tick(clock.Monotonic());     // Publishes; then each 100 ms.
// Not thread-safe, except for what it publishes. `sources` may be null: the file alone.
#ifndef FAIRLEAD_SERVICES_STEERING_STAND_IN_H_
#define FAIRLEAD_SERVICES_STEERING_STAND_IN_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/ids.h"
#include "libs/base/published.h"
#include "libs/signing/token_signer.h"
#include "libs/steering/steering_table.h"
#include "services/steering/config_views.h"
#include "services/steering/fleet_condition.h"
#include "services/steering/fleet_guard.h"
#include "services/steering/key_choice.h"
#include "services/steering/metrics.h"
#include "services/steering/serving_state.h"
#include "services/steering/sources.h"
#include "services/steering/table_file.h"

namespace fairlead {

class StandIn {
 public:
  struct Options {
    absl::Duration rescan_keys_every = absl::Seconds(2);
    absl::Duration guard_every = absl::Seconds(1);
  };

  StandIn(const Options& options, TableFile file, const Sources* sources, TokenSigner* signer, SteeringMetrics& metrics, const Clock& clock,
          Published<ServingState>& out);

  // What configuration says. To read it takes about as long as all else of the first Tick, and needs no table: a start does both beside
  // each other.
  struct Configuration {
    uint64_t generation = 0;  // Of the feed.
    std::shared_ptr<const ConfigViews> views;
    std::shared_ptr<const Fleet> fleet;  // Of these alone, without any report.
  };
  // `before` may be null: whose boxes keep their slots.
  static Configuration Read(const Sources& sources, const Fleet* before);

  // Before the first Tick, if at all: what Read gave; and boxes that the copy on disk knows to be gone.
  void Expect(Configuration configuration) { expected_ = std::move(configuration); }
  void RestoreGone(const std::vector<ApplianceId>& gone) { guard_.Restore(gone); }
  void Tick(absl::Duration now);

  // Of the last table that it published; those that follow count on from it.
  uint64_t version() const { return parts_.version; }
  std::shared_ptr<const std::vector<ApplianceId>> gone() const { return guard_.gone(); }
  ImageCounts counts() const { return CountsOf(*file_.table); }

 private:
  // What the condition at hand was made from.
  struct Known {
    uint64_t config = 0;
    uint64_t reports = 0;
    friend bool operator==(const Known&, const Known&) = default;
  };
  void Follow(Configuration configuration);
  // Makes the fleet anew if anything is known that wasn't.
  absl::Status Refresh(const std::vector<SourceStatus>& statuses, absl::Duration now);
  std::vector<SourceStatus> SourcesOfFile() const;

  const Options options_;
  const TableFile file_;
  const Sources* const sources_;
  SteeringMetrics& metrics_;
  Published<ServingState>& out_;
  const absl::Duration saved_at_;  // On the monotonic clock.
  KeyChoice keys_;
  FleetGuard guard_;

  SteeringTable parts_;
  ServingState next_;
  Configuration expected_;
  std::shared_ptr<const ConfigViews> config_;  // Null: never heard, and no copy.
  std::shared_ptr<const Fleet> configured_;    // As configuration and reports have it now, with boxes that the file doesn't know.
  FleetCondition condition_;                   // Of that one.
  std::optional<Known> known_;
  absl::Duration guarded_at_ = -absl::InfiniteDuration();
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_STAND_IN_H_
