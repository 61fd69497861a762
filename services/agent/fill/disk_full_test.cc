// A disk that really fills up while a file is on its way (small_disk.h says how).
#include <cstdint>
#include <map>
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
#include "services/agent/fill/test_source.h"
#include "services/agent/small_disk.h"
#include "services/agent/test_support.h"

namespace fairlead::agent {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr int64_t kSize = 400'000;
constexpr int64_t kSmall = 20'000;

class DiskFullTest : public ::testing::Test, public SourceResolver {
 protected:
  DiskFullTest() {
    options_.folders = {{Tier::kDisk, temp_.path() + "/disk"}, {Tier::kFlash, temp_.path() + "/flash"}};
    options_.reserve_bytes = 0;  // Else the look before would see it, and no write fail.
    options_.full_disk_pause = absl::Milliseconds(200);
    index_ = HoldingsIndex::Open(temp_.path() + "/holdings", options_.folders).value();
  }
  absl::StatusOr<FillSources> Resolve(const std::vector<uint32_t>& numbers, const std::vector<SourceFault>& faults) override {
    absl::MutexLock lock(&mu_);
    faults_ += static_cast<int>(faults.size());
    FillSources sources;
    for (const uint32_t number : numbers) {
      sources[number] = {{"ORIGIN", "appliances/origin", sources_.at(number)->base_url(), absl::ZeroDuration()}};
    }
    return sources;
  }
  HeldFile Wanted(uint32_t number, Tier tier, const std::string& content) {
    HeldFile file;
    file.number = number;
    file.tier = tier;
    file.media = {absl::StrCat("film-", number, "/v1/video/media.mp4"), static_cast<int64_t>(content.size()), Sha256(content), 0};
    return file;
  }
  std::string ContentOf(const HeldFile& file) const {
    return ReadFile(options_.folders.at(file.tier) + "/" + file.media.path).value_or("missing");
  }

  TempFolder temp_;
  SystemClock clock_;
  FillerOptions options_;
  std::unique_ptr<HoldingsIndex> index_;
  absl::Mutex mu_;
  int faults_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<uint32_t, std::unique_ptr<TestSource>> sources_;
};

TEST_F(DiskFullTest, AWriteThatFindsNoRoomStopsThatTierAloneAndGoesOnWhenThereIsRoom) {
  SmallDisk disk(options_.folders.at(Tier::kDisk), "1m");
  const std::string large = RandomBytes(kSize, 1), small = RandomBytes(kSmall, 2);
  bool filled = false;
  sources_[1] = std::make_unique<TestSource>(large, TestSourceBehaviour{.before_piece = [&](int64_t sent) {
                                               if (sent >= kSize / 2 && !std::exchange(filled, true)) disk.Fill();
                                               return true;
                                             }});
  sources_[2] = std::make_unique<TestSource>(small, TestSourceBehaviour{});
  const HeldFile first = Wanted(1, Tier::kDisk, large), second = Wanted(2, Tier::kFlash, small);
  Filler filler(options_, *index_, *this, clock_);
  ASSERT_TRUE(filler.Start().ok());
  filler.SetManifest("g1", {first});
  ASSERT_TRUE(WaitFor([&] { return filler.Status().disk_full; })) << filler.Status().detail;
  EXPECT_THAT(filler.Status().detail, AnyOf(HasSubstr("No space left on device"), HasSubstr("File too large"), HasSubstr("disk full")));
  EXPECT_EQ(ContentOf(first), "missing") << "no half file is visible";

  // The other tier goes on, and sources are asked for nothing meanwhile that has no place.
  filler.SetManifest("g2", {first, second});
  ASSERT_TRUE(WaitFor([&] { return index_->Holds(2, second.media.sha256); })) << filler.Status().detail;
  EXPECT_EQ(ContentOf(second), small);
  ASSERT_TRUE(WaitFor([&] { return filler.Status().disk_full; }));
  EXPECT_EQ(ContentOf(first), "missing");

  disk.Free();
  ASSERT_TRUE(WaitFor([&] { return filler.Status().files_held == 2; })) << filler.Status().detail;
  EXPECT_EQ(ContentOf(first), large);
  EXPECT_TRUE(WaitFor([&] { return !filler.Status().disk_full; })) << "told once the file is held";
  absl::MutexLock lock(&mu_);
  EXPECT_EQ(faults_, 0) << "a full disk is no source's fault";
}

}  // namespace
}  // namespace fairlead::agent
