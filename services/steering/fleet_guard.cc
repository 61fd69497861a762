#include "services/steering/fleet_guard.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/log/log.h"
#include "services/steering/answer_texts.h"

namespace fairlead {
namespace {

bool Serves(const ApplianceView& box) {
  return box.admin == AdminState::kLive && (box.kind == ApplianceKind::kStorage || box.kind == ApplianceKind::kFlash);
}

std::string Seconds(absl::Duration duration) {
  return absl::StrCat(absl::ToInt64Seconds(duration), "s");
}

// Why a cell says nothing just now; empty: it can be believed.
std::string WhyStale(const SourceStatus& cell, const GuardPolicy& policy, absl::Duration now) {
  const absl::Duration age = now - cell.heard_at;
  if (cell.from_disk) return "has not confirmed the copy on disk";
  if (age == absl::InfiniteDuration()) return "has never been heard";
  if (!cell.connected || age >= policy.cell_stale_after) {
    return absl::StrCat("was last heard ", Seconds(age), " ago");
  }
  return "";
}

RouterSessions Tell(const SessionCount& count) {
  if (count.up > 0) return RouterSessions::kUp;
  return count.down > 0 ? RouterSessions::kDown : RouterSessions::kUnknown;
}

// A box whose sessions are all down, or whose site's are: that is what its boxes and collectors said last.
RouterSessions Tell(const SessionCount& box, const SessionCount& site) {
  const RouterSessions own = Tell(box);
  return own == RouterSessions::kUnknown ? Tell(site) : own;
}

}  // namespace

void MakeGuardInput(const GuardView& view, absl::Duration now, GuardInput& input) {
  input.boxes.clear();
  input.stale_cells.clear();
  input.lost_after = view.config.lost_after;
  std::vector<CellId> cells;
  for (const SourceStatus& status : view.cells) {
    const absl::StatusOr<CellId> id = CellId::ParseName(status.source);
    cells.push_back(id.ok() ? *id : CellId());
    std::string stale = WhyStale(status, view.config.policy.guard, now);
    if (!stale.empty()) input.stale_cells[cells.back()] = std::move(stale);
  }
  const auto sessions_of = [&](const ApplianceId& id) {
    const auto found = view.sessions.find(id);
    return found == view.sessions.end() ? SessionCount() : found->second;
  };
  absl::flat_hash_map<SiteId, SessionCount> by_site;
  for (const ApplianceView& appliance : view.config.appliances) {
    const SessionCount count = sessions_of(appliance.id);
    by_site[appliance.site].up += count.up;
    by_site[appliance.site].down += count.down;
  }
  input.boxes.reserve(view.config.appliances.size());
  for (const ApplianceView& appliance : view.config.appliances) {
    GuardedBox& box = input.boxes.emplace_back();
    box.id = appliance.id;
    box.site = appliance.site;
    box.serves = Serves(appliance);
    const auto partner = view.config.site_partners.find(appliance.site);
    if (partner != view.config.site_partners.end()) box.path = partner->second.name();
    box.routers = Tell(sessions_of(appliance.id), by_site[appliance.site]);
    if (const auto port = view.ports.find(appliance.id); port != view.ports.end()) box.data_port = port->second;
    const auto failing = view.failing.find(appliance.id);
    box.client_errors = failing != view.failing.end() && failing->second >= view.config.policy.guard.failing_networks;
    const auto found = view.reports.find(appliance.id);
    if (found == view.reports.end()) continue;
    const BoxReport& report = found->second;
    box.heard = true;
    if (report.cell < cells.size()) box.cell = cells[report.cell];
    box.incarnation = report.age.incarnation;
    box.sequence = report.age.sequence;
    box.report_age = report.sent_after;
    box.reported = {
        .health = report.health, .weight_permille = report.weight_permille, .use_bps = report.use_bps, .capacity_bps = report.capacity_bps};
  }
}

// Only silent boxes are asked: of the others their reports say more.
void FleetGuard::Hear(GuardView& view, absl::Duration now) const {
  if (witnesses_.clients != nullptr) view.failing = witnesses_.clients->Networks(view.config.policy.guard.window, now);
  if (witnesses_.ports == nullptr) return;
  std::vector<DataPorts::Watched> silent;
  for (const ApplianceView& appliance : view.config.appliances) {
    const auto report = view.reports.find(appliance.id);
    if (!Serves(appliance) || report == view.reports.end() || report->second.health != HealthState::kSilent) continue;
    DataPorts::Watched& box = silent.emplace_back();
    box.id = appliance.id;
    for (const Endpoint& endpoint : appliance.endpoints) box.urls.push_back(UrlOrigin(endpoint));
  }
  witnesses_.ports->Watch(std::move(silent));
  view.ports = witnesses_.ports->Found();
}

bool FleetGuard::Step(GuardView view, absl::Duration now) {
  Hear(view, now);
  MakeGuardInput(view, now, input_);
  GuardOutcome outcome = GuardSilence(input_, view.config.policy.guard, now, std::move(state_));
  believed_ = view.reports;
  words_.clear();
  for (size_t i = 0; i < input_.boxes.size(); ++i) {
    const ApplianceId& id = input_.boxes[i].id;
    GuardWord& word = outcome.words[i];
    if (word.verdict == GuardVerdict::kReports || word.verdict == GuardVerdict::kNotGuarded) continue;
    words_[id] = std::move(word.sentence);
    if (word.verdict == GuardVerdict::kNeverHeard) continue;
    BoxReport& report = believed_[id];  // One that its cells have forgotten is made anew.
    report.health = word.believed.health;
    report.weight_permille = word.believed.weight_permille;
    report.use_bps = word.believed.use_bps;
    report.capacity_bps = word.believed.capacity_bps;
  }
  Show(outcome, now);
  state_ = std::move(outcome.state);
  std::vector<ApplianceId> gone = GoneBoxes(state_);
  if (gone != *gone_) gone_ = std::make_shared<const std::vector<ApplianceId>>(std::move(gone));
  return outcome.changed;
}

void FleetGuard::Show(const GuardOutcome& outcome, absl::Duration now) {
  for (const GuardFreeze& freeze : outcome.began) {
    metrics_.guard_freezes.Increment();
    LogError("silence taken for our own fault: its boxes keep the state they had",
             {{"shared", freeze.shared}, {"silent", freeze.silent}, {"boxes", freeze.boxes}, {"sites", freeze.sites}});
  }
  for (const GuardFreeze& freeze : outcome.ended) {
    LogInfo("freeze ended", {{"shared", freeze.shared}, {"after", Seconds(now - freeze.since)}});
  }
  absl::Duration oldest = now;
  for (const auto& [shared, freeze] : outcome.state.frozen) oldest = std::min(oldest, freeze.since);
  metrics_.guard_frozen.Set(static_cast<double>(outcome.state.frozen.size()));
  metrics_.guard_frozen_seconds.Set(absl::ToDoubleSeconds(now - oldest));
  metrics_.guard_held_boxes.Set(static_cast<double>(outcome.held));
  metrics_.guard_gone_boxes.Set(static_cast<double>(outcome.gone));
  metrics_.guard_limit_boxes.Set(static_cast<double>(outcome.limit));
  metrics_.guard_believed_limit.Increment(static_cast<double>(outcome.taken));
  metrics_.guard_believed_corroborated.Increment(static_cast<double>(outcome.taken_corroborated));
}

}  // namespace fairlead
