#include "libs/steering/condition.h"

#include <algorithm>
#include <utility>

#include "libs/net/ip_address.h"

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

// The first endpoint of a family counts.
uint32_t Endpoints(const ApplianceView& box) {
  uint32_t flags = 0;
  for (const Endpoint& endpoint : box.endpoints) {
    const bool v4_known = (flags & (BoxState::kV4Name | BoxState::kV4Literal)) != 0;
    if (endpoint.family == AddressFamily::kIpv6) flags |= BoxState::kV6;
    if (endpoint.family == AddressFamily::kIpv4 && !v4_known) {
      flags |= IsAddressLiteral(endpoint.host) ? BoxState::kV4Literal : BoxState::kV4Name;
    }
  }
  return flags;
}

// In Mbit/s, so that it fits; a box whose capacity isn't known counts as the smallest.
uint32_t SpreadWeight(const ApplianceView& box) {
  if (box.weight_permille == 0) return 0;
  constexpr uint64_t kMost = 4'000'000;
  static_assert(kMost < uint64_t{1} << (32 - BoxState::kWeightShift));
  const uint64_t megabits = std::clamp<uint64_t>(box.capacity_bps / 1'000'000, 1, kMost);
  return static_cast<uint32_t>(std::max<uint64_t>(1, megabits * std::min<uint32_t>(box.weight_permille, 1000) / 1000));
}

uint16_t Saturated(uint64_t permille) {
  return static_cast<uint16_t>(std::min<uint64_t>(permille, 0xffff));
}

uint64_t UseOfPath(const Fleet& fleet, const Fleet::Box& box) {
  uint64_t busiest = UsePermille(box.view);
  for (const uint32_t link : fleet.sites()[box.site].uplinks) busiest = std::max(busiest, UsePermille(fleet.links()[link]));
  return busiest;
}

BoxState StateOf(const Fleet::Box& box, uint32_t number, bool full) {
  Fitness fitness = FitnessOfHealth(box.view);
  uint32_t traits = SpreadWeight(box.view) << BoxState::kWeightShift | Endpoints(box.view);
  if (box.view.admin == AdminState::kLive) traits |= BoxState::kLive;
  if (fitness == Fitness::kFit && full) {
    fitness = Fitness::kFull;
    traits |= BoxState::kNoRoom;
  }
  return {.hash = box.hash, .box = number, .traits = traits | static_cast<uint32_t>(fitness) << BoxState::kFitnessShift};
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

std::shared_ptr<const Condition> Condition::Build(std::shared_ptr<const Fleet> fleet, const SteeringPolicy& policy) {
  const std::shared_ptr<Condition> condition(new Condition());
  condition->full_permille_ = policy.full_permille;
  condition->boxes_.resize(fleet->slots().size() + Fleet::kBlock);  // So that a whole block may be looked at anywhere.
  condition->busiest_permille_.resize(fleet->slots().size());
  for (uint32_t slot = 0; slot < fleet->slots().size(); ++slot) {
    const uint32_t number = fleet->slots()[slot];
    if (number == Fleet::kNone) continue;
    const Fleet::Box& box = fleet->boxes()[number];
    const uint64_t busiest = UseOfPath(*fleet, box);
    condition->boxes_[slot] = StateOf(box, number, busiest >= policy.full_permille);
    condition->busiest_permille_[slot] = Saturated(busiest);
  }
  for (const LinkView& link : fleet->links()) condition->links_.push_back(Saturated(UsePermille(link)));
  condition->links_.push_back(0);
  condition->fleet_ = std::move(fleet);
  return condition;
}

}  // namespace fairlead
