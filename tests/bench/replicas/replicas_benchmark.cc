// How soon a change is in every answer of every replica: from the moment at which its publisher has accepted it to the first answer, of the
// later of two steerds, that shows it. The real programs: PostgreSQL, registryd, ingestd, filld and two steerds, each a process of its own
// on loopback; boxes that enrol, beat every 2 s, and report routes and files over ingestd's own stream; 5,000 changes of routes a second.
//
//   ./run bench replicas                  # A twentieth of the whole world, some minutes.
//   ./run bench replicas --scale 0.01     # A quick look.
//
// Everything, the boxes included, shares this machine's cores: the rows say how much of a core each program took. The catalogue is put into
// the database at once, as imports would have left it; manifests aren't planned.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "fairlead/registry/v1/registry_service.grpc.pb.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/status.h"
#include "tests/bench/replicas/boxes.h"
#include "tests/bench/replicas/probes.h"
#include "tests/bench/replicas/programs.h"
#include "tests/bench/replicas/told_world.h"
#include "tests/bench/replicas/watch.h"
#include "tests/bench/rows.h"
#include "tests/generator/demand.h"
#include "tests/generator/world.h"

namespace fairlead {
namespace {

namespace rv1 = registry::v1;
using Goal = BenchRow::Goal;
using SteadyClock = std::chrono::steady_clock;

constexpr double kDefaultScale = 0.05;
// A little more than the goal, which a step that comes late must not miss.
constexpr size_t kChangesASecond = 5'100;
constexpr double kGoalChanges = 5'000;
constexpr double kGoalMs = 250;
constexpr absl::Duration kApplyTimeout = absl::Seconds(120);
constexpr auto kWarmUp = std::chrono::seconds(5);
constexpr auto kMeasured = std::chrono::seconds(60);
constexpr auto kLoadPatience = std::chrono::seconds(300);
constexpr size_t kSampledPrefixes = 200;

// Set by SIGINT and SIGTERM: what is under way ends, and with it every program that was started.
std::atomic<bool> stopped = false;

void CatchStopSignals() {
  struct sigaction action {};
  action.sa_handler = [](int) { stopped = true; };
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

double Seconds(SteadyClock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// Returns false once it is to stop.
bool WaitFor(SteadyClock::duration time) {
  for (const auto end = SteadyClock::now() + time; SteadyClock::now() < end && !stopped;)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  return !stopped;
}

WorldOptions OptionsOf(double scale) {
  WorldOptions options = WorldOptions::Scaled(scale);
  options.with_trouble = false;  // What is away or full isn't named, whatever is told of it.
  return options;
}

class Bench {
 public:
  Bench(double scale, Rows& rows) : rows_(rows), world_(OptionsOf(scale)), told_(world_) {
    rows_.Add({"scale", scale, ""});
    rows_.Add({"prefixes", static_cast<double>(world_.prefixes().size()), ""});
    rows_.Add({"routes told", static_cast<double>(told_.route_count()), ""});
    rows_.Add({"boxes and collectors, a heartbeat each 2 s", static_cast<double>(told_.hearers().size()), ""});
    rows_.Add({"files in the catalogue", static_cast<double>(world_.titles() * world_.options().files_a_title), ""});
  }

  absl::Status Run() {
    RETURN_IF_ERROR(Timed("set up: PostgreSQL, its schemas and the catalogue's rows", [this] { return StartDatabase(); }));
    RETURN_IF_ERROR(Timed("set up: registryd, and the fleet by ApplyFleet", [this] { return StartFleet(); }));
    boxes_ = std::make_unique<Boxes>(world_, told_, programs_->registryd(), programs_->ingestd(), stopped);
    RETURN_IF_ERROR(Timed("set up: boxes enrol and are LIVE", [this] { return boxes_->Enrol(); }));
    RETURN_IF_ERROR(Timed("set up: filld, ingestd, two steerds", [this] { return programs_->StartRest(); }));
    watch_ = std::make_unique<Watch>(std::vector<std::string>{programs_->steerd(0), programs_->steerd(1)});
    probes_ = std::make_unique<Probes>(told_, *boxes_, *watch_, programs_->registryd(), programs_->filld(), world_.prefixes(), stopped);
    RETURN_IF_ERROR(Timed("load: files and routes, until both steerds have them", [this] { return Load(); }));
    RETURN_IF_ERROR(probes_->Announce(kLoadPatience));
    rows_.Add({"boxes of probes", static_cast<double>(probes_->size()), ""});
    RETURN_IF_ERROR(Measure());
    for (int kind = 0; kind < Probes::kKinds; ++kind) Report(static_cast<Probes::Kind>(kind));
    ReportAll();
    ReportPrograms();
    return absl::OkStatus();
  }

 private:
  template <typename Step>
  absl::Status Timed(const char* what, Step&& step) {
    if (stopped) return absl::CancelledError("stopped");
    const auto start = SteadyClock::now();
    RETURN_IF_ERROR(step());
    rows_.Add({what, Seconds(SteadyClock::now() - start), "s"});
    return absl::OkStatus();
  }

  absl::Status StartDatabase() {
    ASSIGN_OR_RETURN(programs_, Programs::Start());
    return programs_->Sql(told_.CatalogueSql());
  }

  absl::Status StartFleet() {
    RETURN_IF_ERROR(programs_->StartRegistry());
    const auto stub = rv1::RegistryService::NewStub(MakeChannel(programs_->registryd()));
    for (std::string& text : told_.FleetFiles(programs_->ingestd())) {
      grpc::ClientContext context;
      SetTimeout(context, kApplyTimeout);
      SetPrincipal(context, "operator/bench");
      rv1::ApplyFleetRequest request;
      request.set_fleet_yaml(std::move(text));
      rv1::ApplyFleetResponse response;
      RETURN_IF_ERROR(FromGrpcStatus(stub->ApplyFleet(&context, request, &response)));
    }
    grpc::ClientContext context;
    SetTimeout(context, kApplyTimeout);
    SetPrincipal(context, "operator/bench");
    rv1::SigningKey key;
    return FromGrpcStatus(stub->CreateSigningKey(&context, rv1::CreateSigningKeyRequest(), &key));
  }

  absl::Status Load() {
    ASSIGN_OR_RETURN(const uint32_t file, probes_->ImportProbeTitle());
    RETURN_IF_ERROR(boxes_->Connect());
    RETURN_IF_ERROR(boxes_->Report(told_.HeldFiles(), file));
    return AwaitRoutes();
  }

  // Of some prefixes, drawn over all of the table, everything that was told: ingestd publishes each box's table in order, so the last of it
  // is among them.
  absl::Status AwaitRoutes() {
    Demand demand(world_, 5);
    const auto end = SteadyClock::now() + kLoadPatience;
    for (size_t i = 0; i < kSampledPrefixes && !stopped; ++i) {
      const size_t number = demand.random().Below(world_.prefixes().size());
      const Prefix& prefix = world_.prefixes()[number];
      std::set<uint32_t> sessions;  // One session, one prefix: one route.
      for (const WorldRoute& route : world_.route_sets()[world_.set_of_prefix()[number]]) sessions.insert(route.session);
      const std::string title = absl::StrCat("titles/", ToldWorld::kProbeTitle);
      // A more specific one would be the client's.
      const std::string client = prefix.address().ToString();
      while (!stopped && watch_->RoutesOf(prefix.ToString(), client, title) < sessions.size()) {
        if (SteadyClock::now() > end) return absl::DeadlineExceededError(absl::StrCat("routes of ", prefix.ToString(), " don't come"));
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
      }
    }
    const std::string fault = boxes_->Fault();
    return fault.empty() ? absl::OkStatus() : absl::UnavailableError(fault);
  }

  absl::Status Measure() {
    boxes_->StartChanges(kChangesASecond);
    if (!WaitFor(kWarmUp)) return absl::CancelledError("stopped");
    const std::vector<double> cpu = CpuOfAll();
    const size_t changes = boxes_->changes_sent();
    const size_t polls = watch_->polls();
    const auto start = SteadyClock::now();
    probes_->Start();
    WaitFor(kMeasured);
    const double took = Seconds(SteadyClock::now() - start);
    rows_.Add({"changes of routes sent a second", static_cast<double>(boxes_->changes_sent() - changes) / took, "1/s", kNothing,
               Goal::kValueAtLeast, kGoalChanges});
    rows_.Add(
        {"Steer calls that watch, at most each 5 ms a probe and replica", static_cast<double>(watch_->polls() - polls) / took, "1/s"});
    const std::vector<double> cpu_then = CpuOfAll();
    for (size_t i = 0; i < cpu.size(); ++i) cores_.push_back((cpu_then[i] - cpu[i]) / took);
    probes_->Stop();
    if (stopped) return absl::CancelledError("stopped");
    for (const std::string& fault : {probes_->Fault(), boxes_->Fault()}) {
      if (!fault.empty()) return absl::InternalError(fault);
    }
    return absl::OkStatus();
  }

  void Report(Probes::Kind kind) {
    const Probes::Latencies latencies = probes_->Of(kind);
    const std::string what = Probes::NameOf(kind);
    if (latencies.accepted.empty()) return;
    all_.insert(all_.end(), latencies.accepted.begin(), latencies.accepted.end());
    rows_.Add({absl::StrCat(what, " is in both replicas' answers: p50 of ", latencies.accepted.size()), Median(latencies.accepted), "ms"});
    rows_.Add({absl::StrCat(what, " is in both replicas' answers: p99"), Quantile(latencies.accepted, 0.99), "ms", kNothing,
               Goal::kValueAtMost, kGoalMs});
    rows_.Add({absl::StrCat("  the longest of them"), Quantile(latencies.accepted, 1), "ms"});
    rows_.Add({absl::StrCat("  since it was sent, not since its acceptance was known: p99"), Quantile(latencies.sent, 0.99), "ms"});
    never_ += latencies.never;
  }

  void ReportAll() {
    rows_.Add({"any of them: p99", Quantile(all_, 0.99), "ms", kNothing, Goal::kValueAtMost, kGoalMs});
    rows_.Add({"changes not in the answers within 5 s", static_cast<double>(never_), "", kNothing, Goal::kValueAtMost, 0});
  }

  std::vector<std::pair<std::string, pid_t>> AllPrograms() const {
    std::vector<std::pair<std::string, pid_t>> all = {{"PostgreSQL", programs_->postgres_pid()}};
    for (const Programs::Process& process : programs_->processes()) all.emplace_back(process.name, process.pid);
    all.emplace_back("boxes, probes and the generator", getpid());
    return all;
  }

  // Of PostgreSQL with its workers; the children of this process are the others.
  ProcessUse Use(pid_t pid) const { return Programs::UseOf(pid, pid == programs_->postgres_pid()); }

  std::vector<double> CpuOfAll() const {
    std::vector<double> cpu;
    for (const auto& [name, pid] : AllPrograms()) cpu.push_back(Use(pid).cpu_seconds);
    return cpu;
  }

  void ReportPrograms() {
    const auto all = AllPrograms();
    double cores = 0;
    for (size_t i = 0; i < all.size(); ++i) {
      rows_.Add({absl::StrCat(all[i].first, ": cores while measured"), cores_[i], ""});
      cores += cores_[i];
    }
    rows_.Add({"all of them", cores, ""});
    for (const auto& [name, pid] : all) {
      const ProcessUse use = Use(pid);
      rows_.Add({absl::StrCat(name, ": memory of its own, then"), use.megabytes, "MB"});
      if (name != "PostgreSQL") rows_.Add({absl::StrCat(name, ": most resident"), use.peak_megabytes, "MB"});
    }
  }

  Rows& rows_;
  const World world_;
  const ToldWorld told_;
  std::unique_ptr<Programs> programs_;
  std::unique_ptr<Boxes> boxes_;
  std::unique_ptr<Watch> watch_;
  std::unique_ptr<Probes> probes_;
  std::vector<double> cores_;
  std::vector<double> all_;
  size_t never_ = 0;
};

bool TellsScale(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) == "--scale") return true;
  }
  return false;
}

int Run(int argc, char** argv) {
  CatchStopSignals();
  const double scale = TellsScale(argc, argv) ? ScaleOf(argc, argv) : kDefaultScale;
  Rows rows;
  const absl::Status status = Bench(scale, rows).Run();
  if (!status.ok()) {
    std::fprintf(stderr, "replicas: %s\n", status.ToString().c_str());
    return 1;
  }
  return rows.WriteJson(JsonFileOf(argc, argv)) ? 0 : 1;
}

}  // namespace
}  // namespace fairlead

int main(int argc, char** argv) {
  return fairlead::Run(argc, argv);
}
