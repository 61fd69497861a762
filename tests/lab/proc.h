// What /proc tells of processes: enough to know one again after its parent died.
//
// A pid alone is reused; a pid with its start time is not. Linux only. Stateless; any thread.
#ifndef FAIRLEAD_TESTS_LAB_PROC_H_
#define FAIRLEAD_TESTS_LAB_PROC_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace fairlead {

struct ProcessInfo {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t group = 0;
  pid_t session = 0;
  uint64_t start_time = 0;  // Clock ticks since boot.
  bool zombie = false;
  std::string program;  // Its name, as the kernel cuts it: at most 15 characters.
};

// NOT_FOUND if there is no such process (any more).
absl::StatusOr<ProcessInfo> ReadProcess(pid_t pid);

// Every process visible now, zombies included.
std::vector<ProcessInfo> ListProcesses();

// The processes below `root` that `path` leads to: "nginx" are its children that run nginx, "nginx/nginx" the children of those that do,
// "**" it and everything below. Pure; by pid, zombies left out.
std::vector<pid_t> ProcessesBelow(const std::vector<ProcessInfo>& processes, pid_t root, absl::string_view path);

// Whether the process was started with exactly this "NAME=value" in its environment. False too where we may not look, and for
// programs that write their title over it.
bool HasEnvironment(pid_t pid, const std::string& entry);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_PROC_H_
