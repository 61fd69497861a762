#include "tests/lab/proc.h"

#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/lab/text_file.h"

namespace fairlead {
absl::StatusOr<ProcessInfo> ReadProcess(pid_t pid) {
  const std::string stat = ReadText(absl::StrCat("/proc/", pid, "/stat"));
  // "pid (name) state ppid pgrp session …": the name may hold anything, brackets included, so count from the last one.
  const size_t end = stat.rfind(") ");
  if (end == std::string::npos) return absl::NotFoundError(absl::StrCat("no process ", pid));
  const std::vector<std::string> fields = absl::StrSplit(stat.substr(end + 2), ' ');
  ProcessInfo info;
  info.pid = pid;
  if (fields.size() < 20 || !absl::SimpleAtoi(fields[1], &info.parent) || !absl::SimpleAtoi(fields[2], &info.group) ||
      !absl::SimpleAtoi(fields[3], &info.session) || !absl::SimpleAtoi(fields[19], &info.start_time)) {
    return absl::InternalError(absl::StrCat("/proc/", pid, "/stat has an unknown form: '", stat, "'"));
  }
  info.zombie = fields[0] == "Z" || fields[0] == "X";
  const size_t name = stat.find('(');
  info.program = stat.substr(name + 1, end - name - 1);
  return info;
}

std::vector<ProcessInfo> ListProcesses() {
  std::vector<ProcessInfo> processes;
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end; entry.increment(error)) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(entry->path().filename().string(), &pid)) continue;
    absl::StatusOr<ProcessInfo> info = ReadProcess(pid);
    if (info.ok()) processes.push_back(*info);
  }
  return processes;
}

std::vector<pid_t> ProcessesBelow(const std::vector<ProcessInfo>& processes, pid_t root, absl::string_view path) {
  std::set<pid_t> level = {root};
  const bool all = path == "**";
  for (const absl::string_view program : absl::StrSplit(path, '/')) {
    // A child may stand before its parent, so "everything below" is looked for until nothing is added.
    for (size_t before = 0; before != level.size();) {
      before = level.size();
      std::set<pid_t> next = all ? level : std::set<pid_t>();
      for (const ProcessInfo& process : processes) {
        if (!process.zombie && level.contains(process.parent) && (all || process.program == program)) next.insert(process.pid);
      }
      level = std::move(next);
      if (!all) break;
    }
  }
  return {level.begin(), level.end()};
}

bool HasEnvironment(pid_t pid, const std::string& entry) {
  const std::string environment = ReadText(absl::StrCat("/proc/", pid, "/environ"));
  for (const absl::string_view item : absl::StrSplit(environment, '\0')) {
    if (item == entry) return true;
  }
  return false;
}

}  // namespace fairlead
