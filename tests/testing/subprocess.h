// Running a program to its end, for test helpers: arguments as given (no shell), output caught.
#ifndef FAIRLEAD_TESTS_TESTING_SUBPROCESS_H_
#define FAIRLEAD_TESTS_TESTING_SUBPROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace fairlead {

struct SubprocessOptions {
  std::vector<std::string> argv;              // argv[0] is an absolute path.
  std::vector<std::string> environment = {};  // "NAME=value"; added to ours.
  std::string directory = "/";
  // Become this user if we are root; "" = stay.
  std::string user = "";
};

// Standard output and error together. INTERNAL with the output if it doesn't end with status 0.
absl::StatusOr<std::string> RunSubprocess(const SubprocessOptions& options);

// Starts it in a process group of its own, output appended to `log`; the pid. It gets
// SIGQUIT when the calling thread ends, so that a crashed test leaves nothing behind: call from a thread that lives long.
absl::StatusOr<pid_t> StartSubprocess(const SubprocessOptions& options, const std::string& log);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_TESTING_SUBPROCESS_H_
