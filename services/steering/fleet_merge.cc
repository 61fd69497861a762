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

bool SessionWatch::Changed(const std::vector<std::shared_ptr<CellStore>>& cells) {
  std::vector<std::pair<std::shared_ptr<CellStore>, uint64_t>> now;
  for (const auto& cell : cells) now.emplace_back(cell, cell->session_generation());
  return std::exchange(seen_, now) != now;
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

void RouteMerge::Follow(const CellStores& cells, const SessionOwners& owners, const ConfiguredSessions& configured) {
  owners_ = &owners;
  configured_ = &configured;
  cells_.clear();
  for (const CellStore* store : cells) {
    cells_.push_back({.store = store, .generation = 0, .sessions = {}});
    LearnSpeakers(cells_.size() - 1);
  }
}

void RouteMerge::LearnSpeakers(size_t cell) {
  std::vector<uint32_t>& sessions = cells_[cell].sessions;
  sessions.clear();
  cells_[cell].generation = cells_[cell].store->ForEachSpeaker([&](uint32_t, const RouteSpeaker& speaker) {
    const auto owner = owners_->find(speaker.session);
    const auto session = configured_->find(speaker.session);
    if (owner == owners_->end() || owner->second != cell) {
      sessions.push_back(kElsewhere);
    } else if (session == configured_->end() || session->second.appliance != speaker.appliance) {
      sessions.push_back(kForeign);
    } else {
      sessions.push_back(session->second.index);
    }
  });
}

void RouteMerge::RoutesOf(absl::Span<const Prefix> prefixes, std::vector<Merged>& merged) {
  if (merged.size() < prefixes.size()) merged.resize(prefixes.size());
  for (size_t i = 0; i < prefixes.size(); ++i) {
    merged[i].routes.clear();
    merged[i].foreign = 0;
  }
  for (size_t i = 0; i < cells_.size(); ++i) {
    const Cell& cell = cells_[i];
    const auto add = [&](size_t place, uint32_t speaker, const RouteAttributes& attributes) {
      const uint32_t session = cell.sessions[speaker];
      if (session == kElsewhere) return;
      if (session == kForeign) {
        ++merged[place].foreign;
        return;
      }
      merged[place].routes.push_back({.session = session,
                                      .neighbour_as = attributes.neighbour_as,
                                      .med = attributes.med,
                                      .as_path_length = attributes.as_path_length,
                                      .demoted = attributes.demoted});
    };
    while (!cell.store->ForEachRouteOf(prefixes, cell.generation, add)) LearnSpeakers(i);
  }
}

}  // namespace fairlead
