// The filler against real NGINX sources with signed URLs.
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/clock/system_clock.h"
#include "libs/content/paths.h"
#include "libs/signing/base64url.h"
#include "libs/signing/ec_key.h"
#include "libs/signing/token.h"
#include "services/agent/fill/filler.h"
#include "services/agent/nginx/daemon.h"
#include "services/agent/test_support.h"

namespace fairlead::agent {
namespace {

using ::testing::HasSubstr;

constexpr size_t kSize = 400'000;

// A box or origin that serves one folder.
class Source {
 public:
  Source(const TempFolder& temp, const std::string& name, const EcKeyPair& key)
      : folder_(temp.path() + "/" + name + "/disk"), port_(FreePort()) {
    MakeFolder(folder_).IgnoreError();
    daemon_ = std::make_unique<NginxDaemon>(
        NginxDaemonOptions{.work_folder = temp.path() + "/" + name + "/nginx", .run_folder = temp.path() + "/" + name + "/run"});
    NginxConfigInput input;
    input.listens = {{AddressFamily::kIpv4, "http", "127.0.0.1", port_}};
    input.keys = {{"k-1", key.public_pem}};
    input.disk_folder = folder_;
    input.fill_only = true;
    EXPECT_TRUE(daemon_->Open().ok());
    EXPECT_TRUE(daemon_->Apply(input).ok());
    daemon_->Tick(absl::ZeroDuration());
    EXPECT_TRUE(WaitFor([this] { return daemon_->Report().state == NginxReport::State::kRunning; }));
  }
  void Put(const std::string& path, const std::string& content) {
    MakeFolder(folder_ + "/" + path.substr(0, path.rfind('/'))).IgnoreError();
    ASSERT_TRUE(WriteFileAtomically(folder_ + "/" + path, content).ok());
  }
  std::string BaseUrl(const std::string& token, const std::string& title) const {
    return absl::StrCat("http://127.0.0.1:", port_, MakeSignedFolder(token, title, "v1"));
  }

 private:
  const std::string folder_;
  const int port_;
  std::unique_ptr<NginxDaemon> daemon_;
};

class FillIntegrationTest : public ::testing::Test, public SourceResolver {
 protected:
  void SetUp() override {
    key_ = std::make_unique<EcKeyPair>(GenerateEcKeyPair().value());
    good_ = std::make_unique<Source>(temp_, "good", *key_);
    options_.folders = {{Tier::kDisk, temp_.path() + "/disk"}, {Tier::kFlash, temp_.path() + "/flash"}};
    options_.retry_first = absl::Milliseconds(200);
    options_.sources.other_for = absl::Milliseconds(300);
    index_ = HoldingsIndex::Open(temp_.path() + "/holdings", options_.folders).value();
    for (uint32_t number = 1; number <= 3; ++number) {
      HeldFile file;
      file.number = number;
      file.tier = number == 3 ? Tier::kFlash : Tier::kDisk;
      const std::string folder = absl::StrCat("film-", number, "/v1/video/");
      contents_[number] = RandomBytes(kSize, number);
      file.media = {folder + "media.mp4", kSize, Sha256(contents_[number]), 0};
      file.playlist = {folder + "media.m3u8", 8, Sha256("#EXTM3U\n"), 0};
      good_->Put(file.media.path, contents_[number]);
      good_->Put(file.playlist.path, "#EXTM3U\n");
      wanted_.push_back(file);
    }
  }
  std::string Token(const std::string& title) const {
    TokenClaims claims;
    claims.title = title;
    claims.version = "v1";
    claims.scope = TokenScope::kFill;
    claims.not_before = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()));
    claims.expires = claims.not_before + absl::Minutes(10);
    const std::string input = EncodeSigningInput("k-1", claims).value();
    return absl::StrCat(input, ".", Base64UrlEncode(EcPrivateKey::FromPem(key_->private_pem)->Sign(input).value()));
  }
  // The bad source first, where there is one.
  absl::StatusOr<FillSources> Resolve(const std::vector<uint32_t>& numbers, const std::vector<SourceFault>&) override {
    FillSources sources;
    for (const uint32_t number : numbers) {
      const std::string title = absl::StrCat("film-", number);
      if (bad_ != nullptr) sources[number].push_back({"PEER", "appliances/bad", bad_->BaseUrl(Token(title), title), absl::ZeroDuration()});
      sources[number].push_back({"ORIGIN", "appliances/good", good_->BaseUrl(Token(title), title), absl::ZeroDuration()});
    }
    return sources;
  }
  std::unique_ptr<Filler> MakeFiller() { return std::make_unique<Filler>(options_, *index_, *this, clock_); }
  static bool Full(const Filler& filler, int files) {
    return WaitFor([&] { return filler.Status().files_held == files; });
  }
  std::string ContentOf(uint32_t number) const {
    const HeldFile& file = wanted_[number - 1];
    return ReadFile(options_.folders.at(file.tier) + "/" + file.media.path).value_or("missing");
  }
  std::string PartOf(uint32_t number) const {
    return absl::StrCat(temp_.path(), "/disk/.partial/", number, "-", absl::BytesToHexString(wanted_[number - 1].media.sha256), ".part");
  }
  void OnlyFirst() { wanted_.resize(1); }
  // What the bad source has instead of the first file.
  void MakeBad(const std::string& content) {
    bad_ = std::make_unique<Source>(temp_, "bad", *key_);
    bad_->Put(wanted_[0].media.path, content);
    bad_->Put(wanted_[0].playlist.path, "#EXTM3U\n");
    OnlyFirst();
  }
  // As if nothing had been filled yet.
  void Forget() {
    unlink((temp_.path() + "/disk/" + wanted_[0].media.path).c_str());
    index_->Sweep();
  }
  std::map<uint32_t, FileProgress> progress_;
  void Collect(Filler& filler) {
    for (FileProgress& progress : filler.TakeProgress()) progress_[progress.number] = std::move(progress);
  }

  TempFolder temp_;
  SystemClock clock_;
  std::unique_ptr<EcKeyPair> key_;
  std::unique_ptr<Source> good_, bad_;
  FillerOptions options_;
  std::unique_ptr<HoldingsIndex> index_;
  std::vector<HeldFile> wanted_;
  std::map<uint32_t, std::string> contents_;
};

TEST_F(FillIntegrationTest, EveryWantedFileArrivesVerifiedInItsTier) {
  auto filler = MakeFiller();
  ASSERT_TRUE(filler->Start().ok());
  filler->SetManifest("g1", wanted_);
  ASSERT_TRUE(Full(*filler, 3)) << filler->Status().detail;
  for (uint32_t number = 1; number <= 3; ++number) EXPECT_EQ(ContentOf(number), contents_[number]);
  EXPECT_EQ(index_->used_bytes(Tier::kFlash), static_cast<int64_t>(kSize + 8));
  EXPECT_TRUE(WaitFor([&] {
    Collect(*filler);
    return progress_[3].state == FileProgress::State::kDone;
  }));
  EXPECT_EQ(progress_[3].source, "appliances/good");
  EXPECT_EQ(progress_[3].source_class, "ORIGIN");
  EXPECT_EQ(filler->Status().bytes_missing, 0);
}

TEST_F(FillIntegrationTest, AFileToldOfOnItsWayStillTellsItsSourceWhenItIsDone) {
  OnlyFirst();
  auto filler = MakeFiller();
  filler->SetLimits(4'000'000, {});  // 500 kB/s: time to look while it comes.
  ASSERT_TRUE(filler->Start().ok());
  filler->SetManifest("g1", wanted_);
  bool seen_running = false;
  ASSERT_TRUE(WaitFor([&] {
    Collect(*filler);  // Takes what there is, each time.
    seen_running = seen_running || progress_[1].state == FileProgress::State::kRunning;
    return progress_[1].state == FileProgress::State::kDone;
  }));
  EXPECT_TRUE(seen_running);
  EXPECT_EQ(progress_[1].source, "appliances/good");
  EXPECT_EQ(progress_[1].source_class, "ORIGIN");
}

TEST_F(FillIntegrationTest, AnInterruptedDownloadGoesOnWhereItStopped) {
  OnlyFirst();
  {
    auto filler = MakeFiller();
    filler->SetLimits(400'000, {});  // 50 kB/s: eight seconds for the file.
    ASSERT_TRUE(filler->Start().ok());
    filler->SetManifest("g1", wanted_);
    ASSERT_TRUE(WaitFor([&] { return ReadFile(PartOf(1)).value_or("").size() > 60'000; }));
    EXPECT_EQ(ContentOf(1), "missing") << "a part is never visible";
    filler->Stop();
  }
  const size_t had = ReadFile(PartOf(1)).value_or("").size();
  ASSERT_GT(had, 60'000u);
  ASSERT_LT(had, kSize);
  auto filler = MakeFiller();
  ASSERT_TRUE(filler->Start().ok());
  filler->SetManifest("g1", wanted_);
  ASSERT_TRUE(Full(*filler, 1));
  EXPECT_EQ(ContentOf(1), contents_[1]);
  EXPECT_EQ(filler->Status().bytes_fetched, static_cast<int64_t>(kSize - had + 8));
}

TEST_F(FillIntegrationTest, AWrongByteIsCaughtAndTheNextSourceTaken) {
  std::string wrong = contents_[1];
  wrong[kSize / 2] ^= 1;
  MakeBad(wrong);
  auto filler = MakeFiller();
  ASSERT_TRUE(filler->Start().ok());
  filler->SetManifest("g1", wanted_);
  ASSERT_TRUE(Full(*filler, 1));
  EXPECT_EQ(ContentOf(1), contents_[1]);
}

TEST_F(FillIntegrationTest, ATruncatedOrLongerOrMissingFileIsLeftForTheNextSource) {
  for (const std::string& content : {contents_[1].substr(0, 1000), contents_[1] + "more", std::string()}) {
    Forget();
    if (bad_ == nullptr) MakeBad(content);
    bad_->Put(wanted_[0].media.path, content);
    auto filler = MakeFiller();
    ASSERT_TRUE(filler->Start().ok());
    filler->SetManifest("g1", wanted_);
    ASSERT_TRUE(Full(*filler, 1)) << content.size() << ": " << filler->Status().detail;
    EXPECT_EQ(ContentOf(1), contents_[1]);
  }
}

TEST_F(FillIntegrationTest, WhenNoSourceIsRightNothingIsServedAndTheReasonIsTold) {
  MakeBad("short");
  good_->Put(wanted_[0].media.path, RandomBytes(kSize, 99));
  auto filler = MakeFiller();
  ASSERT_TRUE(filler->Start().ok());
  filler->SetManifest("g1", wanted_);
  ASSERT_TRUE(WaitFor([&] {
    Collect(*filler);
    return progress_[1].state == FileProgress::State::kFailed;
  }));
  EXPECT_THAT(progress_[1].detail, HasSubstr("appliances/good: SHA-256"));
  EXPECT_THAT(progress_[1].detail, HasSubstr("appliances/bad: "));
  EXPECT_EQ(ContentOf(1), "missing");
  EXPECT_EQ(index_->size(), 0u);
}

TEST_F(FillIntegrationTest, AFullDiskStopsFillingAndSaysSo) {
  options_.reserve_bytes = int64_t{1} << 60;
  auto filler = MakeFiller();
  ASSERT_TRUE(filler->Start().ok());
  filler->SetManifest("g1", wanted_);
  ASSERT_TRUE(WaitFor([&] { return filler->Status().detail.find("disk full") != std::string::npos; })) << filler->Status().detail;
  EXPECT_EQ(index_->size(), 0u);
}

TEST_F(FillIntegrationTest, ATiersCapacityIsNeverExceeded) {
  auto filler = MakeFiller();
  filler->SetLimits(0, {{Tier::kDisk, kSize + 100}, {Tier::kFlash, 2 * kSize}});
  ASSERT_TRUE(filler->Start().ok());
  filler->SetManifest("g1", wanted_);
  ASSERT_TRUE(Full(*filler, 2));
  EXPECT_TRUE(WaitFor([&] {
    Collect(*filler);
    return progress_[1].state == FileProgress::State::kFailed || progress_[2].state == FileProgress::State::kFailed;
  }));
  EXPECT_EQ(index_->used_bytes(Tier::kDisk), static_cast<int64_t>(kSize + 8));
}

TEST_F(FillIntegrationTest, APreloadedFileIsTakenOverIfItIsRightAndReplacedIfNot) {
  const std::string right = "disk/" + wanted_[0].media.path, wrong = "disk/" + wanted_[1].media.path;
  temp_.Write(right, contents_[1]);
  temp_.Write("disk/" + wanted_[0].playlist.path, "#EXTM3U\n");
  temp_.Write(wrong, contents_[1]);
  wanted_.resize(2);
  auto filler = MakeFiller();
  ASSERT_TRUE(filler->Start().ok());
  filler->SetManifest("g1", wanted_);
  ASSERT_TRUE(Full(*filler, 2));
  EXPECT_EQ(ContentOf(2), contents_[2]);
  EXPECT_EQ(filler->Status().bytes_fetched, static_cast<int64_t>(kSize + 8));
}

TEST_F(FillIntegrationTest, AMissingPlaylistIsFetchedAlone) {
  OnlyFirst();
  temp_.Write("disk/" + wanted_[0].media.path, contents_[1]);
  auto filler = MakeFiller();
  ASSERT_TRUE(filler->Start().ok());
  filler->SetManifest("g1", wanted_);
  ASSERT_TRUE(Full(*filler, 1)) << filler->Status().detail;
  EXPECT_EQ(filler->Status().bytes_fetched, 8);
  EXPECT_EQ(ReadFile(temp_.path() + "/disk/" + wanted_[0].playlist.path).value_or("missing"), "#EXTM3U\n");
  EXPECT_EQ(ContentOf(1), contents_[1]);
}

TEST_F(FillIntegrationTest, APathThatLeadsOutIsRefused) {
  OnlyFirst();
  wanted_[0].media.path = "../../evil/media.mp4";
  auto filler = MakeFiller();
  ASSERT_TRUE(filler->Start().ok());
  filler->SetManifest("g1", wanted_);
  ASSERT_TRUE(WaitFor([&] {
    Collect(*filler);
    return progress_[1].state == FileProgress::State::kFailed;
  }));
  EXPECT_THAT(progress_[1].detail, HasSubstr("file.path: title '..'"));
}

}  // namespace
}  // namespace fairlead::agent
