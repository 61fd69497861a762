#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/importdir/copy_to_origin.h"
#include "libs/importdir/import_directory.h"
#include "libs/importdir/sha256_file.h"
#include "libs/signing/digest.h"

namespace fairlead {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kPlaylist[] =
    "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI=\"media.mp4\",BYTERANGE=\"100@0\"\n"
    "#EXTINF:4.0,\n#EXT-X-BYTERANGE:900@100\nmedia.mp4\n#EXT-X-ENDLIST\n";

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

class ImportDirTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/importXXXXXX");
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern + "/media";
    origin_ = pattern + "/origin";
    Write("big-film/title.yaml", "display_name: Big Film\npopularity: 12.5\n");
    WriteRendition("big-film/v1/video-720p", 'v');
    WriteRendition("big-film/v1/audio-en", 'a');
    ASSERT_EQ(mkdir(origin_.c_str(), 0755), 0);
  }

  void Write(const std::string& path, const std::string& text) {
    const std::string full = absl::StrCat(root_, "/", path);
    for (size_t at = full.find('/', 1); at != std::string::npos; at = full.find('/', at + 1)) mkdir(full.substr(0, at).c_str(), 0755);
    std::ofstream out(full, std::ios::binary);
    out << text;
    ASSERT_TRUE(out.good()) << full;
  }
  void WriteRendition(const std::string& folder, char fill) {
    Write(folder + "/media.mp4", std::string(1000, fill));
    Write(folder + "/media.m3u8", kPlaylist);
  }
  absl::StatusOr<std::vector<ImportedTitle>> Read() { return ReadImportDirectory(root_); }
  // Reads, expecting a refusal.
  std::string Error() {
    const absl::StatusOr<std::vector<ImportedTitle>> titles = Read();
    EXPECT_FALSE(titles.ok());
    return std::string(titles.status().message());
  }

  std::string root_;
  std::string origin_;
};

TEST_F(ImportDirTest, TheHashOfAFileIsItsSha256) {
  Write("x", "abc");
  const absl::StatusOr<FileDigest> digest = DigestFile(root_ + "/x");
  ASSERT_TRUE(digest.ok()) << digest.status();
  EXPECT_EQ(absl::BytesToHexString(digest->sha256), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest->size_bytes, 3);
  EXPECT_EQ(DigestFile(root_ + "/nope").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(DigestFile(root_).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(ImportDirTest, ATitleIsReadWhole) {
  Write("big-film/v1/video-720p/rendition.yaml", "codecs: avc1.64001f\nwidth: 1280\nheight: 720\n");
  Write("big-film/v1/audio-en/rendition.yaml", "kind: AUDIO\nlanguage: en\n");
  Write("big-film/.hidden", "ignored");
  const absl::StatusOr<std::vector<ImportedTitle>> titles = Read();
  ASSERT_TRUE(titles.ok()) << titles.status();
  ASSERT_EQ(titles->size(), 1u);
  const TitleImport& import = (*titles)[0].import;
  EXPECT_EQ(import.title, TitleId("big-film"));
  EXPECT_EQ(import.display_name, "Big Film");
  EXPECT_EQ(import.popularity, 12.5);
  EXPECT_EQ(import.version.version, "v1");
  ASSERT_EQ(import.version.renditions.size(), 2u);
  const Rendition& audio = import.version.renditions[0];
  const Rendition& video = import.version.renditions[1];
  EXPECT_EQ(audio.kind, RenditionKind::kAudio);
  EXPECT_EQ(audio.language, "en");
  EXPECT_EQ(video.id, "video-720p");
  EXPECT_EQ(video.kind, RenditionKind::kVideo);
  EXPECT_EQ(video.codecs, "avc1.64001f");
  EXPECT_EQ(video.width, 1280);
  EXPECT_EQ(video.bandwidth_bps, 2000);
  EXPECT_EQ(video.file.path, "big-film/v1/video-720p/media.mp4");
  EXPECT_EQ(video.file.size_bytes, 1000);
  EXPECT_EQ(video.file.sha256, Sha256(std::string(1000, 'v')));
  EXPECT_EQ(video.file.segment_count, 1);
  EXPECT_EQ(video.file.playlist.sha256, Sha256(kPlaylist));
  EXPECT_THAT((*titles)[0].notes, IsEmpty());
  EXPECT_EQ((*titles)[0].files.size(), 4u);
}

TEST_F(ImportDirTest, TheVersionOfTheYamlIsReadAndOthersAreLeftAlone) {
  Write("big-film/title.yaml", "version: v2\n");
  WriteRendition("big-film/v2/video-1080p", 'w');
  const absl::StatusOr<std::vector<ImportedTitle>> titles = Read();
  ASSERT_TRUE(titles.ok()) << titles.status();
  EXPECT_EQ((*titles)[0].import.version.version, "v2");
  ASSERT_EQ((*titles)[0].import.version.renditions.size(), 1u);
  EXPECT_EQ((*titles)[0].import.display_name, "big-film");
  EXPECT_EQ((*titles)[0].import.popularity, 1);
}

TEST_F(ImportDirTest, BytesInNoSegmentAreNoted) {
  Write("big-film/v1/audio-en/media.m3u8", absl::StrReplaceAll(kPlaylist, {{"900@100", "880@120"}}));
  const absl::StatusOr<std::vector<ImportedTitle>> titles = Read();
  ASSERT_TRUE(titles.ok()) << titles.status();
  EXPECT_THAT((*titles)[0].notes, ElementsAre("big-film/v1/audio-en/media.mp4: 20 bytes in 1 places are in no segment"));
}

TEST_F(ImportDirTest, ProgressEndsAtTheWholeSize) {
  ImportProgress last;
  ASSERT_TRUE(ReadImportDirectory(root_, {.progress = [&](const ImportProgress& p) { last = p; }}).ok());
  EXPECT_EQ(last.bytes_total, 2 * (1000 + static_cast<int64_t>(sizeof(kPlaylist)) - 1));
  EXPECT_EQ(last.bytes_done, last.bytes_total);
}

TEST_F(ImportDirTest, EveryFaultNamesTheFile) {
  Write("big-film/title.yaml", "display_name: x\npopularity: much\n");
  EXPECT_THAT(Error(), AllOf(HasSubstr("big-film/title.yaml"), HasSubstr("popularity 'much'")));
  Write("big-film/title.yaml", "popularity: -1\n");
  EXPECT_THAT(Error(), HasSubstr("popularity"));
  Write("big-film/title.yaml", "title: x\n");
  EXPECT_THAT(Error(), AllOf(HasSubstr("title.yaml' line 1"), HasSubstr("unknown key 'title'")));
  Write("big-film/title.yaml", "version: v1\nversion: v1\n");
  EXPECT_THAT(Error(), AllOf(HasSubstr("line 2"), HasSubstr("key 'version' again")));
  Write("big-film/title.yaml", "version: [v1\n");
  EXPECT_THAT(Error(), HasSubstr("title.yaml' line"));
  Write("big-film/title.yaml", "- a\n");
  EXPECT_THAT(Error(), HasSubstr("want a map"));
  Write("big-film/title.yaml", "version: v9\n");
  EXPECT_THAT(Error(), HasSubstr("big-film/v9"));
  Write("big-film/title.yaml", "version: ../v1\n");
  EXPECT_THAT(Error(), AllOf(HasSubstr("title.yaml"), HasSubstr("../v1")));
  unlink((root_ + "/big-film/title.yaml").c_str());
  EXPECT_THAT(Error(), HasSubstr("big-film/title.yaml"));
}

TEST_F(ImportDirTest, EveryFaultOfARenditionNamesTheFile) {
  Write("big-film/v1/video-720p/media.m3u8", absl::StrReplaceAll(kPlaylist, {{"900@100", "901@100"}}));
  EXPECT_THAT(Error(), AllOf(HasSubstr("video-720p/media.m3u8"), HasSubstr("line 6")));
  Write("big-film/v1/video-720p/media.m3u8", kPlaylist);
  Write("big-film/v1/video-720p/rendition.yaml", "width: wide\n");
  EXPECT_THAT(Error(), AllOf(HasSubstr("video-720p/rendition.yaml"), HasSubstr("width 'wide'")));
  Write("big-film/v1/video-720p/rendition.yaml", "kind: SMELL\n");
  EXPECT_THAT(Error(), HasSubstr("kind 'SMELL'"));
  Write("big-film/v1/video-720p/rendition.yaml", "");
  ASSERT_TRUE(Read().ok());
  Write("big-film/v1/video-720p/extra.mp4", "");
  EXPECT_THAT(Error(), HasSubstr("video-720p/extra.mp4"));
  unlink((root_ + "/big-film/v1/video-720p/extra.mp4").c_str());
  unlink((root_ + "/big-film/v1/video-720p/media.mp4").c_str());
  EXPECT_THAT(Error(), HasSubstr("video-720p/media.mp4"));
}

TEST_F(ImportDirTest, AKindThatCantBeToldIsAskedFor) {
  WriteRendition("big-film/v1/main", 'm');
  EXPECT_THAT(Error(), AllOf(HasSubstr("main/rendition.yaml"), HasSubstr("kind")));
  Write("big-film/v1/main/rendition.yaml", "kind: VIDEO\n");
  EXPECT_TRUE(Read().ok());
}

TEST_F(ImportDirTest, AStrayFileABadIdAndAnEmptyDirectoryAreRefused) {
  Write("notes.txt", "hello");
  EXPECT_THAT(Error(), HasSubstr("notes.txt"));
  unlink((root_ + "/notes.txt").c_str());
  Write("Big_Film/title.yaml", "");
  EXPECT_THAT(Error(), HasSubstr("Big_Film"));
  EXPECT_EQ(ReadImportDirectory(root_ + "/nope").status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(ReadImportDirectory(origin_).status().message()), HasSubstr("no title"));
}

TEST_F(ImportDirTest, FilesArriveAtTheOriginInTheLayoutOfUrls) {
  const ImportedTitle title = Read().value()[0];
  const absl::StatusOr<CopyReport> report = CopyToOrigin(title, origin_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->files_copied, 4);
  EXPECT_EQ(report->bytes_copied, 2 * (1000 + static_cast<int64_t>(sizeof(kPlaylist)) - 1));
  EXPECT_EQ(ReadFile(origin_ + "/big-film/v1/video-720p/media.mp4"), std::string(1000, 'v'));
  EXPECT_EQ(ReadFile(origin_ + "/big-film/v1/audio-en/media.m3u8"), kPlaylist);
  struct stat info = {};
  ASSERT_EQ(stat((origin_ + "/big-film/v1/video-720p/media.mp4").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0644u);
}

TEST_F(ImportDirTest, CopyingAgainCopiesNothing) {
  const ImportedTitle title = Read().value()[0];
  ASSERT_TRUE(CopyToOrigin(title, origin_).ok());
  const absl::StatusOr<CopyReport> again = CopyToOrigin(title, origin_);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->files_copied, 0);
  EXPECT_EQ(again->files_already_there, 4);
}

TEST_F(ImportDirTest, OtherContentAtTheOriginIsLeftAlone) {
  ASSERT_TRUE(CopyToOrigin(Read().value()[0], origin_).ok());
  WriteRendition("big-film/v1/video-720p", 'x');
  const absl::Status status = CopyToOrigin(Read().value()[0], origin_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(status.message()), HasSubstr("video-720p/media.mp4"));
  EXPECT_EQ(ReadFile(origin_ + "/big-film/v1/video-720p/media.mp4"), std::string(1000, 'v'));
}

TEST_F(ImportDirTest, ASourceThatChangedSinceItWasReadLeavesNothingBehind) {
  const ImportedTitle title = Read().value()[0];
  Write("big-film/v1/audio-en/media.m3u8", "changed");
  EXPECT_EQ(CopyToOrigin(title, origin_).status().code(), absl::StatusCode::kAborted);
  EXPECT_NE(access((origin_ + "/big-film/v1/audio-en/media.m3u8").c_str(), F_OK), 0);
  EXPECT_NE(access((origin_ + "/big-film/v1/audio-en/.media.m3u8.part").c_str(), F_OK), 0);
}

TEST_F(ImportDirTest, ALeftoverOfAnInterruptedCopyIsReplaced) {
  const ImportedTitle title = Read().value()[0];
  ASSERT_EQ(
      system(absl::StrCat("mkdir -p ", origin_, "/big-film/v1/audio-en && echo half > ", origin_, "/big-film/v1/audio-en/.media.mp4.part")
                 .c_str()),
      0);
  ASSERT_TRUE(CopyToOrigin(title, origin_).ok());
  EXPECT_EQ(ReadFile(origin_ + "/big-film/v1/audio-en/media.mp4"), std::string(1000, 'a'));
  EXPECT_NE(access((origin_ + "/big-film/v1/audio-en/.media.mp4.part").c_str(), F_OK), 0);
}

TEST_F(ImportDirTest, AMissingContentRootIsNotFound) {
  EXPECT_EQ(CopyToOrigin(Read().value()[0], origin_ + "/nope").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace fairlead
