#include "libs/steering/ladder_table.h"

#include <algorithm>
#include <utility>

#include "libs/steering/ladder_book.h"

namespace fairlead {

std::shared_ptr<const LadderTable> LadderTable::Build(const Fleet& fleet, std::vector<SessionView> sessions,
                                                      const std::vector<RouteView>& routes, const PlaceTable* places,
                                                      const SteeringPolicy& policy) {
  // The book is gone before `fleet` can be.
  LadderBook book(std::shared_ptr<const Fleet>(std::shared_ptr<void>(), &fleet), std::move(sessions), places, policy);
  book.SetAll(routes);
  return book.Publish();
}

std::optional<Prefix> LadderTable::RoutedPrefixOf(uint32_t leaf) const {
  const LeafFacts& facts = facts_[leaf];
  if (facts.routed_length < 0) return std::nullopt;
  return Prefix::Of(facts.prefix.address(), facts.routed_length);
}

LadderTable::Found LadderTable::Find(const IpAddress& client) const {
  const uint32_t leaf = LeafOf(client);
  auto ladder = std::make_shared<Ladder>();
  LadderWalk walk(LadderOf(leaf));
  for (Rung rung; walk.Next(rung);) {
    LadderEntry entry = {.rank = rung.rank,
                         .site = rung.site(),
                         .link = rung.link,
                         .demoted = rung.Is(Rung::kDemoted),
                         .fallback = rung.Is(Rung::kFallback)};
    const bool goes_on = !ladder->entries.empty() && ladder->entries.back().rank == entry.rank &&
                         ladder->entries.back().site == entry.site && ladder->entries.back().link == entry.link;
    if (!goes_on) ladder->entries.push_back(entry);
    for (uint32_t i = 0; i < Fleet::kBlock; ++i) {
      if ((rung.hears >> i & 1) != 0) ladder->entries.back().boxes.push_back(slots_->box[rung.first_slot + i]);
    }
  }
  for (LadderEntry& entry : ladder->entries) std::sort(entry.boxes.begin(), entry.boxes.end());
  return {std::move(ladder), leaf == 0 ? Prefix::Of(client, 0) : facts_[leaf].prefix, PlaceOf(leaf)};
}

std::vector<RouteView> LadderTable::RoutesCovering(const IpAddress& client) const {
  std::vector<RouteView> covering;
  for (const uint32_t leaf : LeavesCovering(client)) {
    for (const PackedRoute& route : RoutesOf(facts_[leaf].set)) {
      covering.push_back({.prefix = facts_[leaf].prefix,
                          .session = route.session,
                          .neighbour_as = route.neighbour_as,
                          .med = route.med,
                          .as_path_length = route.as_path_length,
                          .demoted = route.demoted != 0});
    }
  }
  return covering;
}

std::vector<uint32_t> LadderTable::LeavesCovering(const IpAddress& client) const {
  std::vector<uint32_t> leaves;
  for (uint32_t leaf = LeafOf(client); leaf != 0; leaf = facts_[leaf].above) leaves.push_back(leaf);
  std::reverse(leaves.begin(), leaves.end());
  return leaves;
}

}  // namespace fairlead
