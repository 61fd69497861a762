// What the decision thinks of every box of a ladder, for those who want it told rather than decided: the recorder and the sentences of a
// refusal. The same condition and masks that the decider reads. Pure; any thread. Private to libs/steering.
#ifndef FAIRLEAD_LIBS_STEERING_LAYERS_H_
#define FAIRLEAD_LIBS_STEERING_LAYERS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "libs/steering/decision.h"
#include "libs/steering/rung.h"
#include "libs/steering/steering_table.h"

namespace fairlead {

// A box of a site that stands in the client's ladder, and how far through the layers that don't depend on the file it comes.
struct Standing {
  uint32_t box = 0;
  uint32_t rank = 0;
  uint32_t link = Fleet::kNone;        // The port that its route leaves through.
  bool hears = false;                  // Proximity: it hears the route itself, or its site is open.
  bool reachable = false;              // It has an endpoint that the client can use.
  bool live = false;                   // Admin.
  Fitness fitness = Fitness::kFit;     // Health and capacity.
  MissCause unfit = MissCause::kNone;  // kHealth or kCapacity if it isn't fit.
};

// Every box of every site in the ladder, once, by rank and then by number.
std::vector<Standing> JudgeBoxes(const SteeringTable& table, const LadderRef& ladder, const SteeringRequest& request);

// How many boxes of the ladder hear the client's route; of these are live; of these hold the file. Each box once. For answers that have no
// URL: by masks, without JudgeBoxes' table and order of all of them.
struct Eligible {
  size_t boxes = 0;
  size_t live = 0;
  size_t holding = 0;
};
Eligible CountEligible(const SteeringTable& table, const LadderRef& ladder, uint32_t file);

// What a path crosses: the port of the route, if it has one of its own, and the uplinks of the site.
std::vector<uint32_t> LinksOnPath(const Fleet& fleet, uint32_t box, uint32_t link);
// The busiest of the box and the links on its path, and its name.
struct Busiest {
  uint64_t permille = 0;
  std::string name = {};
};
Busiest BusiestOnPath(const Fleet& fleet, uint32_t box, uint32_t link);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_LAYERS_H_
