#include "services/steering/feed_checkpoint.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/net/ip_address.h"
#include "libs/net/prefix.h"
#include "services/steering/feed_checkpoint_run.h"

namespace fairlead {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Entry = ingest::v1::FleetEntry;

class FeedCheckpointTest : public ::testing::Test {
 protected:
  FeedCheckpointTest() {
    folder_ = "/tmp/feed-checkpoint-test-XXXXXX";
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    Restart();
  }
  ~FeedCheckpointTest() override {
    run_.reset();
    std::filesystem::remove_all(folder_);
  }

  // A record that no save writes; and the next run, which has read nothing yet.
  void PutOnDisk(const std::string& key, const std::string& value) {
    run_.reset();
    {
      auto checkpoint = Checkpoint::Open({.folder = folder_, .name = FeedCheckpoint::kName});
      ASSERT_TRUE(checkpoint.ok());
      ChangeBatch batch;
      batch.Set(key, value);
      ASSERT_TRUE((*checkpoint)->Append(batch).ok());
    }
    run_ = std::make_unique<FeedCheckpointRun>(folder_);
  }
  // As after a kill: nothing is saved once more.
  void Restart() {
    run_.reset();
    run_ = std::make_unique<FeedCheckpointRun>(folder_);
    const auto restored = run_->checkpoint().Restore();
    ASSERT_TRUE(restored.ok()) << restored.status();
    EXPECT_THAT(restored->faults, IsEmpty());
  }

  static Entry RouteOf(const std::string& session, const std::string& prefix, uint32_t path_id, uint32_t med) {
    const Prefix parsed = Prefix::Parse(prefix).value();
    Entry entry;
    entry.set_key(RouteKeyText({.session = BgpSessionId(session), .prefix = parsed, .path_id = path_id}));
    entry.mutable_route()->set_session("bgpSessions/" + session);
    entry.mutable_route()->set_appliance("appliances/of-" + session);
    entry.mutable_route()->mutable_prefix()->set_address(parsed.address().ToBytes());
    entry.mutable_route()->mutable_prefix()->set_length(static_cast<uint32_t>(parsed.length()));
    entry.mutable_route()->set_path_id(path_id);
    entry.mutable_route()->set_med(med);
    entry.mutable_route()->set_as_path_length(med % 7);
    entry.mutable_route()->set_neighbour_as(64'500 + med % 3);
    entry.mutable_route()->set_demoted(med % 2 == 1);
    return entry;
  }
  static Entry HoldingsOf(const std::string& box, uint64_t sequence) {
    Entry entry;
    entry.set_key("holdings/" + box);
    entry.mutable_holdings()->set_appliance("appliances/" + box);
    entry.mutable_holdings()->set_incarnation(1);
    entry.mutable_holdings()->set_sequence(sequence);
    entry.mutable_holdings()->set_bitmap(std::string("\x3a\x30\x00\x00\x00\x00\x00\x00", 8));  // Of nothing.
    return entry;
  }
  static Entry Removed(const Entry& entry) {
    Entry removal;
    removal.set_key(entry.key());
    return removal;
  }

  void Give(const std::string& cell, const std::vector<Entry>& entries, bool snapshot = false) {
    ++position_.version;
    const absl::Status given =
        run_->cell(cell).Apply({.snapshot = snapshot, .base = {}, .position = position_, .entries = entries, .held_entries = 0});
    ASSERT_TRUE(given.ok()) << given;
  }
  void GiveTitle(const std::string& id, const std::string& name) {
    content::v1::CatalogEntry entry;
    entry.set_key("titles/" + id);
    if (!name.empty()) entry.mutable_title()->set_name("titles/" + name);
    ++position_.version;
    ASSERT_TRUE(run_->sources()
                    .catalog()
                    .Apply({.snapshot = false, .base = {}, .position = position_, .entries = {entry}, .held_entries = 0})
                    .ok());
  }

  std::string folder_;
  std::unique_ptr<FeedCheckpointRun> run_;
  FeedPosition position_ = {3, 0};
};

TEST_F(FeedCheckpointTest, ARestartFindsWhatTheLastSaveHadAndNothingElse) {
  Give("one", {RouteOf("s-1", "192.0.2.0/24", 0, 5), RouteOf("s-2", "192.0.2.0/24", 7, 6), RouteOf("s-1", "2001:db8::/32", 0, 1),
               HoldingsOf("oca-1", 4)});
  Give("two", {RouteOf("s-1", "192.0.2.0/24", 0, 9)});
  GiveTitle("a", "a");
  ASSERT_TRUE(run_->checkpoint().Save().ok());
  const BulkPicture saved = run_->picture();
  EXPECT_EQ(saved.size(), 9u);
  Give("one", {Removed(RouteOf("s-1", "192.0.2.0/24", 0, 5))});
  Restart();
  EXPECT_EQ(run_->picture(), saved);
  // Of what was restored nothing is written again; of what changed since, that.
  const uint64_t bytes = run_->checkpoint().bytes();
  ASSERT_TRUE(run_->checkpoint().Save().ok());
  EXPECT_EQ(run_->checkpoint().bytes(), bytes);
  Give("one", {Removed(RouteOf("s-1", "2001:db8::/32", 0, 1)), Removed(HoldingsOf("oca-1", 4))});
  GiveTitle("a", "");
  ASSERT_TRUE(run_->checkpoint().Save().ok());
  const BulkPicture fewer = run_->picture();
  Restart();
  EXPECT_EQ(run_->picture(), fewer);
}

TEST_F(FeedCheckpointTest, WhoeverSaysARouteIsNeverTakenForAnother) {
  Give("one", {RouteOf("s-1", "192.0.2.0/24", 0, 5)});
  ASSERT_TRUE(run_->checkpoint().Save().ok());
  // In memory the next speaker gets the number of the one that went.
  Give("one", {Removed(RouteOf("s-1", "192.0.2.0/24", 0, 5)), RouteOf("s-9", "198.51.100.0/24", 0, 5)});
  ASSERT_TRUE(run_->checkpoint().Save().ok());
  const BulkPicture saved = run_->picture();
  for (int i = 0; i < 2; ++i) {  // After the first, numbers that nobody has any more are forgotten.
    Restart();
    EXPECT_EQ(run_->picture(), saved);
    ASSERT_TRUE(run_->checkpoint().Save().ok());
  }
}

TEST_F(FeedCheckpointTest, ACellThatIsLetGoOfGoesFromTheDisk) {
  run_->sources().FollowCells({{.id = CellId("one"), .address = "127.0.0.1:1"}, {.id = CellId("two"), .address = "127.0.0.1:1"}});
  Give("one", {RouteOf("s-1", "192.0.2.0/24", 0, 5)});
  Give("two", {RouteOf("s-1", "192.0.2.0/24", 0, 5)});
  ASSERT_TRUE(run_->checkpoint().Save().ok());
  run_->sources().FollowCells({{.id = CellId("two"), .address = "127.0.0.1:1"}});
  ASSERT_TRUE(run_->checkpoint().Save().ok());
  const BulkPicture saved = run_->picture();
  Restart();
  EXPECT_EQ(run_->picture(), saved);
}

// Changes, saves and kills in any order, the log cut anywhere: what is found is what some save had, and the last one where nothing was cut.
TEST_F(FeedCheckpointTest, WhateverHappensWhatIsFoundIsWhatOneSaveHad) {
  std::mt19937 random(7);
  const auto below = [&](uint32_t n) { return random() % n; };
  std::vector<BulkPicture> saves = {run_->picture()};
  for (int step = 0; step < 2'000; ++step) {
    const std::string cell = below(4) == 0 ? "two" : "one";
    std::vector<Entry> entries;
    for (uint32_t i = 0; i <= below(5); ++i) {
      const std::string prefix = below(3) == 0 ? absl::StrCat("2001:db8:", below(9), "::/48") : absl::StrCat("192.0.", below(20), ".0/24");
      Entry entry = below(5) == 0 ? HoldingsOf(absl::StrCat("oca-", below(6)), below(1'000))
                                  : RouteOf(absl::StrCat("s-", below(5)), prefix, below(2), below(50));
      entries.push_back(below(3) == 0 ? Removed(entry) : std::move(entry));
    }
    Give(cell, entries, below(100) == 0);
    if (below(10) == 0) GiveTitle(absl::StrCat("t-", below(8)), below(3) == 0 ? "" : absl::StrCat("t-", below(100)));
    if (below(4) == 0) {
      ASSERT_TRUE(run_->checkpoint().Save().ok());
      saves.push_back(run_->picture());
    }
    if (below(20) != 0) continue;
    run_.reset();
    const bool cut = below(2) == 0;
    for (const auto& file : std::filesystem::directory_iterator(folder_)) {
      if (!cut || !absl::StrContains(file.path().filename().string(), ".log.")) continue;
      const uint64_t size = file.file_size();
      std::filesystem::resize_file(file.path(), size - std::min<uint64_t>(size / 2, below(3'000)));
    }
    Restart();
    const BulkPicture found = run_->picture();
    if (cut) {
      ASSERT_THAT(saves, Contains(found)) << "step " << step;
    } else {
      ASSERT_EQ(found, saves.back()) << "step " << step;
    }
    saves.push_back(found);
  }
}

TEST_F(FeedCheckpointTest, WhatCantBeReadIsRefusedWholeAndReplaced) {
  Give("one", {RouteOf("s-1", "192.0.2.0/24", 0, 5)});
  ASSERT_TRUE(run_->checkpoint().Save().ok());
  PutOnDisk("q/of-a-later-version", "x");
  const auto restored = run_->checkpoint().Restore();
  ASSERT_EQ(restored.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(restored.status().message()), HasSubstr("q/of-a-later-version"));
  EXPECT_EQ(run_->cell("one").routes(), 0u);
  Give("one", {RouteOf("s-2", "198.51.100.0/24", 0, 5)}, true);
  ASSERT_TRUE(run_->checkpoint().Save().ok());
  const BulkPicture saved = run_->picture();
  Restart();
  EXPECT_EQ(run_->picture(), saved);
}

// The last records that are read are the positions: what was read before one that can't be is forgotten with it.
TEST_F(FeedCheckpointTest, WhereAPositionCantBeReadAllOfThemAreWrittenAgain) {
  Give("one", {RouteOf("s-1", "192.0.2.0/24", 0, 5)});
  ASSERT_TRUE(run_->checkpoint().Save().ok());
  PutOnDisk("p/zones/x", "");
  EXPECT_FALSE(run_->checkpoint().Restore().ok());
  --position_.version;  // The same position again.
  Give("one", {RouteOf("s-1", "192.0.2.0/24", 0, 5)}, true);
  ASSERT_TRUE(run_->checkpoint().Save().ok());
  const BulkPicture saved = run_->picture();
  Restart();
  EXPECT_EQ(run_->picture(), saved);
}

// As at the end of a steerd that couldn't have the files when it began.
TEST_F(FeedCheckpointTest, ASaveBehindStopMayOpenTheFiles) {
  auto second = std::make_unique<FeedCheckpointRun>(folder_);
  EXPECT_EQ(second->checkpoint().Restore().status().code(), absl::StatusCode::kFailedPrecondition);
  run_.reset();
  second->checkpoint().Stop();
  EXPECT_TRUE(second->checkpoint().Save().ok());
  second.reset();
  Restart();
}

TEST_F(FeedCheckpointTest, WhileAnotherProcessHasItNothingIsTakenAndNothingWritten) {
  Give("one", {RouteOf("s-1", "192.0.2.0/24", 0, 5)});
  ASSERT_TRUE(run_->checkpoint().Save().ok());
  const BulkPicture saved = run_->picture();
  {
    FeedCheckpointRun second(folder_);
    EXPECT_EQ(second.checkpoint().Restore().status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(second.checkpoint().Save().code(), absl::StatusCode::kFailedPrecondition);
  }
  Restart();
  EXPECT_EQ(run_->picture(), saved);
}

// More changes than are remembered one by one: then all is looked at, also what is gone.
TEST_F(FeedCheckpointTest, AfterVeryManyChangesWhatIsGoneIsGoneFromTheDiskToo) {
  Give("one", {RouteOf("s-1", "192.0.2.0/24", 0, 5)});
  ASSERT_TRUE(run_->checkpoint().Save().ok());
  Give("one", {Removed(RouteOf("s-1", "192.0.2.0/24", 0, 5))});
  const StoredRoute route = {
      .speaker = {.session = BgpSessionId("s-2"), .appliance = ApplianceId("oca-2")}, .path_id = 0, .attributes = {}};
  for (uint64_t i = 0; i <= RouteStore::kMostChanges; ++i) {
    run_->cell("one").RestoreRoutes(Prefix::Of(IpAddress::V6(i << 24, 0), 48), {route});
  }
  ASSERT_TRUE(run_->checkpoint().Save().ok());
  Restart();
  EXPECT_EQ(run_->cell("one").routes(), RouteStore::kMostChanges + 1);
  EXPECT_THAT(run_->cell("one").RoutesAt(Prefix::Parse("192.0.2.0/24").value()), IsEmpty());
}

TEST_F(FeedCheckpointTest, WhatADiskRefusesIsWrittenLater) {
  Give("one", {RouteOf("s-1", "192.0.2.0/24", 0, 5)});
  ASSERT_TRUE(run_->checkpoint().Save().ok());
  // Fills the log up to where nothing more is taken before a compaction; what is asked for then isn't lost.
  const std::string big(16 << 20, 'x');
  absl::Status saved;
  for (int i = 0; i < 60 && saved.ok(); ++i) {
    Entry entry = HoldingsOf(absl::StrCat("oca-", i % 3), static_cast<uint64_t>(i));
    entry.mutable_holdings()->mutable_bitmap()->append(big);
    Give("one", {entry});
    saved = run_->checkpoint().Save();
  }
  Give("one", {RouteOf("s-2", "192.0.2.0/24", 0, 5)});
  const absl::Time patience = absl::Now() + absl::Seconds(60);
  while (!run_->checkpoint().Save().ok()) ASSERT_LT(absl::Now(), patience);
  const BulkPicture now = run_->picture();
  Restart();
  EXPECT_EQ(run_->picture(), now);
}

}  // namespace
}  // namespace fairlead
