#include "services/ingest/holdings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace fairlead::ingest {
namespace {

using ::testing::HasSubstr;

std::string Bytes(const Roaring& roaring) {
  std::string bytes(roaring.getSizeInBytes(), '\0');
  roaring.write(bytes.data());
  return bytes;
}

// Arrays, a bitset, runs, and several containers of each.
std::vector<Roaring> Samples() {
  std::vector<Roaring> samples(6);
  samples[1].add(7);
  for (uint32_t i = 0; i < 5'000; ++i) samples[2].add(i * 3);
  samples[3].addRange(10, 60'000);
  samples[3].addRange(100'000, 300'000);
  samples[3].runOptimize();
  for (uint32_t i = 0; i < 20; ++i) samples[4].add(i * 65'536 + i);
  samples[5] = samples[2] | samples[3] | samples[4];
  samples[5].add(0xffffffff);
  samples[5].runOptimize();
  return samples;
}

absl::Status Check(const std::string& bytes) {
  return CheckRoaring(bytes, "bitmap");
}

TEST(HoldingsTest, WhatCRoaringWritesIsTakenAndMeansTheSame) {
  for (const Roaring& sample : Samples()) {
    const std::string bytes = Bytes(sample);
    EXPECT_TRUE(Check(bytes).ok()) << Check(bytes);
    const absl::StatusOr<Holdings> holdings = Holdings::Parse(bytes, "bitmap");
    ASSERT_TRUE(holdings.ok());
    EXPECT_EQ(holdings->size(), sample.cardinality());
    const std::string again = holdings->Serialize();
    EXPECT_TRUE(Roaring::readSafe(again.data(), again.size()) == sample);
  }
}

TEST(HoldingsTest, EmptyBytesAreTheEmptySet) {
  EXPECT_EQ(Holdings::Parse("", "bitmap")->size(), 0u);
}

TEST(HoldingsTest, EveryTruncationAndEveryTrailingByteIsRefused) {
  for (const Roaring& sample : Samples()) {
    const std::string bytes = Bytes(sample);
    for (size_t size = 0; size < bytes.size(); size += 1 + size / 50) EXPECT_FALSE(Check(bytes.substr(0, size)).ok()) << size;
    EXPECT_FALSE(Check(bytes + '\0').ok());
  }
}

TEST(HoldingsTest, BrokenInvariantsAreRefusedByName) {
  // One array container {1, 2}: cookie, count, key, cardinality - 1, offset, values.
  const std::string good("\x3a\x30\0\0\x01\0\0\0\0\0\x01\0\x10\0\0\0\x01\0\x02\0", 20);
  ASSERT_TRUE(Check(good).ok());
  std::string unordered = good;
  unordered[16] = 5;
  EXPECT_THAT(std::string(Check(unordered).message()), HasSubstr("an array isn't in order"));
  std::string many = good;
  many[6] = 1;  // 65,537 containers.
  EXPECT_THAT(std::string(Check(many).message()), HasSubstr("too many containers"));
  // One run container: 5 values from 3, said to be 6.
  const std::string runs("\x3b\x30\0\0\x01\0\0\x05\0\x01\0\x03\0\x04\0", 15);
  EXPECT_THAT(std::string(Check(runs).message()), HasSubstr("runs have another cardinality"));
  Roaring dense;
  dense.addRange(0, 10'000);
  dense.removeRunCompression();
  std::string bitset = Bytes(dense);
  bitset.back() = 1;
  EXPECT_THAT(std::string(Check(bitset).message()), HasSubstr("a bitset has another cardinality"));
  EXPECT_THAT(std::string(Check("garbage!").message()), HasSubstr("bitmap '8 bytes'"));
}

// Whatever passes the check is safe to work with.
TEST(HoldingsTest, RandomDamageIsRefusedOrHarmless) {
  std::mt19937 random(1);  // Seeded: the same each time.
  int refused = 0;
  for (int round = 0; round < 3'000; ++round) {
    std::string bytes = Bytes(Samples()[random() % 6]);
    for (int i = 0; i < 3; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    absl::StatusOr<Holdings> holdings = Holdings::Parse(bytes, "bitmap");
    if (!holdings.ok()) {
      ++refused;
      continue;
    }
    const Holdings copy = *holdings;
    ASSERT_TRUE(holdings->Change(copy, Holdings()).ok());
    EXPECT_TRUE(*holdings == copy);
  }
  EXPECT_GT(refused, 1'000);
}

TEST(HoldingsTest, MoreFilesThanABoxCanHoldAreRefusedAndChangeNothing) {
  Roaring roaring;
  roaring.addRange(0, Holdings::kMostFiles + 1);
  roaring.runOptimize();
  EXPECT_EQ(Holdings::Parse(Bytes(roaring), "bitmap").status().code(), absl::StatusCode::kResourceExhausted);
  roaring.remove(0);
  Holdings full = Holdings::Parse(Bytes(roaring), "bitmap").value();
  Roaring one;
  one.add(0);
  const Holdings more = Holdings::Parse(Bytes(one), "bitmap").value();
  EXPECT_EQ(full.Change(more, {}).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(full.size(), Holdings::kMostFiles);
}

}  // namespace
}  // namespace fairlead::ingest
