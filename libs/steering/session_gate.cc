#include "libs/steering/session_gate.h"

#include <utility>

#include "libs/net/ip_address.h"
#include "libs/steering/fleet.h"

namespace fairlead {
namespace {

bool CoversEverything(const PrefixTable<std::monostate>& list) {
  return list.Find(Prefix::Of(IpAddress::V4(0), 0)) != nullptr && list.Find(Prefix::Of(IpAddress::V6(0, 0), 0)) != nullptr;
}

}  // namespace

SessionGate::SessionGate(absl::Span<const uint32_t> places, absl::Span<const SessionView> views, absl::Span<const LadderSession> resolved) {
  for (const uint32_t place : places) {
    const bool transit = views[place].transport == TransportClass::kTransit;
    const bool nowhere = resolved[place].site == Fleet::kNone;
    transit_.push_back(transit);
    nowhere_.push_back(nowhere);
    entries_.push_back({.place = place, .list = nowhere ? kClosed : NumberOf(views[place].allowed, transit)});
  }
}

void SessionGate::SetAllowed(uint32_t session, AllowList allowed) {
  if (!nowhere_[session]) entries_[session].list = NumberOf(std::move(allowed), transit_[session]);
}

uint32_t SessionGate::NumberOf(AllowList list, bool transit) {
  if (list == nullptr) return transit ? kOpen : kClosed;
  const auto [at, is_new] = numbers_.try_emplace(list.get(), static_cast<uint32_t>(lists_.size()));
  if (!is_new) return at->second;
  if (CoversEverything(*list)) at->second = kOpen;
  lists_.push_back({.prefixes = std::move(list)});
  return at->second;
}

bool SessionGate::Covers(List& list) {
  if (list.turn != turn_) {
    list.turn = turn_;
    list.covers = list.prefixes->LongestMatch(prefix_).has_value();
  }
  return list.covers;
}

}  // namespace fairlead
