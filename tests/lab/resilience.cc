#include "tests/lab/resilience.h"

#include <signal.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "tests/lab/routers.h"
#include "tests/lab/wait.h"

namespace fairlead {
namespace {

constexpr absl::Duration kWarmUp = absl::Seconds(5);
constexpr absl::Duration kLasts = absl::Seconds(12);  // At least, of a fault: longer than what players hold ahead.
constexpr absl::Duration kGonePatience = absl::Seconds(30);
constexpr absl::Duration kUnderWayPatience = absl::Seconds(60);
constexpr absl::Duration kAsBeforePatience = absl::Seconds(120);

std::string Seconds(absl::Duration duration) {
  return absl::StrFormat("%.1f s", absl::ToDoubleSeconds(duration));
}

// Played on without a stop; what the fall-back URLs cost is shown, not judged.
bool PlayedOn(const PlayerTotals& seen) {
  return seen.segments > 0 && seen.wrong_segments == 0 && seen.stalled == absl::ZeroDuration();
}

bool Begun(const ProbeTotals& asked) {
  return asked.answers > 0 && asked.unanswered == 0 && asked.not_servable == 0;
}

std::vector<std::string> Row(const std::string& what, const std::string& gone, const ProbeTotals& asked, const PlayerTotals& seen,
                             const std::string& healed) {
  return {what,
          gone,
          absl::StrCat(asked.answers),
          absl::StrCat(asked.unanswered + asked.not_servable),
          absl::StrCat(seen.segments),
          absl::StrCat(seen.failed_requests),
          Seconds(seen.stalled),
          healed};
}

}  // namespace

Resilience::Resilience(Installation& installation, Report& report, const absl::Notification& stop)
    : installation_(installation), report_(report), stop_(stop) {}

absl::Status Resilience::Start() {
  const std::vector<LabViewer>& viewers = installation_.plan().viewers;
  ASSIGN_OR_RETURN(const std::vector<content::v1::Title> titles, installation_.plane().ListTitles());
  ASSIGN_OR_RETURN(before_, ReadLabState(installation_.layout(), installation_.plane(), viewers));
  players_ = std::make_unique<Players>(installation_.layout(), viewers, titles, PlayerOptions());
  prober_ = std::make_unique<Prober>(viewers, titles, installation_.plane());
  return report_.Step("viewers begin to play in real time, others ask for new plays all the while", [&]() -> absl::StatusOr<std::string> {
    const int64_t wanted = static_cast<int64_t>(viewers.size()) * (kWarmUp / absl::Seconds(2));
    RETURN_IF_ERROR(
        AwaitNothing([&] { return players_->Totals().segments < wanted ? std::string("too little was played") : std::string(); },
                     absl::Seconds(30), stop_));
    return absl::StrCat(viewers.size(), " viewers");
  });
}

const LabViewer& Resilience::ViewerAt(const std::string& site) const {
  const std::vector<LabViewer>& viewers = installation_.plan().viewers;
  return *std::find_if(viewers.begin(), viewers.end(), [&](const LabViewer& viewer) { return viewer.site == site; });
}

absl::Status Resilience::Withdraw(size_t partner, const LabViewer& viewer) {
  PartnerRoutes routes = installation_.plan().partners[partner];
  std::erase_if(routes.routes, [&](const PlannedRoute& route) { return route.prefix.Contains(viewer.address); });
  return Announce(installation_.supervisor(), installation_.layout(), installation_.layout().partners[partner], routes);
}

std::vector<Resilience::Fault> Resilience::Faults() {
  Supervisor& supervisor = installation_.supervisor();
  const auto signal = [&supervisor](const std::string& target, int number) { return supervisor.Signal(target, number).status(); };
  const Layout& layout = installation_.layout();
  const LabViewer& viewer = ViewerAt("south-1");
  std::vector<Fault> faults;
  faults.push_back({.what = "north-1-flash-1 killed whole, and kept down",
                    .inflict = [=, &supervisor]() -> absl::Status {
                      RETURN_IF_ERROR(supervisor.Hold("ocad-north-1-flash-1"));
                      return signal("ocad-north-1-flash-1/**", SIGKILL);
                    },
                    .heal = [&supervisor] { return supervisor.Release("ocad-north-1-flash-1"); },
                    .gone = {.name = "appliances/north-1-flash-1", .first = true}});
  faults.push_back({.what = "NGINX of south-1-storage-1 hangs (SIGSTOP)",
                    .inflict = [=]() -> absl::Status {
                      RETURN_IF_ERROR(signal("ocad-south-1-storage-1/nginx/nginx", SIGSTOP));
                      return signal("ocad-south-1-storage-1/nginx", SIGSTOP);
                    },
                    .heal = [=]() -> absl::Status {
                      RETURN_IF_ERROR(signal("ocad-south-1-storage-1/nginx", SIGCONT));
                      return signal("ocad-south-1-storage-1/nginx/nginx", SIGCONT);
                    },
                    .gone = {.name = "appliances/south-1-storage-1", .first = true}});
  faults.push_back(
      {.what = "South Fibre withdraws a viewer's prefixes",
       .inflict = [this, &viewer] { return Withdraw(1, viewer); },
       .heal = [this, &supervisor, &layout] { return Announce(supervisor, layout, layout.partners[1], installation_.plan().partners[1]); },
       .gone = {.name = "sites/south-1", .viewer = viewer.address.ToString()}});
  faults.push_back({.what = "South Fibre's router killed, and kept down",
                    .inflict = [=, &supervisor]() -> absl::Status {
                      RETURN_IF_ERROR(supervisor.Hold("router-south-fibre"));
                      return signal("router-south-fibre", SIGKILL);
                    },
                    .heal = [&supervisor] { return supervisor.Release("router-south-fibre"); }});
  faults.push_back({.what = "north-1's uplink at its contract cap",
                    .inflict = [this] { return installation_.plane().SetContractCap("links/north-1-uplink", 1'000'000); },
                    .heal = [this] { return installation_.plane().SetContractCap("links/north-1-uplink", 0); },
                    .gone = {.name = "sites/north-1", .first = true}});
  faults.push_back(DrainFault());
  return faults;
}

Resilience::Fault Resilience::DrainFault() {
  Fault fault = {.what = "the busiest box drained, through all phases"};
  fault.inflict = [this]() -> absl::Status {
    size_t most = 0;
    for (const LabBox& box : installation_.layout().boxes) {
      const std::vector<std::string> servers = {absl::StrCat(box.address, ":", kHttpPort), absl::StrCat("[::1]:", box.port_v6)};
      const auto& viewers = installation_.plan().viewers;
      const size_t players = static_cast<size_t>(std::count_if(viewers.begin(), viewers.end(), [&](const LabViewer& viewer) {
        return std::find(servers.begin(), servers.end(), players_->ServerOf(viewer)) != servers.end();
      }));
      if (players <= most) continue;
      most = players;
      drain_ = {.box = box.id, .servers = servers};
    }
    if (most == 0) return absl::InternalError("nobody plays from any box");
    ASSIGN_OR_RETURN(drain_.name, installation_.plane().CreateDrain(absl::StrCat("appliances/", drain_.box), "new disks"));
    return absl::OkStatus();
  };
  fault.heal = [this] { return installation_.plane().CancelDrain(drain_.name); };
  fault.under_way = [this] { return DrainUnderWay(); };
  fault.gone_name = [this] { return absl::StrCat("appliances/", drain_.box); };
  fault.judge = [this](const PlayerTotals& seen) { JudgeDrain(seen); };
  return fault;
}

std::string Resilience::DrainUnderWay() {
  const absl::StatusOr<registry::v1::Drain> drain = installation_.plane().GetDrain(drain_.name);
  if (!drain.ok()) return std::string(drain.status().message());
  for (const registry::v1::DrainBox& box : drain->boxes()) {
    const absl::Time since = absl::FromUnixSeconds(box.phase_time().seconds()) + absl::Nanoseconds(box.phase_time().nanos());
    if (box.phase() == registry::v1::Drain::PHASE_EVACUATING) drain_.evacuating = since;
    if (box.phase() == registry::v1::Drain::PHASE_LAME_DUCK) drain_.refusing = since;
  }
  return drain->phase() == registry::v1::Drain::PHASE_DRAINED ? "" : registry::v1::Drain::Phase_Name(drain->phase());
}

void Resilience::JudgeDrain(const PlayerTotals& seen) {
  absl::Time last = absl::InfinitePast();
  for (const std::string& server : drain_.servers) last = std::max(last, players_->LastFrom(server));
  const bool moved = seen.failed_requests == 0 && seen.moved > 0 && last < drain_.refusing;
  // What a player holds ahead may let it fetch nothing more once EVACUATING has begun.
  const absl::Duration after = last - drain_.evacuating;
  report_.Check(moved,
                absl::StrCat(drain_.box, " drained: content steering moved players ", seen.moved, " times, the last segment came from it ",
                             Seconds(absl::AbsDuration(after)), after < absl::ZeroDuration() ? " before" : " after",
                             " EVACUATING began\n     and ", Seconds(drain_.refusing - last), " before LAME_DUCK; ", seen.failed_requests,
                             " failed requests", seen.last_problem.empty() ? "" : absl::StrCat(" (", seen.last_problem, ")")));
}

absl::StatusOr<absl::Duration> Resilience::AwaitAsBefore() {
  const absl::Time start = absl::Now();
  RETURN_IF_ERROR(
      AwaitNothing([&] { return NotAsBefore(before_, installation_.layout(), installation_.plane(), installation_.plan().viewers); },
                   kAsBeforePatience, stop_));
  return absl::Now() - start;
}

absl::Status Resilience::Show(const Fault& fault, Table& table) {
  const PlayerTotals seen_before = players_->Totals();
  const ProbeTotals asked_before = prober_->Totals();
  const absl::Time start = absl::Now();
  RETURN_IF_ERROR(fault.inflict());
  Prober::Who who = fault.gone;
  if (fault.gone_name) who.name = fault.gone_name();
  std::string gone = "nobody moved";
  if (!who.name.empty()) {
    ASSIGN_OR_RETURN(const absl::Time last, prober_->AwaitGone(who, kGonePatience));
    gone = Seconds(std::max(last - start, absl::ZeroDuration()));
  }
  if (fault.under_way) RETURN_IF_ERROR(AwaitNothing(fault.under_way, kUnderWayPatience, stop_));
  stop_.WaitForNotificationWithTimeout(start + kLasts - absl::Now());
  if (who.name.empty()) {
    ASSIGN_OR_RETURN(const LabState now, ReadLabState(installation_.layout(), installation_.plane(), installation_.plan().viewers));
    for (const auto& [name, fact] : before_) {
      const bool moved = name.rfind("viewer ", 0) == 0 && now.at(name) != fact;
      if (moved) report_.Check(false, absl::StrCat(fault.what, ": ", name, ": was ", fact, "; is ", now.at(name)));
    }
  }
  if (fault.judge) fault.judge(players_->Totals() - seen_before);
  RETURN_IF_ERROR(fault.heal());
  ASSIGN_OR_RETURN(const absl::Duration healed, AwaitAsBefore());
  const PlayerTotals seen = players_->Totals() - seen_before;
  const ProbeTotals asked = prober_->Totals() - asked_before;
  table.rows.push_back(Row(fault.what, gone, asked, seen, Seconds(healed)));
  if (!Begun(asked)) report_.Check(false, absl::StrCat(fault.what, ": new plays failed: ", asked.last_problem));
  if (!PlayedOn(seen)) report_.Check(false, absl::StrCat(fault.what, ": running viewers were disturbed: ", seen.last_problem));
  return absl::OkStatus();
}

absl::Status Resilience::ShowFaults() {
  report_.Section("Things break while viewers play");
  RETURN_IF_ERROR(Start());
  Table table = {{"WHAT BREAKS", "STILL NAMED FOR", "NEW PLAYS", "FAILED", "SEGMENTS PLAYED", "BY FALL-BACK", "STALLED", "AS BEFORE AFTER"},
                 {}};
  absl::Status shown;
  for (const Fault& fault : Faults()) {
    shown = report_.Step(fault.what, [&]() -> absl::StatusOr<std::string> {
      RETURN_IF_ERROR(Show(fault, table));
      return std::string();
    });
    if (!shown.ok()) break;
  }
  report_.Print(table);
  return shown;
}

absl::StatusOr<absl::Duration> Resilience::AwaitAnswer() {
  const absl::Time start = absl::Now();
  // The first that comes may have been given before `steerd` was killed: the prober has one question under way at a time.
  const int64_t wanted = prober_->Totals().answers + 2;
  RETURN_IF_ERROR(AwaitNothing([&] { return prober_->Totals().answers < wanted ? std::string("steerd doesn't answer") : std::string(); },
                               kGonePatience, stop_));
  return absl::Now() - start;
}

absl::Status Resilience::Show(const Outage& outage, Table& table) {
  Supervisor& supervisor = installation_.supervisor();
  const bool steers = std::find(outage.processes.begin(), outage.processes.end(), "steerd") == outage.processes.end();
  const PlayerTotals seen_before = players_->Totals();
  for (const std::string& process : outage.processes) {
    RETURN_IF_ERROR(supervisor.Hold(process));
    RETURN_IF_ERROR(supervisor.Signal(process, SIGKILL).status());
  }
  std::string back;
  if (outage.restart_steerd) {
    RETURN_IF_ERROR(supervisor.Signal("steerd", SIGKILL).status());
    ASSIGN_OR_RETURN(const absl::Duration answered, AwaitAnswer());
    back = absl::StrCat(", after ", Seconds(answered));
  }
  const ProbeTotals asked_before = prober_->Totals();
  stop_.WaitForNotificationWithTimeout(outage.lasts);
  const ProbeTotals asked = prober_->Totals() - asked_before;
  // Against the order of the start: each waits for what it needs by itself.
  for (auto process = outage.processes.rbegin(); process != outage.processes.rend(); ++process) {
    RETURN_IF_ERROR(supervisor.Release(*process));
  }
  ASSIGN_OR_RETURN(const absl::Duration healed, AwaitAsBefore());
  const PlayerTotals seen = players_->Totals() - seen_before;
  table.rows.push_back(Row(outage.what + back, Seconds(outage.lasts), asked, seen, Seconds(healed)));
  if (steers && !Begun(asked)) report_.Check(false, absl::StrCat(outage.what, ": new plays failed: ", asked.last_problem));
  if (!PlayedOn(seen)) report_.Check(false, absl::StrCat(outage.what, ": running viewers were disturbed: ", seen.last_problem));
  return absl::OkStatus();
}

absl::Status Resilience::ShowOutages() {
  report_.Section("The control plane goes, viewers don't notice");
  const std::vector<Outage> outages = {
      {"everything: database and four services", {"postgresql", "registryd", "filld", "ingestd", "steerd"}, absl::Seconds(20)},
      {"everything; steerd alone comes back, from its disk", {"postgresql", "registryd", "filld", "ingestd"}, absl::Seconds(10), true},
      {"PostgreSQL", {"postgresql"}, absl::Seconds(10)},
      {"registryd", {"registryd"}, absl::Seconds(5)},
      {"filld", {"filld"}, absl::Seconds(5)},
      {"ingestd", {"ingestd"}, absl::Seconds(5)},
      {"steerd", {"steerd"}, absl::Seconds(5)},
  };
  Table table = {{"KILLED", "FOR", "NEW PLAYS", "FAILED", "SEGMENTS PLAYED", "BY FALL-BACK", "STALLED", "AS BEFORE AFTER"}, {}};
  absl::Status shown;
  for (const Outage& outage : outages) {
    shown = report_.Step(absl::StrCat(outage.what, " killed for ", Seconds(outage.lasts)), [&]() -> absl::StatusOr<std::string> {
      RETURN_IF_ERROR(Show(outage, table));
      return std::string();
    });
    if (!shown.ok()) break;
  }
  report_.Print(table);
  const ProbeTotals asked = prober_->Totals();
  report_.Check(asked.went_back == 0, absl::StrCat("no answer rested on an older version than one before: ", asked.answers, " answers"));
  const PlayerTotals seen = players_->Totals();
  report_.Check(seen.wrong_segments == 0, absl::StrCat("every byte was the imported one: ", seen.segments, " segments, ",
                                                       FormatBytes(static_cast<double>(seen.bytes)), " in ", seen.sessions, " sessions"));
  return shown;
}

}  // namespace fairlead
