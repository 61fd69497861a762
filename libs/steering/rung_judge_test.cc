#include "libs/steering/rung_judge.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "gtest/gtest.h"
#include "libs/steering/decider.h"
#include "libs/steering/rung_judge_avx2.h"
#include "libs/steering/rung_judge_avx512.h"
#include "libs/steering/spread.h"

namespace fairlead {
namespace {

// A kernel as functions. Of a ballot `first` boxes are taken, then the site `left` is left, then `then` boxes are taken.
struct Kernel {
  void (*find_holders)(holder_rows::Row row, const Rung* head, uint32_t size, HeadHolders& found);
  uint32_t (*holders)(holder_rows::Row row, uint32_t first);
  Verdict (*judge)(const BoxState* boxes, uint32_t wanted, uint32_t endpoints, bool link_has_room);
  void (*append)(const BoxState* boxes, uint32_t which, const RungFacts& facts, PackedBoxes& packed);
  bool (*take)(uint64_t key, const BoxState* boxes, const PackedBoxes& packed, uint32_t first, uint32_t left, uint32_t then,
               uint32_t* taken);
};

#define FAIRLEAD_KERNEL_FUNCTIONS(Name, Rungs)                                                                                       \
  struct Name {                                                                                                                      \
    static void FindHolders(holder_rows::Row row, const Rung* head, uint32_t size, HeadHolders& found) {                             \
      Rungs::FindHolders(row, head, size, found);                                                                                    \
    }                                                                                                                                \
    static uint32_t Holders(holder_rows::Row row, uint32_t first) { return Rungs::Holders(row, first); }                             \
    static Verdict Judge(const BoxState* boxes, uint32_t wanted, uint32_t endpoints, bool link_has_room) {                           \
      return Rungs::Block(boxes, wanted).Judge(endpoints, link_has_room);                                                            \
    }                                                                                                                                \
    static void Append(const BoxState* boxes, uint32_t which, const RungFacts& facts, PackedBoxes& packed) {                         \
      Rungs::Block(boxes, which).Append(which, facts, packed);                                                                       \
    }                                                                                                                                \
    template <uint32_t N>                                                                                                            \
    static bool TakeBy(uint64_t key, const BoxState* boxes, const PackedBoxes& packed, uint32_t first, uint32_t left, uint32_t then, \
                       uint32_t* taken) {                                                                                            \
      Rungs::Ballot<N> ballot(key, boxes, packed);                                                                                   \
      for (uint32_t i = 0; i < first; ++i) *taken++ = ballot.TakeFirst();                                                            \
      const bool any = ballot.LeaveSite(left);                                                                                       \
      for (uint32_t i = 0; i < then; ++i) *taken++ = ballot.TakeFirst();                                                             \
      return any;                                                                                                                    \
    }                                                                                                                                \
    static bool Take(uint64_t key, const BoxState* boxes, const PackedBoxes& packed, uint32_t first, uint32_t left, uint32_t then,   \
                     uint32_t* taken) {                                                                                              \
      return packed.count <= 16   ? TakeBy<1>(key, boxes, packed, first, left, then, taken)                                          \
             : packed.count <= 32 ? TakeBy<2>(key, boxes, packed, first, left, then, taken)                                          \
                                  : TakeBy<4>(key, boxes, packed, first, left, then, taken);                                         \
    }                                                                                                                                \
    static constexpr Kernel kFunctions = {                                                                                           \
        .find_holders = FindHolders, .holders = Holders, .judge = Judge, .append = Append, .take = Take};                            \
  }

FAIRLEAD_KERNEL_FUNCTIONS(Portable, PortableRungs);
FAIRLEAD_BEGIN_AVX512
FAIRLEAD_KERNEL_FUNCTIONS(Avx512, Avx512Rungs);
FAIRLEAD_END_AVX512
FAIRLEAD_BEGIN_AVX2
FAIRLEAD_KERNEL_FUNCTIONS(Avx2, Avx2Rungs);
FAIRLEAD_END_AVX2

std::vector<Kernel> Kernels() {
  std::vector<Kernel> kernels = {Portable::kFunctions};
  if (HasAvx512ForDecisions()) kernels.push_back(Avx512::kFunctions);
  if (HasAvx2ForDecisions()) kernels.push_back(Avx2::kFunctions);
  return kernels;
}

// Random boxes, all conditions mixed, and a row of some of them.
struct World {
  static constexpr uint32_t kSlots = 1'200;
  uint64_t seed;
  std::vector<BoxState> boxes = std::vector<BoxState>(kSlots + Fleet::kBlock);
  RowPool pool;
  holder_rows::Row row;
  uint64_t key;
  uint32_t endpoints;

  explicit World(uint64_t number) : seed(number), key(Mix(number, 4)), endpoints(1 + static_cast<uint32_t>(number % 7)) {
    for (uint32_t slot = 0; slot < kSlots; ++slot) {
      const auto drawn = static_cast<uint32_t>(Draw(100'000 + slot));
      const uint32_t weight = 1 + drawn % (seed % 2 == 0 ? 4'000'000 : 3);
      const uint32_t fitness = drawn >> 28 == 0 ? 1 + drawn % 3 : 0;
      boxes[slot] = {.hash = Draw(200'000 + slot) >> (drawn % 8 == 0 ? drawn % 60 : 0),
                     .box = slot * 7 % kSlots,
                     .traits = weight << BoxState::kWeightShift | fitness << BoxState::kFitnessShift | (drawn >> 8 & 0x1f)};
    }
    // Of each form of a row; `step` apart, that all forms have neighbours and gaps.
    constexpr uint32_t kMost[] = {4, 17, 33, 49, 497, 800};
    const uint64_t holders = Draw(1) % kMost[seed % 6];
    std::vector<uint16_t> slots;
    for (uint64_t slot = Draw(2) % 20; slot < kSlots && slots.size() < holders; slot += 1 + Draw(300'000 + slot) % 3) {
      slots.push_back(static_cast<uint16_t>(slot));
    }
    row = holder_rows::Make(slots, holder_rows::DenseBytes(kSlots + Fleet::kBlock), pool);
  }

  uint64_t Draw(uint64_t what) const { return Mix(seed, what); }

  // A head of up to 20 rungs near the row's beginning, of which some hear few.
  std::vector<Rung> Head() const {
    std::vector<Rung> head(Draw(5) % 21);
    uint16_t rank = 0;
    for (size_t i = 0; i < head.size(); ++i) {
      rank = static_cast<uint16_t>(rank + (i > 0 ? Draw(400 + i) % 2 : 0));
      head[i] = {.first_slot = static_cast<uint32_t>(Draw(500 + i) % (i % 3 == 0 ? kSlots : 120)),
                 .hears = static_cast<uint16_t>(i % 4 == 0 ? 0xffff : Draw(600 + i)),
                 .rank = rank,
                 .site_and_flags = static_cast<uint32_t>(Draw(700 + i))};
    }
    return head;
  }
};

TEST(RungJudge, AllKernelsFindTheHolders) {
  for (uint64_t seed = 0; seed < 3'000; ++seed) {
    const World world(seed);
    std::vector<uint16_t> slots;
    holder_rows::List(world.row, holder_rows::DenseBytes(World::kSlots + Fleet::kBlock), slots);
    const std::vector<Rung> head = world.Head();
    for (const Kernel& kernel : Kernels()) {
      HeadHolders found;
      kernel.find_holders(world.row, head.data(), static_cast<uint32_t>(head.size()), found);
      ASSERT_EQ(found.rungs, std::min<size_t>(head.size(), holder_rows::IsLong(world.row) ? 4 : 16)) << seed;
      ASSERT_EQ(found.any >> found.rungs, 0u);
      for (uint32_t i = 0; i < std::min<size_t>(head.size(), 16); ++i) {
        uint32_t holders = 0;
        for (const uint16_t slot : slots) {
          if (slot >= head[i].first_slot && slot < head[i].first_slot + 16) holders |= 1u << (slot - head[i].first_slot);
        }
        ASSERT_EQ(kernel.holders(world.row, head[i].first_slot), holders) << seed;
        ASSERT_EQ(found.deaf >> i & 1, head[i].rank == 0 && head[i].Is(Rung::kDeaf) ? 1u : 0u) << seed;
        if (i >= found.rungs) continue;
        ASSERT_EQ(found.of[i], holders & head[i].hears) << seed;
        ASSERT_EQ(found.any >> i & 1, (holders & head[i].hears) != 0 ? 1u : 0u) << seed;
      }
      ASSERT_EQ(found.deaf >> std::min<size_t>(head.size(), 16), 0u);
    }
  }
}

TEST(RungJudge, AllKernelsJudgeAlike) {
  for (uint64_t seed = 0; seed < 5'000; ++seed) {
    const World world(seed);
    const BoxState* const boxes = &world.boxes[world.Draw(8) % World::kSlots];
    const auto wanted = static_cast<uint32_t>(world.Draw(9) & 0xffff);
    Verdict expected;
    for (uint32_t i = 0; i < Fleet::kBlock; ++i) {
      const uint32_t bit = wanted & 1u << i;
      if (!boxes[i].Is(BoxState::kLive)) continue;
      expected.live |= bit;
      if (!boxes[i].Is(world.endpoints)) continue;
      expected.able |= bit;
      const bool well = boxes[i].fitness() == Fitness::kFit;
      if (well && seed % 9 != 0) expected.fit |= bit;
      if ((well && seed % 9 == 0) || (!well && boxes[i].Is(BoxState::kNoRoom))) expected.no_room |= bit;
    }
    for (const Kernel& kernel : Kernels()) ASSERT_EQ(kernel.judge(boxes, wanted, world.endpoints, seed % 9 != 0), expected) << seed;
  }
}

// Boxes of several rungs, packed by this kernel.
void Pack(const World& world, const Kernel& kernel, PackedBoxes& packed) {
  uint32_t place = 0;
  for (uint32_t i = 0; i < 12; ++i) {
    const auto slot = static_cast<uint32_t>(world.Draw(1'000 + i) % World::kSlots);
    const auto which = static_cast<uint32_t>(world.Draw(1'100 + i) & world.Draw(1'200 + i) & 0xffff);
    if (packed.count + static_cast<uint32_t>(std::popcount(which)) > PackedBoxes::kMost) return;
    place += world.Draw(1'300 + i) % 2 == 0 ? static_cast<uint32_t>(world.Draw(1'400 + i) % 6) : 0;
    const RungFacts facts = {
        .who = i << PackedBoxes::kSlotBits | slot, .site = static_cast<uint32_t>(world.Draw(1'500 + i) % 3), .place = place};
    kernel.append(&world.boxes[slot], which, facts, packed);
  }
}

TEST(RungJudge, AllKernelsTakeBoxesInTheExactOrder) {
  size_t most = 0;
  for (uint64_t seed = 0; seed < 5'000; ++seed) {
    const World world(seed);
    for (const Kernel& kernel : Kernels()) {
      PackedBoxes packed;
      Pack(world, kernel, packed);
      if (packed.count == 0) continue;
      most = std::max<size_t>(most, packed.count);
      std::vector<uint32_t> order;
      for (uint32_t i = 0; i < packed.count; ++i) {
        const uint32_t slot = packed.who[i] & PackedBoxes::kSlotMask;
        ASSERT_EQ(packed.hash[i], world.boxes[slot].hash);
        ASSERT_EQ(packed.traits[i], world.boxes[slot].traits);
        order.push_back(i);
      }
      // Of one box that was packed twice either may come first.
      const auto before = [&](uint32_t a, uint32_t b) {
        return OrderOf(world.key, world.boxes.data(), packed, a) < OrderOf(world.key, world.boxes.data(), packed, b);
      };
      std::stable_sort(order.begin(), order.end(), before);
      const auto first = static_cast<uint32_t>(world.Draw(6) % packed.count);
      const uint32_t left = packed.site[order.front()];
      std::vector<uint32_t> expected(order.begin(), order.begin() + first);
      for (uint32_t i = first; i < packed.count; ++i) {
        if (packed.site[order[i]] != left) expected.push_back(order[i]);
      }
      std::vector<uint32_t> taken(expected.size());
      const auto then = static_cast<uint32_t>(expected.size()) - first;
      ASSERT_EQ(kernel.take(world.key, world.boxes.data(), packed, first, left, then, taken.data()), then > 0) << seed;
      for (size_t i = 0; i < taken.size(); ++i) {
        ASSERT_FALSE(before(taken[i], expected[i]) || before(expected[i], taken[i])) << seed << " at " << i;
      }
    }
  }
  EXPECT_GT(most, 48u);
}

}  // namespace
}  // namespace fairlead
