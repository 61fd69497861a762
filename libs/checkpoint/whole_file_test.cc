#include "libs/checkpoint/whole_file.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class WholeFileTest : public ::testing::Test {
 protected:
  WholeFileTest() { EXPECT_NE(mkdtemp(folder_.data()), nullptr); }
  ~WholeFileTest() override { std::filesystem::remove_all(folder_); }

  // Takes what begins with "good".
  LoadedFile<std::string> Load() {
    return LoadNewest<std::string>(folder_, "state", 100, [](absl::string_view bytes) -> absl::StatusOr<std::string> {
      if (bytes.substr(0, 4) != "good") return absl::DataLossError("bad");
      return std::string(bytes);
    });
  }
  void Spoil(const std::string& name) { std::ofstream(folder_ + "/" + name) << "spoilt"; }

  std::string folder_ = "/tmp/whole-file-XXXXXX";
};

TEST_F(WholeFileTest, TheNewestIsRead) {
  EXPECT_FALSE(Load().value.has_value());
  ASSERT_TRUE(ReplaceFile(folder_, "state", "good 1").ok());
  ASSERT_TRUE(ReplaceFile(folder_, "state", "good 2").ok());
  EXPECT_EQ(Load().value, "good 2");
  EXPECT_THAT(Load().refused, IsEmpty());
}

TEST_F(WholeFileTest, ASpoiltOneIsPutAsideAndTheOneBeforeUsed) {
  ASSERT_TRUE(ReplaceFile(folder_, "state", "good 1").ok());
  ASSERT_TRUE(ReplaceFile(folder_, "state", "good 2").ok());
  Spoil("state");
  const LoadedFile<std::string> loaded = Load();
  EXPECT_EQ(loaded.value, "good 1");
  EXPECT_EQ(loaded.file, folder_ + "/state.previous");
  ASSERT_THAT(loaded.refused, SizeIs(1));
  EXPECT_THAT(std::string(loaded.refused[0].message()), HasSubstr(folder_ + "/state: bad"));
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/state.refused"));
  ASSERT_TRUE(ReplaceFile(folder_, "state", "good 3").ok());
  Spoil("state");
  EXPECT_EQ(Load().value, "good 1") << "the refused one didn't become the one before";
}

TEST_F(WholeFileTest, AFileBeyondItsBoundIsRefused) {
  ASSERT_TRUE(ReplaceFile(folder_, "state", "good " + std::string(200, 'x')).ok());
  const LoadedFile<std::string> loaded = Load();
  EXPECT_FALSE(loaded.value.has_value());
  ASSERT_THAT(loaded.refused, SizeIs(1));
  EXPECT_EQ(loaded.refused[0].code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(WholeFileTest, AFailedWriteNamesTheFileAndLeavesTheOldOne) {
  ASSERT_TRUE(ReplaceFile(folder_, "state", "good 1").ok());
  std::filesystem::create_directory(folder_ + "/state.tmp");  // In the way, also of root.
  const absl::Status status = ReplaceFile(folder_, "state", "good 2");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("state.tmp"));
  EXPECT_EQ(Load().value, "good 1");
}

}  // namespace
}  // namespace fairlead
