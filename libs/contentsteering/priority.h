// In which order a running player should use its pathways, and for how long that holds: the decision of content steering.
//
//   1. What the player reports is evidence: told A but on B, A failed it. A isn't to come first for the next `avoid_answers`.
//   2. Pathways are ordered by condition (good, full, silent, sick, being evacuated), then those that failed it, then those that are out;
//      within one condition the nearer site first.
//   3. Hysteresis: who plays from a good pathway stays there. A nearer good one draws it back only `stay_answers` after its last
//      move. From a full one, one session in `full_leaves_one_in` goes with each answer, to a good one only: a link is relieved without
//      tossing everybody about. From a silent, sick or leaving one it is moved at once.
// So an answer's first pathway is never one that fails, where one that works is left; nobody is moved twice in a row by a tie or a flap.
// Pathways that are out aren't listed while two others are left.
//
// Deterministic in its arguments: no clock (time is counted in answers), no randomness (the session's seed). Pure; any thread.
//
//   const SteeringOrder order = OrderPathways(session, JudgePathways(…), ParsePlayerReport(query), {});
//   MakeSteeringManifest(…, order.next);
#ifndef FAIRLEAD_LIBS_CONTENTSTEERING_PRIORITY_H_
#define FAIRLEAD_LIBS_CONTENTSTEERING_PRIORITY_H_

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/contentsteering/session.h"
#include "libs/steering/pathways.h"

namespace fairlead {

struct PriorityPolicy {
  uint32_t avoid_answers = 10;
  uint32_t stay_answers = 10;
  uint32_t full_leaves_one_in = 4;
};

// Why the first pathway isn't the one that the player was on.
enum class MoveReason : uint8_t { kNone = 0, kUnfit = 1, kEvacuated = 2, kOut = 3, kFull = 4, kNearer = 5 };
absl::string_view ToString(MoveReason reason);  // "unfit"

struct SteeringOrder {
  SteeringSession next = {};  // Its pathways in the new order; what the next question carries.
  MoveReason moved = MoveReason::kNone;
  bool evidence = false;  // The player wasn't where it had been told to be.
};

// `standings` has one for each pathway of the session, in its order.
SteeringOrder OrderPathways(const SteeringSession& session, const std::vector<PathwayStanding>& standings, const PlayerReport& report,
                            const PriorityPolicy& policy = {});

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_CONTENTSTEERING_PRIORITY_H_
