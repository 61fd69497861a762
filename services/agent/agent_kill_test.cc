// The whole ocad, with its NGINX and BIRD, killed (kill -9) again and again while it fills, at moments that the seed decides.
//
// FAIRLEAD_KILLS: how many times (default 12); FAIRLEAD_SEED: another sequence.
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <random>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/agent/agent_fixture.h"
#include "services/agent/fill/fetch.h"
#include "services/agent/fill/test_source.h"

namespace fairlead::agent {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  uint64_t value = 0;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : otherwise;
}

int64_t SizeOf(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 ? info.st_size : 0;
}

class AgentKillTest : public AgentTest {
 protected:
  void Spawn() {
    auto started = ChildProcess::Start(
        {.argv = {"services/agent/ocad", "--state_dir=" + temp_.path() + "/state", "--registry=" + target_, "--serial=SN-1",
                  "--enrollment_token_file=" + temp_.Write("token", "token-1"), "--disk_dir=" + temp_.path() + "/disk"},
         .output = temp_.path() + "/ocad.log"});
    ASSERT_TRUE(started.ok()) << started.status();
    ocad_ = *std::move(started);
    ++life_;
  }
  void Kill() {
    ++life_;  // What its source still has to say, nobody hears.
    ocad_->Signal(SIGKILL);
    ASSERT_TRUE(WaitFor([this] { return !ocad_->Running(); }));
    ASSERT_EQ(ocad_->end_reason(), "signal 9");
    ocad_.reset();
  }
  // One file of these bytes, with no playlist, is all that the box is to hold.
  void Want(const std::string& content) {
    absl::MutexLock lock(&plane_.mu_);
    plane_.config_.mutable_appliance()->set_capacity_bps(1'000'000'000);
    plane_.config_.mutable_appliance()->mutable_tiers(0)->set_capacity_bytes(1'000'000'000);
    content::v1::File& file = *plane_.manifest_.mutable_entries(0)->mutable_file();
    file.set_size_bytes(static_cast<int64_t>(content.size()));
    file.set_sha256(Sha256(content));
    file.clear_playlist();
  }
  std::string Log() const { return ReadFile(temp_.path() + "/ocad.log").value_or(""); }

  const uint64_t seed_ = FromEnvironment("FAIRLEAD_SEED", 1);
  std::mt19937_64 random_{seed_};
  std::atomic<int> life_ = 0;
  std::unique_ptr<ChildProcess> ocad_;
};

TEST_F(AgentKillTest, EachKillOfTheWholeAgentCostsAtMostAChunkAndWhatItServesInTheEndIsRight) {
  const int kills = static_cast<int>(FromEnvironment("FAIRLEAD_KILLS", 12));
  // Up to eight chunks a life, so that a life that lost all it had would show; the rest after the last kill.
  const int64_t stride = 8 * kChunkBytes;
  const std::string content = RandomBytes(static_cast<size_t>(stride * (kills + 8) * 3 / 4), 1);
  const int64_t size = static_cast<int64_t>(content.size());
  const std::string part = absl::StrCat(temp_.path(), "/disk/.partial/42-", absl::BytesToHexString(Sha256(content)), ".part");
  const std::string target = temp_.path() + "/disk/big-film/v1/video/media.mp4";
  std::atomic<int64_t> given = 0, share = 0;
  // The source never runs ahead of what was written by more than a piece (what lies in the system's buffers is nobody's loss), and gives no
  // life more than its share.
  TestSource source(content, {.before_piece = [&](int64_t sent) {
                      const int served = life_;
                      while (given >= share || (SizeOf(part) < sent && SizeOf(target) < sent)) {
                        if (life_ != served) return false;
                        absl::SleepFor(absl::Milliseconds(1));
                      }
                      given += TestSourceBehaviour().piece;
                      return true;
                    }});
  Want(content);
  {
    absl::MutexLock lock(&plane_.mu_);
    plane_.origin_url_ = source.base_url();
  }
  for (int i = 0; i < kills; ++i) {
    share = given + static_cast<int64_t>(random_() % static_cast<uint64_t>(stride));
    // A third die at any time, also while they start; the others while they write the last piece of their share.
    const bool any_time = i % 3 == 0;
    const absl::Time latest = absl::Now() + (any_time ? absl::Milliseconds(random_() % 1500) : absl::Seconds(60));
    Spawn();
    while (given < share && absl::Now() < latest) sched_yield();
    ASSERT_TRUE(given >= share || any_time) << "it does not go on:\n" << Log();
    Kill();
    ASSERT_EQ(SizeOf(target), 0) << "no half file is visible";
  }
  share = 10 * size;
  Spawn();
  ASSERT_TRUE(HoldsTheFile()) << Log();
  EXPECT_EQ(ReadFile(target).value_or("missing"), content);
  EXPECT_EQ(Play().body, content) << "what viewers get is what was wanted";
  EXPECT_EQ(SizeOf(part), 0);
  EXPECT_GE(source.bytes(), size);
  EXPECT_LE(source.bytes(), size + kills * kChunkBytes);
  EXPECT_EQ(plane_.Get(&FakeControlPlane::out_of_order_), 0);
  std::cout << "seed " << seed_ << ": " << kills << " kills, " << source.bytes() << " bytes fetched for " << size << "\n";
  ocad_->Stop(SIGTERM, absl::Seconds(10));
}

}  // namespace
}  // namespace fairlead::agent
