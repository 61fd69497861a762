#include "libs/placement/placement.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct PlacementInput {
  std::vector<PlacementBox> boxes;
  std::vector<PlacementSet> sets;
  int copies = 1;
};
Placement Place(const PlacementInput& input) {
  return Place(input.boxes, RankedSets(input.sets), input.copies);
}

PlacementBox Storage(const std::string& id, int64_t disk, int64_t flash = 0) {
  return {.id = ApplianceId(id), .kind = ApplianceKind::kStorage, .flash_bytes = flash, .disk_bytes = disk, .capacity_bps = 20'000'000'000};
}
PlacementBox Flash(const std::string& id, int64_t flash, int64_t bps = 90'000'000'000) {
  return {.id = ApplianceId(id), .kind = ApplianceKind::kFlash, .flash_bytes = flash, .capacity_bps = bps};
}
PlacementSet Set(const std::string& key, double popularity, uint32_t first, const std::vector<int64_t>& sizes) {
  PlacementSet set{.key = key, .current = true, .popularity = popularity, .files = {}};
  for (const int64_t size : sizes) set.files.push_back({.number = first++, .bytes = size});
  return set;
}
// `count` sets of 3 files with Zipf popularity; sizes vary by `seed`.
std::vector<PlacementSet> Catalogue(int count, uint32_t seed = 1) {
  std::mt19937 random(seed);
  std::vector<PlacementSet> sets;
  for (int i = 0; i < count; ++i) {
    const int64_t size = 50 + static_cast<int64_t>(random() % 100);
    sets.push_back(Set(absl::StrCat("title-", i, "/v1"), 1000.0 / (i + 1), static_cast<uint32_t>(3 * i + 1), {size, size / 2, 5}));
  }
  return sets;
}
int64_t BytesOf(const std::vector<PlacementSet>& sets) {
  int64_t bytes = 0;
  for (const PlacementSet& set : sets) {
    for (const PlacementFile& file : set.files) bytes += file.bytes;
  }
  return bytes;
}
std::map<uint32_t, int64_t> Sizes(const std::vector<PlacementSet>& sets) {
  std::map<uint32_t, int64_t> sizes;
  for (const PlacementSet& set : sets) {
    for (const PlacementFile& file : set.files) sizes[file.number] = file.bytes;
  }
  return sizes;
}
// Which boxes hold each file.
std::map<uint32_t, std::set<std::string>> Holders(const Placement& placement) {
  std::map<uint32_t, std::set<std::string>> holders;
  for (const BoxPlacement& box : placement.boxes) {
    for (const PlacedFile& file : box.files) holders[file.number].insert(box.id.value());
  }
  return holders;
}
const BoxPlacement& BoxOf(const Placement& placement, const std::string& id) {
  return *std::find_if(placement.boxes.begin(), placement.boxes.end(), [&](const BoxPlacement& box) { return box.id.value() == id; });
}
// Copies (file, box) of `after` that aren't in `before`.
size_t Added(const Placement& before, const Placement& after) {
  const auto old = Holders(before);
  size_t added = 0;
  for (const auto& [number, boxes] : Holders(after)) {
    for (const std::string& box : boxes) added += old.contains(number) && old.at(number).contains(box) ? 0 : 1;
  }
  return added;
}

// The invariants that hold for every input.
void CheckInvariants(const PlacementInput& input, const Placement& placement) {
  const std::map<uint32_t, int64_t> sizes = Sizes(input.sets);
  for (const PlacementBox& box : input.boxes) {
    const BoxPlacement& placed = BoxOf(placement, box.id.value());
    int64_t flash = 0;
    int64_t disk = 0;
    std::set<uint32_t> seen;
    for (const PlacedFile& file : placed.files) {
      ASSERT_TRUE(seen.insert(file.number).second) << "twice in a box";
      ASSERT_NE(file.tier, Tier::kUnspecified);
      (file.tier == Tier::kFlash ? flash : disk) += sizes.at(file.number);
    }
    ASSERT_LE(flash, box.flash_bytes);
    ASSERT_LE(disk, box.disk_bytes);
    ASSERT_EQ(placed.bytes, flash + disk);
    ASSERT_EQ(placed.capacity_bytes, box.capacity_bytes());
  }
  const size_t in_service =
      static_cast<size_t>(std::count_if(input.boxes.begin(), input.boxes.end(), [](const PlacementBox& b) { return !b.provisional; }));
  const size_t wanted = std::min(in_service, static_cast<size_t>(input.copies));
  std::set<std::string> provisional;
  for (const PlacementBox& box : input.boxes) {
    if (box.provisional) provisional.insert(box.id.value());
  }
  std::map<uint32_t, int> short_copies;
  for (const ShortPlacement& file : placement.short_files) short_copies[file.number] = file.copies_placed;
  const auto holders = Holders(placement);
  for (const auto& [number, size] : sizes) {
    size_t copies = 0;
    if (holders.contains(number)) {
      for (const std::string& box : holders.at(number)) copies += provisional.contains(box) ? 0 : 1;
    }
    if (short_copies.contains(number)) {
      ASSERT_EQ(copies, static_cast<size_t>(short_copies[number])) << number;
      ASSERT_LT(copies, wanted);
    } else {
      ASSERT_EQ(copies, wanted) << number;
    }
  }
}

TEST(Placement, EachFileGetsItsCopiesOnDistinctBoxes) {
  const PlacementInput input{
      .boxes = {Storage("a", 100'000), Storage("b", 100'000), Storage("c", 100'000)}, .sets = Catalogue(50), .copies = 2};
  const Placement placement = Place(input);
  CheckInvariants(input, placement);
  EXPECT_THAT(placement.short_files, IsEmpty());
  for (const auto& [number, boxes] : Holders(placement)) EXPECT_EQ(boxes.size(), 2u);
}

TEST(Placement, ThereAreNeverMoreCopiesThanBoxes) {
  const Placement placement = Place({.boxes = {Storage("a", 100'000)}, .sets = Catalogue(5), .copies = 3});
  EXPECT_THAT(placement.short_files, IsEmpty());
  EXPECT_EQ(BoxOf(placement, "a").files.size(), 15u);
}

TEST(Placement, APlayableSetStaysTogetherWhileItFits) {
  const PlacementInput input{.boxes = {Storage("a", 9'000), Storage("b", 9'000), Storage("c", 9'000)}, .sets = Catalogue(100), .copies = 1};
  const Placement placement = Place(input);
  ASSERT_THAT(placement.short_files, IsEmpty());
  const auto holders = Holders(placement);
  for (const PlacementSet& set : input.sets) {
    for (const PlacementFile& file : set.files) EXPECT_EQ(holders.at(file.number), holders.at(set.files[0].number)) << set.key;
  }
}

TEST(Placement, ASetThatFitsNowhereAsAWholeIsSpreadSmallerFilesFirst) {
  const PlacementInput input{.boxes = {Storage("a", 100), Storage("b", 60)}, .sets = {Set("big/v1", 1, 1, {90, 50, 40, 10})}, .copies = 1};
  const Placement placement = Place(input);
  CheckInvariants(input, placement);
  EXPECT_TRUE(Holders(placement).contains(4)) << "the smallest";
  EXPECT_TRUE(Holders(placement).contains(3));
  EXPECT_TRUE(Holders(placement).contains(2));
  ASSERT_EQ(placement.short_files.size(), 1u);
  EXPECT_EQ(placement.short_files[0].number, 1u);
}

TEST(Placement, AFileThatDoesNotFitIsReportedWithItsSize) {
  const Placement placement = Place({.boxes = {Storage("a", 1000), Storage("b", 5000)},
                                     .sets = {Set("big/v1", 1, 1, {1234}), Set("huge/v1", 0, 2, {9'876'543})},
                                     .copies = 2});
  EXPECT_THAT(placement.short_files,
              ElementsAre(ShortPlacement{1, 1, "only 1 of 2 copies: no other box of the cluster has 1,234 bytes left"},
                          ShortPlacement{2, 0, "no box of the cluster has 9,876,543 bytes left"}));
}

TEST(Placement, TheMostPopularSetsWinWhereThereIsNotRoomForAll) {
  const std::vector<PlacementSet> sets = Catalogue(100);
  const PlacementInput input{.boxes = {Storage("a", 3'000)}, .sets = sets, .copies = 1};
  const auto holders = Holders(Place(input));
  for (int i = 0; i < 15; ++i) EXPECT_TRUE(holders.contains(sets[static_cast<size_t>(i)].files[0].number)) << i;
  EXPECT_FALSE(holders.contains(sets[99].files[0].number));
}

TEST(Placement, OldVersionsComeBehindAllCurrentOnes) {
  std::vector<PlacementSet> sets = {Set("old/v1", 100, 1, {80}), Set("unloved/v1", 0, 2, {80})};
  sets[0].current = false;
  const auto holders = Holders(Place({.boxes = {Storage("a", 100)}, .sets = sets, .copies = 1}));
  EXPECT_TRUE(holders.contains(2));
  EXPECT_FALSE(holders.contains(1));
}

TEST(Placement, InABoxFlashHoldsTheHead) {
  const std::vector<PlacementSet> sets = Catalogue(50);
  const Placement placement = Place({.boxes = {Storage("a", 100'000, 1'000)}, .sets = sets, .copies = 1});
  const BoxPlacement& box = placement.boxes[0];
  EXPECT_EQ(box.files[0], (PlacedFile{1, Tier::kFlash})) << "fetched first, too";
  const auto tier_of = [&](uint32_t number) {
    return std::find_if(box.files.begin(), box.files.end(), [&](const PlacedFile& f) { return f.number == number; })->tier;
  };
  EXPECT_EQ(tier_of(sets[1].files[0].number), Tier::kFlash);
  EXPECT_EQ(tier_of(sets[49].files[0].number), Tier::kDisk);
}

TEST(Placement, InAMixedClusterFlashBoxesHoldTheHeadAndStorageBoxesTheTail) {
  const std::vector<PlacementSet> sets = Catalogue(400);
  const PlacementInput input{
      .boxes = {Flash("f1", 4'000), Flash("f2", 4'000), Storage("s1", 60'000), Storage("s2", 60'000)}, .sets = sets, .copies = 1};
  const Placement placement = Place(input);
  CheckInvariants(input, placement);
  const auto holders = Holders(placement);
  for (size_t i = 0; i < 40; ++i) EXPECT_EQ((*holders.at(sets[i].files[0].number).begin())[0], 'f') << i;
  for (size_t i = 100; i < 400; ++i) EXPECT_EQ((*holders.at(sets[i].files[0].number).begin())[0], 's') << i;
  EXPECT_GT(BoxOf(placement, "f1").bytes, 2'500);
  EXPECT_GT(BoxOf(placement, "f2").bytes, 2'500);
}

TEST(Placement, TheHeadIsSharedByThroughputAndTheTailByDisk) {
  const std::vector<PlacementSet> sets = Catalogue(6'000);
  const int64_t bytes = BytesOf(sets);
  const PlacementInput flash{.boxes = {Flash("f1", bytes, 100), Flash("f2", bytes, 300)}, .sets = sets, .copies = 1};
  const Placement by_throughput = Place(flash);
  EXPECT_NEAR(static_cast<double>(BoxOf(by_throughput, "f2").bytes) / static_cast<double>(bytes), 0.75, 0.03);
  const PlacementInput storage{.boxes = {Storage("s1", bytes), Storage("s2", 4 * bytes)}, .sets = sets, .copies = 1};
  const Placement by_disk = Place(storage);
  EXPECT_NEAR(static_cast<double>(BoxOf(by_disk, "s2").bytes) / static_cast<double>(bytes), 0.8, 0.03);
}

TEST(Placement, TheOrderOfTheInputMeansNothing) {
  PlacementInput input{.boxes = {Flash("f", 3'000), Storage("a", 9'000, 500), Storage("b", 7'000), Storage("c", 5'000)},
                       .sets = Catalogue(200),
                       .copies = 2};
  input.boxes[3].provisional = true;
  for (size_t i = 0; i < 100; ++i) input.sets[i].popularity = 5;  // Ties.
  const Placement first = Place(input);
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    std::shuffle(input.boxes.begin(), input.boxes.end(), random);
    std::shuffle(input.sets.begin(), input.sets.end(), random);
    for (PlacementSet& set : input.sets) std::shuffle(set.files.begin(), set.files.end(), random);
    ASSERT_EQ(Place(input), first);
  }
}

TEST(Placement, InvariantsHoldForRandomClusters) {
  std::mt19937 random(11);
  for (int round = 0; round < 300; ++round) {
    PlacementInput input;
    const int boxes = 1 + static_cast<int>(random() % 8);
    for (int i = 0; i < boxes; ++i) {
      const int64_t room = static_cast<int64_t>(random() % 8'000);
      input.boxes.push_back(random() % 3 == 0 ? Flash(absl::StrCat("box-", i), room)
                                              : Storage(absl::StrCat("box-", i), room, static_cast<int64_t>(random() % 2'000)));
      input.boxes.back().provisional = random() % 5 == 0;
    }
    input.sets = Catalogue(static_cast<int>(random() % 120), round);
    input.copies = 1 + static_cast<int>(random() % 4);
    CheckInvariants(input, Place(input));
    if (HasFatalFailure()) return;
  }
}

TEST(Placement, ANewBoxTakesItsShareAndNothingElseMovesWhileThereIsRoom) {
  PlacementInput input{.boxes = {Storage("a", 1'000'000), Storage("b", 1'000'000), Storage("c", 1'000'000), Storage("d", 1'000'000)},
                       .sets = Catalogue(2'000),
                       .copies = 2};
  const Placement before = Place(input);
  input.boxes.push_back(Storage("e", 1'000'000));
  const Placement after = Place(input);
  const auto old = Holders(before);
  size_t moved_elsewhere = 0;
  for (const auto& [number, boxes] : Holders(after)) {
    for (const std::string& box : boxes) moved_elsewhere += box != "e" && !old.at(number).contains(box) ? 1 : 0;
  }
  EXPECT_EQ(moved_elsewhere, 0u);
  // 6,000 files × 2 copies, a fifth of them.
  EXPECT_NEAR(static_cast<double>(Added(before, after)), 2'400, 240);
}

TEST(Placement, OnFullDisksANewBoxMovesLittleMoreThanItsShare) {
  const std::vector<PlacementSet> sets = Catalogue(2'000);
  // 90 % full before.
  const int64_t room = BytesOf(sets) * 2 * 10 / 9 / 4;
  PlacementInput input{
      .boxes = {Storage("a", room), Storage("b", room), Storage("c", room), Storage("d", room)}, .sets = sets, .copies = 2};
  const Placement before = Place(input);
  input.boxes.push_back(Storage("e", room));
  const Placement after = Place(input);
  CheckInvariants(input, after);
  EXPECT_LE(Added(before, after), 12'000u / 5 * 13 / 10);
}

TEST(Placement, ANewPopularTitleMovesOnlyWhatItPushesOut) {
  const std::vector<PlacementSet> sets = Catalogue(1'000);
  PlacementInput input{.boxes = {Storage("a", 40'000), Storage("b", 40'000), Storage("c", 40'000)}, .sets = sets, .copies = 1};
  const Placement before = Place(input);
  input.sets.push_back(Set("launch/v1", 1e6, 9'000, {100, 60, 5}));
  const Placement after = Place(input);
  EXPECT_GE(Added(before, after), 3u);
  EXPECT_LE(Added(before, after), 60u);
}

TEST(Placement, AProvisionalBoxTakesNothingFromOthersAndKnowsWhatItWillHold) {
  PlacementInput input{.boxes = {Storage("a", 100'000), Storage("b", 100'000)}, .sets = Catalogue(200), .copies = 1};
  const Placement without = Place(input);
  input.boxes.push_back(Storage("c", 100'000));
  const Placement live = Place(input);
  input.boxes[2].provisional = true;
  const Placement provisional = Place(input);
  CheckInvariants(input, provisional);
  EXPECT_EQ(BoxOf(provisional, "a"), BoxOf(without, "a"));
  EXPECT_EQ(BoxOf(provisional, "b"), BoxOf(without, "b"));
  EXPECT_EQ(BoxOf(provisional, "c"), BoxOf(live, "c"));
  EXPECT_GT(BoxOf(provisional, "c").bytes, 0);
}

TEST(Placement, AClusterWithoutBoxesAndACatalogueWithoutFilesAreFine) {
  EXPECT_EQ(Place({.boxes = {}, .sets = Catalogue(5), .copies = 2}), Placement());
  const Placement placement = Place({.boxes = {Storage("a", 100)}, .sets = {}, .copies = 2});
  ASSERT_EQ(placement.boxes.size(), 1u);
  EXPECT_THAT(placement.boxes[0].files, IsEmpty());
}

TEST(Placement, CollectorsAndOriginsHoldNoPlacedContent) {
  PlacementBox origin = Storage("o", 1'000'000);
  origin.kind = ApplianceKind::kOrigin;
  const Placement placement = Place({.boxes = {origin, Storage("a", 100'000)}, .sets = Catalogue(5), .copies = 2});
  ASSERT_EQ(placement.boxes.size(), 1u);
  EXPECT_EQ(placement.boxes[0].id.value(), "a");
}

}  // namespace
}  // namespace fairlead
