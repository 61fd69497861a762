// A TCP port of 127.0.0.1 that is free now. Nobody holds it until the program that it is for does: if somebody else was faster, that
// program says so, and another port may be tried. INTERNAL with the system's reason. Any thread.
#ifndef FAIRLEAD_TESTS_TESTING_FREE_PORT_H_
#define FAIRLEAD_TESTS_TESTING_FREE_PORT_H_

#include "absl/status/statusor.h"

namespace fairlead {

absl::StatusOr<int> FreeLoopbackPort();

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_TESTING_FREE_PORT_H_
