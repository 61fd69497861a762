#include "libs/fill/plan.h"

#include <xxhash.h>

#include <algorithm>
#include <map>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace fairlead {
namespace {

PlacementBox ToPlacementBox(const PlanBox& box) {
  return {.id = box.id,
          .kind = box.kind,
          .flash_bytes = box.flash_bytes,
          .disk_bytes = box.disk_bytes,
          .capacity_bps = box.capacity_bps,
          .provisional = box.admin == AdminState::kProvisioning || box.admin == AdminState::kDisabled};
}

bool IsPlannedFor(const PlanBox& box) {
  const bool holds_content = box.kind == ApplianceKind::kStorage || box.kind == ApplianceKind::kFlash;
  return holds_content && box.admin != AdminState::kRetired && box.admin != AdminState::kUnspecified;
}

ClusterFillPlan PlanOne(const PlanCluster& cluster, std::vector<PlacementBox> boxes, const RankedSets& sets) {
  Placement placement = Place(std::move(boxes), sets, cluster.copies);
  ClusterFillPlan plan{.cluster = cluster.id, .copies = cluster.copies, .boxes = {}, .short_files = std::move(placement.short_files)};
  if (plan.short_files.size() > ClusterFillPlan::kMaxShortFiles) plan.short_files.resize(ClusterFillPlan::kMaxShortFiles);
  for (BoxPlacement& box : placement.boxes) {
    BoxManifest manifest;
    manifest.appliance = box.id;
    manifest.generation = ManifestGeneration(box.files);
    manifest.files = std::move(box.files);
    manifest.bytes = box.bytes;
    manifest.capacity_bytes = box.capacity_bytes;
    manifest.files_added = static_cast<int32_t>(manifest.files.size());
    plan.boxes.push_back(std::move(manifest));
  }
  return plan;
}

std::vector<uint32_t> NumbersOf(const BoxManifest& manifest) {
  std::vector<uint32_t> numbers;
  numbers.reserve(manifest.files.size());
  for (const PlacedFile& file : manifest.files) numbers.push_back(file.number);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

int32_t CountMissing(const std::vector<uint32_t>& from, const std::vector<uint32_t>& in) {
  std::vector<uint32_t> missing;
  std::set_difference(from.begin(), from.end(), in.begin(), in.end(), std::back_inserter(missing));
  return static_cast<int32_t>(missing.size());
}

}  // namespace

const BoxManifest* FillPlan::FindManifest(const ApplianceId& appliance) const {
  for (const ClusterFillPlan& cluster : clusters) {
    const auto at = std::lower_bound(cluster.boxes.begin(), cluster.boxes.end(), appliance,
                                     [](const BoxManifest& box, const ApplianceId& id) { return box.appliance < id; });
    if (at != cluster.boxes.end() && at->appliance == appliance) return &*at;
  }
  return nullptr;
}

PlanSummary Summarise(const FillPlan& plan) {
  PlanSummary summary{.number = plan.number, .create_time = plan.create_time, .clusters = {}};
  for (const ClusterFillPlan& cluster : plan.clusters) {
    ClusterPlanSummary& to = summary.clusters.emplace_back();
    to.cluster = cluster.cluster;
    to.copies = cluster.copies;
    to.short_files = cluster.short_files;
    for (const BoxManifest& box : cluster.boxes) {
      to.boxes.push_back({.appliance = box.appliance,
                          .generation = box.generation,
                          .files = static_cast<int32_t>(box.files.size()),
                          .bytes = box.bytes,
                          .capacity_bytes = box.capacity_bytes,
                          .files_added = box.files_added,
                          .files_removed = box.files_removed});
    }
  }
  return summary;
}

std::vector<PlacementSet> SetsOf(const std::vector<Title>& titles) {
  std::vector<PlacementSet> sets;
  for (const Title& title : titles) {
    for (const TitleVersion& version : title.versions) {
      PlacementSet set{.key = absl::StrCat(title.id.value(), "/", version.version),
                       .current = version.version == title.current_version,
                       .popularity = title.popularity,
                       .files = {}};
      for (const Rendition& rendition : version.renditions) {
        set.files.push_back({.number = rendition.file.number, .bytes = rendition.file.stored_bytes()});
      }
      sets.push_back(std::move(set));
    }
  }
  return sets;
}

std::string ManifestGeneration(const std::vector<PlacedFile>& files) {
  std::string bytes;
  bytes.reserve(files.size() * 5);
  for (const PlacedFile& file : files) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(file.number >> shift));
    bytes.push_back(static_cast<char>(file.tier));
  }
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return absl::StrFormat("m-%016x%016x", hash.high64, hash.low64);
}

FillPlan MakePlan(std::vector<PlanCluster> clusters, std::vector<PlanBox> boxes, const RankedSets& sets) {
  std::sort(clusters.begin(), clusters.end(), [](const PlanCluster& a, const PlanCluster& b) { return a.id < b.id; });
  std::map<ClusterId, std::vector<PlacementBox>> boxes_of;
  for (const PlanBox& box : boxes) {
    if (IsPlannedFor(box)) boxes_of[box.cluster].push_back(ToPlacementBox(box));
  }
  FillPlan plan;
  for (const PlanCluster& cluster : clusters) plan.clusters.push_back(PlanOne(cluster, std::move(boxes_of[cluster.id]), sets));
  return plan;
}

void CountChanges(const FillPlan& previous, FillPlan& plan) {
  absl::flat_hash_map<ApplianceId, const BoxManifest*> before;
  for (const ClusterFillPlan& cluster : previous.clusters) {
    for (const BoxManifest& box : cluster.boxes) before[box.appliance] = &box;
  }
  for (ClusterFillPlan& cluster : plan.clusters) {
    for (BoxManifest& box : cluster.boxes) {
      const auto at = before.find(box.appliance);
      const std::vector<uint32_t> old = at == before.end() ? std::vector<uint32_t>() : NumbersOf(*at->second);
      const std::vector<uint32_t> now = NumbersOf(box);
      box.files_added = CountMissing(now, old);
      box.files_removed = CountMissing(old, now);
    }
  }
}

bool SameManifests(const FillPlan& a, const FillPlan& b) {
  const auto same_box = [](const BoxManifest& x, const BoxManifest& y) {
    return x.appliance == y.appliance && x.generation == y.generation && x.bytes == y.bytes && x.capacity_bytes == y.capacity_bytes;
  };
  return std::equal(a.clusters.begin(), a.clusters.end(), b.clusters.begin(), b.clusters.end(),
                    [&](const ClusterFillPlan& x, const ClusterFillPlan& y) {
                      return x.cluster == y.cluster && x.copies == y.copies && x.short_files == y.short_files &&
                             std::equal(x.boxes.begin(), x.boxes.end(), y.boxes.begin(), y.boxes.end(), same_box);
                    });
}

}  // namespace fairlead
