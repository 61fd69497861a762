#include "tests/lab/media.h"

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/importdir/import_directory.h"
#include "tests/lab/run_folder.h"
#include "tests/lab/supervisor.h"

namespace fairlead {
namespace {

class MediaTest : public ::testing::Test {
 protected:
  MediaTest() {
    std::string path = "/tmp/lab-media-XXXXXX";
    path_ = mkdtemp(path.data());
    folder_ = RunFolder::Acquire(path_).value();
    supervisor_ = std::make_unique<Supervisor>(*folder_);
  }
  ~MediaTest() override {
    supervisor_.reset();
    std::filesystem::remove_all(path_);
  }

  std::string path_;
  std::unique_ptr<RunFolder> folder_;
  std::unique_ptr<Supervisor> supervisor_;
};

TEST_F(MediaTest, WhatIsMadeCanBeImportedAndIsThreeQualitiesAndSound) {
  const LabTitle title = LabTitles().back();
  ASSERT_TRUE(MakeTitle(*supervisor_, title, path_ + "/media").ok());
  const absl::StatusOr<std::vector<ImportedTitle>> read = ReadImportDirectory(path_ + "/media");
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->size(), 1u);
  const TitleImport& import = read->front().import;
  EXPECT_EQ(import.title.value(), title.id);
  EXPECT_EQ(import.display_name, title.display_name);
  EXPECT_DOUBLE_EQ(import.popularity, title.popularity);
  ASSERT_EQ(import.version.renditions.size(), 4u);
  std::set<int32_t> heights;
  for (const Rendition& rendition : import.version.renditions) {
    heights.insert(rendition.height);
    EXPECT_NEAR(rendition.file.duration_seconds, title.seconds, 0.2) << rendition.id;
    EXPECT_GE(rendition.file.segment_count, title.seconds / 2) << rendition.id;
  }
  EXPECT_THAT(heights, ::testing::ElementsAre(0, 360, 480, 720));
  // Every byte is in a segment, so a viewer that fetches all ranges has fetched the file.
  EXPECT_THAT(read->front().notes, ::testing::IsEmpty());
}

}  // namespace
}  // namespace fairlead
