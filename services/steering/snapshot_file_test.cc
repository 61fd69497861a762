#include "services/steering/snapshot_file.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<SnapshotSection> Sections(uint64_t version = 7) {
  return {{.name = "registry",
           .position = {3, version},
           .saved_at = absl::FromUnixMillis(1'800'000'000'123),
           .age = absl::Milliseconds(1500),
           .entries = {"one", std::string("\0two\n", 5), ""}},
          {.name = "cells/c1", .position = {4, 1}, .saved_at = absl::UnixEpoch(), .age = absl::ZeroDuration(), .entries = {}}};
}

class SnapshotFileTest : public ::testing::Test {
 protected:
  SnapshotFileTest() { EXPECT_NE(mkdtemp(folder_.data()), nullptr); }
  ~SnapshotFileTest() override { std::filesystem::remove_all(folder_); }

  std::string Path(const char* name) const { return absl::StrCat(folder_, "/", name); }
  static void Spoil(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

  std::string folder_ = "/tmp/snapshot-test-XXXXXX";
};

TEST_F(SnapshotFileTest, WhatIsWrittenIsRead) {
  ASSERT_TRUE(WriteSnapshot(folder_, Sections()).ok());
  const LoadedSnapshot loaded = LoadSnapshot(folder_);
  EXPECT_THAT(loaded.refused, IsEmpty());
  ASSERT_TRUE(loaded.sections.has_value());
  ASSERT_THAT(*loaded.sections, SizeIs(2));
  const SnapshotSection& first = loaded.sections->front();
  EXPECT_EQ(first.name, "registry");
  EXPECT_EQ(first.position, (FeedPosition{3, 7}));
  EXPECT_EQ(first.saved_at, absl::FromUnixMillis(1'800'000'000'123));
  EXPECT_EQ(first.age, absl::Milliseconds(1500));
  EXPECT_EQ(first.entries, Sections().front().entries);
}

TEST_F(SnapshotFileTest, AnEmptyFolderGivesNothingAndNoComplaint) {
  const LoadedSnapshot loaded = LoadSnapshot(folder_);
  EXPECT_FALSE(loaded.sections.has_value());
  EXPECT_THAT(loaded.refused, IsEmpty());
}

TEST(Snapshot, AnyFlippedBitIsNoticed) {
  const std::string whole = EncodeSnapshot(Sections());
  ASSERT_TRUE(DecodeSnapshot(whole).ok());
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string spoilt = whole;
    spoilt[bit / 8] = static_cast<char>(spoilt[bit / 8] ^ (1 << bit % 8));
    const auto decoded = DecodeSnapshot(spoilt);
    ASSERT_FALSE(decoded.ok()) << "bit " << bit;
    ASSERT_EQ(decoded.status().code(), absl::StatusCode::kDataLoss);
  }
}

TEST(Snapshot, AnyCutAndAnyAdditionIsNoticed) {
  const std::string whole = EncodeSnapshot(Sections());
  for (size_t length = 0; length < whole.size(); ++length) ASSERT_FALSE(DecodeSnapshot(whole.substr(0, length)).ok()) << length;
  EXPECT_FALSE(DecodeSnapshot(whole + "x").ok());
  EXPECT_FALSE(DecodeSnapshot(whole + whole).ok());
}

TEST(Snapshot, AnotherVersionOfTheFormatIsRefused) {
  std::string whole = EncodeSnapshot(Sections());
  whole.replace(whole.find(" 3\n"), 3, " 2\n");
  EXPECT_THAT(std::string(DecodeSnapshot(whole).status().message()), HasSubstr("version"));
}

// Each section has a checksum of its own, so whole ones could be lost, doubled or mixed with those of another day.
TEST(Snapshot, SectionsThatAreMissingDoubledOrFromAnotherCopyAreNoticed) {
  const std::string today = EncodeSnapshot(Sections(7));
  const std::string yesterday = EncodeSnapshot(Sections(6));
  const size_t first = today.find("section registry");
  const size_t second = today.find("section cells/c1");
  const size_t end = today.find("end 2");
  const std::string head = today.substr(0, first);
  const std::string registry = today.substr(first, second - first);
  const std::string cell = today.substr(second, end - second);
  ASSERT_TRUE(DecodeSnapshot(absl::StrCat(head, registry, cell, today.substr(end))).ok());
  const std::string old_registry = yesterday.substr(first, yesterday.find("section cells/c1") - first);
  const std::string wrong_count = absl::StrCat("end 1", today.substr(end + 5));
  for (const std::string& spoilt :
       {absl::StrCat(head, registry, wrong_count), absl::StrCat(head, registry, today.substr(end)),
        absl::StrCat(head, cell, registry, today.substr(end)), absl::StrCat(head, old_registry, cell, today.substr(end)),
        absl::StrCat(head, registry, cell, cell, "end 3", today.substr(end + 5)), absl::StrCat(head, "end 0\n"),
        absl::StrCat(head, "end 0", today.substr(end + 5)), EncodeSnapshot({})}) {
    EXPECT_EQ(DecodeSnapshot(spoilt).status().code(), absl::StatusCode::kDataLoss) << spoilt;
  }
  std::vector<SnapshotSection> doubled = Sections();
  doubled.push_back(doubled[0]);
  EXPECT_THAT(std::string(DecodeSnapshot(EncodeSnapshot(doubled)).status().message()), HasSubstr("twice"));
}

TEST_F(SnapshotFileTest, TheOneBeforeIsKeptAndUsedWhenTheNewestIsSpoilt) {
  ASSERT_TRUE(WriteSnapshot(folder_, Sections(1)).ok());
  ASSERT_TRUE(WriteSnapshot(folder_, Sections(2)).ok());
  ASSERT_TRUE(WriteSnapshot(folder_, Sections(3)).ok());
  Spoil(Path(kSnapshotFile), "fairlead steering snapshot 1\nsection");
  const LoadedSnapshot loaded = LoadSnapshot(folder_);
  ASSERT_TRUE(loaded.sections.has_value());
  EXPECT_EQ(loaded.sections->front().position.version, 2u);
  ASSERT_THAT(loaded.refused, SizeIs(1));
  EXPECT_THAT(std::string(loaded.refused[0].message()), HasSubstr(Path(kSnapshotFile)));
  // The spoilt one is out of the way: writing again doesn't push the good one out.
  ASSERT_TRUE(WriteSnapshot(folder_, Sections(4)).ok());
  Spoil(Path(kSnapshotFile), "");
  const LoadedSnapshot again = LoadSnapshot(folder_);
  ASSERT_TRUE(again.sections.has_value());
  EXPECT_EQ(again.sections->front().position.version, 2u);
}

TEST_F(SnapshotFileTest, TwoSpoiltOnesAreBothNamed) {
  Spoil(Path(kSnapshotFile), "x");
  Spoil(Path(kPreviousSnapshotFile), "");
  const LoadedSnapshot loaded = LoadSnapshot(folder_);
  EXPECT_FALSE(loaded.sections.has_value());
  EXPECT_THAT(loaded.refused, SizeIs(2));
}

TEST_F(SnapshotFileTest, AFailedWriteNamesTheFileAndLeavesTheOldOne) {
  ASSERT_TRUE(WriteSnapshot(folder_, Sections(1)).ok());
  std::filesystem::create_directory(Path("steering.snapshot.tmp"));  // In the way, also of root.
  const absl::Status status = WriteSnapshot(folder_, Sections(2));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("steering.snapshot.tmp"));
  EXPECT_EQ(LoadSnapshot(folder_).sections->front().position.version, 1u);
}

}  // namespace
}  // namespace fairlead
