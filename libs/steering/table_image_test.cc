#include "libs/steering/table_image.h"

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/steering/decide.h"
#include "libs/steering/image_buffer.h"
#include "libs/steering/ladder_book.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;

// An embedded site that hears one prefix, an open IX site; 300 boxes, so that rows of every form are there.
SteeringInputs Inputs() {
  SteeringInputs in = {.version = 41};
  in.links = {{.id = LinkId("up-a"), .capacity_bps = 100}, {.id = LinkId("port"), .capacity_bps = 100, .contract_cap_bps = 50}};
  in.sites = {{.id = SiteId("a"), .kind = SiteKind::kEmbedded, .country = "GB", .uplinks = {LinkId("up-a")}},
              {.id = SiteId("x"), .kind = SiteKind::kIx, .at = {51'500'000, -120'000}, .open_to_unrouted = true}};
  for (int i = 0; i < 300; ++i) {
    in.appliances.push_back({.id = ApplianceId(absl::StrCat("b", 1'000 + i)),
                             .site = SiteId(i < 30 ? "a" : "x"),
                             .kind = ApplianceKind::kStorage,
                             .endpoints = {{AddressFamily::kIpv4, "https", absl::StrCat("h", i, ".example"), 443}},
                             .capacity_bps = 1'000,
                             .admin = AdminState::kLive,
                             .health = HealthState::kOk,
                             .use_bps = 10});
  }
  auto allowed = std::make_shared<PrefixTable<std::monostate>>();
  allowed->Insert(*Prefix::Parse("198.51.100.0/22"), {});
  in.sessions = {{.id = BgpSessionId("s"),
                  .partner = PartnerId("isp"),
                  .transport = TransportClass::kEmbedded,
                  .site = SiteId("a"),
                  .appliance = ApplianceId("b1000"),
                  .allowed = allowed}};
  for (const char* prefix : {"198.51.100.0/22", "198.51.100.0/24"}) {
    in.routes.push_back({.prefix = *Prefix::Parse(prefix), .session = 0, .neighbour_as = 64'500, .as_path_length = 2});
  }
  in.routes.push_back({.prefix = *Prefix::Parse("203.0.113.0/24"), .session = 0});  // Left out.
  VersionView version = {.version = "v1", .playable_sets = {{.name = "all", .files = {0, 1, 2}}}};
  for (uint32_t file = 0; file < 5; ++file) {
    version.files.push_back({.number = 7 * file, .path = absl::StrCat("t/v1/r", file, "/f.mp4"), .rendition = absl::StrCat("r", file)});
  }
  version.files.back().path = "elsewhere/f.mp4";
  version.files[0].track = version.files[4].track = {.kind = RenditionKind::kVideo, .codecs = "avc1", .width = 1280, .height = 720};
  version.files[1].track = {.kind = RenditionKind::kAudio, .codecs = "mp4a", .language = "de"};
  version.files[2].playlist = "elsewhere/index.m3u8";
  version.files[3].playlist = "";
  // A file that both versions have is the later one's.
  const VersionView old = {.version = "v0", .files = {{.number = 14, .path = "t/v0/r2/f.mp4", .rendition = "r2"}}};
  in.titles = {{.id = TitleId("t"), .current_version = "v1", .versions = {old, version}}, {.id = TitleId("empty")}};
  constexpr size_t kHolders[] = {2, 40, 150, 299, 0};  // In the word, flat, behind an index, a bitmap, none.
  for (size_t i = 0; i < in.appliances.size(); ++i) {
    std::vector<uint32_t> files;
    for (uint32_t file = 0; file < 5; ++file) {
      if (i < kHolders[file]) files.push_back(7 * file);
    }
    in.holdings.push_back({in.appliances[i].id, std::make_shared<const FileSet>(FileSet::Of(files))});
  }
  return in;
}

std::shared_ptr<const SteeringTable> Built() {
  return BuildSteeringTable(Inputs()).value();
}

ImageBuffer Written(const SteeringTable& table) {
  ImageBuffer buffer;
  WriteImage(table, buffer);
  return buffer;
}

TEST(TableImage, ATableFromItsImageHasTheSameContentAndWritesTheSameImage) {
  const auto table = Built();
  const ImageBuffer buffer = Written(*table);
  const auto read = ReadImage(buffer.Image());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ((*read)->version, 41u);
  EXPECT_EQ((*read)->fleet->fingerprint(), table->fleet->fingerprint());
  EXPECT_EQ((*read)->ladders->routes_left_out(), 1u);
  EXPECT_EQ((*read)->ladders->distinct_ladders(), table->ladders->distinct_ladders());
  EXPECT_EQ((*read)->catalogue->file_count(), 5u);
  EXPECT_EQ((*read)->catalogue->title_count(), 2u);
  EXPECT_TRUE(Written(**read) == buffer);
}

TEST(TableImage, EveryHolderOfEveryFileIsTheSame) {
  const auto table = Built();
  const auto read = ReadImage(Written(*table).Image()).value();
  size_t held = 0;
  for (uint32_t file = 0; file < 40; ++file) {
    for (uint32_t box = 0; box < table->fleet->boxes().size(); ++box) {
      ASSERT_EQ(read->holdings->Holds(box, file), table->holdings->Holds(box, file)) << file << " " << box;
      held += table->holdings->Holds(box, file) ? 1 : 0;
    }
  }
  EXPECT_EQ(held, 2u + 40 + 150 + 299);
  EXPECT_EQ(read->holdings->RowOf(1'000'000), 0u);
}

// All threads look for all titles at once, so that most are made, and take their places, by several at a time.
TEST(TableImage, ThreadsThatLookForTheSameTitlesFindTheSameOnes) {
  constexpr int kTitles = 2'000;
  constexpr size_t kThreads = 4;
  SteeringInputs in = Inputs();
  in.titles.clear();
  for (int i = 0; i < kTitles; ++i) in.titles.push_back({.id = TitleId(absl::StrCat("t", i))});
  const auto read = ReadImage(Written(*BuildSteeringTable(in).value()).Image()).value();
  std::vector<std::vector<const CatalogueTitle*>> found(kThreads, std::vector<const CatalogueTitle*>(kTitles));
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kTitles; ++i) found[thread][i] = read->catalogue->FindTitle(TitleId(absl::StrCat("t", i)));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < kTitles; ++i) {
    ASSERT_NE(found[0][i], nullptr) << i;
    EXPECT_EQ(found[0][i]->id(), absl::StrCat("t", i));
    for (size_t thread = 1; thread < kThreads; ++thread) EXPECT_EQ(found[thread][i], found[0][i]) << i;
    EXPECT_EQ(read->catalogue->FindTitle(TitleId(absl::StrCat("t", i))), found[0][i]) << i;
    EXPECT_EQ(read->catalogue->FindTitle(TitleId(absl::StrCat("u", i))), nullptr) << i;
  }
}

TEST(TableImage, TheCatalogueIsAnsweredFromItsRecords) {
  const auto read = ReadImage(Written(*Built()).Image()).value();
  const Catalogue& catalogue = *read->catalogue;
  const CatalogueTitle* title = catalogue.FindTitle(TitleId("t"));
  ASSERT_NE(title, nullptr);
  EXPECT_EQ(catalogue.FindTitle(TitleId("t")), title);  // Made once.
  EXPECT_EQ(catalogue.FindFile(14).path().Join(), "t/v1/r2/f.mp4");
  EXPECT_EQ(catalogue.FindFile(14).title, title);
  EXPECT_EQ(Built()->catalogue->FindFile(14).path().Join(), "t/v1/r2/f.mp4");
  EXPECT_EQ(catalogue.FindFile(28).version->TrackOf(*catalogue.FindFile(28).file).codecs(), "avc1");
  EXPECT_EQ(catalogue.FindFile(7).version->TrackOf(*catalogue.FindFile(7).file).language(), "de");
  EXPECT_EQ(catalogue.FindFile(7).playlist().Join(), "t/v1/r1/media.m3u8");
  EXPECT_EQ(catalogue.FindFile(14).playlist().Join(), "elsewhere/index.m3u8");
  EXPECT_EQ(catalogue.FindFile(21).playlist().size(), 0u);
  EXPECT_EQ(catalogue.FindPath("t/v0/r2/f.mp4").file->number(), 14u);
  EXPECT_EQ(catalogue.FindFile(28).path().Join(), "elsewhere/f.mp4");
  EXPECT_EQ(catalogue.FindPath("t/v1/r3/f.mp4").file->number(), 21u);
  EXPECT_THAT(title->versions()[1].FindSet("all")->files(), testing::ElementsAre(0, 1, 2));
  for (const uint32_t unknown : {1u, 29u, 0xffffffffu}) EXPECT_EQ(catalogue.FindFile(unknown).file, nullptr) << unknown;
  for (const char* unknown : {"s", "u", "tt", "a"}) EXPECT_EQ(catalogue.FindTitle(TitleId(unknown)), nullptr) << unknown;
  EXPECT_TRUE(catalogue.FindTitle(TitleId("empty"))->versions().empty());
}

TEST(TableImage, SlotsStayWhereTheyWere) {
  // A box that came later than its neighbours stands where a fleet built from nothing wouldn't put it.
  SteeringInputs before = Inputs();
  before.appliances.erase(before.appliances.begin() + 3);
  const auto old = Fleet::Build(before.sites, before.appliances, before.links);
  SteeringInputs in = Inputs();
  SteeringTable parts = {.version = 2};
  parts.fleet = Fleet::Build(in.sites, in.appliances, in.links, old.get());
  parts.ladders = LadderTable::Build(*parts.fleet, in.sessions, in.routes, nullptr, parts.policy);
  parts.holdings = Holdings::Build(*parts.fleet, in.holdings);
  const auto table = AssembleSteeringTable(parts).value();
  ASSERT_NE(table->fleet->fingerprint(), Built()->fleet->fingerprint());
  const auto read = ReadImage(Written(*table).Image());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ((*read)->fleet->fingerprint(), table->fleet->fingerprint());
  EXPECT_EQ((*read)->fleet->slots(), table->fleet->slots());
}

TEST(TableImage, PrefixesThatWentAreNotInItAndOthersStandInTheirPlaces) {
  const SteeringInputs in = Inputs();
  const auto prefix = [](absl::string_view text) { return *Prefix::Parse(text); };
  const std::vector<RouteView> heard = {{.session = 0, .neighbour_as = 64'500, .as_path_length = 2}};
  SteeringTable parts = *Built();
  LadderBook book(parts.fleet, in.sessions, nullptr, parts.policy);
  for (const char* known : {"198.51.100.0/22", "198.51.100.0/24", "198.51.100.0/26", "198.51.101.0/24", "198.51.102.0/24"}) {
    book.Set(prefix(known), heard);
  }
  book.Publish();
  book.Set(prefix("198.51.100.0/24"), {});
  book.Set(prefix("198.51.101.0/24"), {});
  book.Set(prefix("198.51.102.0/24"), {});
  book.Publish();
  book.Set(prefix("198.51.103.128/25"), heard);  // Where one of them stood; two places stay free.
  parts.ladders = book.Publish();
  const auto table = AssembleSteeringTable(parts).value();
  const ImageBuffer buffer = Written(*table);
  const auto read = ReadImage(buffer.Image());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ((*read)->ladders->prefixes(), 3u);
  EXPECT_TRUE(Written(**read) == buffer);
  const auto covering = [&](const LadderTable& ladders, const char* client) {
    std::vector<std::string> prefixes;
    for (const RouteView& route : ladders.RoutesCovering(*IpAddress::Parse(client))) prefixes.push_back(route.prefix.ToString());
    return prefixes;
  };
  EXPECT_EQ(covering(*(*read)->ladders, "198.51.100.9"), (std::vector<std::string>{"198.51.100.0/22", "198.51.100.0/26"}));
  EXPECT_EQ(covering(*(*read)->ladders, "198.51.103.200"), (std::vector<std::string>{"198.51.100.0/22", "198.51.103.128/25"}));
  for (const char* client : {"198.51.100.9", "198.51.100.99", "198.51.101.1", "198.51.102.1", "198.51.103.1", "198.51.103.200"}) {
    EXPECT_EQ(covering(*(*read)->ladders, client), covering(*table->ladders, client)) << client;
  }
}

TEST(TableImage, UnderTheConditionOfNowNobodyIsNamedWhoDrainsOrWentOrMoved) {
  const auto read = ReadImage(Written(*Built()).Image()).value();
  const SteeringRequest request = {.client = *IpAddress::Parse("198.51.100.9"), .title = TitleId("t"), .renditions = {"r0"}, .max_urls = 4};
  const auto boxes = [&](const std::vector<ApplianceView>& now) {
    SteeringTable parts = *read;
    parts.fleet = Fleet::UnderCondition(*read->fleet, *Fleet::Build(Inputs().sites, now, Inputs().links));
    EXPECT_EQ(parts.fleet->fingerprint(), read->fleet->fingerprint());
    const SteeringAnswer answer = Decide(*AssembleSteeringTable(parts).value(), request);
    std::vector<std::string> named;
    for (const Candidate& candidate : answer.files[0].candidates) named.push_back(candidate.appliance.value());
    return named;
  };
  // Only b1000 hears the route and holds r0; b1001 is at the site that hears nothing else.
  std::vector<ApplianceView> now = Inputs().appliances;
  EXPECT_EQ(boxes(now), std::vector<std::string>{"b1000"});
  now[0].admin = AdminState::kDraining;
  EXPECT_TRUE(boxes(now).empty());
  now[0].admin = AdminState::kLive;
  now[0].site = SiteId("x");
  EXPECT_TRUE(boxes(now).empty());
  now.erase(now.begin());
  now.push_back({.id = ApplianceId("new"), .site = SiteId("a"), .kind = ApplianceKind::kStorage, .admin = AdminState::kLive});
  EXPECT_TRUE(boxes(now).empty());
}

TEST(TableImage, WhatRefersToWhatIsNotThereIsRefusedByName) {
  const ImageBuffer whole = Written(*Built());
  const auto refusal = [&](ImagePart part, size_t at, char byte) {
    ImageBuffer spoilt = whole;
    spoilt.part(part)[at] = byte;
    const auto read = ReadImage(spoilt.Image());
    EXPECT_EQ(read.status().code(), absl::StatusCode::kDataLoss);
    return std::string(read.status().message());
  };
  EXPECT_THAT(refusal(ImagePart::kRungs, 0, 0x7f), HasSubstr("rung 0 fits no block"));  // Its first slot.
  EXPECT_THAT(refusal(ImagePart::kRungs, 8, 0x05), HasSubstr("rung 0 fits no block"));  // Its site.
  EXPECT_THAT(refusal(ImagePart::kLeaves, 8, 0x7f), HasSubstr("leaf 0 refers"));        // Its tail.
  EXPECT_THAT(refusal(ImagePart::kLeaves, 16 + 4, 0x7f), HasSubstr("leaf 1 refers"));   // Where its head is.
  EXPECT_THAT(refusal(ImagePart::kFacts, 24, 0x01), HasSubstr("prefix of leaf 1"));     // A host bit.
  EXPECT_THAT(refusal(ImagePart::kRoutes, 0, 0x09), HasSubstr("route 0 is of no session"));
  EXPECT_THAT(refusal(ImagePart::kRouteSets, 8, 0x09), HasSubstr("route sets"));
  EXPECT_THAT(refusal(ImagePart::kDirectory, 8 * 7 + 4, 0x7f), HasSubstr("the row of file 7"));
  EXPECT_THAT(refusal(ImagePart::kDirectory, 8 * 14 + 1, 0x44), HasSubstr("the row of file 14"));  // A length that no row has.
  EXPECT_THAT(refusal(ImagePart::kTitleIndex, 9, 0x7f), HasSubstr("index of titles"));
  EXPECT_THAT(refusal(ImagePart::kFileRuns, 4, 0x7f), HasSubstr("run 0 is of no title"));
}

TEST(TableImage, AnyCutIsRefused) {
  const ImageBuffer whole = Written(*Built());
  for (size_t i = 0; i < kImageParts; ++i) {
    const ImagePart part = static_cast<ImagePart>(i);
    const size_t size = ImageBuffer(whole).part(part).size();
    for (size_t left = 0; left < size; left += 1 + size / 97) {
      ImageBuffer cut = whole;
      cut.part(part).resize(left);
      // Rows are no records: that what is missing isn't the zeros behind the last one shows only in the words that refer to them.
      const bool may_pass =
          part == ImagePart::kRows ? left >= size - 1'024 + 64 : part == ImagePart::kDirectory || part == ImagePart::kFileRuns;
      ASSERT_TRUE(!ReadImage(cut.Image()).ok() || may_pass) << i << " cut to " << left << " of " << size;
    }
  }
}

TEST(TableImage, AnEmptyTableHasAnImageToo) {
  const auto table = BuildSteeringTable({}).value();
  const auto read = ReadImage(Written(*table).Image());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(Decide(**read, {.client = *IpAddress::Parse("192.0.2.1"), .title = TitleId("t")}).not_servable,
            Decide(*table, {.client = *IpAddress::Parse("192.0.2.1"), .title = TitleId("t")}).not_servable);
}

}  // namespace
}  // namespace fairlead
