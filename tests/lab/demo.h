// What `./run demo` shows: an installation, viewers from everywhere, refusals, one decision explained.
//
// Steps follow each other in one list, so that later ones (failures under running viewers) are added at its end.
#ifndef FAIRLEAD_TESTS_LAB_DEMO_H_
#define FAIRLEAD_TESTS_LAB_DEMO_H_

#include "absl/status/status.h"
#include "tests/lab/installation.h"
#include "tests/lab/report.h"
#include "tests/lab/routes.h"

namespace fairlead {

// Brings the installation up. The same for `up` and `demo`.
absl::Status BringUp(Installation& installation);

// Sends viewers to it and checks what they get; adds checks that failed to the report.
absl::Status ShowViewers(Installation& installation, const RoutePlan& plan, Report& report);

// Commands to try, with where everything is.
absl::Status ShowSummary(Installation& installation, const RoutePlan& plan, Report& report);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_DEMO_H_
