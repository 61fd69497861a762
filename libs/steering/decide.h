// The steering decision: which appliances a client should fetch each file from, in which order, and why.
//
//   const SteeringAnswer answer = Decide(*table, request);
//   Explanation explanation;
//   Decide(*table, request, &explanation);  // The same answer, and how it came about.
//
// Layers, in order: proximity (the client's ladder) → admin state → health → capacity of the box and of every link on the path →
// holdings → spread. Admin and holdings are absolute. Health and capacity only put a candidate behind the healthy ones, whatever its
// rank: an answer is never empty while an eligible box holds the file, and silence never takes the last option.
// Eligible: a box of an EMBEDDED site that itself hears a route covering the client; a box of an IX site where such a route is heard,
// or of any IX site that is open to unrouted clients. ORIGIN sites never.
//
// Deterministic in (table, request): no clock, no randomness, no floating point. Pure; any thread.
// O(boxes of the ranks that are walked × files asked for); with pathways or a record, of the whole ladder.
#ifndef FAIRLEAD_LIBS_STEERING_DECIDE_H_
#define FAIRLEAD_LIBS_STEERING_DECIDE_H_

#include "libs/steering/choose.h"
#include "libs/steering/decision.h"
#include "libs/steering/steering_table.h"

namespace fairlead {

// Of a choice of the same table and request; `record` may be null. Pathways and a record need a walk to the end.
SteeringAnswer PutInWords(const SteeringTable& table, const SteeringRequest& request, const RequestChoice& choice,
                          Explanation* record = nullptr);

// Chooses and puts into words; `record` may be null; recording never changes the answer.
SteeringAnswer Decide(const SteeringTable& table, const SteeringRequest& request, Explanation* record = nullptr);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_DECIDE_H_
