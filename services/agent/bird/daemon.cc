#include "services/agent/bird/daemon.h"

#include <signal.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/log/log.h"
#include "services/agent/bird/control.h"
#include "services/agent/files.h"

namespace fairlead::agent {
namespace {

constexpr absl::Duration kCommandTimeout = absl::Seconds(10);
constexpr absl::Duration kSettled = absl::Seconds(30);
constexpr BackoffPolicy kRestart{absl::Milliseconds(200), absl::Seconds(10)};

}  // namespace

BirdDaemon::BirdDaemon(BirdDaemonOptions options) : options_(std::move(options)), backoff_(kRestart, static_cast<uint64_t>(getpid()) + 1) {}

BirdDaemon::~BirdDaemon() {
  Stop(absl::ZeroDuration());
}

absl::Status BirdDaemon::Open() {
  const auto version = RunCommand({options_.binary, "--version"}, kCommandTimeout);
  if (!version.ok()) return absl::Status(version.status().code(), absl::StrCat("bird: ", version.status().message()));
  if (version->exit_status != 0)
    return absl::FailedPreconditionError(absl::StrCat("'", options_.binary, " --version' failed: ", version->output));
  RETURN_IF_ERROR(MakeFolder(options_.work_folder, 0700));
  RETURN_IF_ERROR(MakeFolder(options_.run_folder, 0700));
  return EndLeftover(options_.run_folder + "/bird.child");
}

absl::Status BirdDaemon::Apply(BirdConfigInput input) {
  input.log_path = options_.work_folder + "/bird.log";
  ASSIGN_OR_RETURN(const std::string text, RenderBirdConfig(input));
  if (text == in_force_) return absl::OkStatus();
  const std::string candidate = conf_path() + ".candidate";
  RETURN_IF_ERROR(WriteFileAtomically(candidate, text));
  RETURN_IF_ERROR(Check(candidate));
  const auto before = ReadFile(conf_path());
  RETURN_IF_ERROR(WriteFileAtomically(conf_path(), text));
  if (running()) {
    const auto taken = AskBird(control_socket(), absl::StrCat("configure \"", conf_path(), "\""), kCommandTimeout);
    if (!taken.ok()) {
      if (before.ok()) RETURN_IF_ERROR(WriteFileAtomically(conf_path(), *before));
      return taken.status();
    }
  }
  in_force_ = text;
  LogInfo("BIRD configuration in force", {{"sessions", input.sessions.size()}});
  return absl::OkStatus();
}

absl::Status BirdDaemon::Check(const std::string& candidate) const {
  ASSIGN_OR_RETURN(const CommandResult result, RunCommand({options_.binary, "-p", "-c", candidate}, kCommandTimeout));
  if (result.exit_status == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(options_.binary, ": ", absl::StripAsciiWhitespace(result.output)));
}

bool BirdDaemon::running() {
  return child_ != nullptr && child_->Running();
}

void BirdDaemon::Tick(absl::Duration now) {
  if (running()) {
    if (now - started_at_ > kSettled) backoff_.Reset();
    return;
  }
  if (child_ != nullptr) {
    stopped_ = absl::StrCat("BIRD ended with ", child_->end_reason());
    LogError("BIRD ended", {{"reason", child_->end_reason()}, {"log", options_.work_folder + "/bird.log"}});
    child_.reset();
    ++restarts_;
    next_start_ = now + backoff_.Next();
  }
  if (now < next_start_ || in_force_.empty()) return;
  auto child = ChildProcess::Start(
      {.argv = {options_.binary, "-f", "-c", conf_path(), "-s", control_socket(), "-P", options_.run_folder + "/bird.pid"},
       .output = options_.work_folder + "/bird.out",
       .record = options_.run_folder + "/bird.child"});
  started_at_ = now;
  if (!child.ok()) {
    stopped_ = std::string(child.status().message());
    LogError("BIRD can't be started", {{"error", child.status()}});
    next_start_ = now + backoff_.Next();
    return;
  }
  child_ = *std::move(child);
  stopped_.clear();
  LogInfo("BIRD started", {{"pid", child_->pid()}});
}

void BirdDaemon::Stop(absl::Duration grace) {
  if (child_ == nullptr) return;
  child_->Stop(SIGTERM, grace);
  child_.reset();
  stopped_ = "stopped";
}

}  // namespace fairlead::agent
