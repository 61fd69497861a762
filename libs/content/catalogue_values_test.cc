#include "libs/content/catalogue_values.h"

#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

Rendition MakeRendition(const std::string& title, const std::string& version, const std::string& id, char hash) {
  Rendition rendition;
  rendition.id = id;
  rendition.kind = RenditionKind::kVideo;
  rendition.bandwidth_bps = 800;
  rendition.file.path = absl::StrCat(title, "/", version, "/", id, "/media.mp4");
  rendition.file.size_bytes = 1000;
  rendition.file.sha256 = std::string(32, hash);
  rendition.file.duration_seconds = 10;
  rendition.file.segment_count = 3;
  rendition.file.playlist = {absl::StrCat(title, "/", version, "/", id, "/media.m3u8"), 100, std::string(32, 'p')};
  return rendition;
}

TitleImport Import(const std::string& version = "v1", char hash = 'h') {
  TitleImport import;
  import.title = TitleId("big-film");
  import.display_name = "Big Film";
  import.popularity = 3;
  import.version.version = version;
  import.version.renditions = {MakeRendition("big-film", version, "video-720p", hash),
                               MakeRendition("big-film", version, "audio-en", hash)};
  return import;
}

TEST(ApplyImport, NewFilesGetDenseNumbersInTheOrderOfTheirRenditions) {
  const absl::StatusOr<ImportOutcome> outcome = ApplyImport(std::nullopt, Import(), 7, kNow);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_THAT(outcome->new_numbers, ElementsAre(7u, 8u));
  EXPECT_EQ(outcome->next_number, 9u);
  EXPECT_TRUE(outcome->changed);
  const Title& title = outcome->title;
  EXPECT_EQ(title.current_version, "v1");
  EXPECT_EQ(title.create_time, kNow);
  ASSERT_EQ(title.versions.size(), 1u);
  EXPECT_EQ(title.versions[0].renditions[0].id, "audio-en");
  EXPECT_EQ(title.versions[0].renditions[0].file.number, 7u);
  EXPECT_EQ(title.versions[0].renditions[1].file.number, 8u);
}

TEST(ApplyImport, TheSameHashesKeepTheirNumbersAndChangeNothing) {
  const ImportOutcome first = ApplyImport(std::nullopt, Import(), 1, kNow).value();
  const absl::StatusOr<ImportOutcome> again = ApplyImport(first.title, Import(), first.next_number, kNow + absl::Hours(1));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_FALSE(again->changed);
  EXPECT_THAT(again->new_numbers, IsEmpty());
  EXPECT_EQ(again->next_number, first.next_number);
  EXPECT_EQ(again->title, first.title);
}

TEST(ApplyImport, AChangedHashUnderTheSameVersionNamesThePath) {
  const ImportOutcome first = ApplyImport(std::nullopt, Import(), 1, kNow).value();
  TitleImport changed = Import();
  changed.version.renditions[0].file.sha256[31] = 'x';
  const absl::Status status = ApplyImport(first.title, changed, 3, kNow).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(status.message()), HasSubstr("big-film/v1/video-720p/media.mp4"));
  changed = Import();
  changed.version.renditions[1].file.playlist.sha256[0] = 'x';
  EXPECT_THAT(std::string(ApplyImport(first.title, changed, 3, kNow).status().message()), HasSubstr("big-film/v1/audio-en/media.m3u8"));
  changed = Import();
  changed.version.renditions[0].file.size_bytes = 1001;
  EXPECT_EQ(ApplyImport(first.title, changed, 3, kNow).status().code(), absl::StatusCode::kAlreadyExists);
}

TEST(ApplyImport, ANewVersionGetsNewNumbersAndBecomesTheCurrentOne) {
  const ImportOutcome first = ApplyImport(std::nullopt, Import(), 1, kNow).value();
  const ImportOutcome second = ApplyImport(first.title, Import("v2"), first.next_number, kNow).value();
  EXPECT_THAT(second.new_numbers, ElementsAre(3u, 4u)) << "the same hashes, but another (title version, path)";
  EXPECT_EQ(second.title.current_version, "v2");
  const ImportOutcome confirmed = ApplyImport(second.title, Import("v1"), second.next_number, kNow).value();
  EXPECT_EQ(confirmed.title.current_version, "v2");
  EXPECT_FALSE(confirmed.changed);
}

TEST(ApplyImport, ANewRenditionIsAddedAndAnUnnamedOneStays) {
  const ImportOutcome first = ApplyImport(std::nullopt, Import(), 1, kNow).value();
  TitleImport more = Import();
  more.version.renditions = {MakeRendition("big-film", "v1", "text-en", 't')};
  const ImportOutcome second = ApplyImport(first.title, more, first.next_number, kNow).value();
  EXPECT_EQ(second.title.versions[0].renditions.size(), 3u);
  EXPECT_THAT(second.new_numbers, ElementsAre(3u));
}

TEST(ApplyImport, NewMetadataIsAChangeWithoutNewNumbers) {
  const ImportOutcome first = ApplyImport(std::nullopt, Import(), 1, kNow).value();
  TitleImport renamed = Import();
  renamed.popularity = 9;
  const ImportOutcome second = ApplyImport(first.title, renamed, first.next_number, kNow).value();
  EXPECT_TRUE(second.changed);
  EXPECT_THAT(second.new_numbers, IsEmpty());
  EXPECT_EQ(second.title.popularity, 9);
}

TEST(ApplyImport, NumbersNeverWrapAround) {
  EXPECT_EQ(ApplyImport(std::nullopt, Import(), std::numeric_limits<uint32_t>::max(), kNow).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(ApplyImport, ATitleGrowsOnlyToWhatOneFeedMessageCanTell) {
  std::optional<Title> title;
  for (int v = 0; v < 3; ++v) {
    TitleImport import = Import(absl::StrCat("v", v));
    import.version.renditions.clear();
    for (size_t i = 0; i < TitleImport::kMaxRenditions; ++i) {
      import.version.renditions.push_back(MakeRendition("big-film", absl::StrCat("v", v), absl::StrCat("r", i), 'h'));
    }
    const absl::StatusOr<ImportOutcome> outcome = ApplyImport(title, import, 1, kNow);
    if (v < 2) {
      ASSERT_TRUE(outcome.ok()) << outcome.status();
      title = outcome->title;
    } else {
      EXPECT_EQ(outcome.status().code(), absl::StatusCode::kResourceExhausted);
      EXPECT_THAT(std::string(outcome.status().message()),
                  HasSubstr("'big-film' would have 6000 files over all its versions, at most 5000"));
    }
  }
}

TEST(ApplyImport, ATitleOfLongNamesIsBoundedByItsBytes) {
  TitleImport import = Import();
  import.version.renditions.clear();
  for (size_t i = 0; i < TitleImport::kMaxRenditions; ++i) {
    Rendition rendition = MakeRendition("big-film", "v1", absl::StrCat("r", i), 'h');
    rendition.codecs = std::string(1500, 'c');
    import.version.renditions.push_back(rendition);
  }
  const absl::Status status = ApplyImport(std::nullopt, import, 1, kNow).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("'big-film' with 2000 files would take"));
}

TEST(ValidateImport, AGoodImportPasses) {
  EXPECT_TRUE(ValidateImport(Import()).ok()) << ValidateImport(Import());
}

TEST(ValidateImport, EveryBadFieldIsNamed) {
  const auto error_of = [](auto change) {
    TitleImport import = Import();
    change(import);
    const absl::Status status = ValidateImport(import);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_THAT(error_of([](TitleImport& i) { i.title = TitleId("A"); }), HasSubstr("title"));
  EXPECT_THAT(error_of([](TitleImport& i) { i.display_name = "a\nb"; }), HasSubstr("display_name"));
  EXPECT_THAT(error_of([](TitleImport& i) { i.popularity = -1; }), HasSubstr("popularity '-1'"));
  EXPECT_THAT(error_of([](TitleImport& i) { i.popularity = std::numeric_limits<double>::quiet_NaN(); }), HasSubstr("popularity"));
  EXPECT_THAT(error_of([](TitleImport& i) { i.version.version = "v/1"; }), HasSubstr("version.version"));
  EXPECT_THAT(error_of([](TitleImport& i) { i.version.renditions.clear(); }), HasSubstr("version.renditions"));
  EXPECT_THAT(error_of([](TitleImport& i) { i.version.renditions[1] = i.version.renditions[0]; }), HasSubstr("'video-720p': given twice"));
  EXPECT_THAT(error_of([](TitleImport& i) { i.version.renditions[1].kind = RenditionKind::kUnspecified; }),
              HasSubstr("renditions[1].kind"));
  EXPECT_THAT(error_of([](TitleImport& i) { i.version.renditions[0].file.path = "other/v1/video-720p/media.mp4"; }),
              HasSubstr("file.path"));
  EXPECT_THAT(error_of([](TitleImport& i) { i.version.renditions[0].file.path = "../v1/video-720p/media.mp4"; }), HasSubstr("file.path"));
  EXPECT_THAT(error_of([](TitleImport& i) { i.version.renditions[0].file.size_bytes = 0; }), HasSubstr("file.size_bytes"));
  EXPECT_THAT(error_of([](TitleImport& i) { i.version.renditions[0].file.sha256 = "short"; }), HasSubstr("file.sha256"));
  EXPECT_THAT(error_of([](TitleImport& i) { i.version.renditions[0].file.number = 5; }), HasSubstr("file_number"));
  EXPECT_THAT(error_of([](TitleImport& i) { i.version.renditions[0].file.duration_seconds = 0; }), HasSubstr("duration_seconds"));
  EXPECT_THAT(error_of([](TitleImport& i) { i.version.renditions[0].file.segment_count = 0; }), HasSubstr("segment_count"));
  EXPECT_THAT(error_of([](TitleImport& i) { i.version.renditions[0].file.playlist.path = ""; }), HasSubstr("playlist.path"));
  EXPECT_THAT(error_of([](TitleImport& i) { i.version.renditions[0].file.playlist.path = i.version.renditions[0].file.path; }),
              HasSubstr("is the file itself"));
  EXPECT_THAT(error_of([](TitleImport& i) { i.version.renditions[0].file.playlist.size_bytes = -1; }), HasSubstr("playlist.size_bytes"));
}

TEST(MeanBandwidth, ItIsEightTimesSizeOverDuration) {
  EXPECT_EQ(MeanBandwidth(1000, 8), 1000);
  EXPECT_EQ(MeanBandwidth(1000, 0), 0);
}

}  // namespace
}  // namespace fairlead
