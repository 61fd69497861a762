#include "tests/lab/supervisor.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "tests/lab/proc.h"
#include "tests/lab/text_file.h"

namespace fairlead {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(20);
// A process that ran this long was well: its next restart is quick again.
constexpr absl::Duration kHealthyRun = absl::Seconds(10);
constexpr absl::Duration kOrphanPatience = absl::Seconds(2);
constexpr size_t kLogTail = 2000;

std::string DescribeExit(int wait_status) {
  if (WIFSIGNALED(wait_status)) return absl::StrCat("signal ", WTERMSIG(wait_status));
  return absl::StrCat("exit ", WEXITSTATUS(wait_status));
}

std::string Tail(const std::string& path) {
  const std::string text = ReadText(path);
  return text.size() <= kLogTail ? text : "…" + text.substr(text.size() - kLogTail);
}

std::string FromEnvironment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return absl::StrCat(name, "=", value == nullptr ? otherwise : value);
}

// The file actions and attributes of one posix_spawn.
class SpawnPlan {
 public:
  SpawnPlan(const std::string& log, const std::string& directory) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions_, 1, log.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0644);
    posix_spawn_file_actions_adddup2(&actions_, 1, 2);
    posix_spawn_file_actions_addclosefrom_np(&actions_, 3);
    posix_spawn_file_actions_addchdir_np(&actions_, directory.c_str());
    posix_spawnattr_init(&attributes_);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  // 0, or an errno.
  int Spawn(const std::vector<std::string>& argv, const std::vector<std::string>& environment, pid_t& pid) const {
    return posix_spawn(&pid, argv[0].c_str(), &actions_, &attributes_, Pointers(argv).data(), Pointers(environment).data());
  }

 private:
  static std::vector<char*> Pointers(const std::vector<std::string>& strings) {
    std::vector<char*> pointers;
    for (const std::string& string : strings) pointers.push_back(const_cast<char*>(string.c_str()));
    pointers.push_back(nullptr);
    return pointers;
  }

  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

}  // namespace

Supervisor::Supervisor(RunFolder& folder) : folder_(folder) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  const absl::StatusOr<ProcessInfo> self = ReadProcess(getpid());
  self_ = {.name = "lab", .pid = getpid(), .start_time = self.ok() ? self->start_time : 0, .restarts = 0};
  std::filesystem::create_directories(folder_.path() + "/logs");
  {
    absl::MutexLock lock(&mu_);
    Record();
  }
  thread_ = std::thread([this] { Loop(); });
}

Supervisor::~Supervisor() {
  StopAll();
  {
    absl::MutexLock lock(&mu_);
    quit_ = true;
  }
  thread_.join();
}

std::string Supervisor::LogPath(const std::string& name) const {
  return absl::StrCat(folder_.path(), "/logs/", name, ".log");
}

absl::StatusOr<Supervisor::Child*> Supervisor::Add(ProcessSpec spec, bool keep_running) {
  if (spec.argv.empty()) return absl::InvalidArgumentError(absl::StrCat("process '", spec.name, "' has no command"));
  if (stopping_) return absl::CancelledError(absl::StrCat("'", spec.name, "' not started: everything is being stopped"));
  const std::string name = spec.name;
  const auto [it, added] = children_.try_emplace(name, Backoff(BackoffPolicy(), static_cast<uint64_t>(next_order_)));
  if (!added) return absl::AlreadyExistsError(absl::StrCat("process '", name, "' already runs"));
  it->second.spec = std::move(spec);
  it->second.order = next_order_++;
  it->second.keep_running = keep_running;
  it->second.waited_for = !keep_running;
  const absl::Status spawned = Spawn(it->second);
  if (!spawned.ok()) {
    children_.erase(it);
    return spawned;
  }
  return &it->second;
}

absl::Status Supervisor::Spawn(Child& child) {
  const ProcessSpec& spec = child.spec;
  std::vector<std::string> environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", FromEnvironment("HOME", "/"), "LANG=C.UTF-8", "TZ=UTC",
                                          absl::StrCat(kRunFolderVariable, "=", folder_.path())};
  for (const auto& [name, value] : spec.environment) environment.push_back(absl::StrCat(name, "=", value));
  const SpawnPlan plan(LogPath(spec.name), spec.directory.empty() ? folder_.path() : spec.directory);
  pid_t pid = 0;
  const int error = plan.Spawn(spec.argv, environment, pid);
  if (error != 0) return absl::NotFoundError(absl::StrCat("can't start '", spec.argv[0], "': ", std::strerror(error)));
  child.pid = pid;
  const absl::StatusOr<ProcessInfo> info = ReadProcess(pid);
  child.start_time = info.ok() ? info->start_time : 0;
  child.started = absl::Now();
  child.start_at = absl::InfiniteFuture();
  child.wait_status.reset();
  Record();
  return absl::OkStatus();
}

void Supervisor::Record() {
  RunState state;
  state.lab = self_;
  std::vector<const Child*> ordered;
  for (const auto& [name, child] : children_) ordered.push_back(&child);
  std::sort(ordered.begin(), ordered.end(), [](const Child* a, const Child* b) { return a->order < b->order; });
  for (const Child* child : ordered) {
    state.processes.push_back({child->spec.name, child->pid, child->start_time, child->restarts});
  }
  // A full disk must not stop the watch; leftovers are then still found by their environment.
  folder_.WriteState(state).IgnoreError();
}

absl::Status Supervisor::Start(ProcessSpec spec) {
  absl::MutexLock lock(&mu_);
  return Add(std::move(spec), /*keep_running=*/true).status();
}

absl::Status Supervisor::Run(ProcessSpec spec, absl::Duration timeout) {
  const std::string name = spec.name;
  absl::MutexLock lock(&mu_);
  ASSIGN_OR_RETURN(Child * child, Add(std::move(spec), /*keep_running=*/false));
  const auto ended = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return child->wait_status.has_value(); };
  const bool in_time = mu_.AwaitWithTimeout(absl::Condition(&ended), timeout);
  if (!in_time) {
    kill(-child->pid, SIGKILL);
    mu_.Await(absl::Condition(&ended));
  }
  const int wait_status = *child->wait_status;
  children_.erase(name);
  Record();
  if (!in_time) return absl::DeadlineExceededError(absl::StrCat("'", name, "' took longer than ", absl::FormatDuration(timeout)));
  if (wait_status == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("'", name, "' failed (", DescribeExit(wait_status), "):\n", Tail(LogPath(name))));
}

absl::StatusOr<Supervisor::Child*> Supervisor::FindChild(const std::string& name) {
  const auto it = children_.find(name);
  if (it == children_.end()) return absl::NotFoundError(absl::StrCat("no process '", name, "'"));
  return &it->second;
}

absl::StatusOr<int> Supervisor::Signal(const std::string& target, int signal) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(target, absl::MaxSplits('/', 1));
  absl::MutexLock lock(&mu_);
  ASSIGN_OR_RETURN(const Child* child, FindChild(parts.first));
  std::vector<pid_t> pids;
  if (child->pid != 0) {
    pids = parts.second.empty() ? std::vector<pid_t>{child->pid} : ProcessesBelow(ListProcesses(), child->pid, parts.second);
  }
  if (pids.empty()) return absl::NotFoundError(absl::StrCat("no process '", target, "' runs"));
  for (const pid_t pid : pids) kill(pid, signal);
  return static_cast<int>(pids.size());
}

absl::Status Supervisor::Restart(const std::string& name) {
  absl::MutexLock lock(&mu_);
  ASSIGN_OR_RETURN(Child * child, FindChild(name));
  if (child->pid == 0) return absl::NotFoundError(absl::StrCat("no process '", name, "' runs"));
  kill(child->pid, child->spec.stop_signal);
  child->kill_at = absl::Now() + child->spec.stop_patience;
  return absl::OkStatus();
}

absl::Status Supervisor::Hold(const std::string& name) {
  absl::MutexLock lock(&mu_);
  ASSIGN_OR_RETURN(Child * child, FindChild(name));
  child->held = true;
  child->start_at = absl::InfiniteFuture();
  return absl::OkStatus();
}

absl::Status Supervisor::Release(const std::string& name) {
  absl::MutexLock lock(&mu_);
  ASSIGN_OR_RETURN(Child * child, FindChild(name));
  child->held = false;
  if (child->pid == 0 && child->keep_running) child->start_at = absl::Now();
  return absl::OkStatus();
}

void Supervisor::AskToStop(Child& child) {
  child.keep_running = false;
  child.start_at = absl::InfiniteFuture();
  if (child.pid == 0) return;
  kill(child.pid, child.spec.stop_signal);
  child.kill_at = absl::Now() + child.spec.stop_patience;
}

absl::Status Supervisor::Stop(const std::string& name) {
  absl::MutexLock lock(&mu_);
  const auto it = children_.find(name);
  if (it == children_.end()) return absl::NotFoundError(absl::StrCat("no process '", name, "'"));
  Child* child = &it->second;
  AskToStop(*child);
  const auto gone = [child]() { return child->pid == 0; };
  mu_.Await(absl::Condition(&gone));
  children_.erase(it);
  Record();
  return absl::OkStatus();
}

void Supervisor::StopAll() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
    std::set<int, std::greater<>> stages;
    // Nothing may be started again while the rest is being stopped.
    for (auto& [name, child] : children_) {
      child.keep_running = false;
      child.start_at = absl::InfiniteFuture();
      stages.insert(child.spec.stage);
    }
    for (const int stage : stages) {
      for (auto& [name, child] : children_) {
        if (child.spec.stage == stage) AskToStop(child);
      }
      const auto gone = [this, stage]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
        return std::all_of(children_.begin(), children_.end(),
                           [stage](const auto& entry) { return entry.second.spec.stage != stage || entry.second.pid == 0; });
      };
      mu_.Await(absl::Condition(&gone));
    }
    // A Run() still waiting looks at its child once more and takes it out itself.
    std::erase_if(children_, [](const auto& entry) { return !entry.second.waited_for; });
    Record();
  }
  KillOrphans();
}

std::vector<ProcessStatus> Supervisor::List() const {
  absl::MutexLock lock(&mu_);
  std::vector<const Child*> ordered;
  for (const auto& [name, child] : children_) ordered.push_back(&child);
  std::sort(ordered.begin(), ordered.end(), [](const Child* a, const Child* b) { return a->order < b->order; });
  std::vector<ProcessStatus> list;
  for (const Child* child : ordered) list.push_back({child->spec.name, child->pid, child->restarts, child->last_exit, child->held});
  return list;
}

void Supervisor::Loop() {
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      if (quit_) return;
      Reap();
      KillAndRestart(absl::Now());
    }
    absl::SleepFor(kTick);
  }
}

void Supervisor::Reap() {
  int wait_status = 0;
  pid_t pid = 0;
  while ((pid = waitpid(-1, &wait_status, WNOHANG)) > 0) {
    // What isn't found here was an orphan: somebody's grandchild, reaped and done.
    for (auto& [name, child] : children_) {
      if (child.pid == pid) {
        Ended(child, wait_status);
        break;
      }
    }
  }
}

void Supervisor::Ended(Child& child, int wait_status) {
  kill(-child.pid, SIGKILL);
  child.pid = 0;
  child.kill_at = absl::InfiniteFuture();
  child.wait_status = wait_status;
  child.last_exit = DescribeExit(wait_status);
  if (child.keep_running && !child.held) {
    const absl::Time now = absl::Now();
    if (now - child.started >= kHealthyRun) child.backoff.Reset();
    child.start_at = now + child.backoff.Next();
  }
  Record();
}

void Supervisor::KillAndRestart(absl::Time now) {
  for (auto& [name, child] : children_) {
    if (child.pid != 0 && now >= child.kill_at) {
      kill(-child.pid, SIGKILL);
      child.kill_at = absl::InfiniteFuture();
    }
    if (child.pid == 0 && now >= child.start_at) {
      ++child.restarts;
      if (!Spawn(child).ok()) child.start_at = now + child.backoff.Next();
    }
  }
}

void Supervisor::KillOrphans() {
  // Whoever left its group (PostgreSQL's backends do) has become our own child by now. Give it a moment to end by itself.
  const absl::Time ask_until = absl::Now() + kOrphanPatience;
  while (true) {
    bool any = false;
    for (const ProcessInfo& process : ListProcesses()) {
      if (process.parent != getpid() || process.zombie) continue;
      any = true;
      if (absl::Now() > ask_until) kill(process.pid, SIGKILL);
    }
    if (!any) return;
    absl::SleepFor(kTick);
  }
}

}  // namespace fairlead
