#include "libs/feed/epoch_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"

namespace fairlead {
namespace {

// A path in the test's folder where nothing stands yet.
std::string PathOf(const std::string& name) {
  std::string path = absl::StrCat(::testing::TempDir(), "/feed-", name);
  std::remove(path.c_str());
  return path;
}

TEST(EpochFileTest, RisesAtEachStartEvenIfTheClockStandsStillOrGoesBack) {
  const std::string path = PathOf("epoch");
  const absl::Time now = absl::FromUnixMillis(1'800'000'000'000);
  EXPECT_EQ(RaiseEpoch(path, now).value(), 1'800'000'000'000u);
  EXPECT_EQ(RaiseEpoch(path, now).value(), 1'800'000'000'001u);
  EXPECT_EQ(RaiseEpoch(path, now - absl::Hours(24)).value(), 1'800'000'000'002u);
  EXPECT_EQ(RaiseEpoch(path, now + absl::Seconds(1)).value(), 1'800'000'001'000u);
}

TEST(EpochFileTest, AnUnreadableNumberIsToldAndNotOverwritten) {
  const std::string path = PathOf("garbage");
  std::ofstream(path) << "not a number";
  const auto refused = RaiseEpoch(path, absl::FromUnixMillis(1));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(refused.status().message()), ::testing::HasSubstr(path));
  std::string content;
  std::getline(std::ifstream(path), content);
  EXPECT_EQ(content, "not a number");
}

TEST(EpochFileTest, AMissingFolderIsTold) {
  const auto refused = RaiseEpoch(PathOf("no/such/folder/epoch"), absl::FromUnixMillis(1));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace fairlead
