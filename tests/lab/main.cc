// lab: a whole installation on one machine, for ./run.
//
//   lab demo|up [--once] [--routes=FILE] --bin_dir=DIR --src_dir=DIR [--run_dir=DIR]
//   lab faults [--moments=N] [--most=N] [--frozen=20s] [--seed=N] [--partitions=false] [--json=FILE] --bin_dir=DIR --src_dir=DIR
//   [--run_dir=DIR] lab down|status [--run_dir=DIR] lab kill|stop|cont|restart|hold|release|partition|heal … (faults.h)
//
// Exit code 0 only if every step and check held; 130 after Ctrl-C before the end.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "tests/generator/routes.h"
#include "tests/lab/control.h"
#include "tests/lab/demo.h"
#include "tests/lab/fault_matrix.h"
#include "tests/lab/faults.h"
#include "tests/lab/installation.h"
#include "tests/lab/layout.h"
#include "tests/lab/relay.h"
#include "tests/lab/report.h"
#include "tests/lab/routes.h"
#include "tests/lab/run_folder.h"
#include "tests/lab/supervisor.h"

ABSL_FLAG(std::string, run_dir, "", "folder of the running lab; default $FAIRLEAD_RUN_DIR or /tmp/fairlead-<uid>");
ABSL_FLAG(std::string, bin_dir, "", "where the programs are, by their path in the tree");
ABSL_FLAG(std::string, src_dir, "", "the source tree");
ABSL_FLAG(bool, once, false, "demo: stop everything at the end instead of waiting for Ctrl-C");
ABSL_FLAG(std::string, routes, "", "a prefix list to announce instead of generated prefixes, one a line");
ABSL_FLAG(uint64_t, seed, 1, "of the generated routes");
ABSL_FLAG(int, moments, 10, "faults: how often each fault of each process");
ABSL_FLAG(absl::Duration, frozen, absl::Seconds(20), "faults: how long a frozen process stays so");
ABSL_FLAG(int, most, 0, "faults: stop after so many; 0 = all");
ABSL_FLAG(bool, partitions, true, "faults: cut connections as well");
ABSL_FLAG(std::string, json, "", "faults: where the results are written");
ABSL_FLAG(bool, hold, false, "kill: don't start it again until it is released");

namespace fairlead {
namespace {

// Enough to deal every partner a few thousand prefixes and leave some to nobody.
constexpr size_t kTableV4 = 9000;
constexpr size_t kTableV6 = 3000;
constexpr absl::Duration kDownPatience = absl::Seconds(60);

std::string RunDir() {
  const std::string flag = absl::GetFlag(FLAGS_run_dir);
  if (!flag.empty()) return flag;
  const char* variable = std::getenv("FAIRLEAD_RUN_DIR");
  if (variable != nullptr && *variable != '\0') return variable;
  return absl::StrCat("/tmp/fairlead-", geteuid());
}

// Turns the signals that end a program into a notification, in a thread of its own. Must exist before any other thread.
class StopOnSignal {
 public:
  StopOnSignal() {
    sigemptyset(&signals_);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) sigaddset(&signals_, signal);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    std::thread([this] {
      int signal = 0;
      sigwait(&signals_, &signal);
      notification_.Notify();
    }).detach();
  }
  const absl::Notification& notification() const { return notification_; }

 private:
  sigset_t signals_;
  absl::Notification notification_;
};

absl::StatusOr<RoutePlan> MakePlan(const Layout& layout) {
  const std::string file = absl::GetFlag(FLAGS_routes);
  const uint64_t seed = absl::GetFlag(FLAGS_seed);
  if (file.empty()) return PlanRoutes(RouteGenerator(seed).Table(kTableV4, kTableV6), layout.partners, seed);
  ASSIGN_OR_RETURN(std::vector<Prefix> prefixes, ReadPrefixList(file));
  return PlanRoutes(std::move(prefixes), layout.partners, seed);
}

// While it lives, a stop signal ends every process at once, so that whoever waits for one of them waits no longer.
class StopWatch {
 public:
  StopWatch(Supervisor& supervisor, const absl::Notification& stop)
      : thread_([this, &supervisor, &stop] {
          while (!done_.WaitForNotificationWithTimeout(absl::Milliseconds(50))) {
            if (!stop.HasBeenNotified()) continue;
            supervisor.StopAll();
            return;
          }
        }) {}
  ~StopWatch() {
    done_.Notify();
    thread_.join();
  }

 private:
  absl::Notification done_;
  std::thread thread_;
};

enum class Programme { kUp, kDemo, kFaults };

absl::Status RunFaults(Installation& installation, Report& report, const absl::Notification& stop) {
  FaultMatrix matrix(installation, report, stop,
                     {.moments = absl::GetFlag(FLAGS_moments),
                      .frozen = absl::GetFlag(FLAGS_frozen),
                      .seed = absl::GetFlag(FLAGS_seed),
                      .most = absl::GetFlag(FLAGS_most),
                      .partitions = absl::GetFlag(FLAGS_partitions),
                      .json = absl::GetFlag(FLAGS_json)});
  return matrix.Run();
}

absl::Status ShowAll(Programme programme, const Layout& layout, const RoutePlan& plan, Supervisor& supervisor, Relay& relay, Report& report,
                     const absl::Notification& stop) {
  Installation installation(layout, plan, supervisor, relay, report, stop);
  RETURN_IF_ERROR(BringUp(installation));
  if (programme == Programme::kFaults) return RunFaults(installation, report, stop);
  if (programme == Programme::kDemo) {
    RETURN_IF_ERROR(ShowViewers(installation, plan, report));
    RETURN_IF_ERROR(ShowResilience(installation, report, stop));
  }
  return ShowSummary(installation, plan, report);
}

absl::Status RunLab(Programme programme, const absl::Notification& stop, Report& report) {
  ASSIGN_OR_RETURN(const std::unique_ptr<RunFolder> folder, RunFolder::Acquire(RunDir()));
  ASSIGN_OR_RETURN(const int leftovers, folder->KillLeftovers());
  RETURN_IF_ERROR(folder->Clear());
  ASSIGN_OR_RETURN(
      const Layout layout,
      MakeLayout({.run_dir = folder->path(), .bin_dir = absl::GetFlag(FLAGS_bin_dir), .src_dir = absl::GetFlag(FLAGS_src_dir)}));
  ASSIGN_OR_RETURN(const RoutePlan plan, MakePlan(layout));
  report.Line(absl::StrCat("Fairlead on loopback: addresses 127.", layout.block, ".0.0/16 and ::1, everything else in ", folder->path()));
  if (leftovers > 0) report.Line(absl::StrCat("   (an earlier lab was killed; ended the ", leftovers, " processes that it left)"));
  Supervisor supervisor(*folder);
  Relay relay([&supervisor] {
    std::vector<std::pair<std::string, pid_t>> processes;
    for (const ProcessStatus& process : supervisor.List()) processes.push_back({process.name, process.pid});
    return processes;
  });
  ASSIGN_OR_RETURN(const std::unique_ptr<ControlServer> control,
                   ControlServer::Open(folder->path(), [&](const auto& words) { return Inflict(supervisor, relay, words); }));
  const StopWatch watch(supervisor, stop);
  const absl::Status shown = ShowAll(programme, layout, plan, supervisor, relay, report, stop);
  report.Line("");
  if (stop.HasBeenNotified()) return absl::CancelledError("stopped");
  // A step that failed has told why.
  if (!shown.ok() && report.failures() == 0) report.Check(false, shown.message());
  const bool held = shown.ok() && report.failures() == 0;
  report.Line(
      absl::StrFormat("%s after %.0f s", held ? "Every step held" : "NOT every step held", absl::ToDoubleSeconds(report.elapsed())));
  if (shown.ok() && programme != Programme::kFaults && !absl::GetFlag(FLAGS_once)) {
    report.Line("Stays up until Ctrl-C or ./run down");
    stop.WaitForNotification();
  }
  report.Line("stopping …");
  supervisor.StopAll();
  return shown;
}

// Ends a running lab, or what a killed one left.
absl::Status Down() {
  const std::string path = RunDir();
  const std::optional<ProcessRecord> lab = RunningLab(path);
  if (lab.has_value()) kill(lab->pid, SIGTERM);
  const absl::Time deadline = absl::Now() + kDownPatience;
  while (RunningLab(path).has_value()) {
    if (absl::Now() > deadline) {
      kill(lab->pid, SIGKILL);
      break;
    }
    absl::SleepFor(absl::Milliseconds(50));
  }
  absl::StatusOr<std::unique_ptr<RunFolder>> folder = RunFolder::Acquire(path);
  while (absl::IsFailedPrecondition(folder.status()) && absl::Now() < deadline + absl::Seconds(5)) {
    absl::SleepFor(absl::Milliseconds(50));
    folder = RunFolder::Acquire(path);
  }
  RETURN_IF_ERROR(folder.status());
  ASSIGN_OR_RETURN(const int leftovers, (*folder)->KillLeftovers());
  std::printf("%s\n", lab.has_value() ? "stopped"
                      : leftovers > 0 ? absl::StrCat("ended ", leftovers, " leftover processes").c_str()
                                      : "nothing was running");
  return absl::OkStatus();
}

absl::Status ShowStatus() {
  const std::string path = RunDir();
  const std::optional<ProcessRecord> lab = RunningLab(path);
  if (!lab.has_value()) {
    std::printf("nothing runs in %s\n", path.c_str());
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::string table, AskLab(path, {"status"}));
  std::printf("%s\nlab: pid %d; logs: %s/logs\n", table.c_str(), lab->pid, path.c_str());
  return absl::OkStatus();
}

// A fault, for the running lab to inflict on itself.
absl::Status Fault(std::vector<std::string> words) {
  if (absl::GetFlag(FLAGS_hold)) words.push_back("--hold");
  ASSIGN_OR_RETURN(const std::string told, AskLab(RunDir(), words));
  std::printf("%s", told.c_str());
  return absl::OkStatus();
}

int Finish(const absl::Status& status) {
  if (status.ok()) return 0;
  if (absl::IsCancelled(status)) return 130;
  std::fprintf(stderr, "lab: %s\n", std::string(status.message()).c_str());
  return 1;
}

int Main(const std::vector<char*>& arguments) {
  const std::vector<std::string> words(arguments.begin() + 1, arguments.end());
  const std::string command = words.empty() ? "" : words[0];
  if (words.size() == 1 && command == "down") return Finish(Down());
  if (words.size() == 1 && command == "status") return Finish(ShowStatus());
  if (words.size() != 1 || (command != "demo" && command != "up" && command != "faults")) {
    if (IsFault(command)) return Finish(Fault(words));
    std::fprintf(stderr, "usage: lab demo|up|faults|down|status [--once] [--routes=FILE] --bin_dir=DIR --src_dir=DIR\n%s",
                 std::string(kFaultUsage).c_str());
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);  // Whoever reads our output may go; what we started must still be stopped.
  const StopOnSignal stop;
  Report report;
  const Programme programme = command == "demo" ? Programme::kDemo : command == "faults" ? Programme::kFaults : Programme::kUp;
  const absl::Status status = RunLab(programme, stop.notification(), report);
  if (!absl::IsCancelled(status) && report.failures() > 0) return 1;
  return Finish(status);
}

}  // namespace
}  // namespace fairlead

int main(int argc, char** argv) {
  // What gRPC writes about connections that are broken on purpose would bury the report. Not if someone asks for it.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  absl::SetProgramUsageMessage("lab demo|up|down|status");
  return fairlead::Main(absl::ParseCommandLine(argc, argv));
}
