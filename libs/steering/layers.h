// The layers of a decision as small functions over one box of the table; Decide strings them together and the recorder puts their
// verdicts into words. Pure; any thread. Private to libs/steering.
#ifndef FAIRLEAD_LIBS_STEERING_LAYERS_H_
#define FAIRLEAD_LIBS_STEERING_LAYERS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "libs/steering/decision.h"
#include "libs/steering/steering_table.h"

namespace fairlead {

// A box of a site that stands in the client's ladder, and how far through the layers that don't depend on the file it comes.
struct Standing {
  uint32_t box = 0;
  uint32_t rank = 0;
  uint32_t link = Fleet::kNone;                 // The port that its route leaves through.
  bool hears = false;                           // Proximity: it hears the route itself, or its site is open.
  bool live = false;                            // Admin.
  Fitness fitness = Fitness::kFit;              // Health and capacity.
  MissCause unfit = MissCause::kNone;           // kHealth or kCapacity if it isn't fit.
  std::vector<const Endpoint*> endpoints = {};  // Those that the client can use, the better one first.
  uint64_t spread = 0;                          // Least first among equals.

  bool eligible() const { return hears && live && !endpoints.empty(); }
};

// Every box of every site in the ladder, once, by rank and then by number.
std::vector<Standing> JudgeBoxes(const SteeringTable& table, const Ladder& ladder, const SteeringRequest& request);

// Use as a share of the capacity that counts; 0 if that isn't known.
uint64_t UsePermille(const LinkView& link);
uint64_t UsePermille(const ApplianceView& box);
// What a path crosses: the port of the route, if it has one of its own, and the uplinks of the site.
std::vector<uint32_t> LinksOnPath(const Fleet& fleet, const Standing& standing);
// The busiest of the box and the links on its path, and its name.
struct Busiest {
  uint64_t permille = 0;
  std::string name = {};
};
Busiest BusiestOnPath(const Fleet& fleet, const Standing& standing);

// Whether the client's family comes first for this request.
bool Prefers(const SteeringRequest& request, AddressFamily family);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_LAYERS_H_
