#include "services/steering/fleet_condition.h"

#include <algorithm>
#include <utility>

namespace fairlead {
namespace {

const std::string& NoWord() {
  static const auto& none = *new std::string();
  return none;
}

// Besides the condition.
bool SameConfigured(const ApplianceView& a, const ApplianceView& b) {
  return a.admin == b.admin && a.drain_stage == b.drain_stage && a.drain == b.drain && a.endpoints == b.endpoints;
}

}  // namespace

void FleetCondition::Follow(std::shared_ptr<const ConfigViews> config, const Fleet& fleet) {
  config_ = std::move(config);
  other_config_ = true;
  configured_.assign(fleet.boxes().size(), nullptr);
  for (const ApplianceView& box : config_->appliances) {
    const uint32_t number = fleet.FindBox(box.id);
    if (number != Fleet::kNone) configured_[number] = &box;
  }
}

std::shared_ptr<const Fleet> FleetCondition::Apply(const std::shared_ptr<const Fleet>& fleet, const Reports& reports, const Words& words) {
  std::vector<Fleet::BoxChange> boxes;
  std::vector<uint64_t> sent(fleet->sites().size());
  for (uint32_t number = 0; number < fleet->boxes().size(); ++number) {
    const Fleet::Box& box = fleet->boxes()[number];
    const ApplianceView& before = box.view;
    const ApplianceView& configured = *configured_[number];
    const auto found = reports.find(before.id);
    const BoxReport report = found == reports.end() ? BoxReport() : found->second;
    const uint64_t most = configured.capacity_bps;
    const uint64_t capacity = report.capacity_bps > 0 ? std::min(most, report.capacity_bps) : most;
    const auto word = words.find(before.id);
    const std::string& says = word == words.end() ? NoWord() : word->second;
    // A silent box's last figure is no use of today: its load has moved to others, which report it.
    if (report.health != HealthState::kSilent) sent[box.site] += report.use_bps;
    const bool same = before.health == report.health && before.weight_permille == report.weight_permille &&
                      before.use_bps == report.use_bps && before.capacity_bps == capacity && before.guard_word == says;
    if (same && !other_config_) continue;
    ApplianceView now = configured;
    now.health = report.health;
    now.weight_permille = report.weight_permille;
    now.use_bps = report.use_bps;
    now.capacity_bps = capacity;
    now.guard_word = says;
    if (!same || !SameConfigured(now, before)) boxes.push_back({.box = number, .view = std::move(now)});
  }
  other_config_ = false;
  std::vector<Fleet::LinkUse> links;
  for (uint32_t site = 0; site < sent.size(); ++site) {
    for (const uint32_t link : fleet->sites()[site].uplinks) {
      if (fleet->links()[link].use_bps != sent[site]) links.push_back({.link = link, .use_bps = sent[site]});
    }
  }
  if (boxes.empty() && links.empty()) return fleet;
  return fleet->With(std::move(boxes), links);
}

}  // namespace fairlead
