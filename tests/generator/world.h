// A seeded world at any scale up to the whole Internet's: a fleet of sites and boxes, BGP sessions, routes with many candidate sites a
// prefix (ties are the normal case), a catalogue, and who holds which of its files. For benchmarks, load generators and tests.
//
// Deterministic in its options. At full scale (the defaults) it takes some 150 MB: what would be big is kept as rules, not as lists:
// prefixes of one origin AS share a set of routes, and the holders of a file are drawn when asked for.
//
//   const World world(WorldOptions::Scaled(0.01));
//   const auto table = BuildSteeringTable(world.Inputs()).value();      // Flat views: for scales up to about 0.05.
//   for (size_t i = 0; i < world.prefixes().size(); ++i) Use(world.prefixes()[i], world.route_sets()[world.set_of_prefix()[i]]);
//   world.HoldersOf(file, boxes);                                       // Indexes into appliances(), ascending.
//
// Immutable once made; any thread.
#ifndef FAIRLEAD_TESTS_GENERATOR_WORLD_H_
#define FAIRLEAD_TESTS_GENERATOR_WORLD_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "libs/net/prefix.h"
#include "libs/steering/steering_table.h"
#include "libs/steering/views.h"
#include "tests/generator/routes.h"

namespace fairlead {

// A path to a prefix, as some table tells it.
struct WorldPath {
  uint32_t peer = 0;  // Who announces it to us: each has a session of its own at an IX site.
  uint32_t neighbour_as = 0;
  uint16_t as_path_length = 0;
  uint32_t med = 0;
  friend bool operator==(const WorldPath&, const WorldPath&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const WorldPath& path) {
    return H::combine(std::move(h), path.peer, path.neighbour_as, path.as_path_length, path.med);
  }
};
struct WorldPrefix {
  Prefix prefix = {};
  uint32_t origin_as = 0;  // Of its shortest path.
  std::vector<WorldPath> paths = {};
};

struct WorldOptions {
  uint64_t seed = 1;
  // Real routes, say of MRT files (mrt.h): distinct; their prefixes are added to `prefixes`. A peer is met at one IX site and as one
  // neighbour there; customers of partners are heard by boxes in their networks as well, as for the others.
  std::vector<WorldPrefix> tables = {};
  // Distinct; sorted by the world. Empty: the generator's own table of so many.
  std::vector<Prefix> prefixes = {};
  size_t prefixes_v4 = 1'100'000;
  size_t prefixes_v6 = 250'000;
  size_t sites = 6'000;  // One in a hundred, and at least two, are IX sites, which are open to unrouted clients.
  size_t boxes = 20'000;
  size_t files = 10'000'000;
  size_t files_a_box = 50'000;  // On average.
  size_t files_a_title = 100;   // Numbers in a row.
  // Some boxes drain, are degraded, full or silent, and some links are full, as on any evening. False: all is well.
  bool with_trouble = true;

  // Everything but the length of a title times `share`, each at least what a world needs.
  static WorldOptions Scaled(double share);
};

// A route as each prefix of a set has it.
struct WorldRoute {
  uint32_t session = 0;  // Index into sessions().
  uint32_t neighbour_as = 0;
  uint32_t med = 0;
  uint16_t as_path_length = 0;
};
using WorldRouteSet = std::vector<WorldRoute>;

class World {
 public:
  explicit World(WorldOptions options);

  const WorldOptions& options() const { return options_; }
  const std::vector<SiteView>& sites() const { return sites_; }            // "s00000" …, by id.
  const std::vector<ApplianceView>& appliances() const { return boxes_; }  // "s00000-b00" …, by id, so site by site.
  const std::vector<LinkView>& links() const { return links_; }
  const std::vector<SessionView>& sessions() const { return sessions_; }

  const std::vector<Prefix>& prefixes() const { return options_.prefixes; }  // Sorted: IPv4 first.
  const std::vector<uint32_t>& set_of_prefix() const { return set_of_prefix_; }
  const std::vector<WorldRouteSet>& route_sets() const { return route_sets_; }
  // Another set as the prefix might announce it next: for BGP changes.
  WorldRouteSet VariantOf(const WorldRouteSet& set, SeededRandom& random) const;

  // Files are numbered from 0; a title is files_a_title of them. Rank 0 is the most popular title.
  size_t titles() const { return (options_.files + options_.files_a_title - 1) / options_.files_a_title; }
  uint32_t TitleOfRank(uint64_t rank) const;
  uint64_t RankOfTitle(uint32_t title) const;
  TitleId NameOfTitle(uint32_t title) const;
  // The title with its files, one rendition each: "t0000012/v1/r000/media.mp4".
  TitleView Title(uint32_t title) const;

  // Who holds a file: indexes into appliances(), ascending. O(holders) for most files.
  void HoldersOf(uint32_t file, std::vector<uint32_t>& boxes) const;

  // All of it as flat views: memory in proportion to prefixes × routes and boxes × files.
  SteeringInputs Inputs() const;

 private:
  void MakeSites();
  void MakeBoxes();
  void MakeSessions();
  void MakeRoutes();
  WorldRouteSet NewSet(uint32_t as, SeededRandom& random) const;
  WorldRouteSet SetOf(const WorldPrefix& prefix) const;
  void AddEmbedded(uint32_t as, SeededRandom& random, WorldRouteSet& set) const;
  void ScalePopularity();
  double ShareHolding(uint64_t rank, bool ix) const;

  WorldOptions options_;
  size_t ix_sites_ = 0;
  std::vector<SiteView> sites_;
  std::vector<ApplianceView> boxes_;
  std::vector<uint32_t> first_box_;  // Of each site, and one behind.
  std::vector<LinkView> links_;
  std::vector<SessionView> sessions_;
  uint32_t first_ix_session_ = 0;  // Those before it are embedded ones, one a box.
  std::vector<uint32_t> set_of_prefix_;
  std::vector<WorldRouteSet> route_sets_;
  double popularity_ = 1;
  uint64_t title_step_ = 1;       // Ranks are spread over the numbers by rank × step modulo titles,
  uint64_t title_step_back_ = 1;  // and back by the inverse.
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_GENERATOR_WORLD_H_
