#include "libs/steering/layers.h"

#include <algorithm>
#include <tuple>

#include "absl/container/flat_hash_map.h"
#include "libs/net/ip_address.h"
#include "libs/steering/spread.h"

namespace fairlead {
namespace {

Fitness FitnessOfHealth(const ApplianceView& box) {
  switch (box.health) {
    case HealthState::kOk:
    case HealthState::kDegraded:
      return box.weight_permille > 0 ? Fitness::kFit : Fitness::kFull;
    case HealthState::kOverloaded:
      return Fitness::kFull;
    case HealthState::kSick:
      return Fitness::kSick;
    case HealthState::kSilent:
    case HealthState::kUnspecified:  // Never heard of: as good as silent.
      return Fitness::kSilent;
  }
  return Fitness::kSilent;
}

bool HasRoom(const SteeringTable& table, const Standing& standing) {
  const Fleet& fleet = *table.fleet;
  const Fleet::Box& box = fleet.boxes()[standing.box];
  const auto has_room = [&](const auto& view) { return UsePermille(view) < table.policy.full_permille; };
  if (!has_room(box.view) || (standing.link != Fleet::kNone && !has_room(fleet.links()[standing.link]))) return false;
  const std::vector<uint32_t>& uplinks = fleet.sites()[box.site].uplinks;
  return std::all_of(uplinks.begin(), uplinks.end(), [&](uint32_t link) { return has_room(fleet.links()[link]); });
}

void JudgeFitness(const SteeringTable& table, Standing& standing) {
  standing.fitness = FitnessOfHealth(table.fleet->boxes()[standing.box].view);
  if (standing.fitness != Fitness::kFit) {
    standing.unfit = MissCause::kHealth;
  } else if (!HasRoom(table, standing)) {
    standing.fitness = Fitness::kFull;
    standing.unfit = MissCause::kCapacity;
  }
}

const Endpoint* FindEndpoint(const ApplianceView& box, AddressFamily family) {
  for (const Endpoint& endpoint : box.endpoints) {
    if (endpoint.family == family) return &endpoint;
  }
  return nullptr;
}

// A client with an IPv6 address may have nothing else: IPv4 then works for it by name only (NAT64 with DNS64), never by address. A
// client with an IPv4 address gets IPv6 only from a box that has nothing else.
std::vector<const Endpoint*> UsableEndpoints(const ApplianceView& box, const SteeringRequest& request) {
  const FamilyPreference preference = request.family_preference;
  const Endpoint* v4 = preference == FamilyPreference::kIpv6Only ? nullptr : FindEndpoint(box, AddressFamily::kIpv4);
  const Endpoint* v6 = preference == FamilyPreference::kIpv4Only ? nullptr : FindEndpoint(box, AddressFamily::kIpv6);
  if (v4 != nullptr && request.client.is_v6() && IsAddressLiteral(v4->host)) v4 = nullptr;
  if (v4 != nullptr && request.client.is_v4() && preference == FamilyPreference::kOfClient) v6 = nullptr;
  std::vector<const Endpoint*> usable;
  for (const Endpoint* endpoint : Prefers(request, AddressFamily::kIpv6) ? std::vector{v6, v4} : std::vector{v4, v6}) {
    if (endpoint != nullptr) usable.push_back(endpoint);
  }
  return usable;
}

// One title of one session goes to one box as far as its holdings allow.
uint64_t SpreadKey(const SteeringRequest& request) {
  const uint64_t who = HashBytes(request.session_key.empty() ? request.client.ToBytes() : request.session_key);
  const bool titled = !request.title.empty() || request.paths.empty();
  return Mix(who, HashBytes(titled ? absl::string_view(request.title.value()) : absl::string_view(request.paths.front())));
}

// In Mbit/s, so that it fits; a box whose capacity isn't known counts as the smallest.
uint32_t SpreadWeight(const ApplianceView& box) {
  if (box.weight_permille == 0) return 0;
  const uint64_t megabits = std::clamp<uint64_t>(box.capacity_bps / 1'000'000, 1, 4'000'000);
  return static_cast<uint32_t>(std::max<uint64_t>(1, megabits * std::min<uint32_t>(box.weight_permille, 1000) / 1000));
}

}  // namespace

uint64_t UsePermille(const LinkView& link) {
  uint64_t limit = link.capacity_bps;
  if (link.contract_cap_bps != 0 && (limit == 0 || link.contract_cap_bps < limit)) limit = link.contract_cap_bps;
  return limit == 0 ? 0 : static_cast<uint64_t>(static_cast<unsigned __int128>(link.use_bps) * 1000 / limit);
}

uint64_t UsePermille(const ApplianceView& box) {
  return box.capacity_bps == 0 ? 0 : static_cast<uint64_t>(static_cast<unsigned __int128>(box.use_bps) * 1000 / box.capacity_bps);
}

std::vector<uint32_t> LinksOnPath(const Fleet& fleet, const Standing& standing) {
  std::vector<uint32_t> links = fleet.sites()[fleet.boxes()[standing.box].site].uplinks;
  if (standing.link != Fleet::kNone && std::find(links.begin(), links.end(), standing.link) == links.end()) links.push_back(standing.link);
  return links;
}

Busiest BusiestOnPath(const Fleet& fleet, const Standing& standing) {
  const ApplianceView& box = fleet.boxes()[standing.box].view;
  Busiest busiest = {UsePermille(box), box.id.name()};
  for (const uint32_t link : LinksOnPath(fleet, standing)) {
    const uint64_t permille = UsePermille(fleet.links()[link]);
    if (permille > busiest.permille) busiest = {permille, fleet.links()[link].id.name()};
  }
  return busiest;
}

bool Prefers(const SteeringRequest& request, AddressFamily family) {
  switch (request.family_preference) {
    case FamilyPreference::kOfClient:
      return request.client.family() == family;
    case FamilyPreference::kIpv4Only:
    case FamilyPreference::kIpv4First:
      return family == AddressFamily::kIpv4;
    case FamilyPreference::kIpv6Only:
    case FamilyPreference::kIpv6First:
      return family == AddressFamily::kIpv6;
  }
  return false;
}

std::vector<Standing> JudgeBoxes(const SteeringTable& table, const Ladder& ladder, const SteeringRequest& request) {
  const Fleet& fleet = *table.fleet;
  const uint64_t key = SpreadKey(request);
  absl::flat_hash_map<uint32_t, Standing> by_box;
  const auto judge = [&](Standing standing) {
    const Fleet::Box& box = fleet.boxes()[standing.box];
    standing.live = box.view.admin == AdminState::kLive;
    standing.endpoints = UsableEndpoints(box.view, request);
    standing.spread = SpreadCost(Mix(key, box.hash), SpreadWeight(box.view));
    JudgeFitness(table, standing);
    // A box stands twice where its routes tie over two links: the one with room counts.
    const auto [at, is_new] = by_box.try_emplace(standing.box, standing);
    if (!is_new && standing.fitness < at->second.fitness) at->second = standing;
  };
  for (const LadderEntry& entry : ladder.entries) {
    for (const uint32_t box : entry.boxes) judge({.box = box, .rank = entry.rank, .link = entry.link, .hears = true});
  }
  for (const LadderEntry& entry : ladder.entries) {
    for (const uint32_t box : fleet.sites()[entry.site].boxes) {
      if (!by_box.contains(box)) judge({.box = box, .rank = entry.rank, .link = entry.link, .hears = false});
    }
  }
  std::vector<Standing> standings;
  for (auto& [box, standing] : by_box) standings.push_back(std::move(standing));
  std::sort(standings.begin(), standings.end(),
            [](const Standing& a, const Standing& b) { return std::tie(a.rank, a.box) < std::tie(b.rank, b.box); });
  return standings;
}

}  // namespace fairlead
