// Works out the plan from the catalogue and the fleet as they are, and makes it the plan in force if it differs.
//
// Tick is called by a loop: it replans when catalogue or fleet changed (after they have been quiet for a moment, so that an import of a
// thousand titles doesn't make a thousand plans) and at the interval anyway. Nothing is planned before both are known: a plan made from
// nothing would empty every box. Blocks on the store. Thread-safe; one plan is made at a time.
#ifndef FAIRLEAD_SERVICES_FILL_PLANNER_H_
#define FAIRLEAD_SERVICES_FILL_PLANNER_H_

#include <cstdint>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "services/fill/catalogue.h"
#include "services/fill/fleet_state.h"
#include "services/fill/metrics.h"
#include "services/fill/store.h"

namespace fairlead::fill {

struct PlannerOptions {
  // 0: Tick does nothing, plans are made by CreatePlan only.
  absl::Duration interval = absl::Seconds(30);
  // How long catalogue and fleet must have been quiet; after `interval` they aren't waited for any longer.
  absl::Duration quiet = absl::Seconds(2);
};

class Planner {
 public:
  // All must outlive it.
  Planner(Store& store, Catalogue& catalogue, const FleetState& fleet, const Clock& clock, FillMetrics& metrics, PlannerOptions options);

  // `now` is monotonic.
  void Tick(absl::Duration now) ABSL_LOCKS_EXCLUDED(mu_);

  // The plan in force afterwards, or what it would be. UNAVAILABLE before catalogue and configuration are known.
  absl::StatusOr<PlanSummary> Create(bool validate_only, const RequestKey& request) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  // What a plan depends on.
  using Inputs = std::pair<uint64_t, uint64_t>;
  Inputs InputsNow() const;
  absl::StatusOr<PlanSummary> CreateLocked(bool validate_only, const RequestKey& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether it is time.
  bool IsDue(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Store& store_;
  Catalogue& catalogue_;
  const FleetState& fleet_;
  const Clock& clock_;
  FillMetrics& metrics_;
  const PlannerOptions options_;

  absl::Mutex mu_;
  Inputs seen_ ABSL_GUARDED_BY(mu_);
  Inputs planned_ ABSL_GUARDED_BY(mu_);
  absl::Duration first_change_ ABSL_GUARDED_BY(mu_) = absl::InfiniteDuration();
  absl::Duration last_change_ ABSL_GUARDED_BY(mu_) = absl::InfiniteDuration();
  absl::Duration last_planned_ ABSL_GUARDED_BY(mu_) = -absl::InfiniteDuration();
};

}  // namespace fairlead::fill

#endif  // FAIRLEAD_SERVICES_FILL_PLANNER_H_
