// Everything of a lab that must be as before when a fault is healed, as facts with names, so that two readings can be compared and what
// differs can be said.
//
//   ASSIGN_OR_RETURN(const LabState before, ReadLabState(layout, plane, viewers));
//   … faults …
//   EXPECT_EQ(Differences(before, *ReadLabState(layout, plane, viewers)), "");
#ifndef FAIRLEAD_TESTS_LAB_LAB_STATE_H_
#define FAIRLEAD_TESTS_LAB_LAB_STATE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/lab/control_plane.h"
#include "tests/lab/layout.h"
#include "tests/lab/routes.h"

namespace fairlead {

// "box north-1-flash-1" → "OK, generation …, holds 16 of 16"; "routes ix-1-collector" → a hash of all, admitted and dropped; "titles",
// "plan", "registry", "viewer north-cable" → prefix and sites of each title, in order of rank. What changes by itself (weights, ages, use,
// positions of feeds) is left out.
using LabState = std::map<std::string, std::string>;

absl::StatusOr<LabState> ReadLabState(const Layout& layout, ControlPlane& plane, const std::vector<LabViewer>& viewers);

// A line for each fact that differs; "" if none does.
std::string Differences(const LabState& before, const LabState& now);

// What of the running lab isn't as before, read now; "" if everything is.
std::string NotAsBefore(const LabState& before, const Layout& layout, ControlPlane& plane, const std::vector<LabViewer>& viewers);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_LAB_STATE_H_
