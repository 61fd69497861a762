#include "tests/lab/run_folder.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "tests/lab/proc.h"

namespace fairlead {
namespace {

namespace fs = std::filesystem;

std::string StatePath(const std::string& folder) {
  return folder + "/processes.json";
}

nlohmann::json ToJson(const ProcessRecord& record) {
  return {{"name", record.name}, {"pid", record.pid}, {"start_time", record.start_time}, {"restarts", record.restarts}};
}

ProcessRecord FromJson(const nlohmann::json& json) {
  ProcessRecord record;
  record.name = json.value("name", "");
  record.pid = json.value("pid", 0);
  record.start_time = json.value("start_time", uint64_t{0});
  record.restarts = json.value("restarts", 0);
  return record;
}

bool IsRunning(const ProcessRecord& record) {
  const absl::StatusOr<ProcessInfo> info = ReadProcess(record.pid);
  return info.ok() && info->start_time == record.start_time && !info->zombie;
}

// Processes of an earlier lab: those recorded, what is left of the sessions they led, and whatever carries the folder's mark.
// A session outlives its leader, and the kernel gives a number to no new process while a session bears it; so a member of session
// N, where N itself is gone or is the very process recorded, can only be ours.
std::vector<pid_t> Leftovers(const std::string& folder, const RunState& state) {
  const std::string mark = absl::StrCat(kRunFolderVariable, "=", folder);
  std::vector<pid_t> pids;
  for (const ProcessInfo& process : ListProcesses()) {
    if (process.zombie || process.pid == getpid()) continue;
    bool ours = HasEnvironment(process.pid, mark);
    for (const ProcessRecord& record : state.processes) {
      if (record.pid <= 0 || process.session != record.pid || process.start_time < record.start_time) continue;
      const absl::StatusOr<ProcessInfo> leader = ReadProcess(record.pid);
      ours |= !leader.ok() || leader->start_time == record.start_time;
    }
    if (ours) pids.push_back(process.pid);
  }
  return pids;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RunFolder>> RunFolder::Acquire(const std::string& path) {
  if (path.empty() || path[0] != '/') return absl::InvalidArgumentError(absl::StrCat("run folder '", path, "' must be an absolute path"));
  std::error_code error;
  fs::create_directories(path, error);
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) return absl::InternalError(absl::StrCat("run folder '", path, "': ", std::strerror(errno)));
  // /tmp is everybody's: a folder that somebody else made there could be read or changed under us.
  if (info.st_uid != geteuid()) return absl::FailedPreconditionError(absl::StrCat("run folder '", path, "' belongs to another user"));
  const int lock = open(absl::StrCat(path, "/lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (lock < 0) return absl::InternalError(absl::StrCat("run folder '", path, "': ", std::strerror(errno)));
  if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
    close(lock);
    return absl::FailedPreconditionError(absl::StrCat("a lab already runs in '", path, "'; stop it with ./run down"));
  }
  return std::unique_ptr<RunFolder>(new RunFolder(path, lock));
}

RunFolder::~RunFolder() {
  close(lock_fd_);
}

absl::StatusOr<int> RunFolder::KillLeftovers(absl::Duration patience) {
  const absl::StatusOr<RunState> read = ReadState(path_);
  const RunState state = read.ok() ? *read : RunState();
  std::vector<pid_t> pids = Leftovers(path_, state);
  const int found = static_cast<int>(pids.size());
  for (const pid_t pid : pids) kill(pid, SIGTERM);
  const absl::Time ask_until = absl::Now() + patience;
  const absl::Time give_up = ask_until + absl::Seconds(10);
  while (!pids.empty()) {
    const absl::Time now = absl::Now();
    if (now > give_up) return absl::DeadlineExceededError(absl::StrCat("process ", pids[0], " of an earlier lab does not end"));
    if (now > ask_until) {
      for (const pid_t pid : pids) kill(pid, SIGKILL);
    }
    absl::SleepFor(absl::Milliseconds(20));
    pids = Leftovers(path_, state);
  }
  return found;
}

absl::Status RunFolder::Clear() {
  std::error_code error;
  for (fs::directory_iterator entry(path_, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().filename() == "lock") continue;
    std::error_code failed;
    fs::remove_all(entry->path(), failed);
    if (failed) return absl::InternalError(absl::StrCat("can't delete '", entry->path().string(), "': ", failed.message()));
  }
  return absl::OkStatus();
}

absl::Status RunFolder::WriteState(const RunState& state) {
  nlohmann::json processes = nlohmann::json::array();
  for (const ProcessRecord& record : state.processes) processes.push_back(ToJson(record));
  const nlohmann::json json = {{"lab", ToJson(state.lab)}, {"processes", processes}};
  const std::string next = StatePath(path_) + ".next";
  std::ofstream file(next, std::ios::trunc);
  file << json.dump(2) << "\n";
  file.close();
  if (!file || rename(next.c_str(), StatePath(path_).c_str()) != 0) {
    return absl::InternalError(absl::StrCat("can't write '", StatePath(path_), "'"));
  }
  return absl::OkStatus();
}

absl::StatusOr<RunState> ReadState(const std::string& path) {
  std::ifstream file(StatePath(path));
  if (!file) return absl::NotFoundError(absl::StrCat("no lab was started in '", path, "'"));
  const nlohmann::json json = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::DataLossError(absl::StrCat("'", StatePath(path), "' is not JSON"));
  RunState state;
  if (json.contains("lab")) state.lab = FromJson(json["lab"]);
  for (const nlohmann::json& record : json.value("processes", nlohmann::json::array())) state.processes.push_back(FromJson(record));
  return state;
}

std::optional<ProcessRecord> RunningLab(const std::string& path) {
  const absl::StatusOr<RunState> state = ReadState(path);
  if (!state.ok() || !IsRunning(state->lab)) return std::nullopt;
  return state->lab;
}

}  // namespace fairlead
