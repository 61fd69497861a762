#include "services/agent/nginx/daemon.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/log/log.h"
#include "services/agent/files.h"
#include "services/agent/nginx/workers.h"

namespace fairlead::agent {
namespace {

constexpr absl::Duration kCommandTimeout = absl::Seconds(10);
constexpr absl::Duration kReloadTimeout = absl::Seconds(5);
constexpr absl::Duration kStatusTimeout = absl::Milliseconds(500);
constexpr absl::Duration kSettled = absl::Seconds(30);  // After running this long the next restart is quick again.
constexpr rlim_t kOpenFiles = 16'384;                   // A viewer's socket and file for each connection, what is cached open, and room.
constexpr BackoffPolicy kRestart{absl::Milliseconds(200), absl::Seconds(10)};

// NGINX's own words, without its clock and its own name.
std::string Words(absl::string_view output) {
  std::string out;
  for (absl::string_view line : absl::StrSplit(output, '\n', absl::SkipEmpty())) {
    if (absl::StrContains(line, "[warn]") || absl::StrContains(line, " test failed") || absl::StrContains(line, "[notice]")) continue;
    absl::ConsumePrefix(&line, "nginx: ");
    absl::StrAppend(&out, out.empty() ? "" : "; ", line);
  }
  return out.substr(0, 1000);
}

// Where Debian and others keep dynamic modules: as built in, else beside.
std::string ModulesFolder(absl::string_view version_text) {
  constexpr absl::string_view kOption = "--modules-path=";
  const size_t at = version_text.find(kOption);
  if (at == absl::string_view::npos) return "/usr/lib/nginx/modules";
  const absl::string_view rest = version_text.substr(at + kOption.size());
  return std::string(rest.substr(0, rest.find_first_of(" \n")));
}

bool NoneListens(const std::vector<pid_t>& workers, const std::string& socket, pid_t master) {
  const std::vector<pid_t> listening = WorkersListeningOn(socket, master);
  return std::find_first_of(workers.begin(), workers.end(), listening.begin(), listening.end()) == workers.end();
}

// Beyond the hard limit an NGINX that isn't root raises an alert and goes on with what it has.
int64_t OpenFiles() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  return static_cast<int64_t>(std::min<rlim_t>(limit.rlim_max, kOpenFiles));
}

}  // namespace

NginxDaemon::NginxDaemon(NginxDaemonOptions options) : options_(std::move(options)), backoff_(kRestart, static_cast<uint64_t>(getpid())) {}

NginxDaemon::~NginxDaemon() {
  Stop(absl::ZeroDuration());
}

absl::Status NginxDaemon::Open() {
  const auto version = RunCommand({options_.binary, "-V"}, kCommandTimeout);
  if (!version.ok()) return absl::Status(version.status().code(), absl::StrCat("nginx: ", version.status().message()));
  if (version->exit_status != 0) {
    return absl::FailedPreconditionError(absl::StrCat("'", options_.binary, " -V' failed: ", version->output));
  }
  modules_folder_ = ModulesFolder(version->output);
  const std::string module = modules_folder_ + "/ngx_http_js_module.so";
  if (access(module.c_str(), R_OK) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("'", module, "' is missing: '", options_.binary, "' needs its njs module (libnginx-mod-http-js)"));
  }
  for (const char* folder : {"/logs", "/temp"}) RETURN_IF_ERROR(MakeFolder(options_.work_folder + folder, 0700));
  RETURN_IF_ERROR(MakeFolder(options_.run_folder, 0700));
  return EndLeftover(options_.run_folder + "/nginx.child");
}

absl::Status NginxDaemon::Apply(NginxConfigInput input) {
  const absl::Status status = TryApply(std::move(input));
  if (!status.ok()) LogError("NGINX configuration refused; the one before stays in force", {{"error", status}});
  absl::MutexLock lock(&mu_);
  refused_ = status.ok() ? "" : std::string(status.message());
  return status;
}

absl::Status NginxDaemon::TryApply(NginxConfigInput input) {
  input.work_folder = options_.work_folder;
  input.run_folder = options_.run_folder;
  input.modules_folder = modules_folder_;
  input.run_as_root = geteuid() == 0;
  input.open_files = OpenFiles();
  ASSIGN_OR_RETURN(const NginxConfig config, RenderNginxConfig(input));
  if (config.fingerprint == fingerprint()) return absl::OkStatus();
  const std::string folder = NginxCandidateFolder(options_.work_folder, config.fingerprint);
  RETURN_IF_ERROR(Test(config, folder));

  const auto before = ReadFile(conf_path());
  RETURN_IF_ERROR(WriteFileAtomically(conf_path(), config.nginx_conf));
  if (child_ != nullptr && child_->Running()) {
    const absl::Status reloaded = Reload(config.fingerprint);
    if (!reloaded.ok()) {
      // So that a later restart brings up what still serves now.
      if (before.ok()) RETURN_IF_ERROR(WriteFileAtomically(conf_path(), *before));
      return reloaded;
    }
  }
  const std::string old = fingerprint();
  {
    absl::MutexLock lock(&mu_);
    fingerprint_ = config.fingerprint;
  }
  if (!old.empty()) RunCommand({"/bin/rm", "-rf", NginxCandidateFolder(options_.work_folder, old)}, kCommandTimeout).IgnoreError();
  LogInfo("NGINX configuration in force", {{"fingerprint", config.fingerprint}});
  return absl::OkStatus();
}

absl::Status NginxDaemon::Test(const NginxConfig& config, const std::string& candidate_folder) {
  RETURN_IF_ERROR(MakeFolder(candidate_folder, 0700));
  const std::string conf = candidate_folder + "/nginx.conf";
  RETURN_IF_ERROR(WriteFileAtomically(candidate_folder + "/keys.js", config.keys_js));
  RETURN_IF_ERROR(WriteFileAtomically(candidate_folder + "/token_check.js", TokenCheckJs()));
  RETURN_IF_ERROR(WriteFileAtomically(conf, config.nginx_conf));
  if (child_ == nullptr || !child_->Running()) RemoveSockets();
  ASSIGN_OR_RETURN(const CommandResult result,
                   RunCommand({options_.binary, "-t", "-q", "-e", options_.work_folder + "/logs/error.log", "-c", conf}, kCommandTimeout));
  if (result.exit_status == 0) return absl::OkStatus();
  RunCommand({"/bin/rm", "-rf", candidate_folder}, kCommandTimeout).IgnoreError();
  return absl::FailedPreconditionError(absl::StrCat(options_.binary, ": ", Words(result.output)));
}

absl::Status NginxDaemon::Reload(const std::string& fingerprint) {
  const absl::Time deadline = absl::Now() + kReloadTimeout;
  const std::string status_socket = NginxStatusSocket(options_.run_folder);
  const std::vector<pid_t> old_workers = WorkersListeningOn(status_socket, child_->pid());
  old_workers_.insert(old_workers_.end(), old_workers.begin(), old_workers.end());
  child_->Signal(SIGHUP);
  while (absl::Now() < deadline) {
    const auto running = HttpGetOverUnixSocket(status_socket, "/fingerprint", kStatusTimeout);
    // The old workers would still let in by the old keys whoever connects to them.
    if (running.ok() && *running == fingerprint && NoneListens(old_workers, status_socket, child_->pid())) {
      absl::MutexLock lock(&mu_);
      ++reloads_;
      return absl::OkStatus();
    }
    absl::SleepFor(absl::Milliseconds(20));
  }
  return absl::FailedPreconditionError(absl::StrCat(options_.binary, " did not take up the configuration: ", LastErrorLine()));
}

void NginxDaemon::Tick(absl::Duration now) {
  if (child_ != nullptr && child_->Running()) {
    old_workers_ = WorkersAlive(std::move(old_workers_), child_->pid());
    if (now - started_at_ > kSettled) backoff_.Reset();
    return;
  }
  if (child_ != nullptr) {
    const std::string reason = absl::StrCat("ended with ", child_->end_reason(), ": ", LastErrorLine());
    LogError("NGINX ended", {{"reason", reason}});
    child_.reset();  // Ends workers that outlived their master and hold the ports.
    old_workers_.clear();
    next_start_ = now + backoff_.Next();
    absl::MutexLock lock(&mu_);
    stopped_ = reason;
    ++restarts_;
  }
  if (now < next_start_ || access(conf_path().c_str(), R_OK) != 0) return;
  const absl::Status started = Start();
  started_at_ = now;
  if (!started.ok()) {
    LogError("NGINX can't be started", {{"error", started}});
    next_start_ = now + backoff_.Next();
  }
  absl::MutexLock lock(&mu_);
  stopped_ = started.ok() ? "" : std::string(started.message());
}

absl::Status NginxDaemon::Start() {
  RemoveSockets();
  ASSIGN_OR_RETURN(child_,
                   ChildProcess::Start({.argv = {options_.binary, "-e", options_.work_folder + "/logs/error.log", "-c", conf_path()},
                                        .output = options_.work_folder + "/logs/output.log",
                                        .record = options_.run_folder + "/nginx.child"}));
  LogInfo("NGINX started", {{"pid", child_->pid()}});
  return absl::OkStatus();
}

void NginxDaemon::Stop(absl::Duration grace) {
  if (child_ == nullptr) return;
  child_->Stop(SIGQUIT, grace);
  child_.reset();
  RemoveSockets();
  absl::MutexLock lock(&mu_);
  stopped_ = "stopped";
}

// A killed NGINX leaves its sockets, and the next one can't bind them.
void NginxDaemon::RemoveSockets() const {
  unlink(NginxStatusSocket(options_.run_folder).c_str());
  unlink(NginxVerdictSocket(options_.run_folder).c_str());
}

std::string NginxDaemon::LastErrorLine() const {
  const auto log = ReadTail(options_.work_folder + "/logs/error.log", 64 * 1024);
  if (!log.ok()) return "no error log";
  const std::vector<absl::string_view> lines = absl::StrSplit(*log, '\n', absl::SkipEmpty());
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    if (absl::StrContains(*line, "still could not bind")) continue;  // The line before says what.
    if (absl::StrContains(*line, "[emerg]") || absl::StrContains(*line, "[alert]")) return std::string(line->substr(0, 500));
  }
  return "nothing in its error log";
}

NginxReport NginxDaemon::Report() const {
  NginxReport report;
  std::string refused;
  {
    absl::MutexLock lock(&mu_);
    report.restarts = restarts_;
    report.reloads = reloads_;
    report.detail = stopped_;
    refused = refused_;
  }
  if (!report.detail.empty()) {
    if (!refused.empty()) absl::StrAppend(&report.detail, "; ", refused);
    return report;
  }
  const auto page = HttpGetOverUnixSocket(NginxStatusSocket(options_.run_folder), "/status", kStatusTimeout);
  const auto counters = page.ok() ? ParseStubStatus(*page) : page.status();
  if (!counters.ok()) {
    report.state = NginxReport::State::kUnresponsive;
    report.detail = std::string(counters.status().message());
    return report;
  }
  report.counters = *counters;
  report.state = refused.empty() ? NginxReport::State::kRunning : NginxReport::State::kConfigRefused;
  report.detail = refused;
  return report;
}

std::string NginxDaemon::fingerprint() const {
  absl::MutexLock lock(&mu_);
  return fingerprint_;
}

}  // namespace fairlead::agent
