#include "services/agent/holdings/holdings_index.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "roaring/roaring.hh"
#include "services/agent/test_support.h"

namespace fairlead::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class HoldingsIndexTest : public ::testing::Test {
 protected:
  HeldFile Put(uint32_t number, const std::string& content = "content") {
    HeldFile file;
    file.number = number;
    file.media.path = absl::StrCat("film-", number, "/v1/video/media.mp4");
    file.media.size_bytes = content.size();
    file.media.sha256 = Sha256(content);
    file.playlist.path = absl::StrCat("film-", number, "/v1/video/media.m3u8");
    file.playlist.size_bytes = 8;
    file.playlist.sha256 = Sha256("#EXTM3U\n");
    temp_.Write("disk/" + file.media.path, content);
    temp_.Write("disk/" + file.playlist.path, "#EXTM3U\n");
    return file;
  }
  std::string PathOf(uint32_t number) const { return absl::StrCat(temp_.path(), "/disk/film-", number, "/v1/video/media.mp4"); }
  std::unique_ptr<HoldingsIndex> Open() {
    auto index = HoldingsIndex::Open(temp_.path() + "/holdings", {{Tier::kDisk, temp_.path() + "/disk"}});
    EXPECT_TRUE(index.ok()) << index.status();
    return *std::move(index);
  }
  // Another modification time without another content.
  static void Touch(const std::string& path) {
    const timeval times[2] = {{1000, 0}, {1000, 0}};
    ASSERT_EQ(utimes(path.c_str(), times), 0);
  }

  TempFolder temp_;
};

TEST_F(HoldingsIndexTest, WhatWasAddedAndRemovedSurvivesARestart) {
  {
    auto index = Open();
    for (uint32_t number : {7, 8, 9}) ASSERT_TRUE(index->Add(Put(number)).ok());
    ASSERT_TRUE(index->Remove(8).ok());
  }
  const auto index = Open();
  EXPECT_EQ(index->size(), 2u);
  EXPECT_TRUE(index->Holds(7, Sha256("content")));
  EXPECT_FALSE(index->Holds(7, Sha256("other")));
  EXPECT_FALSE(index->Holds(8, Sha256("content")));
  EXPECT_EQ(index->used_bytes(Tier::kDisk), 2 * (7 + 8));
  const std::string bytes = index->Bitmap();
  const Roaring bitmap = Roaring::readSafe(bytes.data(), bytes.size());
  EXPECT_EQ(bitmap, Roaring::bitmapOf(2, 7, 9));
}

TEST_F(HoldingsIndexTest, AtStartAChangedFileIsHashedAndAWrongOneIsNoLongerHeldNorServed) {
  {
    auto index = Open();
    for (uint32_t number : {1, 2, 3}) ASSERT_TRUE(index->Add(Put(number)).ok());
  }
  Touch(PathOf(1));
  temp_.Write("disk/film-2/v1/video/media.mp4", "CONTENT");
  unlink(PathOf(3).c_str());
  const auto index = Open();
  EXPECT_TRUE(index->Holds(1, Sha256("content"))) << "touched, but right";
  EXPECT_FALSE(index->Holds(2, Sha256("content")));
  EXPECT_NE(access(PathOf(2).c_str(), F_OK), 0);
  EXPECT_FALSE(index->Holds(3, Sha256("content")));
}

TEST_F(HoldingsIndexTest, AGoodFileStaysWhenOnlyItsPlaylistIsWrongOrItCannotBeRead) {
  const auto playlist = [this](uint32_t number) { return absl::StrCat(temp_.path(), "/disk/film-", number, "/v1/video/media.m3u8"); };
  {
    auto index = Open();
    for (uint32_t number : {1, 2, 3}) ASSERT_TRUE(index->Add(Put(number)).ok());
  }
  temp_.Write("disk/film-1/v1/video/media.m3u8", "#EXTM4U\n");
  unlink(playlist(2).c_str());
  // A folder in its place: opened, but not read.
  unlink(playlist(3).c_str());
  ASSERT_TRUE(MakeFolder(playlist(3)).ok());
  EXPECT_EQ(Open()->size(), 0u);
  for (uint32_t number : {1, 2, 3}) EXPECT_EQ(access(PathOf(number).c_str(), F_OK), 0) << number;
  EXPECT_NE(access(playlist(1).c_str(), F_OK), 0) << "the wrong one";
  EXPECT_EQ(access(playlist(3).c_str(), F_OK), 0);
}

TEST_F(HoldingsIndexTest, ASweepNoticesWhatVanishedWhileRunning) {
  auto index = Open();
  for (uint32_t number : {1, 2}) ASSERT_TRUE(index->Add(Put(number)).ok());
  EXPECT_THAT(index->Sweep(), IsEmpty());
  unlink(PathOf(1).c_str());
  Touch(PathOf(2));
  const uint64_t version = index->version();
  EXPECT_THAT(index->Sweep(), ElementsAre(1));
  EXPECT_TRUE(index->Holds(2, Sha256("content")));
  EXPECT_GT(index->version(), version);
}

TEST_F(HoldingsIndexTest, ALineCutOffByAPowerCutIsIgnored) {
  {
    auto index = Open();
    ASSERT_TRUE(index->Add(Put(1)).ok());
  }
  const std::string text = ReadFile(temp_.path() + "/holdings").value();
  ASSERT_TRUE(WriteFileAtomically(temp_.path() + "/holdings", text + text.substr(0, text.size() / 2)).ok());
  EXPECT_EQ(Open()->size(), 1u);
}

TEST_F(HoldingsIndexTest, ARecordThatDidNotFitOnTheDiskDoesNotSpoilTheNext) {
  {
    auto index = Open();
    ASSERT_TRUE(index->Add(Put(1)).ok());
    // A limit of file sizes cuts a write short as a full disk does.
    const size_t size = ReadFile(temp_.path() + "/holdings").value().size();
    signal(SIGXFSZ, SIG_IGN);
    rlimit usual;
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &usual), 0);
    const HeldFile second = Put(2);
    rlimit tight = usual;
    tight.rlim_cur = size + 20;
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
    const absl::Status refused = index->Add(second);
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &usual), 0);
    EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
    EXPECT_EQ(ReadFile(temp_.path() + "/holdings").value().size(), size);
    ASSERT_TRUE(index->Add(Put(3)).ok());
  }
  const auto index = Open();
  EXPECT_EQ(index->size(), 2u);
  EXPECT_TRUE(index->Holds(3, Sha256("content")));
}

TEST_F(HoldingsIndexTest, AFileThatIsNotInPlaceCannotBeAdded) {
  auto index = Open();
  HeldFile file = Put(1);
  unlink(PathOf(1).c_str());
  EXPECT_EQ(index->Add(file).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(index->size(), 0u);
}

TEST_F(HoldingsIndexTest, ALineNeverLeadsOutOfTheFolder) {
  HeldFile file = Put(1);
  file.media.path = "../../etc/passwd";
  EXPECT_FALSE(ParseHeldFile(FormatHeldFile(file)).ok());
  file = Put(2);
  EXPECT_EQ(ParseHeldFile(FormatHeldFile(file)).value(), file);
}

TEST_F(HoldingsIndexTest, TheChangeBetweenTwoBitmapsIsWhatWasAddedAndRemoved) {
  auto index = Open();
  for (uint32_t number : {1, 2}) ASSERT_TRUE(index->Add(Put(number)).ok());
  const std::string before = index->Bitmap();
  ASSERT_TRUE(index->Remove(1).ok());
  ASSERT_TRUE(index->Add(Put(3)).ok());
  const auto change = DiffBitmaps(before, index->Bitmap());
  ASSERT_TRUE(change.ok()) << change.status();
  EXPECT_EQ(Roaring::readSafe(change->added.data(), change->added.size()), Roaring::bitmapOf(1, 3));
  EXPECT_EQ(Roaring::readSafe(change->removed.data(), change->removed.size()), Roaring::bitmapOf(1, 1));
  EXPECT_FALSE(DiffBitmaps("nonsense", before).ok());
}

}  // namespace
}  // namespace fairlead::agent
