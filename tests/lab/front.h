// The NGINX in front of steerd: everything that isn't one of our own programs reaches it through this one, by HTTP and gRPC.
#ifndef FAIRLEAD_TESTS_LAB_FRONT_H_
#define FAIRLEAD_TESTS_LAB_FRONT_H_

#include "absl/status/statusor.h"
#include "tests/lab/layout.h"
#include "tests/lab/supervisor.h"

namespace fairlead {

// Writes its configuration to run/front and returns how to start it.
absl::StatusOr<ProcessSpec> PrepareFront(const Layout& layout);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_FRONT_H_
