// A generated world as the table that steerd decides from, at any scale: prefix by prefix and file by file, never as flat views.
//
//   const auto table = BuildWorldTable(world);          // Full scale: minutes, and some 8 GB with all titles.
#ifndef FAIRLEAD_TESTS_GENERATOR_WORLD_TABLE_H_
#define FAIRLEAD_TESTS_GENERATOR_WORLD_TABLE_H_

#include <cstddef>
#include <functional>
#include <limits>
#include <memory>

#include "absl/strings/string_view.h"
#include "libs/steering/steering_table.h"
#include "tests/generator/world.h"

namespace fairlead {

struct WorldTableOptions {
  uint64_t version = 1;
  size_t titles = std::numeric_limits<size_t>::max();  // The most popular ones that the catalogue has.
  std::function<void(absl::string_view part)> done = [](absl::string_view) {};
};

std::shared_ptr<const SteeringTable> BuildWorldTable(const World& world, const WorldTableOptions& options = {});

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_GENERATOR_WORLD_TABLE_H_
