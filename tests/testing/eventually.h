// Waiting in a test: polls until something holds, so that the test is as fast as the machine and fails only after a generous deadline.
//
//   EXPECT_TRUE(Eventually([&] { return server.connections() == 0; }));
#ifndef FAIRLEAD_TESTS_TESTING_EVENTUALLY_H_
#define FAIRLEAD_TESTS_TESTING_EVENTUALLY_H_

#include <functional>

#include "absl/time/time.h"

namespace fairlead {

// Whether `condition` held within `patience`; asked every few milliseconds.
bool Eventually(const std::function<bool()>& condition, absl::Duration patience = absl::Seconds(30));

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_TESTING_EVENTUALLY_H_
