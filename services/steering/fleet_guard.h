// The guard over all cells, in steerd: makes its inputs of what the feeds hold, steps it, and gives the reports back as steering should
// believe them (libs/steering/guard.h has the rules). Keeps the guard's state from step to step. Of it only the boxes that are believed to
// be gone outlive the program, in the copy on disk: ages are uncertain after a restart, and whom else the copy calls silent isn't believed
// to be before its cell has confirmed it.
//
// A freeze is logged once when it begins and once when it ends. Evidence: router sessions, what the data ports of silent boxes say
// (data_ports.h), and players that leave a box (client_failures.h). Not thread-safe: the table builder's own.
//
//   if (guard.Step({.config = config, .reports = MergeReports(cells), .sessions = …, .cells = statuses}, now)) Rebuild(guard.reports());
#ifndef FAIRLEAD_SERVICES_STEERING_FLEET_GUARD_H_
#define FAIRLEAD_SERVICES_STEERING_FLEET_GUARD_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "libs/base/ids.h"
#include "libs/steering/guard.h"
#include "services/steering/cell_store.h"
#include "services/steering/client_failures.h"
#include "services/steering/config_views.h"
#include "services/steering/data_ports.h"
#include "services/steering/fleet_merge.h"
#include "services/steering/metrics.h"
#include "services/steering/sources.h"

namespace fairlead {

// What a step looks at. `cells` are those that the indices in `reports` mean.
struct GuardView {
  const ConfigViews& config;
  const absl::flat_hash_map<ApplianceId, BoxReport>& reports;
  const absl::flat_hash_map<ApplianceId, SessionCount>& sessions;
  const std::vector<SourceStatus> cells;
  absl::flat_hash_map<ApplianceId, DataPort> ports = {};
  absl::flat_hash_map<ApplianceId, size_t> failing = {};  // From how many networks players left a box.
};
// Into `input`, whose memory is used again: megabytes, several times a second.
void MakeGuardInput(const GuardView& view, absl::Duration now, GuardInput& input);

// Who else is asked about a silent box. Either may be null; both must outlive the guard.
struct GuardWitnesses {
  DataPorts* ports = nullptr;
  ClientFailures* clients = nullptr;
};

class FleetGuard {
 public:
  explicit FleetGuard(SteeringMetrics& metrics, GuardWitnesses witnesses = {}) : metrics_(metrics), witnesses_(witnesses) {}

  // Before the first step: who was believed to be gone when the program ended.
  void Restore(const std::vector<ApplianceId>& gone) { state_ = RestoreGone(gone); }

  // `now` on the monotonic clock. True if some box counts for another reason than before, or as something else.
  // What `view` says of ports and players is replaced by what the witnesses say, if there are any.
  bool Step(GuardView view, absl::Duration now);

  // Of the last step: what the boxes are believed to be. Boxes that nobody has heard are left out.
  const absl::flat_hash_map<ApplianceId, BoxReport>& reports() const { return believed_; }
  // Of the silent ones, for Explain.
  const absl::flat_hash_map<ApplianceId, std::string>& words() const { return words_; }
  // Who is believed to be gone; another pointer whenever they are others. Never null.
  std::shared_ptr<const std::vector<ApplianceId>> gone() const { return gone_; }
  bool has_words() const { return !words_.empty(); }

 private:
  void Hear(GuardView& view, absl::Duration now) const;
  void Show(const GuardOutcome& outcome, absl::Duration now);

  SteeringMetrics& metrics_;
  const GuardWitnesses witnesses_;
  GuardInput input_;
  GuardState state_;
  absl::flat_hash_map<ApplianceId, BoxReport> believed_;
  absl::flat_hash_map<ApplianceId, std::string> words_;
  std::shared_ptr<const std::vector<ApplianceId>> gone_ = std::make_shared<const std::vector<ApplianceId>>();
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_FLEET_GUARD_H_
