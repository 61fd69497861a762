#include "libs/checkpoint/section_file.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

const SectionFileKind kKind = {.kind = "test", .format = 3};

class SectionFileTest : public ::testing::Test {
 protected:
  SectionFileTest() { EXPECT_NE(mkdtemp(folder_.data()), nullptr); }
  ~SectionFileTest() override { std::filesystem::remove_all(folder_); }

  std::string Path() const { return folder_ + "/file"; }
  void Write(const std::vector<std::pair<uint32_t, std::string>>& sections) const {
    auto writer = SectionFileWriter::Create(Path(), kKind);
    ASSERT_TRUE(writer.ok()) << writer.status();
    for (const auto& [id, bytes] : sections) {
      ASSERT_TRUE(writer->Begin(id).ok());
      // In two parts, as it may come.
      ASSERT_TRUE(writer->Append(bytes.substr(0, bytes.size() / 3)).ok());
      ASSERT_TRUE(writer->Append(bytes.substr(bytes.size() / 3)).ok());
    }
    ASSERT_TRUE(writer->Finish().ok());
  }
  std::string Bytes() const { return *ReadFile(Path(), size_t{1} << 30); }
  static absl::Status Check(const std::string& bytes) { return CheckSections(bytes, kKind).status(); }

  std::string folder_ = "/tmp/section-file-XXXXXX";
};

TEST_F(SectionFileTest, WhatIsWrittenIsMappedBySeveralThreadsOrOne) {
  std::string large((size_t{9} << 20) + 17, 'l');
  large[5'000'000] = 'x';
  Write({{7, "seven"}, {2, ""}, {9, large}});
  for (const size_t threads : {1, 4}) {
    const auto file = MapSectionFile(Path(), kKind, threads);
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_THAT(file->sections, SizeIs(3));
    EXPECT_EQ(file->Find(7), "seven");
    EXPECT_EQ(file->Find(2), "");
    EXPECT_TRUE(file->Find(9) == large);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(file->Find(9).data()) % kSectionAlignment, 0u);
    EXPECT_EQ(file->Find(1), "");
  }
}

TEST_F(SectionFileTest, AnyFlippedBitIsNoticedAlsoBetweenSections) {
  Write({{1, "one"}, {2, std::string(5'000, 'b')}});
  const std::string whole = Bytes();
  ASSERT_TRUE(Check(whole).ok());
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string spoilt = whole;
    spoilt[at] = static_cast<char>(spoilt[at] ^ (1 << at % 8));
    ASSERT_EQ(Check(spoilt).code(), absl::StatusCode::kDataLoss) << at;
  }
}

TEST_F(SectionFileTest, AnyCutAndAnyAdditionIsNoticed) {
  Write({{1, "one"}, {2, std::string(5'000, 'b')}});
  const std::string whole = Bytes();
  for (size_t size = 0; size < whole.size(); size += 13) ASSERT_FALSE(Check(whole.substr(0, size)).ok()) << size;
  EXPECT_FALSE(Check(whole + std::string(4'096, '\0')).ok());
  EXPECT_FALSE(Check(whole + "x").ok());
}

// As a crash in mid-writing leaves it: the head comes last.
TEST_F(SectionFileTest, AFileThatWasNotFinishedIsRefused) {
  {
    auto writer = SectionFileWriter::Create(Path(), kKind);
    ASSERT_TRUE(writer.ok() && writer->Begin(1).ok() && writer->Append(std::string(10'000, 'a')).ok());
  }
  EXPECT_EQ(MapSectionFile(Path(), kKind).status().code(), absl::StatusCode::kDataLoss);
}

// A hole on the disk and an honest head: to map and check 32 GiB takes seconds, to look at the size nothing.
TEST_F(SectionFileTest, AFileAboveTheBoundIsRefusedByItsSizeBeforeItIsRead) {
  Write({{1, "one"}});
  std::filesystem::resize_file(Path(), kMostSectionFileBytes + 1);
  const absl::Time begin = absl::Now();
  for (const absl::Status& status : {MapSectionFile(Path(), kKind).status(), ReadSection(Path(), kKind, 1).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(status.message()), HasSubstr(Path() + ": "));
    EXPECT_THAT(std::string(status.message()), HasSubstr("it has 34359738369 bytes, and may have 34359738368"));
  }
  EXPECT_LT(absl::Now() - begin, absl::Seconds(1));
  // One byte less isn't refused for its size, but for what it says itself.
  std::filesystem::resize_file(Path(), kMostSectionFileBytes);
  EXPECT_THAT(std::string(ReadSection(Path(), kKind, 1).status().message()), Not(HasSubstr("may have")));
  EXPECT_FALSE(ReadSection(Path(), kKind, 1).ok());
}

TEST_F(SectionFileTest, AnotherKindOrFormatIsRefusedByName) {
  Write({{1, "one"}});
  EXPECT_THAT(std::string(MapSectionFile(Path(), {.kind = "other", .format = 3}).status().message()),
              HasSubstr("doesn't begin with 'other'"));
  EXPECT_THAT(std::string(MapSectionFile(Path(), {.kind = "test", .format = 4}).status().message()),
              HasSubstr("format 3 of 'test', and this program reads 4"));
  EXPECT_EQ(MapSectionFile(folder_ + "/none", kKind).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SectionFileTest, SectionsOfAnotherFileInThePlaceOfOnesOwnAreNoticed) {
  Write({{1, "one"}, {2, "two"}});
  const std::string whole = Bytes();
  std::string swapped = whole;
  swapped.replace(4'096, 4'096, whole.substr(8'192, 4'096));
  swapped.replace(8'192, 4'096, whole.substr(4'096, 4'096));
  EXPECT_FALSE(Check(swapped).ok());
  EXPECT_TRUE(Check(WithRightSums(swapped)).ok());  // What the tests of what lies behind checksums rest on.
  EXPECT_EQ(WithRightSums(whole), whole);
}

TEST_F(SectionFileTest, AFullDiskIsAnErrorThatNamesTheFile) {
  auto writer = SectionFileWriter::Create("/dev/full", kKind);
  ASSERT_FALSE(writer.ok());
  EXPECT_THAT(std::string(writer.status().message()), HasSubstr("/dev/full"));
}

}  // namespace
}  // namespace fairlead
