// What can be done to a running lab, by name: the words of `lab kill|stop|cont|restart|hold|release|partition|heal|status`, of the demo's
// steps and of the fault matrix.
//
//   ASSIGN_OR_RETURN(const std::string told, Inflict(supervisor, relay, {"kill", "ocad-ix-1-storage-1/**", "--hold"}));
#ifndef FAIRLEAD_TESTS_LAB_FAULTS_H_
#define FAIRLEAD_TESTS_LAB_FAULTS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tests/lab/relay.h"
#include "tests/lab/supervisor.h"

namespace fairlead {

inline constexpr absl::string_view kFaultUsage =
    "lab kill TARGET [--hold]    SIGKILL; with --hold it isn't started again until released\n"
    "lab stop|cont TARGET        SIGSTOP, SIGCONT\n"
    "lab restart NAME            an orderly end; it is started again\n"
    "lab hold|release NAME       don't start it again when it ends; do so (and now)\n"
    "lab partition A B           no byte passes between the process A and the service B, on open connections and new ones\n"
    "lab heal [A B]              ends one partition, or all\n"
    "lab status                  what runs, since when, what is held, what is cut off\n"
    "TARGET: NAME, NAME/PROGRAM (its children that run it), NAME/PROGRAM/PROGRAM, NAME/** (it and everything below)\n";

// Whether the word is one of them, so that the running lab may be asked.
bool IsFault(absl::string_view word);

// What was done, in words. INVALID_ARGUMENT for unknown words, NOT_FOUND for unknown processes.
absl::StatusOr<std::string> Inflict(Supervisor& supervisor, Relay& relay, const std::vector<std::string>& words);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_FAULTS_H_
