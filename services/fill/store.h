// Where the catalogue and the plans are kept. Each verb is one transaction; all block, so they are called on a worker pool.
//
// One contract suite (store_contract_test.cc) runs on both implementations. Thread-safe. Besides the errors named, each verb returns
// UNAVAILABLE while the store can't be reached and UNKNOWN if the fate of a commit is in doubt (a repeated request id settles it).
#ifndef FAIRLEAD_SERVICES_FILL_STORE_H_
#define FAIRLEAD_SERVICES_FILL_STORE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/content/catalogue_values.h"
#include "libs/feed/position.h"
#include "libs/fill/plan.h"

namespace fairlead::fill {

// What is new since a position.
struct StoreChanges {
  FeedPosition position;
  // On a new epoch: these are all titles, and what was known before is void.
  bool whole = false;
  std::vector<Title> titles;     // By id.
  std::optional<FillPlan> plan;  // The plan in force, with entries, if it isn't the one known.
};

struct ImportResult {
  Title title;
  bool created = false;  // Whether any file was new, when the request was carried out.
};

// A repeated id with an equal fingerprint gets the answer of the first request; with another one it is INVALID_ARGUMENT. Empty id: none.
struct RequestKey {
  std::string id;
  std::string fingerprint;
};

class Store {
 public:
  static constexpr int kMaxPlansKept = 50;
  static constexpr size_t kMaxRequestId = 128;

  virtual ~Store() = default;

  // All changes up to one moment. `known_plan` 0: none.
  virtual absl::StatusOr<StoreChanges> Load(FeedPosition since, uint64_t known_plan) = 0;

  // ApplyImport in one transaction. `import` must pass ValidateImport. The version goes up if anything changed.
  virtual absl::StatusOr<ImportResult> Import(const TitleImport& import, const RequestKey& request, absl::Time now) = 0;

  // Makes `plan` the plan in force, and gives it its number and time; the plan's own are ignored. ABORTED if the plan in force isn't
  // `expected_current` (0: none). Forgets all but the newest kMaxPlansKept plans, and the entries of those before this one.
  // With a repeated request id nothing is stored and the plan in force then is returned without its entries.
  virtual absl::StatusOr<PlanSummary> SavePlan(const FillPlan& plan, uint64_t expected_current, const RequestKey& request,
                                               absl::Time now) = 0;

  // Remembers that the request found nothing to change in the plan in force, and returns that plan; the version stays. ABORTED if the plan
  // in force isn't `expected_current`. A repeated request id as for SavePlan.
  virtual absl::StatusOr<PlanSummary> KeepPlan(uint64_t expected_current, const RequestKey& request, absl::Time now) = 0;

  // NOT_FOUND if it was never made or is forgotten.
  virtual absl::StatusOr<PlanSummary> GetPlan(uint64_t number) = 0;
  // Newest first, those with a number below `before` (0: all), at most `limit`.
  virtual absl::StatusOr<std::vector<PlanSummary>> ListPlans(uint64_t before, int limit) = 0;
};

}  // namespace fairlead::fill

#endif  // FAIRLEAD_SERVICES_FILL_STORE_H_
