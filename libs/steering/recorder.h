// Puts a finished decision into words for Explain: the order is the walk's own, the verdicts are of what it read. Pure. Private to
// libs/steering.
#ifndef FAIRLEAD_LIBS_STEERING_RECORDER_H_
#define FAIRLEAD_LIBS_STEERING_RECORDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "libs/steering/decider.h"
#include "libs/steering/decision.h"
#include "libs/steering/layers.h"
#include "libs/steering/steering_table.h"

namespace fairlead {

// Address, place, covering routes, ladder and ages.
void RecordGround(const SteeringTable& table, const SteeringRequest& request, const ClientPlace& place, Explanation& record);

// One file: each standing's verdicts, layer by layer; the winner and why the next isn't first.
// `order`: who may serve the file, best first, as the walk left them.
void RecordFile(const SteeringTable& table, const std::vector<Standing>& standings, const std::vector<DecisionCandidate>& order,
                const FileAnswer& answer, Explanation& record);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_RECORDER_H_
