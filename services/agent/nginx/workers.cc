#include "services/agent/nginx/workers.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/agent/files.h"

namespace fairlead::agent {
namespace {

constexpr absl::string_view kListens = "00010000";  // __SO_ACCEPTCON: connections accepted from the socket bear its path too.

// What /proc/<pid>/fd shows for the listening socket: "socket:[4711]"; empty if nobody listens there.
std::string ListeningSocket(const std::string& path) {
  const auto table = ReadFile("/proc/net/unix");
  if (!table.ok()) return "";
  for (const absl::string_view line : absl::StrSplit(*table, '\n')) {
    // Num RefCount Protocol Flags Type St Inode Path
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (words.size() == 8 && words[3] == kListens && words[7] == path) return absl::StrCat("socket:[", words[6], "]");
  }
  return "";
}

bool Holds(pid_t pid, const std::string& socket) {
  std::error_code gone;
  for (std::filesystem::directory_iterator fd(absl::StrCat("/proc/", pid, "/fd"), gone), end; !gone && fd != end; fd.increment(gone)) {
    std::error_code closed;
    if (std::filesystem::read_symlink(fd->path(), closed) == socket) return true;
  }
  return false;
}

std::vector<pid_t> Children(pid_t parent) {
  std::vector<pid_t> children;
  const auto text = ReadFile(absl::StrCat("/proc/", parent, "/task/", parent, "/children"));
  if (!text.ok()) return children;
  for (const absl::string_view word : absl::StrSplit(*text, ' ', absl::SkipEmpty())) {
    pid_t pid = 0;
    if (absl::SimpleAtoi(word, &pid)) children.push_back(pid);
  }
  return children;
}

}  // namespace

std::vector<pid_t> WorkersListeningOn(const std::string& socket, pid_t master) {
  const std::string listening = ListeningSocket(socket);
  std::vector<pid_t> workers = Children(master);
  workers.erase(std::remove_if(workers.begin(), workers.end(), [&](pid_t pid) { return listening.empty() || !Holds(pid, listening); }),
                workers.end());
  return workers;
}

std::vector<pid_t> WorkersAlive(std::vector<pid_t> workers, pid_t master) {
  if (workers.empty()) return workers;
  const std::vector<pid_t> children = Children(master);
  workers.erase(std::remove_if(workers.begin(), workers.end(),
                               [&](pid_t pid) { return std::find(children.begin(), children.end(), pid) == children.end(); }),
                workers.end());
  return workers;
}

}  // namespace fairlead::agent
