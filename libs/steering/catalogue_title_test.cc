#include "libs/steering/catalogue_title.h"

#include <algorithm>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string SomeText(std::mt19937& random, size_t longest) {
  std::string text(random() % (longest + 1), '\0');
  for (char& c : text) c = "abc/"[random() % 4];
  return text;
}

FileView SomeFile(std::mt19937& random, absl::string_view folder) {
  FileView file = {
      .number = static_cast<uint32_t>(random()), .rendition = SomeText(random, 3), .size_bytes = random(), .bitrate_bps = random()};
  file.track = {.kind = RenditionKind::kVideo, .codecs = SomeText(random, 1), .width = static_cast<uint32_t>(random() % 3), .height = 720};
  if (random() % 8 == 0) file.playlist = SomeText(random, 9);
  file.path = random() % 4 == 0 ? SomeText(random, 30) : absl::StrCat(folder, file.rendition, "/", SomeText(random, 8));
  return file;
}

TitleView SomeTitle(std::mt19937& random) {
  TitleView title = {.id = TitleId(SomeText(random, 20)), .current_version = SomeText(random, 2), .popularity = random() / 7.0};
  for (size_t versions = random() % 4; versions > 0; --versions) {
    VersionView& version = title.versions.emplace_back(VersionView{.version = SomeText(random, 2)});
    const std::string folder = absl::StrCat(title.id.value(), "/", version.version, "/");
    for (size_t files = random() % 80; files > 0; --files) version.files.push_back(SomeFile(random, folder));
    for (size_t sets = random() % 3; sets > 0; --sets) {
      PlayableSetView& set = version.playable_sets.emplace_back(PlayableSetView{.name = SomeText(random, 2)});
      for (size_t files = random() % 5; files > 0; --files) set.files.push_back(static_cast<uint32_t>(random()));
    }
  }
  return title;
}

void ExpectFile(const CatalogueVersion& version, const CatalogueFile& file, const FileView& view) {
  ASSERT_EQ(file.number(), view.number);
  ASSERT_EQ(file.rendition(), view.rendition);
  ASSERT_EQ(file.size_bytes(), view.size_bytes);
  ASSERT_EQ(file.bitrate_bps(), view.bitrate_bps);
  ASSERT_EQ(version.PathOf(file).Join(), view.path);
  ASSERT_TRUE(version.IsAt(file, view.path));
  ASSERT_FALSE(version.IsAt(file, absl::StrCat(view.path, "x")));
  ASSERT_FALSE(version.IsAt(file, absl::StrCat("x", view.path)));
  const std::string usual = absl::StrCat(view.path.substr(0, view.path.rfind('/') + 1), "media.m3u8");
  ASSERT_EQ(version.PlaylistOf(file).Join(), view.playlist.value_or(usual));
  ASSERT_EQ(version.UnusualPlaylistOf(file), view.playlist);
  const CatalogueTrack& track = version.TrackOf(file);
  ASSERT_EQ((TrackView{track.kind(), std::string(track.codecs()), track.width(), track.height(), std::string(track.language())}),
            view.track);
}

void ExpectRenditions(const CatalogueVersion& version, const VersionView& view) {
  for (const FileView& asked : view.files) {
    std::vector<size_t> wanted;
    for (size_t i = 0; i < view.files.size(); ++i) {
      if (view.files[i].rendition == asked.rendition) wanted.push_back(i);
    }
    std::vector<size_t> found;
    version.ForEachOfRendition(asked.rendition, [&](size_t i) { found.push_back(i); });
    ASSERT_EQ(found, wanted) << asked.rendition;
    const CatalogueFile* const guessed = version.GuessFile(asked.rendition);
    ASSERT_NE(guessed, nullptr);
    ASSERT_LE(guessed, &version.files()[wanted.front()]);
  }
}

void ExpectDistinct(absl::Span<const CatalogueTrack> tracks) {
  std::set<std::tuple<std::string, uint32_t>> seen;
  for (const CatalogueTrack& track : tracks) ASSERT_TRUE(seen.emplace(track.codecs(), track.width()).second);
}

void ExpectVersion(const CatalogueVersion& version, const VersionView& view) {
  ASSERT_EQ(version.version(), view.version);
  ASSERT_EQ(version.files().size(), view.files.size());
  for (size_t i = 0; i < view.files.size(); ++i) ExpectFile(version, version.files()[i], view.files[i]);
  ASSERT_EQ(version.sets().size(), view.playable_sets.size());
  for (size_t i = 0; i < view.playable_sets.size(); ++i) {
    ASSERT_EQ(version.sets()[i].name(), view.playable_sets[i].name);
    const absl::Span<const uint32_t> files = version.sets()[i].files();
    ASSERT_EQ(std::vector<uint32_t>(files.begin(), files.end()), view.playable_sets[i].files);
  }
  ExpectRenditions(version, view);
  ExpectDistinct(version.tracks());
}

void ExpectRuns(const CatalogueTitle& title, const TitleView& view) {
  std::vector<uint32_t> numbers;
  for (const VersionView& version : view.versions) {
    for (const FileView& file : version.files) numbers.push_back(file.number);
  }
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  std::vector<uint32_t> told;
  for (const CatalogueTitle::Run& run : title.runs()) {
    ASSERT_TRUE(told.empty() || run.first > told.back() + 1) << "two runs that are one";
    for (uint32_t i = 0; i < run.count; ++i) told.push_back(run.first + i);
  }
  ASSERT_EQ(told, numbers);
}

TEST(CatalogueTitle, TellsWhatItWasPackedFrom) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    const TitleView view = SomeTitle(random);
    const std::shared_ptr<const CatalogueTitle> title = CatalogueTitle::Pack(view);
    ASSERT_EQ(title->id(), view.id.value());
    ASSERT_EQ(title->current_version(), view.current_version);
    ASSERT_EQ(title->popularity(), view.popularity);
    ASSERT_EQ(title->versions().size(), view.versions.size());
    for (size_t i = 0; i < view.versions.size(); ++i) ExpectVersion(title->versions()[i], view.versions[i]);
    ExpectRuns(*title, view);
  }
}

TEST(CatalogueTitle, FilesOfARenditionAreFoundInTheirOrder) {
  TitleView view = {.id = TitleId("a"), .versions = {{.version = "v1"}, {.version = "none"}}};
  for (uint32_t number = 0; number < 40; ++number) {
    view.versions[0].files.push_back({.number = number, .path = "a/v1/r/f", .rendition = absl::StrCat("r", number % 7)});
  }
  const CatalogueTitle::Owned title = CatalogueTitle::Pack(view);
  const auto files_of = [&](absl::string_view version, absl::string_view rendition) {
    std::vector<size_t> files;
    title->FindVersion(version)->ForEachOfRendition(rendition, [&](size_t i) { files.push_back(i); });
    return files;
  };
  EXPECT_THAT(files_of("v1", "r3"), ElementsAre(3, 10, 17, 24, 31, 38));
  EXPECT_THAT(files_of("v1", "r6"), ElementsAre(6, 13, 20, 27, 34));
  EXPECT_THAT(files_of("v1", "r7"), IsEmpty());
  EXPECT_THAT(files_of("none", "r2"), IsEmpty());
}

// Two renditions whose words are the same must not be taken for each other.
TEST(CatalogueTitle, AWordIsNotARendition) {
  TitleView view = {.id = TitleId("a"), .versions = {{.version = "v1"}}};
  constexpr size_t kMany = 3'000;  // Of words there are 32,768: two of so many have the same one.
  for (size_t i = 0; i < kMany; ++i)
    view.versions[0].files.push_back({.number = static_cast<uint32_t>(i), .rendition = absl::StrCat("r", i)});
  const CatalogueTitle::Owned title = CatalogueTitle::Pack(view);
  for (size_t i = 0; i < kMany; ++i) {
    std::vector<size_t> found;
    title->versions()[0].ForEachOfRendition(absl::StrCat("r", i), [&](size_t at) { found.push_back(at); });
    ASSERT_THAT(found, ElementsAre(i));
  }
}

TEST(CatalogueTitle, WithoutACurrentVersionTheLastOneIs) {
  TitleView view = {.id = TitleId("a"), .versions = {{.version = "v1"}, {.version = "v2"}}};
  EXPECT_EQ(CatalogueTitle::Pack(view)->FindVersion("")->version(), "v2");
  view.current_version = "v1";
  const CatalogueTitle::Owned title = CatalogueTitle::Pack(view);
  EXPECT_EQ(title->FindVersion("")->version(), "v1");
  EXPECT_EQ(title->FindVersion("v2")->version(), "v2");
  EXPECT_EQ(title->FindVersion("v3"), nullptr);
  view.current_version = "v3";
  EXPECT_EQ(CatalogueTitle::Pack(view)->FindVersion(""), nullptr);
  EXPECT_EQ(CatalogueTitle::Pack({.id = TitleId("empty")})->FindVersion(""), nullptr);
}

TEST(CatalogueTitle, SetsAreFoundByName) {
  const TitleView view = {.id = TitleId("a"),
                          .versions = {{.version = "v1", .playable_sets = {{.name = "all", .files = {3, 9}}, {.name = "none"}}}}};
  const CatalogueTitle::Owned title = CatalogueTitle::Pack(view);
  EXPECT_THAT(title->versions()[0].FindSet("all")->files(), ElementsAre(3, 9));
  EXPECT_THAT(title->versions()[0].FindSet("none")->files(), IsEmpty());
  EXPECT_EQ(title->versions()[0].FindSet("al"), nullptr);
}

}  // namespace
}  // namespace fairlead
