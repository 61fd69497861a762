// The lab's fleet file: what ApplyFleet is given (format: services/registry/README.md). Pure: text from values.
#ifndef FAIRLEAD_TESTS_LAB_FLEET_H_
#define FAIRLEAD_TESTS_LAB_FLEET_H_

#include <string>

#include "tests/lab/layout.h"
#include "tests/lab/routes.h"

namespace fairlead {

std::string RenderFleet(const Layout& layout, const RoutePlan& plan);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_FLEET_H_
