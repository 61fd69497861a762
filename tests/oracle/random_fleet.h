// Small random worlds for the oracles: everything that can tie, miss, be silent, drained, full or unheard does so often.
#ifndef FAIRLEAD_TESTS_ORACLE_RANDOM_FLEET_H_
#define FAIRLEAD_TESTS_ORACLE_RANDOM_FLEET_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "libs/net/prefix.h"
#include "libs/steering/policy.h"
#include "libs/steering/steering_table.h"
#include "tests/generator/routes.h"

namespace fairlead {

// Up to `sites` sites of up to three boxes, two partners with their own blocks (and their sessions' allow-lists), one title of four
// files, and routes: mostly of a partner's own space, some of the other's (which the allow-list must stop). The policy is the default.
SteeringInputs RandomFleet(SeededRandom& random, size_t sites, size_t routes);

// The blocks of the two partners: all generated routes lie in them.
std::vector<Prefix> PartnerBlocks();

// Any steps in any order, any scopes; half of those that part the classes have steps of classes and partners.
SteeringPolicy RandomPolicy(SeededRandom& random);

// Rules that a policy of these steps may have, for some classes, of some of the partners that RandomFleet has and of all; none if it
// doesn't part classes.
std::vector<ClassSteps> RandomClassSteps(SeededRandom& random, const std::vector<ProximityStep>& steps);

template <typename T>
void Shuffle(std::vector<T>& items, SeededRandom& random) {
  for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random.Below(i)]);
}

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_ORACLE_RANDOM_FLEET_H_
