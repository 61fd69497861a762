#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "libs/checkpoint/checkpoint.h"
#include "libs/content/paths.h"
#include "services/steering/feed_checkpoint.h"
#include "services/steering/server_fixture.h"
#include "services/steering/snapshot_file.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

// Whatever is there at the moment, as a kill leaves it.
void CopyFiles(const std::string& from, const std::string& to) {
  std::error_code error;
  for (std::filesystem::directory_iterator file(from, error); file != std::filesystem::directory_iterator(); file.increment(error)) {
    std::error_code gone;  // One may go meanwhile.
    std::filesystem::copy_file(file->path(), absl::StrCat(to, "/", file->path().filename().string()),
                               std::filesystem::copy_options::overwrite_existing, gone);
  }
}

// Holdings, prefixes, those who announce them, and the catalogue's entries in a copy of the feeds' files.
size_t CountFeedRecords(const std::string& folder) {
  const auto checkpoint = Checkpoint::Open({.folder = folder, .name = FeedCheckpoint::kName});
  size_t records = 0;
  if (!checkpoint.ok()) return records;
  static_cast<void>((*checkpoint)->ForEach([&](absl::string_view key, absl::string_view) {
    records += absl::StartsWith(key, "f/") || absl::StartsWith(key, "c/") ? 1 : 0;
  }));
  return records;
}

// ---- Without sources ----

TEST_F(SteeringServerTest, WithoutAnythingItSaysWhatIsMissing) {
  sources_->Stop();
  StartServer();
  sv1::SteerResponse response;
  const grpc::Status status = Steer(Request(kInside), response);
  EXPECT_EQ(status.error_code(), grpc::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("nothing heard from registry, catalog"));
  EXPECT_EQ(Http("GET", "/healthz").status, 503);
}

TEST_F(SteeringServerTest, WithoutAKeyItSaysWhichAndServesOnceTheKeyArrives) {
  sources_->SetUpWorld("k-2");
  StartServer();
  sv1::SteerResponse response;
  ASSERT_TRUE(Eventually([&] { return absl::StrContains(Steer(Request(kInside), response).error_message(), "k-2"); }));
  EXPECT_EQ(Steer(Request(kInside), response).error_code(), grpc::UNAVAILABLE);
  WriteKey("k-2");
  EXPECT_TRUE(Eventually([&] { return Answers(kInside); }));
}

TEST_F(SteeringServerTest, TheNewestActiveKeySigns) {
  StartWithWorld();
  WriteKey("k-2");
  EXPECT_TRUE(verifier_.AddKey("k-2", keys_.public_pem).ok());
  sources_->PutConfig("key: 'signingKeys/k-2' signing_key { name: 'signingKeys/k-2' state: STATE_ACTIVE create_time { seconds: 5 } }");
  EXPECT_TRUE(Eventually([&] {
    const std::string url = MustSteer(Request(kInside)).files(0).urls(0).url();
    const auto path = ParseSignedPath(url.substr(url.find('/', 8)));
    return path.ok() && verifier_.Verify(path->token, absl::Now()).key_id == "k-2";
  }));
}

TEST_F(SteeringServerTest, StartsFromItsCopyOnDiskWithEverythingElseDead) {
  StartWithWorld();
  const sv1::SteerResponse before = MustSteer(Request(kInside));
  EXPECT_FALSE(before.sources(0).from_disk());
  ASSERT_TRUE(server_->SaveNow().ok());
  SteeringServerOptions options = Options();
  sources_->Stop();
  StartServer(options);
  const sv1::SteerResponse after = MustSteer(Request(kInside));  // From the first request on.
  google::protobuf::util::MessageDifferencer differencer;
  differencer.IgnoreField(sv1::SteerResponse::descriptor()->FindFieldByName("sources"));
  for (const char* url : {"url", "playlist_url"}) {  // ES256 signatures differ each time.
    differencer.IgnoreField(sv1::RankedUrl::descriptor()->FindFieldByName(url));
  }
  EXPECT_TRUE(differencer.Compare(before, after));
  ASSERT_THAT(after.sources(), SizeIs(4));
  for (const sv1::SourceAge& source : after.sources()) EXPECT_TRUE(source.from_disk()) << source.ShortDebugString();
  EXPECT_EQ(after.sources(0).position().version(), before.sources(0).position().version());
}

// As after a kill: what was written by itself must do.
TEST_F(SteeringServerTest, StartsFromWhatTheSaverWroteByItself) {
  sources_->SetUpWorld("k-1");
  SteeringServerOptions options = Options();
  options.save_interval = absl::Milliseconds(20);
  options.table_save_interval = absl::Hours(1);
  StartServer(options);
  ASSERT_TRUE(Eventually([&] { return Answers(kInside) && First(kInside) == "sites/emb"; })) << LastError(kInside);
  options.state_dir = folder_ + "/copied";
  std::filesystem::create_directory(options.state_dir);
  options.save_interval = absl::Hours(1);
  // Until all of the world is in the files: the state of cell 1's 4 boxes; a title, 4 holdings, and 2 prefixes of 2 sessions.
  ASSERT_TRUE(Eventually([&] {
    CopyFiles(state_dir(), options.state_dir);
    const LoadedSnapshot near = LoadSnapshot(options.state_dir);
    const bool states = near.sections.has_value() && near.sections->size() == 4 && near.sections->at(1).entries.size() >= 4;
    return states && CountFeedRecords(options.state_dir) >= 9;
  }));
  sources_->Stop();
  StartServer(options);
  EXPECT_FALSE(server_->stands_in());
  EXPECT_THAT(Boxes(kInside), SizeIs(4));
}

// What is written last, when the sources are being let go of, still says how fresh it was.
TEST_F(SteeringServerTest, AfterAnOrderlyEndTheCopyIsAsOldAsItsSourcesWereAndNotOlder) {
  StartWithWorld();
  const SteeringServerOptions options = Options();
  server_.reset();  // Saves by itself.
  sources_->Stop();
  StartServer(options);
  const sv1::SteerResponse after = MustSteer(Request(kInside));
  ASSERT_THAT(after.sources(), SizeIs(4));
  for (const sv1::SourceAge& source : after.sources()) {
    EXPECT_TRUE(source.from_disk()) << source.source();
    EXPECT_TRUE(source.has_age()) << source.source();
    EXPECT_LT(source.age().seconds(), 60) << source.source();
  }
}

TEST_F(SteeringServerTest, WhenSourcesReturnTheCopyIsConfirmedAndChangesFlowAgain) {
  StartWithWorld();
  ASSERT_TRUE(server_->SaveNow().ok());
  server_.reset();
  StartServer();
  ASSERT_TRUE(Eventually([&] {
    const sv1::SteerResponse response = MustSteer(Request(kInside));
    return std::none_of(response.sources().begin(), response.sources().end(), [](const auto& source) { return source.from_disk(); });
  }));
  sources_->PutAppliance("oca-1", "emb", "ADMIN_STATE_DRAINED");
  EXPECT_TRUE(Eventually([&] { return Boxes(kInside).size() == 3; }));
}

TEST_F(SteeringServerTest, ASourceThatComesBackEmptyIsNotBelieved) {
  StartWithWorld();
  ASSERT_TRUE(server_->SaveNow().ok());
  server_.reset();
  sources_ = std::make_unique<FakeSources>(/*epoch=*/2);  // Lost its state.
  StartServer();
  // Its cells' addresses aren't known from it; what the copy says stays in force.
  ASSERT_TRUE(Eventually([&] { return absl::StrContains(metrics_->Text(), R"(source_connected{source="registry"})"); }));
  for (int i = 0; i < 20; ++i) ASSERT_EQ(First(kInside), "sites/emb");
}

TEST_F(SteeringServerTest, ACorruptedCopyIsRefusedAndTheOneBeforeUsed) {
  StartWithWorld();
  ASSERT_TRUE(server_->SaveNow().ok());
  sources_->PutAppliance("oca-1", "emb", "ADMIN_STATE_DRAINED");
  ASSERT_TRUE(Eventually([&] { return Boxes(kInside).size() == 3; }));
  ASSERT_TRUE(server_->SaveNow().ok());
  const SteeringServerOptions options = Options();
  server_.reset();
  sources_->Stop();
  const std::string path = absl::StrCat(state_dir(), "/", kSnapshotFile);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(path) / 2));
    file.put('\x5a');
    file.put('\xa5');
  }
  StartServer(options);
  EXPECT_THAT(Boxes(kInside), SizeIs(4));  // As it was when the one before was written.
  EXPECT_THAT(metrics_->Text(), HasSubstr("fairlead_steering_snapshot_failures_total 1"));
  EXPECT_TRUE(std::filesystem::exists(absl::StrCat(state_dir(), "/", kRefusedSnapshotFile)));
}

TEST_F(SteeringServerTest, APortInUseIsRefusedByName) {
  StartWithWorld();
  SteeringServerOptions options = Options();
  options.state_dir = "";
  options.listen = server_->grpc_target();
  Metrics metrics;
  const auto second = SteeringServer::Start(options, metrics, clock_);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(options.listen));
  options.listen = "127.0.0.1:0";
  options.http_listen = absl::StrCat("127.0.0.1:", server_->http_port());
  Metrics third_metrics;
  const auto third = SteeringServer::Start(options, third_metrics, clock_);
  ASSERT_FALSE(third.ok());
  EXPECT_THAT(std::string(third.status().message()), HasSubstr(options.http_listen));
}

}  // namespace
}  // namespace fairlead
