#include "services/steering/table_file.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/checkpoint/file.h"
#include "libs/checkpoint/section_file.h"
#include "libs/checkpoint/whole_file.h"
#include "libs/steering/decide.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr absl::Time kMonday = absl::FromUnixSeconds(1'800'000'000);

// `boxes` at one open site, all holding one title; `version` tells one table from another.
std::shared_ptr<const SteeringTable> Table(uint64_t version, int boxes = 40) {
  SteeringInputs in = {.version = version};
  in.sites = {{.id = SiteId("x"), .kind = SiteKind::kIx, .open_to_unrouted = true}};
  in.titles = {{.id = TitleId("t"), .versions = {{.version = "v1", .files = {{.number = 3, .path = "t/v1/r/f.mp4", .rendition = "r"}}}}}};
  for (int i = 0; i < boxes; ++i) {
    in.appliances.push_back({.id = ApplianceId(absl::StrCat("b", 100 + i)),
                             .site = SiteId("x"),
                             .kind = ApplianceKind::kStorage,
                             .endpoints = {{AddressFamily::kIpv4, "https", "h.example", 443}},
                             .admin = AdminState::kLive,
                             .health = HealthState::kOk});
    in.holdings.push_back({in.appliances.back().id, std::make_shared<const FileSet>(FileSet::Of({3}))});
  }
  return BuildSteeringTable(std::move(in)).value();
}

TableExtras Extras(absl::Time saved_at = kMonday) {
  return {.saved_at = saved_at,
          .sources = {{.name = "registry", .position = {3, 9}, .age = absl::Milliseconds(15)}},
          .default_max_urls = 4,
          .token_lifetime = absl::Minutes(90),
          .active_key_ids = {"k-2", "k-1"}};
}

class TableFileTest : public ::testing::Test {
 protected:
  TableFileTest() { EXPECT_NE(mkdtemp(folder_.data()), nullptr); }
  ~TableFileTest() override { std::filesystem::remove_all(folder_); }

  std::string Path(absl::string_view name = kTableFile) const { return absl::StrCat(folder_, "/", name); }
  void Save(uint64_t version, absl::Time at = kMonday, int boxes = 40, bool believed = false) const {
    TableExtras extras = Extras(at);
    extras.shrunken = believed;
    ASSERT_TRUE(SaveTableFile(folder_, *Table(version, boxes), extras).ok());
  }
  uint64_t LoadedVersion() const {
    const LoadedTable loaded = LoadTable(folder_);
    return loaded.file.has_value() ? loaded.file->table->version : 0;
  }

  std::string folder_ = "/tmp/table-file-test-XXXXXX";
};

// Bytes where a mapping would put them.
struct InPlace {
  explicit InPlace(const std::string& bytes) {
    void* at = nullptr;
    EXPECT_EQ(posix_memalign(&at, kSectionAlignment, std::max<size_t>(1, bytes.size())), 0);
    memory = std::shared_ptr<void>(at, free);
    std::memcpy(at, bytes.data(), bytes.size());
    view = {static_cast<const char*>(at), bytes.size()};
  }
  std::shared_ptr<void> memory;
  absl::string_view view;
};

absl::Status Read(const std::string& bytes) {
  const InPlace in_place(bytes);
  return ReadTableBytes(in_place.view, in_place.memory).status();
}

TEST_F(TableFileTest, WhatIsWrittenIsDecidedFrom) {
  Save(7);
  const LoadedTable loaded = LoadTable(folder_);
  EXPECT_THAT(loaded.refused, IsEmpty());
  ASSERT_TRUE(loaded.file.has_value());
  EXPECT_EQ(loaded.file->extras, Extras());
  const SteeringRequest request = {.client = *IpAddress::Parse("192.0.2.1"), .title = TitleId("t"), .max_urls = 3};
  EXPECT_EQ(Decide(*loaded.file->table, request).files[0].candidates, Decide(*Table(7), request).files[0].candidates);
}

TEST_F(TableFileTest, AnEmptyFolderGivesNothingAndNoComplaint) {
  const LoadedTable loaded = LoadTable(folder_);
  EXPECT_FALSE(loaded.file.has_value());
  EXPECT_THAT(loaded.refused, IsEmpty());
}

TEST_F(TableFileTest, AnyFlippedBitAndAnyCutIsNoticed) {
  Save(7);
  const std::string whole = *ReadFile(Path(), size_t{1} << 30);
  ASSERT_TRUE(Read(whole).ok());
  for (size_t at = 0; at < whole.size(); at += 3) {
    std::string spoilt = whole;
    spoilt[at] = static_cast<char>(spoilt[at] ^ (1 << at % 8));
    ASSERT_EQ(Read(spoilt).code(), absl::StatusCode::kDataLoss) << at;
  }
  for (size_t left = 0; left < whole.size(); left += 511)
    ASSERT_EQ(Read(whole.substr(0, left)).code(), absl::StatusCode::kDataLoss) << left;
  EXPECT_FALSE(Read(whole + whole).ok());
}

TEST_F(TableFileTest, AnotherFormatIsRefusedByItsNumber) {
  Save(7);
  std::string old = *ReadFile(Path(), size_t{1} << 30);
  old[24] = 0;  // Where the head has it.
  EXPECT_THAT(std::string(Read(old).message()), HasSubstr("format 0 of 'fairlead-table', and this program reads 2"));
  EXPECT_THAT(std::string(Read("fairlead steering snapshot 2\n").message()), HasSubstr("not a whole file"));
}

TEST_F(TableFileTest, TheOneBeforeIsUsedWhenTheNewestIsSpoiltAndTheSpoiltOneIsPutAside) {
  Save(1);
  Save(2, kMonday + absl::Minutes(3));
  std::filesystem::resize_file(Path(), std::filesystem::file_size(Path()) - 4'096);
  const LoadedTable loaded = LoadTable(folder_);
  ASSERT_TRUE(loaded.file.has_value());
  EXPECT_EQ(loaded.file->table->version, 1u);
  ASSERT_THAT(loaded.refused, SizeIs(1));
  EXPECT_THAT(std::string(loaded.refused[0].message()), HasSubstr(Path()));
  EXPECT_TRUE(std::filesystem::exists(Path(RefusedName(kTableFile))));
  std::ofstream(Path(PreviousName(kTableFile)), std::ios::binary) << "";
  EXPECT_FALSE(LoadTable(folder_).file.has_value());
}

TEST_F(TableFileTest, AnOlderOneInThePlaceOfTheNewestIsHeld) {
  Save(2, kMonday + absl::Minutes(3));
  Save(1, kMonday);  // As somebody who restores a backup does it.
  const LoadedTable loaded = LoadTable(folder_);
  EXPECT_EQ(loaded.file->table->version, 2u);
  ASSERT_THAT(loaded.refused, SizeIs(1));
  EXPECT_THAT(std::string(loaded.refused[0].message()), HasSubstr("older than the one before"));
}

TEST_F(TableFileTest, ASharplySmallerOneIsHeldUnlessItWasBelievedWhenItWasWritten) {
  Save(1, kMonday, 40);
  Save(2, kMonday + absl::Minutes(3), 19);
  const LoadedTable loaded = LoadTable(folder_);
  EXPECT_EQ(loaded.file->table->version, 1u);
  ASSERT_THAT(loaded.refused, SizeIs(1));
  EXPECT_THAT(std::string(loaded.refused[0].message()), HasSubstr("held: it has 19 boxes where there were 40"));
  Save(3, kMonday + absl::Minutes(6), 20);
  EXPECT_EQ(LoadedVersion(), 3u);
  Save(4, kMonday + absl::Minutes(9), 1, /*believed=*/true);
  EXPECT_EQ(LoadedVersion(), 4u);
}

// A flip, a cut, a hole, parts of itself in another order, of the other file, an older format behind right checksums, nothing at all.
std::string Damaged(std::mt19937_64& random, const std::string& whole, const std::string& other) {
  std::string bytes = whole;
  const size_t blocks = whole.size() / kSectionAlignment;
  const size_t at = random() % whole.size();
  const size_t length = 1 + random() % std::min<size_t>(whole.size() - at, 20'000);
  switch (random() % 7) {
    case 0:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
      return bytes;
    case 1:
      return whole.substr(0, at);
    case 2:
      return bytes.replace(at, length, length, '\0');
    case 3: {
      const size_t one = random() % blocks * kSectionAlignment;
      const size_t two = random() % blocks * kSectionAlignment;
      std::swap_ranges(bytes.begin() + static_cast<ptrdiff_t>(one), bytes.begin() + static_cast<ptrdiff_t>(one + kSectionAlignment),
                       bytes.begin() + static_cast<ptrdiff_t>(two));
      return bytes;
    }
    case 4: {
      const size_t one = random() % blocks * kSectionAlignment;
      return bytes.replace(one, kSectionAlignment, other.substr(one, kSectionAlignment));
    }
    case 5:
      bytes[24] = static_cast<char>(random() % kTableFormat);  // Where the head has it.
      return WithRightSums(bytes);
    default:
      return "";
  }
}

TEST_F(TableFileTest, WhicheverOfTheTwoIsDamagedTheOtherIsLoadedWholeAndWithBothNothingIs) {
  constexpr int kRounds = 400;
  constexpr absl::Duration kLater = absl::Minutes(3);
  Save(1, kMonday, 5);
  Save(2, kMonday + kLater, 6);
  const std::string names[] = {Path(), Path(PreviousName(kTableFile))};
  const std::string whole[] = {*ReadFile(names[0], size_t{1} << 30), *ReadFile(names[1], size_t{1} << 30)};
  std::mt19937_64 random(6);
  const auto damaged = [&](size_t which) {
    std::string bytes = whole[which];
    while (bytes == whole[0] || bytes == whole[1]) bytes = Damaged(random, whole[which], whole[1 - which]);
    return bytes;
  };
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE(absl::StrCat("round ", round));
    const bool both = round % 8 == 0;
    const size_t spoilt = random() % 2;
    for (const size_t which : {0, 1}) {
      std::ofstream(names[which], std::ios::binary) << (both || which == spoilt ? damaged(which) : whole[which]);
    }
    const LoadedTable loaded = LoadTable(folder_, 1 + random() % 2);
    // A previous one that isn't needed isn't looked at, so it isn't complained of either.
    ASSERT_THAT(loaded.refused, SizeIs(both ? 2 : spoilt == 0 ? 1 : 0));
    for (size_t i = 0; i < loaded.refused.size(); ++i) {
      ASSERT_EQ(loaded.refused[i].code(), absl::StatusCode::kDataLoss) << loaded.refused[i];
      ASSERT_THAT(std::string(loaded.refused[i].message()), HasSubstr(names[i] + ": "));
    }
    ASSERT_EQ(loaded.file.has_value(), !both);
    if (both) continue;
    const bool newest = spoilt == 1;
    EXPECT_EQ(loaded.file->table->version, newest ? 2u : 1u);
    EXPECT_EQ(loaded.file->extras, Extras(newest ? kMonday + kLater : kMonday));
    const SteeringRequest request = {.client = *IpAddress::Parse("192.0.2.1"), .title = TitleId("t"), .max_urls = 8};
    const auto expected = newest ? Table(2, 6) : Table(1, 5);
    EXPECT_EQ(Decide(*loaded.file->table, request).files[0].candidates, Decide(*expected, request).files[0].candidates);
  }
}

TEST(WhySharplySmaller, CountsBoxesPrefixesAndFiles) {
  const ImageCounts held = {.version = 1, .boxes = 100, .prefixes = 100, .files = 100};
  EXPECT_FALSE(WhySharplySmaller(held, held).has_value());
  EXPECT_FALSE(WhySharplySmaller({}, held).has_value());
  EXPECT_EQ(WhySharplySmaller(held, {.boxes = 49, .prefixes = 100, .files = 100}), "49 boxes where there were 100");
  EXPECT_EQ(WhySharplySmaller(held, {.boxes = 50, .prefixes = 0, .files = 100}), "0 prefixes where there were 100");
  EXPECT_EQ(WhySharplySmaller(held, {.boxes = 50, .prefixes = 50, .files = 3}), "3 files where there were 100");
}

// Wherever the writer is killed, a whole table is there. It is killed once it has written so much of its next file, or put it in place.
TEST_F(TableFileTest, AWriterThatIsKilledLeavesAWholeTable) {
  Save(1, kMonday);
  const auto table = Table(2, 4'000);
  const std::string temporary = Path(TemporaryName(kTableFile));
  for (int round = 0; round < 25; ++round) {
    const pid_t writer = fork();
    ASSERT_GE(writer, 0);
    if (writer == 0) {
      for (int i = 1;; ++i) {
        if (!SaveTableFile(folder_, *table, Extras(kMonday + absl::Seconds(100 * round + i))).ok()) _exit(1);
      }
    }
    const auto written = [&] {
      std::error_code error;
      const auto size = std::filesystem::file_size(temporary, error);
      return error ? 0 : static_cast<uint64_t>(size);
    };
    for (int tries = 0; tries < 200'000 && written() < 4'096 * static_cast<uint64_t>(round); ++tries) {
    }
    ASSERT_EQ(kill(writer, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(waitpid(writer, &status, 0), writer);
    ASSERT_TRUE(WIFSIGNALED(status));
    const LoadedTable loaded = LoadTable(folder_);
    ASSERT_TRUE(loaded.file.has_value());
    ASSERT_THAT(loaded.refused, IsEmpty()) << "round " << round;
  }
}

TEST_F(TableFileTest, AFailedWriteNamesTheFileAndLeavesTheOldOne) {
  Save(1);
  std::filesystem::create_directory(Path(TemporaryName(kTableFile)));  // In the way, also of root.
  const absl::Status status = SaveTableFile(folder_, *Table(2), Extras());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr(TemporaryName(kTableFile)));
  EXPECT_EQ(LoadedVersion(), 1u);
}

}  // namespace
}  // namespace fairlead
