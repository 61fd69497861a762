#include "libs/steering/file_set.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Difference {
  std::vector<uint32_t> added;
  std::vector<uint32_t> removed;
};

// In steps of `width`.
Difference Between(const FileSet& before, const FileSet& after, uint64_t width) {
  Difference difference;
  FileSetDifference reader(before, after);
  for (uint64_t limit = width; limit < FileSet::kBehind + width; limit += width) {
    const uint64_t stop = std::min(limit, FileSet::kBehind);
    reader.Until(stop, [&](uint64_t begin, uint64_t end, bool added) {
      EXPECT_LT(begin, end);
      EXPECT_LE(end, stop);
      std::vector<uint32_t>& into = added ? difference.added : difference.removed;
      for (uint64_t number = begin; number < end; ++number) into.push_back(static_cast<uint32_t>(number));
    });
  }
  return difference;
}

// Mostly runs, as titles make them; or single ones; up to the last number that there is.
std::vector<uint32_t> Draw(std::mt19937& random) {
  std::vector<uint32_t> numbers;
  const uint32_t widest = uint32_t{1} << (random() % 33 % 32);
  const uint32_t longest = 1 + random() % 200;
  uint64_t at = random() % 3 == 0 ? FileSet::kBehind - 1 - random() % 5'000 : random() % 5'000;
  for (uint32_t left = random() % 200; left > 0 && at < FileSet::kBehind; --left) {
    for (uint64_t end = std::min(at + 1 + random() % longest, FileSet::kBehind); at < end; ++at) {
      numbers.push_back(static_cast<uint32_t>(at));
    }
    at += random() % widest;
  }
  return numbers;
}

TEST(FileSet, KeepsEachNumberOnceInOrder) {
  const FileSet set = FileSet::Of({9, 2, 9, 4, 3, 0xffffffff, 0});
  EXPECT_THAT(set.numbers(), ElementsAre(0, 2, 3, 4, 9, 0xffffffff));
  EXPECT_EQ(set.size(), 6u);
  EXPECT_EQ(set, FileSet::Of({0, 2, 3, 4, 9, 0xffffffff}));
  EXPECT_NE(set, FileSet::Of({0, 2, 3, 4, 9}));
}

TEST(FileSet, OfNothingIsEmpty) {
  EXPECT_TRUE(FileSet().empty());
  EXPECT_EQ(FileSet::Of({}), FileSet());
  EXPECT_THAT(FileSet().numbers(), IsEmpty());
  EXPECT_EQ(FileSet::Reader(FileSet()).begin(), FileSet::kBehind);
}

TEST(FileSet, WholeTitlesTakeThreeBytesEach) {
  std::vector<uint32_t> numbers;
  for (uint32_t title = 0; title < 500; ++title) {
    for (uint32_t file = 0; file < 100; ++file) numbers.push_back(title * 20'000 + file);
  }
  const FileSet set = FileSet::Of(numbers);
  EXPECT_EQ(set.numbers(), numbers);
  EXPECT_LE(set.bytes(), 500u * 4);  // Gaps of 19,900 take three.
}

TEST(FileSet, DrawnSetsComeBack) {
  std::mt19937 random(1);
  for (int round = 0; round < 2'000; ++round) {
    const std::vector<uint32_t> numbers = Draw(random);
    std::vector<uint32_t> shuffled = numbers;
    std::shuffle(shuffled.begin(), shuffled.end(), random);
    const FileSet set = FileSet::Of(std::move(shuffled));
    ASSERT_EQ(set.numbers(), numbers) << "round " << round;
    ASSERT_EQ(set.size(), numbers.size());
    for (int asked = 0; asked < 20; ++asked) {
      const uint32_t number = numbers.empty() || asked % 2 == 0 ? random() : numbers[random() % numbers.size()] + asked % 3;
      ASSERT_EQ(set.Contains(number), std::binary_search(numbers.begin(), numbers.end(), number)) << number;
    }
  }
}

TEST(FileSetDifference, IsThatOfTheNumbersInWhateverPieces) {
  std::mt19937 random(2);
  for (int round = 0; round < 2'000; ++round) {
    const std::vector<uint32_t> before = Draw(random);
    std::vector<uint32_t> after = random() % 2 == 0 ? Draw(random) : before;
    std::erase_if(after, [&](uint32_t) { return random() % 8 == 0; });
    Difference wanted;
    std::set_difference(after.begin(), after.end(), before.begin(), before.end(), std::back_inserter(wanted.added));
    std::set_difference(before.begin(), before.end(), after.begin(), after.end(), std::back_inserter(wanted.removed));
    const uint64_t width = (uint64_t{1} << 22) + random() % (uint64_t{1} << 30);
    const Difference found = Between(FileSet::Of(before), FileSet::Of(after), width);
    ASSERT_EQ(found.added, wanted.added) << "round " << round;
    ASSERT_EQ(found.removed, wanted.removed) << "round " << round;
  }
}

}  // namespace
}  // namespace fairlead
