// ocad: the agent of one box. README.md has what is where.
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/ascii.h"
#include "absl/synchronization/mutex.h"
#include "curl/curl.h"
#include "libs/base/errors.h"
#include "libs/clock/system_clock.h"
#include "libs/log/log.h"
#include "libs/metrics/metrics.h"
#include "libs/rpc/stop_signal.h"
#include "services/agent/agent.h"

ABSL_FLAG(std::string, state_dir, "", "folder of the agent's own state; made if missing");
ABSL_FLAG(std::vector<std::string>, registry, {"127.0.0.1:7001"}, "gRPC targets of registryd");
ABSL_FLAG(std::string, serial, "", "serial number printed on the box");
ABSL_FLAG(std::string, enrollment_token_file, "", "file with the token that binds the box; else $FAIRLEAD_ENROLLMENT_TOKEN");
ABSL_FLAG(std::string, role, "appliance", "appliance, collector or origin");
ABSL_FLAG(std::string, disk_dir, "", "folder of the disk tier; of an origin the content");
ABSL_FLAG(std::string, flash_dir, "", "folder of the flash tier; empty = none");
ABSL_FLAG(std::string, metrics_listen, "", "address of the /metrics page, host:port; empty = none");
ABSL_FLAG(std::string, nginx, "/usr/sbin/nginx", "the nginx binary");
ABSL_FLAG(std::string, bird, "/usr/sbin/bird", "the bird binary");
ABSL_FLAG(bool, shared_host, false, "other boxes run on this machine: leave its processors out of the reports");
ABSL_FLAG(bool, debug, false, "log more");

namespace fairlead::agent {
namespace {

constexpr int kUsageError = 2;
constexpr int kCannotRun = 3;  // A restart won't help: a refused binding, a missing program.

absl::StatusOr<std::string> ReadToken() {
  const std::string file = absl::GetFlag(FLAGS_enrollment_token_file);
  if (file.empty()) {
    const char* token = getenv("FAIRLEAD_ENROLLMENT_TOKEN");
    return std::string(token == nullptr ? "" : token);
  }
  const auto text = ReadFile(file, 4096);
  // A bound box needs none, and the file may be gone by then.
  if (absl::IsNotFound(text.status())) return std::string();
  if (!text.ok()) return text.status();
  return std::string(absl::StripAsciiWhitespace(*text));
}

// The usual soft limit of 1024 is for programs that use select(); neither we nor our children do.
void RaiseOpenFiles() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) LogWarning("the limit of open files can't be raised", {{"limit", limit.rlim_max}});
}

absl::Status Run() {
  const auto role = ParseRole(absl::GetFlag(FLAGS_role));
  if (!role.ok()) return role.status();
  const auto token = ReadToken();
  if (!token.ok()) return token.status();

  absl::Mutex mu;
  absl::Status fatal;
  AgentOptions options;
  options.role = *role;
  options.state_dir = absl::GetFlag(FLAGS_state_dir);
  options.registry_targets = absl::GetFlag(FLAGS_registry);
  options.serial = absl::GetFlag(FLAGS_serial);
  options.enrollment_token = *token;
  options.disk_dir = absl::GetFlag(FLAGS_disk_dir);
  options.flash_dir = absl::GetFlag(FLAGS_flash_dir);
  options.shared_host = absl::GetFlag(FLAGS_shared_host);
  options.nginx = absl::GetFlag(FLAGS_nginx);
  options.bird = absl::GetFlag(FLAGS_bird);
  options.on_fatal = [&](const absl::Status& status) {
    absl::MutexLock lock(&mu);
    fatal = status;
    kill(getpid(), SIGTERM);
  };

  SystemClock clock;
  Metrics metrics;
  if (const std::string listen = absl::GetFlag(FLAGS_metrics_listen); !listen.empty()) {
    const auto port = metrics.Serve(listen);
    if (!port.ok()) return port.status();
  }
  auto agent = Agent::Start(options, clock, metrics);
  if (!agent.ok()) return agent.status();
  LogInfo("started", {{"role", absl::GetFlag(FLAGS_role)}, {"incarnation", (*agent)->incarnation()}});
  const int signal = WaitForStopSignal();
  LogInfo("stopping", {{"signal", signal}});
  (*agent)->Stop();
  absl::MutexLock lock(&mu);
  return fatal;
}

int Main() {
  InitLog("ocad", absl::GetFlag(FLAGS_debug) ? LogLevel::kDebug : LogLevel::kInfo);
  RaiseOpenFiles();
  curl_global_init(CURL_GLOBAL_DEFAULT);
  const absl::Status status = Run();
  if (status.ok()) return 0;
  LogError("can't run", {{"error", status}});
  return absl::IsInvalidArgument(status) && !FieldOf(status).empty() ? kUsageError : kCannotRun;
}

}  // namespace
}  // namespace fairlead::agent

int main(int argc, char** argv) {
  fairlead::BlockStopSignals();
  absl::SetProgramUsageMessage("the agent of a Fairlead appliance");
  absl::ParseCommandLine(argc, argv);
  return fairlead::agent::Main();
}
