#include "services/steering/catalogue_reader.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

std::shared_ptr<const CatalogueRecord> Record(const std::string& text) {
  content::v1::CatalogEntry entry;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &entry)) << text;
  return std::make_shared<const CatalogueRecord>(entry);
}

// Of a title with one file.
std::shared_ptr<const CatalogueRecord> TitleOf(const std::string& id, int number) {
  const std::string text = std::to_string(number);
  return Record("key: 'titles/" + id + "' title { name: 'titles/" + id +
                "' current_version: 'v1' versions { version: 'v1' renditions { rendition: 'x' file { file_number: " + text + " path: '" +
                id + "/v1/x/media.mp4' size_bytes: 5 sha256: 'hash' playlist { path: '" + id +
                "/v1/x/media.m3u8' sha256: 'hash' } } } } }");
}

HeldFeed<CatalogueRecord> Held(std::vector<std::shared_ptr<const CatalogueRecord>> records) {
  return {.position = {1, 1}, .entries = std::move(records)};
}

TEST(CatalogueRecord, LeavesHashesOutAndNothingElse) {
  const content::v1::CatalogEntry entry = TitleOf("a", 1)->Unpack();
  const content::v1::File& file = entry.title().versions(0).renditions(0).file();
  EXPECT_EQ(entry.key(), "titles/a");
  EXPECT_EQ(file.path(), "a/v1/x/media.mp4");
  EXPECT_EQ(file.size_bytes(), 5);
  EXPECT_EQ(file.playlist().path(), "a/v1/x/media.m3u8");
  EXPECT_EQ(file.sha256() + file.playlist().sha256(), "");
}

TEST(CatalogueReader, RemembersPlaylistsOnlyWhereTheyAreUnusual) {
  const CatalogueViews views = CatalogueReader().Read(
      Held({Record("key: 'manifests/oca-1' manifest_generation: '7'"),
            Record("key: 'titles/a' title { name: 'titles/a' current_version: 'v1' versions { version: 'v1' "
                   "renditions { rendition: 'x' bandwidth_bps: 7 file { file_number: 1 path: 'a/v1/x/media.mp4' playlist { path: "
                   "'a/v1/x/media.m3u8' } } } "
                   "renditions { rendition: 'y' file { file_number: 2 path: 'a/v1/y/media.mp4' playlist { path: 'a/v1/y/other.m3u8' } } } "
                   "renditions { rendition: 'z' file { file_number: 3 path: 'a/v1/z/media.mp4' } } } }"),
            Record("key: 'titles/b' title { name: 'titles/B' }")}));
  EXPECT_EQ(views.catalogue->title_count(), 1u);
  EXPECT_EQ(views.catalogue->FindFile(1).file->bitrate_bps, 7u);
  EXPECT_EQ(*views.unusual_playlists, (PlaylistPaths{{2, "a/v1/y/other.m3u8"}, {3, ""}}));
  EXPECT_THAT(views.issues, ElementsAre(HasSubstr("titles/b")));
}

TEST(CatalogueReader, ReadsAgainOnlyWhatIsAnotherObject) {
  CatalogueReader reader;
  const auto a = TitleOf("a", 1);
  const auto c = TitleOf("c", 3);
  const CatalogueViews first = reader.Read(Held({a, TitleOf("b", 2), c}));
  // One is another, one comes, one goes.
  const CatalogueViews second = reader.Read(Held({a, TitleOf("b", 12), TitleOf("bb", 4)}));
  EXPECT_EQ(second.catalogue->FindTitle(TitleId("a")), first.catalogue->FindTitle(TitleId("a")));
  EXPECT_EQ(second.catalogue->FindFile(2).file, nullptr);
  EXPECT_EQ(second.catalogue->FindFile(12).file->path, "b/v1/x/media.mp4");
  EXPECT_EQ(second.catalogue->FindFile(4).title->id, TitleId("bb"));
  EXPECT_EQ(second.catalogue->FindTitle(TitleId("c")), nullptr);
  EXPECT_THAT(*second.records, SizeIs(3));
  EXPECT_EQ(second.records->at(TitleId("a")), a);
  // The one before is what it was.
  EXPECT_EQ(first.catalogue->FindFile(2).file->path, "b/v1/x/media.mp4");
  EXPECT_EQ(first.catalogue->FindTitle(TitleId("c"))->id, TitleId("c"));
  const CatalogueViews third = reader.Read(Held({c}));
  EXPECT_EQ(third.catalogue->file_count(), 1u);
  EXPECT_EQ(third.catalogue->FindFile(3).title->id, TitleId("c"));
}

TEST(CatalogueReader, AnIssueStaysUntilItsRecordIsAnother) {
  CatalogueReader reader;
  const auto bad = Record("key: 'titles/b' title { name: 'titles/B' }");
  EXPECT_THAT(reader.Read(Held({bad})).issues, SizeIs(1));
  EXPECT_THAT(reader.Read(Held({TitleOf("a", 1), bad})).issues, SizeIs(1));
  EXPECT_THAT(reader.Read(Held({TitleOf("a", 1), TitleOf("b", 2)})).issues, SizeIs(0));
}

}  // namespace
}  // namespace fairlead
