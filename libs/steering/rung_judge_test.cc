#include "libs/steering/rung_judge.h"

#include <array>
#include <bit>
#include <vector>

#include "gtest/gtest.h"
#include "libs/steering/spread.h"

namespace fairlead {
namespace {

std::vector<const RungKernel*> Kernels() {
  std::vector<const RungKernel*> kernels = {&kPortableRungKernel};
  if (HasAvx512ForRungs()) kernels.push_back(&kAvx512RungKernel);
  return kernels;
}

// A block of random boxes, all conditions mixed, and a row of some of them at `first_slot`.
struct Block {
  static constexpr uint32_t kFirstSlot = 37;
  std::vector<BoxState> boxes = std::vector<BoxState>(kFirstSlot + 2 * Fleet::kBlock);
  RowPool pool;
  Rung rung = {.first_slot = kFirstSlot};
  JudgeTask task;

  explicit Block(uint64_t seed) {
    const uint32_t holders = 1 + Mix(seed, 1) % 600;  // Of each form of a row.
    for (uint32_t i = 0; i < Fleet::kBlock; ++i) {
      const auto drawn = static_cast<uint32_t>(Mix(seed, 100 + i));
      const uint32_t weight = 1 + drawn % (seed % 2 == 0 ? 4'000'000 : 3);
      const uint32_t fitness = drawn >> 28 == 0 ? 1 + drawn % 3 : 0;
      boxes[kFirstSlot + i] = {.hash = Mix(seed, 200 + i) >> (drawn % 8 == 0 ? drawn % 60 : 0),
                               .box = i,
                               .traits = weight << BoxState::kWeightShift | fitness << BoxState::kFitnessShift | (drawn >> 8 & 0x1f)};
    }
    std::vector<uint16_t> slots;
    for (uint32_t slot = Mix(seed, 2) % (2 * kFirstSlot); slots.size() < holders; slot += 1 + Mix(seed, 300 + slot) % 3) {
      slots.push_back(static_cast<uint16_t>(slot));
    }
    rung.hears = static_cast<uint16_t>(Mix(seed, 3));
    task = {.boxes = boxes.data(),
            .row = holder_rows::Make(slots, holder_rows::DenseBytes(3'000), pool),
            .spread_key = Mix(seed, 4),
            .endpoints = 1 + static_cast<uint32_t>(seed % 7)};
  }
};

uint64_t CostOf(const Block& block, uint32_t i) {
  const BoxState& box = block.boxes[Block::kFirstSlot + i];
  return SpreadCost(Mix(block.task.spread_key, box.hash), box.weight());
}

TEST(RungJudge, AllKernelsJudgeAlikeAndTheirBoundsHold) {
  for (uint64_t seed = 0; seed < 5'000; ++seed) {
    const Block block(seed);
    Verdict expected;
    Draws draws;
    kPortableRungKernel.judge(block.task, block.rung, seed % 9 != 0, expected, draws);
    for (const RungKernel* kernel : Kernels()) {
      Verdict verdict;
      kernel->judge(block.task, block.rung, seed % 9 != 0, verdict, draws);
      ASSERT_EQ((std::bit_cast<std::array<uint16_t, 5>>(verdict)), (std::bit_cast<std::array<uint16_t, 5>>(expected))) << seed;
      ASSERT_EQ(draws.in, verdict.fit);
      for (uint32_t fit = verdict.fit; fit != 0; fit &= fit - 1) {
        const auto i = static_cast<uint32_t>(std::countr_zero(fit));
        const double cost = static_cast<double>(CostOf(block, i)) * 0x1p-57;
        ASSERT_LE(draws.low[i], cost) << seed;
        ASSERT_GE(draws.high[i], cost) << seed;
      }
    }
  }
}

TEST(RungJudge, TheLeastIsAmongTheContenders) {
  for (uint64_t seed = 0; seed < 5'000; ++seed) {
    const Block block(seed);
    for (const RungKernel* kernel : Kernels()) {
      Verdict verdict;
      Draws draws;
      kernel->judge(block.task, block.rung, true, verdict, draws);
      const Lead lead = kernel->find_lead(&draws, 1);
      ASSERT_EQ(lead.contenders == 0, verdict.fit == 0);
      if (verdict.fit == 0) continue;
      uint32_t best = lead.at;
      for (uint32_t i = 0; i < Fleet::kBlock; ++i) {
        if ((verdict.fit >> i & 1) != 0 && CostOf(block, i) < CostOf(block, best)) best = i;
      }
      ASSERT_TRUE(lead.contenders > 1 ? draws.low[best] <= lead.limit : lead.at == best) << seed;
    }
  }
}

}  // namespace
}  // namespace fairlead
