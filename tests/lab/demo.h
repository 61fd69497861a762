// What `./run demo` shows: an installation, viewers from everywhere, refusals, one decision explained, failures under running viewers.
#ifndef FAIRLEAD_TESTS_LAB_DEMO_H_
#define FAIRLEAD_TESTS_LAB_DEMO_H_

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "tests/lab/installation.h"
#include "tests/lab/report.h"
#include "tests/lab/routes.h"

namespace fairlead {

// Brings the installation up. The same for `up` and `demo`.
absl::Status BringUp(Installation& installation);

// Sends viewers to it and checks what they get; adds checks that failed to the report.
absl::Status ShowViewers(Installation& installation, const RoutePlan& plan, Report& report);

// Breaks things while viewers play, and shows what they saw of it.
absl::Status ShowResilience(Installation& installation, Report& report, const absl::Notification& stop);

// Commands to try, with where everything is.
absl::Status ShowSummary(Installation& installation, const RoutePlan& plan, Report& report);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_DEMO_H_
