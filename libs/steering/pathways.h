// How the pathways that a player was given, perhaps an hour ago, stand now: for content steering, which moves players that are running.
//
// Decide answers for a new session: a box that drains or has no room isn't named at all, or comes last. A running player is another matter:
// the first phase of a drain leaves it alone, a full link isn't relieved by tossing everybody about, and its pathway names the boxes of
// its playlist, whichever Decide would name today. So each pathway is judged by the boxes that it names, with the same layers.
//
// Deterministic in its arguments. Pure; any thread. O(boxes in the client's ladder + files × boxes given).
//
//   const std::vector<PathwayStanding> now = JudgePathways(*table, {.client = client, .title = title, .version = "v1"}, {{{box_1,
//   box_2}}});
#ifndef FAIRLEAD_LIBS_STEERING_PATHWAYS_H_
#define FAIRLEAD_LIBS_STEERING_PATHWAYS_H_

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/base/ids.h"
#include "libs/steering/decision.h"
#include "libs/steering/steering_table.h"

namespace fairlead {

// Best first.
enum class PathwayCondition : uint8_t {
  kGood = 0,  // As far as a running player is concerned: also in the first phase of a drain.
  kFull = 1,
  kSilent = 2,
  kSick = 3,
  kLeaving = 4,  // A box of it is being evacuated.
  kOut = 5,      // A box of it refuses viewers, or isn't for this client (any more), or no box of it holds some file.
};
absl::string_view ToString(PathwayCondition condition);

struct GivenPathway {
  std::vector<ApplianceId> boxes = {};  // That its URLs name.
};

struct PathwayStanding {
  PathwayCondition condition = PathwayCondition::kOut;  // Of the worst of its boxes.
  uint32_t rank = 0;                                    // Of the farthest.

  friend bool operator==(const PathwayStanding&, const PathwayStanding&) = default;
};

// One for each of `given`, in its order. Of the request the client, its place, family preference, title, version and renditions count. A
// title or version that the catalogue doesn't have (any more) is no reason to move anybody: holdings are then not asked.
std::vector<PathwayStanding> JudgePathways(const SteeringTable& table, const SteeringRequest& request,
                                           const std::vector<GivenPathway>& given);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_PATHWAYS_H_
