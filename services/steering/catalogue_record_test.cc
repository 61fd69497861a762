#include "services/steering/catalogue_record.h"

#include <string>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

content::v1::CatalogEntry Entry(const std::string& text) {
  content::v1::CatalogEntry entry;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &entry)) << text;
  return entry;
}

content::v1::CatalogEntry OnDisk(const CatalogueRecord& record) {
  content::v1::CatalogEntry entry;
  EXPECT_TRUE(entry.ParseFromString(record.SerializeAsString()));
  return entry;
}

constexpr char kTitle[] = R"(
  key: 'titles/a'
  title {
    name: 'titles/a' current_version: 'v2' popularity: 0.25
    versions { version: 'v1' }
    versions {
      version: 'v2'
      renditions {
        rendition: 'x' kind: KIND_VIDEO bandwidth_bps: 7 codecs: 'avc1' width: 1280 height: 720
        file { file_number: 1 path: 'a/v2/x/media.mp4' size_bytes: 5 playlist { path: 'a/v2/x/media.m3u8' } }
      }
      renditions {
        rendition: 'y' kind: KIND_AUDIO codecs: 'mp4a' language: 'de'
        file { file_number: 2 path: 'a/v2/y/media.mp4' playlist { path: 'a/v2/y/other.m3u8' } }
      }
      renditions { rendition: 'z' kind: KIND_TEXT file { file_number: 3 path: 'elsewhere/z.vtt' } }
    }
  })";

TEST(CatalogueRecord, OnDiskIsWhatItWasMadeOf) {
  const content::v1::CatalogEntry entry = Entry(kTitle);
  const CatalogueRecord record(entry);
  EXPECT_EQ(record.key(), "titles/a");
  EXPECT_THAT(record.issue(), IsEmpty());
  google::protobuf::util::MessageDifferencer differences;
  std::string told;
  differences.ReportDifferencesToString(&told);
  EXPECT_TRUE(differences.Compare(OnDisk(record), entry)) << told;
  const CatalogueRecord again(OnDisk(record));
  EXPECT_EQ(again.SerializeAsString(), record.SerializeAsString());
}

TEST(CatalogueRecord, PlaylistsAreRememberedWhereTheyAreUnusual) {
  const CatalogueRecord record(Entry(kTitle));
  const CatalogueVersion& version = *record.title()->FindVersion("");
  EXPECT_EQ(version.UnusualPlaylistOf(version.files()[0]), std::nullopt);
  EXPECT_EQ(version.UnusualPlaylistOf(version.files()[1]), "a/v2/y/other.m3u8");
  EXPECT_EQ(version.UnusualPlaylistOf(version.files()[2]), "");
}

TEST(CatalogueRecord, LeavesOutWhatOnlyMoversOfFilesNeed) {
  content::v1::CatalogEntry entry = Entry(kTitle);
  const std::string bytes = CatalogueRecord(entry).SerializeAsString();
  for (auto& rendition : *entry.mutable_title()->mutable_versions(1)->mutable_renditions()) {
    rendition.mutable_file()->set_sha256("hash");
    rendition.mutable_file()->set_duration_seconds(5'400);
    if (rendition.file().has_playlist()) rendition.mutable_file()->mutable_playlist()->set_sha256("hash");
  }
  EXPECT_EQ(CatalogueRecord(entry).SerializeAsString(), bytes);
}

TEST(CatalogueRecord, WhatIsNoTitleIsKeptAsItIs) {
  const content::v1::CatalogEntry manifest = Entry("key: 'manifests/oca-1' manifest_generation: '7'");
  EXPECT_EQ(CatalogueRecord(manifest).title(), nullptr);
  EXPECT_THAT(CatalogueRecord(manifest).issue(), IsEmpty());
  EXPECT_EQ(OnDisk(CatalogueRecord(manifest)).SerializeAsString(), manifest.SerializeAsString());
}

TEST(CatalogueRecord, OneThatContradictsItselfSaysHow) {
  const struct {
    std::string title;
    std::string issue;
  } cases[] = {
      {"name: 'titles/B'", "'titles/b': title.name"},
      {"name: 'titles/b' versions { version: '/' }", "title.versions.version '/'"},
      {"name: 'titles/b' versions { version: 'v1' renditions { rendition: 'x' } }", "title.versions.renditions.file.path"},
  };
  for (const auto& test : cases) {
    const content::v1::CatalogEntry entry = Entry("key: 'titles/b' title { " + test.title + " }");
    const CatalogueRecord record(entry);
    EXPECT_EQ(record.title(), nullptr);
    EXPECT_THAT(record.issue(), HasSubstr(test.issue));
    EXPECT_EQ(OnDisk(record).SerializeAsString(), entry.SerializeAsString());
  }
}

TEST(CatalogueRecord, AKindThatIsntKnownIsNone) {
  content::v1::CatalogEntry entry = Entry(kTitle);
  entry.mutable_title()->mutable_versions(1)->mutable_renditions(0)->set_kind(static_cast<content::v1::Rendition::Kind>(99));
  const CatalogueRecord record(entry);
  EXPECT_EQ(record.title()->versions()[1].tracks()[0].kind(), RenditionKind::kUnspecified);
}

}  // namespace
}  // namespace fairlead
