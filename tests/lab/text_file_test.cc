#include "tests/lab/text_file.h"

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class TextFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/fairlead-text-XXXXXX";
    ASSERT_NE(mkdtemp(path), nullptr);
    folder_ = path;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
};

TEST_F(TextFileTest, ReadsFromWhereItIsTold) {
  std::ofstream(folder_ + "/log") << "first\nsecond\n";
  EXPECT_EQ(ReadText(folder_ + "/log"), "first\nsecond\n");
  EXPECT_EQ(ReadText(folder_ + "/log", 6), "second\n");
  EXPECT_EQ(ReadText(folder_ + "/log", 100), "");
  EXPECT_THAT(ReadText("/proc/self/stat"), StartsWith(std::to_string(getpid()) + " ("));
}

TEST_F(TextFileTest, WhatTheSystemCannotReadIsEmptyNotTheEnd) {
  EXPECT_EQ(ReadText(folder_ + "/none"), "");
  EXPECT_EQ(ReadText(folder_), "");           // EISDIR.
  EXPECT_EQ(ReadText("/proc/self/mem"), "");  // EIO: as with the files of a process that has just ended, opening works and reading fails.
}

TEST_F(TextFileTest, FindsFilesInAllFoldersAndFollowsNoLinks) {
  std::filesystem::create_directories(folder_ + "/a/b");
  std::ofstream(folder_ + "/z") << "z";
  std::ofstream(folder_ + "/a/b/deep") << "d";
  std::filesystem::create_directory_symlink(folder_, folder_ + "/a/loop");
  EXPECT_THAT(FilesBelow(folder_), ElementsAre(folder_ + "/a/b/deep", folder_ + "/z"));
  EXPECT_THAT(FilesBelow(folder_ + "/none"), IsEmpty());
}

}  // namespace
}  // namespace fairlead
