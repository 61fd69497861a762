#include "services/agent/child_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "services/agent/files.h"

namespace fairlead::agent {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(10);
constexpr size_t kMaxOutput = 65536;

std::vector<char*> Arguments(const std::vector<std::string>& argv) {
  std::vector<char*> out;
  for (const std::string& argument : argv) out.push_back(const_cast<char*>(argument.c_str()));
  out.push_back(nullptr);
  return out;
}

// Between fork and exec: async-signal-safe calls only.
[[noreturn]] void BecomeChild(char* const* argv, int output, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(126);  // The parent died before the request was in force.
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  dup2(open("/dev/null", O_RDONLY), 0);
  dup2(output, 1);
  dup2(output, 2);
  close_range(3, ~0U, 0);
  execv(argv[0], argv);
  _exit(127);
}

absl::StatusOr<pid_t> Spawn(const std::vector<std::string>& argv, int output) {
  if (argv.empty() || access(argv[0].c_str(), X_OK) != 0) {
    return absl::NotFoundError(absl::StrCat("program '", argv.empty() ? "" : argv[0], "' is missing or not executable"));
  }
  const std::vector<char*> arguments = Arguments(argv);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return SystemError("fork", argv[0]);
  if (pid == 0) BecomeChild(arguments.data(), output, parent);
  setpgid(pid, pid);  // In both, so that neither has to wait for the other.
  return pid;
}

struct ProcessInfo {
  pid_t group = 0;
  char state = '?';
  uint64_t start_ticks = 0;
};

// From /proc/<pid>/stat, whose second field may contain anything but ends with the last ')'.
std::optional<ProcessInfo> ReadProcess(pid_t pid) {
  const auto text = ReadFile(absl::StrCat("/proc/", pid, "/stat"));
  if (!text.ok()) return std::nullopt;
  const size_t paren = text->rfind(')');
  if (paren == std::string::npos || paren + 2 >= text->size()) return std::nullopt;
  const std::vector<absl::string_view> fields = absl::StrSplit(absl::string_view(*text).substr(paren + 2), ' ');
  ProcessInfo info;
  if (fields.size() < 20 || !absl::SimpleAtoi(fields[2], &info.group) || !absl::SimpleAtoi(fields[19], &info.start_ticks))
    return std::nullopt;
  info.state = fields[0].empty() ? '?' : fields[0][0];
  return info;
}

// The program by its file, which a process can't change; after an upgrade the kernel appends " (deleted)".
std::string ProgramOf(pid_t pid) {
  char path[4096];
  const ssize_t size = readlink(absl::StrCat("/proc/", pid, "/exe").c_str(), path, sizeof path);
  const std::string program(path, size < 0 ? 0 : size);
  return program.substr(0, program.find(" (deleted)"));
}

std::vector<pid_t> MembersOf(pid_t group, uint64_t not_before_ticks, const std::string& program) {
  std::vector<pid_t> members;
  DIR* proc = opendir("/proc");
  if (proc == nullptr) return members;
  while (const dirent* entry = readdir(proc)) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(entry->d_name, &pid)) continue;
    const std::optional<ProcessInfo> info = ReadProcess(pid);
    if (info && info->state != 'Z' && info->group == group && info->start_ticks >= not_before_ticks && ProgramOf(pid) == program)
      members.push_back(pid);
  }
  closedir(proc);
  return members;
}

std::string RealPath(const std::string& path) {
  char* resolved = realpath(path.c_str(), nullptr);
  const std::string out = resolved == nullptr ? path : resolved;
  free(resolved);
  return out;
}

std::string DescribeEnd(int status) {
  if (WIFSIGNALED(status)) return absl::StrCat("signal ", WTERMSIG(status));
  if (WEXITSTATUS(status) == 127) return "exit status 127 (could not be run)";
  return absl::StrCat("exit status ", WEXITSTATUS(status));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(const ChildOptions& options) {
  const char* output = options.output.empty() ? "/dev/null" : options.output.c_str();
  const Fd fd(open(output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!fd.valid()) return SystemError("open", output);
  ASSIGN_OR_RETURN(const pid_t pid, Spawn(options.argv, fd.get()));
  std::unique_ptr<ChildProcess> child(new ChildProcess(pid, options.record));
  if (!options.record.empty()) {
    const std::optional<ProcessInfo> info = ReadProcess(pid);
    const std::string record = absl::StrCat(pid, " ", info ? info->start_ticks : 0, " ", RealPath(options.argv[0]));
    RETURN_IF_ERROR(WriteFileAtomically(options.record, record));
  }
  return child;
}

ChildProcess::~ChildProcess() {
  KillGroup();
  if (!record_.empty()) unlink(record_.c_str());
}

bool ChildProcess::Running() {
  if (!end_reason_.empty()) return false;
  int status = 0;
  const pid_t ended = waitpid(pid_, &status, WNOHANG);
  if (ended == 0) return true;
  end_reason_ = ended == pid_ ? DescribeEnd(status) : "ended unseen";
  return false;
}

void ChildProcess::Signal(int signal) {
  if (Running()) kill(pid_, signal);
}

void ChildProcess::Stop(int gentle, absl::Duration grace) {
  Signal(gentle);
  for (absl::Duration waited; waited < grace && Running(); waited += kPoll) absl::SleepFor(kPoll);
  KillGroup();
}

void ChildProcess::KillGroup() {
  kill(-pid_, SIGKILL);
  while (Running()) absl::SleepFor(kPoll);
}

absl::StatusOr<CommandResult> RunCommand(const std::vector<std::string>& argv, absl::Duration timeout) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return SystemError("pipe", argv.empty() ? "" : argv[0]);
  const Fd reader(ends[0]);
  Fd writer(ends[1]);
  ASSIGN_OR_RETURN(const pid_t pid, Spawn(argv, writer.get()));
  writer.Reset();

  CommandResult result;
  const absl::Time deadline = absl::Now() + timeout;
  bool timed_out = false;
  while (true) {
    pollfd wait{reader.get(), POLLIN, 0};
    const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    timed_out = left <= 0 || poll(&wait, 1, static_cast<int>(left)) == 0;
    if (timed_out) break;
    char buffer[4096];
    const ssize_t count = read(reader.get(), buffer, sizeof buffer);
    if (count <= 0) break;
    if (result.output.size() < kMaxOutput) result.output.append(buffer, count);
  }
  if (timed_out) kill(-pid, SIGKILL);
  int status = 0;
  waitpid(pid, &status, 0);
  if (timed_out) return absl::DeadlineExceededError(absl::StrCat("'", argv[0], "' did not end within ", absl::FormatDuration(timeout)));
  if (WIFEXITED(status)) result.exit_status = WEXITSTATUS(status);
  return result;
}

absl::Status EndLeftover(const std::string& record) {
  const auto text = ReadFile(record);
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  RETURN_IF_ERROR(text.status());
  const std::vector<std::string> fields = absl::StrSplit(*text, absl::MaxSplits(' ', 2));
  pid_t group = 0;
  uint64_t start_ticks = 0;
  if (fields.size() == 3 && absl::SimpleAtoi(fields[0], &group) && absl::SimpleAtoi(fields[1], &start_ticks) && group > 1) {
    const absl::Time deadline = absl::Now() + absl::Seconds(5);
    for (auto members = MembersOf(group, start_ticks, fields[2]); !members.empty(); members = MembersOf(group, start_ticks, fields[2])) {
      if (absl::Now() > deadline)
        return absl::UnavailableError(absl::StrCat("process ", members[0], " of an earlier agent could not be ended"));
      for (const pid_t member : members) kill(member, SIGKILL);
      absl::SleepFor(kPoll);
    }
  }
  unlink(record.c_str());
  return absl::OkStatus();
}

}  // namespace fairlead::agent
