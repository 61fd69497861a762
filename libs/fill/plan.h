// A fill plan: the placement of the whole catalogue on the whole fleet, as one manifest a box.
//
// Who is planned for: a cluster's STORAGE and FLASH boxes. LIVE, DRAINING and DRAINED boxes count for the copies (a drain is short, and
// moving content for it would cost more than it gives); PROVISIONING and DISABLED ones are provisional (libs/placement rule 7), so
// that they are full when they come in; RETIRED ones have no manifest.
// Pure and deterministic. A manifest's generation is a fingerprint of its entries in their order: equal generation, equal manifest.
//
//   FillPlan plan = MakePlan(clusters, boxes, RankedSets(SetsOf(titles)));
//   CountChanges(previous, plan);
//   if (!SameManifests(previous, plan)) Store(plan);
#ifndef FAIRLEAD_LIBS_FILL_PLAN_H_
#define FAIRLEAD_LIBS_FILL_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/ids.h"
#include "libs/base/vocabulary.h"
#include "libs/content/catalogue_values.h"
#include "libs/placement/placement.h"

namespace fairlead {

struct PlanCluster {
  ClusterId id;
  int copies = 1;
};

struct PlanBox {
  ApplianceId id;
  ClusterId cluster;  // Empty: not planned for.
  ApplianceKind kind = ApplianceKind::kUnspecified;
  AdminState admin = AdminState::kUnspecified;
  int64_t flash_bytes = 0;
  int64_t disk_bytes = 0;
  int64_t capacity_bps = 0;
};

struct BoxManifest {
  ApplianceId appliance;
  std::string generation;
  std::vector<PlacedFile> files;  // In the order to fetch.
  int64_t bytes = 0;
  int64_t capacity_bytes = 0;
  int32_t files_added = 0;  // Against the plan before.
  int32_t files_removed = 0;

  friend bool operator==(const BoxManifest&, const BoxManifest&) = default;
};

struct ClusterFillPlan {
  ClusterId cluster;
  int copies = 1;
  std::vector<BoxManifest> boxes;           // By id.
  std::vector<ShortPlacement> short_files;  // By number; the first kMaxShortFiles.
  static constexpr size_t kMaxShortFiles = 1000;

  friend bool operator==(const ClusterFillPlan&, const ClusterFillPlan&) = default;
};

struct FillPlan {
  uint64_t number = 0;  // 0: not stored.
  absl::Time create_time;
  std::vector<ClusterFillPlan> clusters;  // By id.

  // Null if the plan has none for it. O(boxes).
  const BoxManifest* FindManifest(const ApplianceId& appliance) const;

  friend bool operator==(const FillPlan&, const FillPlan&) = default;
};

// A plan without its entries: what is kept of older plans and shown to people.
struct BoxPlanSummary {
  ApplianceId appliance;
  std::string generation;
  int32_t files = 0;
  int64_t bytes = 0;
  int64_t capacity_bytes = 0;
  int32_t files_added = 0;
  int32_t files_removed = 0;

  friend bool operator==(const BoxPlanSummary&, const BoxPlanSummary&) = default;
};
struct ClusterPlanSummary {
  ClusterId cluster;
  int copies = 1;
  std::vector<BoxPlanSummary> boxes;
  std::vector<ShortPlacement> short_files;

  friend bool operator==(const ClusterPlanSummary&, const ClusterPlanSummary&) = default;
};
struct PlanSummary {
  uint64_t number = 0;
  absl::Time create_time;
  std::vector<ClusterPlanSummary> clusters;

  friend bool operator==(const PlanSummary&, const PlanSummary&) = default;
};
PlanSummary Summarise(const FillPlan& plan);

// One set a title version.
std::vector<PlacementSet> SetsOf(const std::vector<Title>& titles);

// "m-" and 32 hex digits.
std::string ManifestGeneration(const std::vector<PlacedFile>& files);

// Boxes of unknown clusters are left out.
FillPlan MakePlan(std::vector<PlanCluster> clusters, std::vector<PlanBox> boxes, const RankedSets& sets);

// Sets files_added and files_removed of `plan` against `previous`.
void CountChanges(const FillPlan& previous, FillPlan& plan);

// Whether both say the same to every box and report the same short files.
bool SameManifests(const FillPlan& a, const FillPlan& b);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_FILL_PLAN_H_
