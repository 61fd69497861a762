#include "tests/generator/world_table.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "libs/steering/holdings.h"
#include "libs/steering/ladder_book.h"

namespace fairlead {
namespace {

std::vector<RouteView> Views(const WorldRouteSet& set) {
  std::vector<RouteView> routes;
  for (const WorldRoute& route : set) {
    routes.push_back(
        {.session = route.session, .neighbour_as = route.neighbour_as, .med = route.med, .as_path_length = route.as_path_length});
  }
  return routes;
}

std::shared_ptr<const Holdings> BuildHoldings(const World& world, const Fleet& fleet) {
  HoldingsBook book(static_cast<uint32_t>(fleet.slots().size()));
  std::vector<uint32_t> boxes;
  std::vector<uint16_t> slots;
  for (uint32_t file = 0; file < world.options().files; ++file) {
    world.HoldersOf(file, boxes);
    slots.clear();
    for (const uint32_t box : boxes) slots.push_back(static_cast<uint16_t>(fleet.boxes()[box].slot));
    std::sort(slots.begin(), slots.end());
    book.SetHolders(file, slots);
  }
  return book.Publish(fleet);
}

}  // namespace

std::shared_ptr<const SteeringTable> BuildWorldTable(const World& world, const WorldTableOptions& options) {
  SteeringTable parts = {.version = options.version};
  parts.fleet = Fleet::Build(world.sites(), world.appliances(), world.links());
  options.done("fleet");
  LadderBook book(parts.fleet, world.sessions(), nullptr, parts.policy);
  for (size_t i = 0; i < world.prefixes().size(); ++i) {
    book.Set(world.prefixes()[i], Views(world.route_sets()[world.set_of_prefix()[i]]));
  }
  parts.ladders = book.Publish();
  options.done("ladders");
  parts.holdings = BuildHoldings(world, *parts.fleet);
  options.done("holdings");
  std::vector<TitleView> titles;
  for (uint64_t rank = 0; rank < std::min<uint64_t>(options.titles, world.titles()); ++rank) {
    titles.push_back(world.Title(world.TitleOfRank(rank)));
  }
  parts.catalogue = Catalogue::Build(std::move(titles));
  options.done("catalogue");
  return AssembleSteeringTable(std::move(parts)).value();
}

}  // namespace fairlead
