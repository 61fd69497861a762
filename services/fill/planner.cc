#include "services/fill/planner.h"

#include <memory>
#include <vector>

#include "libs/base/status_macros.h"
#include "libs/log/log.h"

namespace fairlead::fill {

Planner::Planner(Store& store, Catalogue& catalogue, const FleetState& fleet, const Clock& clock, FillMetrics& metrics,
                 PlannerOptions options)
    : store_(store), catalogue_(catalogue), fleet_(fleet), clock_(clock), metrics_(metrics), options_(options) {}

Planner::Inputs Planner::InputsNow() const {
  return {catalogue_.View()->title_changes(), fleet_.Get()->config_changes};
}

bool Planner::IsDue(absl::Duration now) {
  if (options_.interval <= absl::ZeroDuration() || !catalogue_.View()->loaded() || !fleet_.Get()->configured) return false;
  const Inputs inputs = InputsNow();
  if (inputs != seen_) {
    seen_ = inputs;
    last_change_ = now;
    if (first_change_ == absl::InfiniteDuration()) first_change_ = now;
  }
  if (inputs == planned_) return now - last_planned_ >= options_.interval;
  return now - last_change_ >= options_.quiet || now - first_change_ >= options_.interval;
}

void Planner::Tick(absl::Duration now) {
  absl::MutexLock lock(&mu_);
  if (!IsDue(now)) return;
  last_planned_ = now;
  const absl::StatusOr<PlanSummary> plan = CreateLocked(/*validate_only=*/false, {});
  if (plan.ok()) return;
  // Tried again after the quiet time.
  last_change_ = now;
  LogWarning("planning failed", {{"why", plan.status()}});
}

absl::StatusOr<PlanSummary> Planner::Create(bool validate_only, const RequestKey& request) {
  absl::MutexLock lock(&mu_);
  return CreateLocked(validate_only, request);
}

absl::StatusOr<PlanSummary> Planner::CreateLocked(bool validate_only, const RequestKey& request) {
  const Inputs inputs = InputsNow();
  const std::shared_ptr<const CatalogueView> catalogue = catalogue_.View();
  const std::shared_ptr<const FleetSnapshot> fleet = fleet_.Get();
  if (!catalogue->loaded()) return absl::UnavailableError("the catalogue hasn't been read from the database yet");
  if (!fleet->configured) return absl::UnavailableError("the configuration hasn't come from registryd yet");
  const absl::Duration start = clock_.Monotonic();
  std::vector<Title> titles;
  for (const auto& [id, title] : catalogue->titles()) titles.push_back(*title);
  FillPlan plan = MakePlan(fleet->plan_clusters, fleet->plan_boxes, RankedSets(SetsOf(titles)));
  metrics_.plan_seconds.Observe(absl::ToDoubleSeconds(clock_.Monotonic() - start));
  const FillPlan none;
  const FillPlan& current = catalogue->plan() == nullptr ? none : catalogue->plan()->plan();
  CountChanges(current, plan);
  if (catalogue->plan() != nullptr && SameManifests(current, plan)) {
    // A repetition that comes late, when there is something to change, must not make a plan either.
    if (!validate_only && !request.id.empty()) RETURN_IF_ERROR(store_.KeepPlan(current.number, request, clock_.Now()).status());
    planned_ = inputs;
    first_change_ = absl::InfiniteDuration();
    metrics_.plans_unchanged.Increment();
    return Summarise(current);
  }
  plan.create_time = clock_.Now();
  if (validate_only) return Summarise(plan);
  const absl::StatusOr<PlanSummary> saved = store_.SavePlan(plan, current.number, request, clock_.Now());
  (saved.ok() ? metrics_.plans_made : metrics_.plans_failed).Increment();
  // Also after a failure: ABORTED means that somebody else's plan is to be read, UNKNOWN that it may have been stored.
  const absl::Status refreshed = catalogue_.Refresh();
  RETURN_IF_ERROR(saved.status());
  RETURN_IF_ERROR(refreshed);
  planned_ = inputs;
  first_change_ = absl::InfiniteDuration();
  LogInfo("a new plan is in force", {{"plan", saved->number}, {"clusters", saved->clusters.size()}});
  return saved;
}

}  // namespace fairlead::fill
