// The filler against sources that do wrong: each is left, reported and replaced, and none is asked in a circle.
#include <atomic>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/clock/system_clock.h"
#include "services/agent/fill/filler.h"
#include "services/agent/fill/source_memory.h"
#include "services/agent/fill/test_source.h"
#include "services/agent/test_support.h"

namespace fairlead::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kSize = 300'000;

SourceFault Fault(const std::string& source, SourceFaultReason reason, uint32_t file = 1) {
  return {.source = ApplianceId(source), .file = file, .reason = reason, .detail = "why"};
}

TEST(SourceMemoryTest, AFaultKeepsASourceFromTheFileAndPutsItLastForOthers) {
  SourceMemory memory({});
  const ApplianceId peer("peer");
  memory.Blame(Fault("peer", SourceFaultReason::kSlow), absl::Seconds(0));
  EXPECT_FALSE(memory.MayAsk(1, peer, absl::Seconds(4)));
  EXPECT_TRUE(memory.MayAsk(1, peer, absl::Seconds(5)));
  EXPECT_TRUE(memory.MayAsk(2, peer, absl::Seconds(4)));
  EXPECT_TRUE(memory.IsBehind(2, peer, absl::Seconds(4)));
  memory.Blame(Fault("peer", SourceFaultReason::kCorrupt), absl::Seconds(5));
  EXPECT_FALSE(memory.MayAsk(1, peer, absl::Seconds(304)));
  EXPECT_TRUE(memory.MayAsk(1, peer, absl::Seconds(305)));
  EXPECT_EQ(memory.counts()[static_cast<size_t>(SourceFaultReason::kCorrupt)], 1);
}

TEST(SourceMemoryTest, WhatFilldCouldNotBeToldIsKeptUpToABoundOldestFirst) {
  SourceMemory memory({});
  memory.Blame(Fault("a", SourceFaultReason::kSlow), absl::Seconds(0));
  std::vector<SourceFault> taken = memory.TakeReports();
  EXPECT_FALSE(memory.has_reports());
  memory.Blame(Fault("b", SourceFaultReason::kSlow), absl::Seconds(0));
  memory.Return(std::move(taken));
  EXPECT_THAT(memory.TakeReports(), ElementsAre(Fault("a", SourceFaultReason::kSlow), Fault("b", SourceFaultReason::kSlow)));
  for (uint32_t i = 0; i < SourceMemory::kMaxReports + 5; ++i) memory.Blame(Fault("a", SourceFaultReason::kSlow, i), absl::Seconds(0));
  taken = memory.TakeReports();
  EXPECT_EQ(taken.size(), SourceMemory::kMaxReports);
  EXPECT_EQ(taken[0].file, 5u);
}

class SourceFaultsTest : public ::testing::Test, public SourceResolver {
 protected:
  SourceFaultsTest() {
    options_.folders = {{Tier::kDisk, temp_.path() + "/disk"}};
    options_.workers = 1;
    options_.retry_first = absl::Milliseconds(100);
    options_.retry_waiting = absl::Milliseconds(50);
    options_.report_pause = absl::Milliseconds(50);
    options_.slow_bytes = 100'000;
    options_.slow_time = absl::Milliseconds(1500);  // libcurl looks about once a second.
    index_ = HoldingsIndex::Open(temp_.path() + "/holdings", options_.folders).value();
  }
  // As many files of the same content as asked for.
  std::vector<HeldFile> Wanted(uint32_t files) const {
    std::vector<HeldFile> wanted;
    for (uint32_t number = 1; number <= files; ++number) {
      HeldFile& file = wanted.emplace_back();
      file.number = number;
      file.media = {absl::StrCat("film-", number, "/v1/video/media.mp4"), kSize, Sha256(content_), 0};
    }
    return wanted;
  }
  // The order is the ranking.
  TestSource& Add(const std::string& source_class, const std::string& id, TestSourceBehaviour behaviour = {},
                  absl::Duration wait = absl::ZeroDuration()) {
    servers_.push_back(std::make_unique<TestSource>(content_, std::move(behaviour)));
    ranking_.push_back({source_class, "appliances/" + id, servers_.back()->base_url(), wait});
    return *servers_.back();
  }
  absl::StatusOr<FillSources> Resolve(const std::vector<uint32_t>& numbers, const std::vector<SourceFault>& faults) override {
    absl::MutexLock lock(&mu_);
    if (!faults.empty() && refuse_reports_ > 0) {
      --refuse_reports_;
      return absl::UnavailableError("filld is away");
    }
    reported_.insert(reported_.end(), faults.begin(), faults.end());
    FillSources sources;
    for (const uint32_t number : numbers) sources[number] = ranking_;
    return sources;
  }
  std::vector<SourceFault> reported() {
    absl::MutexLock lock(&mu_);
    return reported_;
  }
  // "bad SLOW", …
  std::vector<std::string> Reported() {
    std::vector<std::string> faults;
    for (const SourceFault& fault : reported()) faults.push_back(absl::StrCat(fault.source.value(), " ", ToString(fault.reason)));
    return faults;
  }
  void Fill(uint32_t files) {
    filler_ = std::make_unique<Filler>(options_, *index_, *this, clock_);
    ASSERT_TRUE(filler_->Start().ok());
    filler_->SetManifest("g1", Wanted(files));
    ASSERT_TRUE(WaitFor([&] { return filler_->Status().files_held == static_cast<int>(files); })) << filler_->Status().detail;
    for (const HeldFile& file : Wanted(files)) {
      EXPECT_EQ(ReadFile(options_.folders.at(Tier::kDisk) + "/" + file.media.path).value_or("missing"), content_);
    }
  }
  FileProgress ProgressOf(uint32_t number) {
    FileProgress found;
    WaitFor([&] {
      for (FileProgress& progress : filler_->TakeProgress()) {
        if (progress.number == number) found = std::move(progress);
      }
      return found.state == FileProgress::State::kDone;
    });
    return found;
  }

  const std::string content_ = RandomBytes(kSize, 1);
  TempFolder temp_;
  SystemClock clock_;
  FillerOptions options_;
  std::unique_ptr<HoldingsIndex> index_;
  std::vector<std::unique_ptr<TestSource>> servers_;
  absl::Mutex mu_;
  std::vector<FillSource> ranking_;
  std::vector<SourceFault> reported_ ABSL_GUARDED_BY(mu_);
  int refuse_reports_ ABSL_GUARDED_BY(mu_) = 0;
  std::unique_ptr<Filler> filler_;
};

struct BadSource {
  const char* name;
  TestSourceBehaviour behaviour;
  SourceFaultReason reason;
  int requests = 1;  // For two files: the second isn't asked of it.
};

class BadSourceTest : public SourceFaultsTest, public ::testing::WithParamInterface<BadSource> {};

TEST_P(BadSourceTest, IsLeftReportedAndReplaced) {
  TestSource& bad = Add("PEER", "bad", GetParam().behaviour);
  TestSource& good = Add("TIER", "good");
  Fill(2);
  const FileProgress progress = ProgressOf(1);
  EXPECT_EQ(progress.source, "appliances/good");
  EXPECT_EQ(progress.source_class, "TIER");
  EXPECT_THAT(progress.detail, HasSubstr(absl::StrCat("appliances/bad: ", ToString(GetParam().reason))));
  EXPECT_TRUE(WaitFor([&] { return !reported().empty(); }));
  EXPECT_EQ(Reported()[0], absl::StrCat("bad ", ToString(GetParam().reason)));
  EXPECT_EQ(reported()[0].file, 1u);
  EXPECT_EQ(filler_->Status().source_faults[static_cast<size_t>(GetParam().reason)], GetParam().requests);
  EXPECT_EQ(bad.requests(), GetParam().requests);
  EXPECT_EQ(good.requests(), 2);
}

INSTANTIATE_TEST_SUITE_P(
    All, BadSourceTest,
    ::testing::Values(
        // A missing file concerns that file only, so both are asked for.
        BadSource{.name = "Missing", .behaviour = {.status = 404}, .reason = SourceFaultReason::kMissing, .requests = 2},
        BadSource{.name = "Refusing", .behaviour = {.status = 403}, .reason = SourceFaultReason::kRefused},
        BadSource{.name = "Failing", .behaviour = {.status = 500}, .reason = SourceFaultReason::kRefused},
        BadSource{.name = "Silent", .behaviour = {.silent = true}, .reason = SourceFaultReason::kSlow},
        BadSource{.name = "Slow", .behaviour = {.bytes_a_second = 20'000, .piece = 1000}, .reason = SourceFaultReason::kSlow},
        BadSource{.name = "Truncating", .behaviour = {.stop_after = 100'000}, .reason = SourceFaultReason::kTruncated},
        BadSource{.name = "WrongRange", .behaviour = {.wrong_range = true}, .reason = SourceFaultReason::kTruncated},
        BadSource{.name = "Corrupting", .behaviour = {.corrupt_at = 1234}, .reason = SourceFaultReason::kCorrupt}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST_F(SourceFaultsTest, ARefusedPortIsUnreachable) {
  Add("PEER", "bad");
  servers_[0].reset();  // Nobody listens there any more.
  Add("ORIGIN", "good");
  Fill(1);
  EXPECT_TRUE(WaitFor([&] { return !reported().empty(); }));
  EXPECT_THAT(Reported(), ElementsAre("bad UNREACHABLE"));
}

TEST_F(SourceFaultsTest, WhatATruncatingSourceGaveIsKept) {
  Add("PEER", "bad", {.stop_after = 100'000});
  TestSource& good = Add("TIER", "good");
  Fill(1);
  EXPECT_THAT(good.offsets(), ElementsAre(100'000));
  EXPECT_EQ(filler_->Status().bytes_fetched, kSize);
}

TEST_F(SourceFaultsTest, WhenBytesOfTwoDontFitTheLastIsAskedOnceMoreAndTheGuiltyOneIsFound) {
  Add("PEER", "guilty", {.stop_after = 100'000, .corrupt_at = 50'000});
  TestSource& good = Add("TIER", "good");
  Fill(1);
  EXPECT_THAT(good.offsets(), ElementsAre(100'000, 0));
  EXPECT_TRUE(WaitFor([&] { return reported().size() == 2; }));
  EXPECT_THAT(Reported(), ElementsAre("guilty TRUNCATED", "guilty CORRUPT"));
}

TEST_F(SourceFaultsTest, WhenTheLastOfTwoIsTheGuiltyOneTheOtherIsNotBlamed) {
  TestSource& innocent = Add("PEER", "innocent", {.stop_after = 100'000});
  TestSource& guilty = Add("TIER", "guilty", {.corrupt_at = 200'000});
  TestSource& good = Add("ORIGIN", "good");
  Fill(1);
  EXPECT_EQ(innocent.requests(), 1);
  EXPECT_THAT(guilty.offsets(), ElementsAre(100'000, 0));
  EXPECT_THAT(good.offsets(), ElementsAre(0));
  EXPECT_TRUE(WaitFor([&] { return reported().size() == 2; }));
  EXPECT_THAT(Reported(), ElementsAre("innocent TRUNCATED", "guilty CORRUPT"));
  EXPECT_LE(filler_->Status().bytes_fetched, 3 * kSize);
}

TEST_F(SourceFaultsTest, WhenAllAreWrongNoneIsAskedInACircle) {
  TestSource& first = Add("PEER", "first", {.corrupt_at = 1});
  TestSource& second = Add("ORIGIN", "second", {.corrupt_at = 2});
  filler_ = std::make_unique<Filler>(options_, *index_, *this, clock_);
  ASSERT_TRUE(filler_->Start().ok());
  filler_->SetManifest("g1", Wanted(1));
  // Many turns later each was asked once.
  ASSERT_TRUE(WaitFor([&] { return filler_->Status().detail.find("all sources failed lately") != std::string::npos; }));
  const absl::Time until = absl::Now() + 10 * options_.retry_waiting;
  EXPECT_TRUE(WaitFor([&] { return absl::Now() > until; }));
  EXPECT_EQ(first.requests(), 1);
  EXPECT_EQ(second.requests(), 1);
  EXPECT_EQ(filler_->Status().bytes_fetched, 2 * kSize);
}

TEST_F(SourceFaultsTest, AClassIsNotAskedBeforeItsWait) {
  constexpr absl::Duration kWait = absl::Milliseconds(700);
  Add("PEER", "peer", {.status = 404});
  std::atomic<int64_t> asked_at = 0;
  Add("ORIGIN", "origin",
      {.before_piece =
           [&asked_at](int64_t sent) {
             if (sent == 0) asked_at = absl::GetCurrentTimeNanos();
             return true;
           }},
      kWait);
  const int64_t start = absl::GetCurrentTimeNanos();
  Fill(1);
  EXPECT_GE(absl::Nanoseconds(asked_at - start), kWait);
}

TEST_F(SourceFaultsTest, AReportThatFilldDidNotGetIsMadeAgain) {
  Add("PEER", "bad", {.status = 403});
  Add("ORIGIN", "good");
  {
    absl::MutexLock lock(&mu_);
    refuse_reports_ = 1;
  }
  Fill(1);
  EXPECT_TRUE(WaitFor([&] { return !reported().empty(); }));
  EXPECT_THAT(Reported(), ElementsAre("bad REFUSED"));
}

TEST_F(SourceFaultsTest, PartsThatTheManifestNoLongerWantsAreRemoved) {
  const std::string stray = temp_.Write("disk/.partial/9-00ff.part", "from an older manifest");
  Add("ORIGIN", "good", {.before_piece = [](int64_t sent) { return sent < 100'000; }});
  filler_ = std::make_unique<Filler>(options_, *index_, *this, clock_);
  ASSERT_TRUE(filler_->Start().ok());
  filler_->SetManifest("g1", Wanted(1));
  ASSERT_TRUE(WaitFor([&] { return !reported().empty(); }));
  EXPECT_FALSE(ReadFile(stray).ok());
  const auto parts = [&] { return std::distance(std::filesystem::directory_iterator(temp_.path() + "/disk/.partial"), {}); };
  EXPECT_EQ(parts(), 1);
  filler_->SetManifest("g2", {});
  EXPECT_TRUE(WaitFor([&] {
    filler_->SetManifest("g2", {});
    return parts() == 0;
  })) << "once nobody works on it";
}

}  // namespace
}  // namespace fairlead::agent
