// What the shell sees, and the one kind of error that is ours and not a server's.
#ifndef FAIRLEAD_SERVICES_CLI_EXIT_CODE_H_
#define FAIRLEAD_SERVICES_CLI_EXIT_CODE_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace fairlead::cli {

enum ExitCode : int {
  kExitOk = 0,
  // A server answered, and refused.
  kExitRefused = 1,
  // The command line, or a file it names, is wrong; nothing was sent.
  kExitUsage = 2,
  // No answer: the server can't be reached, or didn't answer in time.
  kExitUnreachable = 3,
};

// INVALID_ARGUMENT, marked as ours.
absl::Status UsageError(absl::string_view message);

// Marks a status as "no answer", whatever its code.
absl::Status Unreachable(const absl::Status& status);

ExitCode ExitCodeOf(const absl::Status& status);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_SERVICES_CLI_EXIT_CODE_H_
