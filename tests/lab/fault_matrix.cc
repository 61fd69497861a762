#include "tests/lab/fault_matrix.h"

#include <signal.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "tests/lab/players.h"
#include "tests/lab/prober.h"
#include "tests/lab/registry_writer.h"
#include "tests/lab/wait.h"

namespace fairlead {
namespace {

constexpr absl::Duration kHealPatience = absl::Minutes(2);
constexpr absl::Duration kWatch = absl::Seconds(2);  // After a fault, before it is asked whether it healed: so that it can show.
constexpr int64_t kMostPauseMs = 1000;               // Before a fault: the moment is by chance.

std::string Seconds(absl::Duration duration) {
  return absl::StrFormat("%.1f s", absl::ToDoubleSeconds(duration));
}

absl::Duration Median(std::vector<absl::Duration> values) {
  if (values.empty()) return absl::ZeroDuration();
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

// New plays go through these. A steerd that is merely cut off from its sources answers from what it knows.
bool IsWayToSteerd(const std::string& target, FaultKind kind) {
  return kind != FaultKind::kPartition && (absl::StartsWith(target, "steerd") || absl::StartsWith(target, "nginx-front"));
}

// "ocad" of all boxes are one row of the summary.
std::string Group(const std::string& target) {
  const size_t end = target.find_first_of("/ ");
  std::string name = target.substr(0, end);
  for (const char* kind : {"ocad", "router"}) {
    if (absl::StartsWith(name, kind)) name = kind;
  }
  return end == std::string::npos ? name : absl::StrCat(name, target.substr(end));
}

}  // namespace

absl::string_view ToString(FaultKind kind) {
  switch (kind) {
    case FaultKind::kKill:
      return "KILLED";
    case FaultKind::kFreeze:
      return "FROZEN";
    case FaultKind::kRestart:
      return "RESTARTED";
    case FaultKind::kPartition:
      return "PARTITIONED";
  }
  return "?";
}

// What goes on meanwhile.
struct FaultMatrix::Load {
  Load(Installation& installation, const std::vector<content::v1::Title>& titles)
      : players(installation.layout(), installation.plan().viewers, titles, PlayerOptions()),
        prober(installation.plan().viewers, titles, installation.plane()),
        writer(installation.plane(), "links/ix-1-west-mobile"),
        invariants(installation, players, prober, writer) {}

  Players players;
  Prober prober;
  RegistryWriter writer;
  Invariants invariants;
};

FaultMatrix::FaultMatrix(Installation& installation, Report& report, const absl::Notification& stop, FaultMatrixOptions options)
    : installation_(installation), report_(report), stop_(stop), options_(std::move(options)) {}

// What the lab started, and below it what those started: NGINX masters, their workers, BIRDs, PostgreSQL's own processes.
std::vector<std::string> FaultMatrix::Targets() const {
  std::vector<std::string> targets;
  for (const ProcessStatus& process : installation_.supervisor().List()) {
    targets.push_back(process.name);
    for (const char* below : {"nginx", "nginx/nginx", "bird", "postgres"}) {
      const std::string target = absl::StrCat(process.name, "/", below);
      // Signal 0 asks whether there is anybody.
      if (installation_.supervisor().Signal(target, 0).ok()) targets.push_back(target);
    }
  }
  return targets;
}

// Who talks to whom through the relay.
std::vector<std::string> FaultMatrix::Pairs() const {
  std::vector<std::string> pairs = {"steerd registryd", "steerd ingestd",  "steerd filld", "ingestd registryd",
                                    "ingestd filld",    "filld registryd", "filld ingestd"};
  for (const LabBox& box : installation_.layout().boxes) {
    for (const char* service : {"registryd", "ingestd", "filld"}) pairs.push_back(absl::StrCat("ocad-", box.id, " ", service));
  }
  return pairs;
}

std::vector<FaultMatrix::Planned> FaultMatrix::Plan() const {
  std::vector<Planned> plan;
  for (int moment = 0; moment < options_.moments; ++moment) {
    for (const std::string& target : Targets()) {
      for (const FaultKind kind : {FaultKind::kKill, FaultKind::kFreeze, FaultKind::kRestart}) plan.push_back({target, kind});
    }
    for (const std::string& pair : options_.partitions ? Pairs() : std::vector<std::string>())
      plan.push_back({pair, FaultKind::kPartition});
  }
  std::shuffle(plan.begin(), plan.end(), std::mt19937_64(options_.seed));
  if (options_.most > 0 && plan.size() > static_cast<size_t>(options_.most)) plan.resize(static_cast<size_t>(options_.most));
  return plan;
}

// Until another one runs: an orderly end may take as long as whoever is still being served, and is part of this fault, not of the next.
absl::Status FaultMatrix::Restart(const std::string& name) {
  const auto pid = [&] {
    const std::vector<ProcessStatus> processes = installation_.supervisor().List();
    const auto found = std::find_if(processes.begin(), processes.end(), [&](const ProcessStatus& each) { return each.name == name; });
    return found == processes.end() ? 0 : found->pid;
  };
  const pid_t before = pid();
  RETURN_IF_ERROR(installation_.supervisor().Restart(name));
  return AwaitNothing([&] { return pid() == before || pid() == 0 ? absl::StrCat(name, " hasn't been started again") : ""; }, kHealPatience,
                      stop_);
}

absl::Status FaultMatrix::Break(const Planned& fault) {
  Supervisor& supervisor = installation_.supervisor();
  if (fault.kind == FaultKind::kKill) return supervisor.Signal(fault.target, SIGKILL).status();
  if (fault.kind == FaultKind::kPartition) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(fault.target, ' ');
    RETURN_IF_ERROR(installation_.relay().Partition(pair.first, pair.second));
    stop_.WaitForNotificationWithTimeout(options_.frozen);
    return installation_.relay().Heal(pair.first, pair.second);
  }
  if (fault.kind == FaultKind::kRestart) {
    // What the lab didn't start itself is asked to end as its own parent would ask.
    return absl::StrContains(fault.target, '/') ? supervisor.Signal(fault.target, SIGTERM).status() : Restart(fault.target);
  }
  RETURN_IF_ERROR(supervisor.Signal(fault.target, SIGSTOP).status());
  stop_.WaitForNotificationWithTimeout(options_.frozen);
  // Whoever missed it may have ended it meanwhile.
  supervisor.Signal(fault.target, SIGCONT).status().IgnoreError();
  return absl::OkStatus();
}

absl::StatusOr<FaultResult> FaultMatrix::Inflict(const Planned& fault, Load& load) {
  FaultResult result = {.target = fault.target, .kind = fault.kind};
  const PlayerTotals seen_before = load.players.Totals();
  const ProbeTotals asked_before = load.prober.Totals();
  RETURN_IF_ERROR(Break(fault));
  const absl::Time end = absl::Now();
  stop_.WaitForNotificationWithTimeout(kWatch);
  const absl::Status healed =
      AwaitNothing([&] { return NotAsBefore(before_, installation_.layout(), installation_.plane(), installation_.plan().viewers); },
                   kHealPatience, stop_);
  if (absl::IsCancelled(healed)) return healed;
  result.healed = healed.ok() ? absl::Now() - end : absl::InfiniteDuration();
  const PlayerTotals seen = load.players.Totals() - seen_before;
  const ProbeTotals asked = load.prober.Totals() - asked_before;
  result.new_plays = asked.answers;
  result.failed_plays = asked.unanswered + asked.not_servable;
  result.failed_requests = seen.failed_requests;
  result.stalled = seen.stalled;
  if (!healed.ok()) result.broken.push_back(absl::StrCat("not as before: ", std::string(healed.message())));
  if (seen.stalled > absl::ZeroDuration())
    result.broken.push_back(absl::StrCat("viewers stalled for ", Seconds(seen.stalled), ": ", seen.last_problem));
  if (!IsWayToSteerd(fault.target, fault.kind) && result.failed_plays > 0)
    result.broken.push_back(absl::StrCat(result.failed_plays, " new plays failed: ", asked.last_problem));
  if (healed.ok()) {
    for (std::string& broken : load.invariants.Check()) result.broken.push_back(std::move(broken));
  }
  return result;
}

absl::Status FaultMatrix::Run() {
  report_.Section("The fault matrix");
  RETURN_IF_ERROR(report_.Step("steerd knows routes, boxes and holdings", [&] { return installation_.AwaitSteering(); }));
  ASSIGN_OR_RETURN(const std::vector<content::v1::Title> titles, installation_.plane().ListTitles());
  ASSIGN_OR_RETURN(before_, ReadLabState(installation_.layout(), installation_.plane(), installation_.plan().viewers));
  const std::vector<Planned> plan = Plan();
  report_.Line(absl::StrCat("   ", plan.size(), " faults: (", Targets().size(), " processes × 3 kinds + ",
                            options_.partitions ? Pairs().size() : 0, " partitions) × ", options_.moments, " moments",
                            options_.most > 0 ? ", cut short" : "", "; seed ", options_.seed));
  Load load(installation_, titles);
  std::mt19937_64 chance(options_.seed);
  std::vector<FaultResult> results;
  for (const Planned& fault : plan) {
    stop_.WaitForNotificationWithTimeout(absl::Milliseconds(static_cast<int64_t>(chance() % kMostPauseMs)));
    if (stop_.HasBeenNotified()) break;
    const absl::StatusOr<FaultResult> inflicted = Inflict(fault, load);
    if (stop_.HasBeenNotified()) break;  // Stopped in its middle, it says nothing.
    RETURN_IF_ERROR(inflicted.status());
    const FaultResult& result = *inflicted;
    report_.Check(
        result.broken.empty(),
        absl::StrCat(results.size() + 1, "/", plan.size(), " ", fault.target, " ", std::string(ToString(fault.kind)), ": as before after ",
                     Seconds(result.healed), "; ", result.failed_plays, " of ", result.new_plays + result.failed_plays,
                     " new plays failed, ", result.failed_requests, " requests of viewers went to their next URL",
                     result.broken.empty() ? "" : "\n       ", absl::StrJoin(result.broken, "\n       ")));
    results.push_back(result);
  }
  ShowResults(results, load.writer.acknowledged());
  RETURN_IF_ERROR(WriteJson(results));
  return stop_.HasBeenNotified() ? absl::CancelledError(absl::StrCat("stopped after ", results.size(), " faults")) : absl::OkStatus();
}

void FaultMatrix::ShowResults(const std::vector<FaultResult>& results, int64_t writes) {
  std::map<std::pair<std::string, std::string>, std::vector<const FaultResult*>> groups;
  for (const FaultResult& result : results) groups[{Group(result.target), std::string(ToString(result.kind))}].push_back(&result);
  Table table = {
      {"PROCESS", "FAULT", "TIMES", "AS BEFORE AFTER (MEDIAN)", "AT MOST", "NEW PLAYS", "FAILED", "BY FALL-BACK", "STALLED", "BROKEN"}, {}};
  size_t broken_all = 0;
  for (const auto& [group, members] : groups) {
    std::vector<absl::Duration> healed;
    int64_t plays = 0, failed = 0, fall_backs = 0;
    absl::Duration stalled;
    size_t broken = 0;
    for (const FaultResult* result : members) {
      healed.push_back(result->healed);
      plays += result->new_plays;
      failed += result->failed_plays;
      fall_backs += result->failed_requests;
      stalled += result->stalled;
      broken += result->broken.size();
    }
    broken_all += broken;
    table.rows.push_back({group.first, group.second, absl::StrCat(members.size()), Seconds(Median(healed)),
                          Seconds(*std::max_element(healed.begin(), healed.end())), absl::StrCat(plays), absl::StrCat(failed),
                          absl::StrCat(fall_backs), Seconds(stalled), absl::StrCat(broken)});
  }
  report_.Print(table);
  report_.Check(broken_all == 0,
                absl::StrCat(results.size(), " faults, ", writes, " acknowledged writes, ", broken_all, " broken promises"));
}

absl::Status FaultMatrix::WriteJson(const std::vector<FaultResult>& results) const {
  if (options_.json.empty()) return absl::OkStatus();
  nlohmann::json faults = nlohmann::json::array();
  for (const FaultResult& result : results) {
    faults.push_back({{"target", result.target},
                      {"kind", std::string(ToString(result.kind))},
                      {"healed_seconds", absl::ToDoubleSeconds(result.healed)},
                      {"new_plays", result.new_plays},
                      {"failed_plays", result.failed_plays},
                      {"failed_requests", result.failed_requests},
                      {"stalled_seconds", absl::ToDoubleSeconds(result.stalled)},
                      {"broken", result.broken}});
  }
  std::ofstream file(options_.json, std::ios::trunc);
  file << nlohmann::json({{"seed", options_.seed}, {"moments", options_.moments}, {"faults", faults}}).dump(2) << "\n";
  file.close();
  if (!file) return absl::InternalError(absl::StrCat("can't write '", options_.json, "'"));
  return absl::OkStatus();
}

}  // namespace fairlead
