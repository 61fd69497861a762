#include "services/steering/fleet_merge.h"

#include <utility>

namespace fairlead {
namespace {

bool IsNewer(const BoxReport& candidate, const BoxReport& held) {
  if (candidate.age != held.age) return candidate.age > held.age;
  return held.health == HealthState::kSilent && candidate.health != HealthState::kSilent;
}

}  // namespace

absl::flat_hash_map<ApplianceId, BoxReport> MergeReports(const CellStores& cells) {
  absl::flat_hash_map<ApplianceId, BoxReport> merged;
  for (size_t i = 0; i < cells.size(); ++i) {
    cells[i]->ForEachReport([&merged, i](const ApplianceId& appliance, const BoxReport& report) {
      const auto [held, inserted] = merged.try_emplace(appliance, report);
      if (!inserted && !IsNewer(report, held->second)) return;
      held->second = report;
      held->second.cell = i;
    });
  }
  return merged;
}

std::vector<HoldingsView> MergeHoldings(const CellStores& cells) {
  absl::flat_hash_map<ApplianceId, BoxHoldings> merged;
  for (const CellStore* cell : cells) {
    cell->ForEachHoldings([&merged](const ApplianceId& appliance, const BoxHoldings& holdings) {
      const auto [held, inserted] = merged.try_emplace(appliance, holdings);
      if (!inserted && holdings.age > held->second.age) held->second = holdings;
    });
  }
  std::vector<HoldingsView> views;
  views.reserve(merged.size());
  for (auto& [appliance, holdings] : merged) views.push_back({.appliance = appliance, .files = std::move(holdings.files)});
  return views;
}

SessionOwners MergeSessions(const CellStores& cells) {
  absl::flat_hash_map<BgpSessionId, std::pair<ReportAge, size_t>> newest;
  for (size_t i = 0; i < cells.size(); ++i) {
    cells[i]->ForEachSession([&newest, i](const SessionReport& session, const ReportAge& age) {
      const auto [held, inserted] = newest.try_emplace(session.session, age, i);
      if (!inserted && age > held->second.first) held->second = {age, i};
    });
  }
  SessionOwners owners;
  for (const auto& [session, owner] : newest) owners[session] = owner.second;
  return owners;
}

absl::flat_hash_map<ApplianceId, SessionCount> CountSessions(const CellStores& cells, const SessionOwners& owners) {
  absl::flat_hash_map<ApplianceId, SessionCount> counts;
  for (size_t i = 0; i < cells.size(); ++i) {
    cells[i]->ForEachSession([&](const SessionReport& session, const ReportAge&) {
      const auto owner = owners.find(session.session);
      if (owner == owners.end() || owner->second != i) return;
      SessionCount& count = counts[session.appliance];
      ++(session.established ? count.up : count.down);
    });
  }
  return counts;
}

MergedRoutes MergeRoutes(const CellStores& cells, const SessionOwners& owners, const ConfiguredSessions& configured) {
  MergedRoutes merged;
  for (size_t i = 0; i < cells.size(); ++i) {
    cells[i]->ForEachRoute([&](const ReportedRoute& reported, const ReportAge&) {
      const auto owner = owners.find(reported.session);
      if (owner == owners.end() || owner->second != i) return;
      const auto session = configured.find(reported.session);
      if (session == configured.end() || session->second.appliance != reported.appliance) {
        ++merged.foreign;
        return;
      }
      RouteView route = reported.route;
      route.session = session->second.index;
      merged.routes.push_back(route);
    });
  }
  return merged;
}

}  // namespace fairlead
