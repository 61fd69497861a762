// A steerd that serves from its table on disk: because the feeds' copy is large, or gone, or because it was told to.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/checkpoint/file.h"
#include "services/steering/server_fixture.h"
#include "services/steering/snapshot_file.h"
#include "services/steering/table_file.h"

namespace fairlead {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

class ServerTableFileTest : public SteeringServerTest {
 protected:
  std::string TablePath() const { return absl::StrCat(state_dir(), "/", kTableFile); }
  // The table is all there is.
  void RemoveFeeds() const {
    for (const auto& file : std::filesystem::directory_iterator(state_dir())) {
      if (absl::StartsWith(file.path().filename().string(), "feeds.")) std::filesystem::remove(file.path());
    }
  }
  // What the playlist of the title says of its files.
  std::vector<std::string> PlaylistTracks() {
    const HttpResponse playlist = Http("GET", "/v1/hls/main.m3u8?title=titles/movie&client_address=198.51.100.7");
    EXPECT_EQ(playlist.status, 200) << playlist.body;
    std::vector<std::string> tracks;
    for (const absl::string_view line : absl::StrSplit(playlist.body, '\n')) {
      if (absl::StartsWith(line, "#EXT-X-STREAM-INF:")) tracks.emplace_back(line);
    }
    return tracks;
  }
  SteeringServerOptions StandInOptions() const {
    SteeringServerOptions options = Options();
    options.stand_in_from_bytes = 0;
    return options;
  }
};

TEST_F(ServerTableFileTest, WhereTheCopyOfTheFeedsIsSpoiltTheTableMadeOfThemServes) {
  StartWithWorld();
  const std::vector<std::string> boxes = Boxes(kInside);
  ASSERT_TRUE(server_->SaveNow().ok());
  const SteeringServerOptions options = Options();
  server_.reset();
  sources_->Stop();
  size_t spoilt = 0;
  for (const auto& file : std::filesystem::directory_iterator(state_dir())) {
    if (!absl::StartsWith(file.path().filename().string(), "feeds.log.")) continue;
    std::fstream log(file.path(), std::ios::in | std::ios::out | std::ios::binary);
    log.seekp(static_cast<std::streamoff>(file.file_size() / 3));
    log << "spoilt";
    ++spoilt;
  }
  ASSERT_EQ(spoilt, 1u);
  StartServer(options);
  EXPECT_TRUE(server_->stands_in());
  EXPECT_EQ(Boxes(kInside), boxes);
}

TEST_F(ServerTableFileTest, AnswersFromTheTableAloneAreThoseOfBefore) {
  StartWithWorld();
  const std::vector<std::string> boxes = Boxes(kInside);
  const std::string first = First(kOutside);
  const std::vector<std::string> tracks = PlaylistTracks();
  EXPECT_THAT(tracks, Contains(HasSubstr("CODECS=")));
  ASSERT_TRUE(server_->SaveNow().ok());
  const SteeringServerOptions options = StandInOptions();
  server_.reset();
  sources_->Stop();
  RemoveFeeds();
  StartServer(options);
  EXPECT_TRUE(server_->stands_in());
  EXPECT_EQ(Boxes(kInside), boxes);
  EXPECT_EQ(First(kOutside), first);
  sv1::ExplainResponse explained;
  EXPECT_TRUE(Explain(Request(kInside), explained).ok());
  EXPECT_THAT(explained.ShortDebugString(), HasSubstr("198.51.100.0/24"));
  // Each part says how old it is.
  const sv1::SteerResponse answer = MustSteer(Request(kInside));
  const auto in_table = [](const sv1::SourceAge& source) { return absl::EndsWith(source.source(), ", in the table"); };
  EXPECT_EQ(std::count_if(answer.sources().begin(), answer.sources().end(), in_table), 4);
  for (const sv1::SourceAge& source : answer.sources()) {
    if (!in_table(source)) continue;
    EXPECT_TRUE(source.from_disk() && source.position().epoch() > 0) << source.ShortDebugString();
  }
  EXPECT_EQ(PlaylistTracks(), tracks);
}

TEST_F(ServerTableFileTest, ABoxThatConfigurationDrainedSinceIsNamedByNoAnswer) {
  StartWithWorld();
  ASSERT_TRUE(server_->SaveNow().ok());
  const std::string old_table = *ReadFile(TablePath(), size_t{1} << 30);
  sources_->PutAppliance("oca-1", "emb", "ADMIN_STATE_DRAINED");
  ASSERT_TRUE(Eventually([&] { return Boxes(kInside).size() == 3; }));
  const SteeringServerOptions options = StandInOptions();
  server_.reset();  // Saves what it knows.
  sources_->Stop();
  RemoveFeeds();
  std::ofstream(TablePath(), std::ios::binary | std::ios::trunc) << old_table;
  StartServer(options);
  ASSERT_TRUE(server_->stands_in());
  EXPECT_THAT(Boxes(kInside), SizeIs(3));
  EXPECT_THAT(Boxes(kInside), Not(Contains("appliances/oca-1")));
}

TEST_F(ServerTableFileTest, ADrainThatComesWhileItStandsInIsInItsAnswers) {
  StartWithWorld();
  ASSERT_TRUE(server_->SaveNow().ok());
  SteeringServerOptions options = StandInOptions();
  server_.reset();
  RemoveFeeds();
  options.sources.fill = "127.0.0.1:1";  // Never there, so no table can be built.
  StartServer(options);
  EXPECT_THAT(Boxes(kInside), SizeIs(4));
  sources_->PutAppliance("oca-1", "emb", "ADMIN_STATE_DRAINING");
  EXPECT_TRUE(Eventually([&] { return Boxes(kInside).size() == 3; }));
  EXPECT_TRUE(server_->stands_in());
  sources_->RemoveConfig("appliances/oca-2");
  EXPECT_TRUE(Eventually([&] { return Boxes(kInside).size() == 2; }));
}

TEST_F(ServerTableFileTest, TheTableThatIsBuiltTakesOverAndVersionsNeverGoBack) {
  StartWithWorld();
  ASSERT_TRUE(server_->SaveNow().ok());
  const uint64_t saved = server_->state()->table->version;
  const SteeringServerOptions options = StandInOptions();
  server_.reset();
  StartServer(options);
  uint64_t version = server_->state()->table->version;
  EXPECT_GE(version, saved);
  ASSERT_TRUE(Eventually([&] {
    const uint64_t now = server_->state()->table->version;
    EXPECT_GE(now, version);
    version = now;
    return !server_->stands_in();
  }));
  EXPECT_TRUE(Answers(kInside));
  sources_->PutAppliance("oca-1", "emb", "ADMIN_STATE_DRAINED");
  EXPECT_TRUE(Eventually([&] { return Boxes(kInside).size() == 3; }));
  const sv1::SteerResponse answer = MustSteer(Request(kInside));
  for (const sv1::SourceAge& source : answer.sources()) EXPECT_FALSE(absl::StrContains(source.source(), "in the table"));
}

TEST_F(ServerTableFileTest, WithTheFeedsOnDiskAndEverythingElseDeadTheTableIsBuiltAllTheSame) {
  StartWithWorld();
  ASSERT_TRUE(server_->SaveNow().ok());
  const SteeringServerOptions options = StandInOptions();
  server_.reset();
  sources_->Stop();
  StartServer(options);
  EXPECT_THAT(Boxes(kInside), SizeIs(4));  // From the first request on.
  ASSERT_TRUE(Eventually([&] { return !server_->stands_in(); }));
  EXPECT_THAT(Boxes(kInside), SizeIs(4));
}

TEST_F(ServerTableFileTest, AnEmptiedTableDoesNotReplaceTheOneOnDiskUntilItHasBeenHeld) {
  SteeringServerOptions options = Options();
  sources_->SetUpWorld("k-1");
  StartServer(options);
  ASSERT_TRUE(Eventually([&] { return Answers(kInside) && First(kInside) == "sites/emb"; }));
  ASSERT_TRUE(server_->SaveNow().ok());
  const std::string whole = *ReadFile(TablePath(), size_t{1} << 30);
  // An operator lets it pass, as far as what is served goes.
  sources_->PutConfig("key: 'policies/steering' policy { steering { guard { mode: MODE_BELIEVE_ALL } } }");
  sources_->RemoveCatalog("titles/movie");
  ASSERT_TRUE(Eventually([&] { return server_->state()->table->catalogue->file_count() == 0; }));
  ASSERT_TRUE(server_->SaveNow().ok());
  EXPECT_EQ(*ReadFile(TablePath(), size_t{1} << 30), whole);
  EXPECT_THAT(metrics_->Text(), HasSubstr("fairlead_steering_table_held 1"));
  // A start stands in for it, too.
  options.stand_in_from_bytes = 0;
  server_.reset();
  StartServer(options);
  ASSERT_TRUE(Eventually([&] { return absl::StrContains(metrics_->Text(), "fairlead_steering_table_held 1"); }));
  EXPECT_TRUE(server_->stands_in());
  EXPECT_TRUE(Answers(kInside));
  // Until an operator lets it pass.
  std::filesystem::remove(TablePath());
  EXPECT_TRUE(Eventually([&] { return !server_->stands_in() && !Answers(kInside); }));
}

TEST_F(ServerTableFileTest, ASpoiltTableIsRefusedAndTheOneBeforeServes) {
  StartWithWorld();
  ASSERT_TRUE(server_->SaveNow().ok());
  const auto ladders = server_->state()->table->ladders;  // Before the change: the next ones may be there at once.
  sources_->PutRoute(0, "s-1", "oca-1", "198.51.100.128/25");
  ASSERT_TRUE(Eventually([&] { return server_->state()->table->ladders != ladders; }));
  ASSERT_TRUE(server_->SaveNow().ok());
  const SteeringServerOptions options = StandInOptions();
  server_.reset();
  sources_->Stop();
  RemoveFeeds();
  std::filesystem::resize_file(TablePath(), 10'000);
  StartServer(options);
  EXPECT_THAT(Boxes(kInside), SizeIs(4));
  EXPECT_THAT(metrics_->Text(), HasSubstr("fairlead_steering_table_file_failures_total 1"));
}

TEST_F(ServerTableFileTest, ServesFromAFileThatItIsTold) {
  StartWithWorld();
  ASSERT_TRUE(server_->SaveNow().ok());
  const std::vector<std::string> boxes = Boxes(kInside);
  SteeringServerOptions options = Options();
  options.state_dir = "";
  options.snapshot = folder_ + "/alone";
  std::filesystem::copy_file(TablePath(), options.snapshot);
  server_.reset();
  sources_->Stop();
  StartServer(options);
  EXPECT_EQ(Boxes(kInside), boxes);
  EXPECT_EQ(Http("GET", "/healthz").status, 200);
}

TEST_F(ServerTableFileTest, AFileThatCannotBeServedFromEndsTheStartByName) {
  SteeringServerOptions options = Options();
  options.state_dir = "";
  options.snapshot = folder_ + "/none";
  Metrics metrics;
  EXPECT_THAT(std::string(SteeringServer::Start(options, metrics, clock_).status().message()), HasSubstr("/none isn't there"));
  options.snapshot = folder_ + "/bad";
  std::ofstream(options.snapshot) << std::string(9'000, 'x');
  Metrics second;
  EXPECT_THAT(std::string(SteeringServer::Start(options, second, clock_).status().message()),
              HasSubstr("/bad: not a whole file: it doesn't begin with 'fairlead-table'"));
  options.state_dir = state_dir();
  Metrics third;
  EXPECT_THAT(std::string(SteeringServer::Start(options, third, clock_).status().message()), HasSubstr("snapshot"));
}

}  // namespace
}  // namespace fairlead
