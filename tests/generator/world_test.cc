#include "tests/generator/world.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "libs/steering/decide.h"
#include "tests/generator/demand.h"

namespace fairlead {
namespace {

TEST(World, TheSameOptionsMakeTheSameWorld) {
  const World one(WorldOptions::Scaled(0.002));
  const World two(WorldOptions::Scaled(0.002));
  EXPECT_EQ(one.prefixes(), two.prefixes());
  EXPECT_EQ(one.set_of_prefix(), two.set_of_prefix());
  std::vector<uint32_t> a;
  std::vector<uint32_t> b;
  for (uint32_t file = 0; file < 500; ++file) {
    one.HoldersOf(file, a);
    two.HoldersOf(file, b);
    ASSERT_EQ(a, b);
    ASSERT_TRUE(std::is_sorted(a.begin(), a.end()));
    ASSERT_EQ(std::adjacent_find(a.begin(), a.end()), a.end());
  }
}

TEST(World, ManyCandidatesAPrefixAndTiesAreTheNormalCase) {
  const World world(WorldOptions::Scaled(0.2));
  std::vector<size_t> paths;
  std::vector<size_t> tied;
  for (const WorldRouteSet& set : world.route_sets()) {
    std::map<int, size_t> ix;  // Path length → how many, over the best class that isn't embedded.
    TransportClass best = TransportClass::kTransit;
    size_t count = 0;
    for (const WorldRoute& route : set) {
      const TransportClass transport = world.sessions()[route.session].transport;
      if (transport == TransportClass::kEmbedded) continue;
      if (transport < best) ix.clear();
      best = std::min(best, transport);
      if (transport == best) ++ix[route.as_path_length];
      ++count;
    }
    if (count == 0) continue;
    paths.push_back(count);
    tied.push_back(ix.begin()->second);
  }
  std::sort(paths.begin(), paths.end());
  std::sort(tied.begin(), tied.end());
  EXPECT_NEAR(static_cast<double>(paths[paths.size() / 2]), 30, 3);
  EXPECT_NEAR(static_cast<double>(tied[tied.size() / 2]), 2, 1);
  EXPECT_GE(tied[tied.size() * 9 / 10], 8u);
}

TEST(World, BoxesHoldTheirShareAndPopularTitlesMost) {
  const World world(WorldOptions::Scaled(0.01));
  std::vector<uint32_t> holders;
  uint64_t pairs = 0;
  for (uint32_t file = 0; file < world.options().files; ++file) {
    world.HoldersOf(file, holders);
    pairs += holders.size();
  }
  const double a_box = static_cast<double>(pairs) / static_cast<double>(world.appliances().size());
  EXPECT_NEAR(a_box, static_cast<double>(world.options().files_a_box), 0.05 * static_cast<double>(world.options().files_a_box));
  WorldOptions full = WorldOptions::Scaled(0.01);
  full.files_a_box = full.files / 20;
  const World fuller(full);
  const uint32_t head = fuller.TitleOfRank(0);
  EXPECT_EQ(fuller.RankOfTitle(head), 0u);
  fuller.HoldersOf(head * static_cast<uint32_t>(full.files_a_title), holders);
  EXPECT_GT(holders.size(), fuller.appliances().size() * 8 / 10);
}

TEST(World, RanksAndTitlesAreABijection) {
  const World world(WorldOptions::Scaled(0.01));
  std::set<uint32_t> seen;
  for (uint64_t rank = 0; rank < world.titles(); ++rank) {
    const uint32_t title = world.TitleOfRank(rank);
    ASSERT_LT(title, world.titles());
    ASSERT_TRUE(seen.insert(title).second);
    ASSERT_EQ(world.RankOfTitle(title), rank);
  }
}

TEST(World, ItsViewsMakeATableThatServesItsDemand) {
  WorldOptions options = WorldOptions::Scaled(0.002);
  options.files_a_box = options.files / 4;
  const World world(std::move(options));
  const auto table = BuildSteeringTable(world.Inputs()).value();
  EXPECT_TRUE(table->fleet->issues().empty());
  Demand demand(world, 3);
  size_t served = 0;
  for (int i = 0; i < 200; ++i) {
    const AddressFamily family = i % 2 == 0 ? AddressFamily::kIpv4 : AddressFamily::kIpv6;
    const SteeringAnswer answer =
        Decide(*table, {.client = demand.ZipfClient(family), .title = world.NameOfTitle(demand.Title()), .renditions = {"r000"}});
    ASSERT_EQ(answer.files.size(), 1u);
    EXPECT_TRUE(answer.matched_prefix.has_value());
    served += answer.servable() ? 1 : 0;
  }
  EXPECT_GT(served, 150u);
}

TEST(Demand, FollowsZipfsLaw) {
  const ZipfSampler sampler(1'000);
  SeededRandom random(5);
  std::vector<int> drawn(1'000);
  for (int i = 0; i < 200'000; ++i) ++drawn[sampler.Draw(random)];
  EXPECT_NEAR(drawn[0] / 200'000.0, 0.1, 0.01);
  EXPECT_NEAR(drawn[0] / static_cast<double>(drawn[1]), 1.71, 0.1) << "ln 2 / ln 1.5";
}

}  // namespace
}  // namespace fairlead
