#include "tests/bench/replicas/programs.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/channel.h"
#include "tests/testing/free_port.h"
#include "tests/testing/subprocess.h"

namespace fairlead {
namespace {

namespace fs = std::filesystem;

constexpr auto kReady = std::chrono::seconds(60);
constexpr absl::Duration kStopPatience = absl::Seconds(10);
constexpr size_t kLogShown = 2'000;

absl::StatusOr<std::string> FreeTarget() {
  ASSIGN_OR_RETURN(const int port, FreeLoopbackPort());
  return absl::StrCat("127.0.0.1:", port);
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// Of /proc/<pid>/status, in kB.
double StatusOf(pid_t pid, const char* field) {
  for (const absl::string_view line : absl::StrSplit(ReadFile(absl::StrCat("/proc/", pid, "/status")), '\n')) {
    double value = 0;
    const std::vector<absl::string_view> words = absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (words.size() >= 2 && words[0] == field && absl::SimpleAtod(words[1], &value)) return value;
  }
  return 0;
}

std::vector<pid_t> ChildrenOf(pid_t pid) {
  std::vector<pid_t> children;
  for (const absl::string_view word :
       absl::StrSplit(ReadFile(absl::StrCat("/proc/", pid, "/task/", pid, "/children")), ' ', absl::SkipEmpty())) {
    int child = 0;
    if (absl::SimpleAtoi(word, &child)) children.push_back(child);
  }
  return children;
}

void AddUse(pid_t pid, ProcessUse& use) {
  use.megabytes += StatusOf(pid, "RssAnon:") / 1e3;
  use.peak_megabytes += StatusOf(pid, "VmHWM:") / 1e3;
  const std::string stat = ReadFile(absl::StrCat("/proc/", pid, "/stat"));
  const size_t after_name = stat.rfind(')');
  if (after_name == std::string::npos) return;
  // From the state on, which is the third field: utime and stime are the 14th and 15th.
  const std::vector<absl::string_view> fields = absl::StrSplit(stat.substr(after_name + 2), ' ');
  for (size_t at = 11; at <= 12 && at < fields.size(); ++at) {
    double ticks = 0;
    if (absl::SimpleAtod(fields[at], &ticks)) use.cpu_seconds += ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
  }
}

bool Ended(pid_t pid, absl::Duration patience) {
  for (const absl::Time end = absl::Now() + patience; absl::Now() < end; absl::SleepFor(absl::Milliseconds(20))) {
    if (waitpid(pid, nullptr, WNOHANG) != 0) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Programs>> Programs::Start() {
  std::unique_ptr<Programs> programs(new Programs());
  std::string folder = "/tmp/fairlead-replicas-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) return absl::InternalError(absl::StrCat("mkdtemp: ", std::strerror(errno)));
  programs->folder_ = folder;
  std::error_code error;
  fs::create_directory(folder + "/keys", error);
  fs::permissions(folder + "/keys", fs::perms::owner_all, error);
  ASSIGN_OR_RETURN(programs->postgres_, TestPostgres::Start({.projects = {"registry", "fill", "traffic"}}));
  ASSIGN_OR_RETURN(programs->database_, programs->postgres_->NewDatabase());
  ASSIGN_OR_RETURN(programs->registryd_, FreeTarget());
  ASSIGN_OR_RETURN(programs->ingestd_, FreeTarget());
  ASSIGN_OR_RETURN(programs->filld_, FreeTarget());
  for (int i = 0; i < kReplicas; ++i) {
    ASSIGN_OR_RETURN(const std::string target, FreeTarget());
    programs->steerds_.push_back(target);
  }
  return programs;
}

Programs::~Programs() {
  // Those that others need end last; all are asked at once, because nothing of theirs is needed any more.
  std::reverse(processes_.begin(), processes_.end());
  for (const Process& process : processes_) kill(process.pid, SIGTERM);
  for (const Process& process : processes_) {
    if (Ended(process.pid, kStopPatience)) continue;
    kill(process.pid, SIGKILL);
    waitpid(process.pid, nullptr, 0);
  }
  postgres_.reset();
  std::error_code ignored;
  if (!folder_.empty()) fs::remove_all(folder_, ignored);
}

absl::Status Programs::Sql(const std::string& command) {
  return postgres_->Sql(database_, command).status();
}

std::string Programs::StateDir(const std::string& name) const {
  std::error_code ignored;
  fs::create_directories(absl::StrCat(folder_, "/", name), ignored);
  return absl::StrCat("--state_dir=", folder_, "/", name);
}

absl::Status Programs::StartProgram(const std::string& name, const std::string& program, const std::string& target,
                                    const std::vector<std::string>& flags) {
  std::error_code error;
  const std::string path = fs::absolute(program, error).string();
  if (error || !fs::exists(path)) return absl::NotFoundError(absl::StrCat("'", path, "' isn't there"));
  const std::string log = absl::StrCat(folder_, "/", name, ".log");
  std::vector<std::string> argv = {path, absl::StrCat("--listen=", target), "--metrics_listen="};
  argv.insert(argv.end(), flags.begin(), flags.end());
  ASSIGN_OR_RETURN(const pid_t pid, StartSubprocess({.argv = std::move(argv)}, log));
  processes_.push_back({name, pid});
  if (MakeChannel(target)->WaitForConnected(std::chrono::system_clock::now() + kReady)) return absl::OkStatus();
  const std::string said = ReadFile(log);
  return absl::UnavailableError(
      absl::StrCat(name, " doesn't answer at ", target, ":\n", said.substr(said.size() > kLogShown ? said.size() - kLogShown : 0)));
}

absl::Status Programs::StartRegistry() {
  return StartProgram("registryd", "services/registry/registryd", registryd_,
                      {absl::StrCat("--database=", database_), absl::StrCat("--signing_key_dir=", folder_, "/keys"),
                       absl::StrCat("--fill_addresses=", filld_)});
}

absl::Status Programs::StartRest() {
  const std::string database = absl::StrCat("--database=", database_);
  const std::string keys = absl::StrCat("--signing_key_dir=", folder_, "/keys");
  const std::string registry = absl::StrCat("--registry=", registryd_);
  const std::string fill = absl::StrCat("--fill=", filld_);
  // Plans are made when asked for: who should hold what isn't what is measured, and takes filld's core for minutes.
  RETURN_IF_ERROR(StartProgram("filld", "services/fill/filld", filld_, {database, registry, keys, "--replan_interval=0"}));
  RETURN_IF_ERROR(
      StartProgram("ingestd", "services/ingest/ingestd", ingestd_, {"--cell=cell-1", database, registry, fill, StateDir("ingestd")}));
  for (size_t i = 0; i < steerds_.size(); ++i) {
    const std::string name = absl::StrCat("steerd-", i + 1);
    // As in the lab: a whole CDN shares a few cores here, a wait of milliseconds says nothing of steerd.
    RETURN_IF_ERROR(
        StartProgram(name, "services/steering/steerd", steerds_[i],
                     {"--http_listen=127.0.0.1:0", "--overload_target=250ms", "--overload_most=1s", registry, fill, keys, StateDir(name)}));
  }
  return absl::OkStatus();
}

ProcessUse Programs::UseOf(pid_t pid, bool with_children) {
  ProcessUse use;
  AddUse(pid, use);
  if (!with_children) return use;
  for (const pid_t child : ChildrenOf(pid)) AddUse(child, use);
  return use;
}

}  // namespace fairlead
