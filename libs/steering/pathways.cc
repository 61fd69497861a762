#include "libs/steering/pathways.h"

#include <algorithm>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "libs/steering/layers.h"

namespace fairlead {
namespace {

PathwayCondition ConditionOf(const ApplianceView& box, const Standing& standing) {
  if (!standing.hears || !standing.reachable) return PathwayCondition::kOut;
  if (box.admin != AdminState::kLive && box.admin != AdminState::kDraining) return PathwayCondition::kOut;
  if (box.drain_stage == DrainStage::kRefusing) return PathwayCondition::kOut;
  if (box.drain_stage == DrainStage::kMovingPlayers) return PathwayCondition::kLeaving;
  switch (standing.fitness) {
    case Fitness::kFit:
      return PathwayCondition::kGood;
    case Fitness::kFull:
      return PathwayCondition::kFull;
    case Fitness::kSilent:
      return PathwayCondition::kSilent;
    case Fitness::kSick:
      return PathwayCondition::kSick;
  }
  return PathwayCondition::kOut;
}

// The files that the player may ask for; none if the catalogue doesn't know.
std::vector<uint32_t> FilesOf(const Catalogue& catalogue, const SteeringRequest& request) {
  std::vector<uint32_t> files;
  const CatalogueTitle* title = catalogue.FindTitle(request.title);
  const CatalogueVersion* version = title == nullptr ? nullptr : title->FindVersion(request.version);
  if (version == nullptr) return files;
  for (const CatalogueFile& file : version->files()) {
    const auto& wanted = request.renditions;
    if (wanted.empty() || std::find(wanted.begin(), wanted.end(), file.rendition()) != wanted.end()) files.push_back(file.number());
  }
  return files;
}

// Which box of a pathway has which file isn't known here: it is enough that one of them has it.
bool HoldAll(const Holdings& holdings, const std::vector<uint32_t>& boxes, const std::vector<uint32_t>& files) {
  return std::all_of(files.begin(), files.end(), [&](uint32_t file) {
    return std::any_of(boxes.begin(), boxes.end(), [&](uint32_t box) { return holdings.Holds(box, file); });
  });
}

}  // namespace

absl::string_view ToString(PathwayCondition condition) {
  switch (condition) {
    case PathwayCondition::kGood:
      return "good";
    case PathwayCondition::kFull:
      return "full";
    case PathwayCondition::kSilent:
      return "silent";
    case PathwayCondition::kSick:
      return "sick";
    case PathwayCondition::kLeaving:
      return "leaving";
    case PathwayCondition::kOut:
      return "out";
  }
  return "out";
}

std::vector<PathwayStanding> JudgePathways(const SteeringTable& table, const SteeringRequest& request,
                                           const std::vector<GivenPathway>& given) {
  absl::flat_hash_map<uint32_t, Standing> by_box;
  for (Standing& standing : JudgeBoxes(table, table.ladders->LadderOf(table.ladders->LeafOf(request.client)), request)) {
    by_box.emplace(standing.box, std::move(standing));
  }
  const std::vector<uint32_t> files = FilesOf(*table.catalogue, request);
  std::vector<PathwayStanding> standings;
  for (const GivenPathway& pathway : given) {
    PathwayStanding& now = standings.emplace_back();
    std::vector<uint32_t> boxes;
    for (const ApplianceId& id : pathway.boxes) {
      const auto found = by_box.find(table.fleet->FindBox(id));
      if (found == by_box.end()) break;  // Not, or no longer, for this client.
      boxes.push_back(found->first);
    }
    if (boxes.empty() || boxes.size() != pathway.boxes.size() || !HoldAll(*table.holdings, boxes, files)) continue;
    now.condition = PathwayCondition::kGood;
    for (const uint32_t box : boxes) {
      const Standing& standing = by_box.at(box);
      now.condition = std::max(now.condition, ConditionOf(table.fleet->boxes()[box].view, standing));
      now.rank = std::max(now.rank, standing.rank);
    }
  }
  return standings;
}

}  // namespace fairlead
