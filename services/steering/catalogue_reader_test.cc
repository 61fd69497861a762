#include "services/steering/catalogue_reader.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

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
                id + "/v1/x/media.mp4' } } } }");
}

HeldFeed<CatalogueRecord> Held(std::vector<std::shared_ptr<const CatalogueRecord>> records) {
  return {.position = {1, 1}, .entries = std::move(records)};
}

TEST(CatalogueReader, CataloguesShareTheirTitles) {
  const auto a = TitleOf("a", 1);
  const auto c = TitleOf("c", 3);
  const CatalogueViews first = ReadCatalogue(Held({a, TitleOf("b", 2), c}));
  // One is another, one comes, one goes.
  const CatalogueViews second = ReadCatalogue(Held({a, TitleOf("b", 12), TitleOf("bb", 4)}));
  EXPECT_EQ(second.catalogue->FindTitle(TitleId("a")), first.catalogue->FindTitle(TitleId("a")));
  EXPECT_EQ(second.catalogue->FindFile(2).file, nullptr);
  EXPECT_EQ(second.catalogue->FindFile(12).path().Join(), "b/v1/x/media.mp4");
  EXPECT_EQ(second.catalogue->FindFile(4).title->id(), "bb");
  EXPECT_EQ(second.catalogue->FindTitle(TitleId("c")), nullptr);
  // The one before is what it was.
  EXPECT_EQ(first.catalogue->FindFile(2).path().Join(), "b/v1/x/media.mp4");
  EXPECT_EQ(first.catalogue->FindTitle(TitleId("c"))->id(), "c");
  const CatalogueViews third = ReadCatalogue(Held({c}));
  EXPECT_EQ(third.catalogue->file_count(), 1u);
  EXPECT_EQ(third.catalogue->FindFile(3).title->id(), "c");
}

TEST(CatalogueReader, AnIssueStaysUntilItsRecordIsAnother) {
  const auto bad = Record("key: 'titles/b' title { name: 'titles/B' }");
  EXPECT_THAT(ReadCatalogue(Held({bad})).issues, SizeIs(1));
  EXPECT_THAT(ReadCatalogue(Held({TitleOf("a", 1), bad})).issues, SizeIs(1));
  EXPECT_THAT(ReadCatalogue(Held({TitleOf("a", 1), TitleOf("b", 2)})).issues, SizeIs(0));
}

}  // namespace
}  // namespace fairlead
