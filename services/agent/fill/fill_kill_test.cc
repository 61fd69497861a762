// The filler in a process of its own that is killed (kill -9) again and again, at moments that the seed decides.
//
// FAIRLEAD_KILLS: how many times (default 60); FAIRLEAD_SEED: another sequence.
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/agent/fill/fetch.h"
#include "services/agent/fill/test_source.h"
#include "services/agent/test_support.h"

namespace fairlead::agent {
namespace {

constexpr char kChild[] = "services/agent/fill/filler_child";

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  uint64_t value = 0;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : otherwise;
}

int64_t SizeOf(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 ? info.st_size : 0;
}

class FillKillTest : public ::testing::Test {
 protected:
  void Spawn(const std::string& folder, const std::string& content, const std::string& base_url) {
    const std::string size = absl::StrCat(content.size()), sha256 = absl::BytesToHexString(Sha256(content));
    std::vector<const char*> argv = {kChild, folder.c_str(), size.c_str(), sha256.c_str(), base_url.c_str(), nullptr};
    pid_t pid = -1;
    ASSERT_EQ(posix_spawn(&pid, kChild, nullptr, nullptr, const_cast<char**>(argv.data()), environ), 0);
    child_ = pid;
  }
  // Whether it ended by itself, and well.
  bool Ended() {
    int status = 0;
    if (child_ < 0 || waitpid(child_, &status, WNOHANG) != child_) return false;
    child_ = -1;
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    return true;
  }
  void Kill() {
    const pid_t pid = child_.exchange(-1);
    if (pid < 0) return;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  ~FillKillTest() override { Kill(); }

  const uint64_t seed_ = FromEnvironment("FAIRLEAD_SEED", 1);
  std::mt19937_64 random_{seed_};
  TempFolder temp_;
  std::atomic<pid_t> child_ = -1;
};

TEST_F(FillKillTest, EachKillCostsAtMostAChunk) {
  const int kills = static_cast<int>(FromEnvironment("FAIRLEAD_KILLS", 60));
  // Up to eight chunks a life, so that a life that lost all it had would show; the rest after the last kill.
  const int64_t stride = 8 * kChunkBytes;
  const std::string content = RandomBytes(static_cast<size_t>(stride * (kills + 8) * 3 / 4), 1);
  const int64_t size = static_cast<int64_t>(content.size());
  const std::string part = absl::StrCat(temp_.path(), "/disk/.partial/1-", absl::BytesToHexString(Sha256(content)), ".part");
  const std::string target = temp_.path() + "/disk/film/v1/video/media.mp4";
  // The source never runs ahead of what was written by more than a piece: what lies in the system's buffers is nobody's loss, and would
  // only blur the sum. Nor does it give a life more than its share.
  std::atomic<int64_t> given = 0, share = 0;
  TestSource source(content, {.before_piece = [&](int64_t sent) {
                      const pid_t served = child_;
                      while (given >= share || (SizeOf(part) < sent && SizeOf(target) < sent)) {
                        if (child_ != served || served < 0) return false;
                        absl::SleepFor(absl::Milliseconds(1));
                      }
                      given += TestSourceBehaviour().piece;
                      return true;
                    }});
  for (int i = 0; i < kills; ++i) {
    share = given + static_cast<int64_t>(random_() % static_cast<uint64_t>(stride));
    // A quarter die at any time; the others when they have their share, mostly while they write the last piece of it.
    const absl::Time latest = absl::Now() + absl::Milliseconds(i % 4 == 0 ? 5 + random_() % 40 : 20'000);
    Spawn(temp_.path(), content, source.base_url());
    while (given < share && absl::Now() < latest) sched_yield();
    ASSERT_TRUE(given >= share || i % 4 == 0) << "it does not go on";
    Kill();
    ASSERT_EQ(SizeOf(target), 0) << "no half file is visible";
  }
  share = 10 * size;
  Spawn(temp_.path(), content, source.base_url());
  ASSERT_TRUE(WaitFor([&] { return Ended(); }, absl::Minutes(1)));
  EXPECT_EQ(ReadFile(target).value_or("missing"), content);
  EXPECT_EQ(SizeOf(part), 0);
  EXPECT_GE(source.bytes(), size);
  EXPECT_LE(source.bytes(), size + kills * kChunkBytes);
  std::cout << "seed " << seed_ << ": " << kills << " kills, " << source.bytes() << " bytes fetched for " << size << ": "
            << static_cast<double>(source.bytes() - size) / kills << " more a kill\n";
}

// The short way from the last byte to the index: hash, sync, rename, log. Each round is a new file that is killed somewhere on it.
TEST_F(FillKillTest, AKillBetweenTheLastByteAndTheIndexCostsNothing) {
  const std::string content = RandomBytes(200'000, 2);
  TestSource source(content, {});
  for (int round = 0; round < 25; ++round) {
    const std::string folder = absl::StrCat(temp_.path(), "/", round);
    const std::string target = folder + "/disk/film/v1/video/media.mp4";
    ASSERT_TRUE(MakeFolder(folder).ok());
    const int64_t before = source.bytes();
    Spawn(folder, content, source.base_url());
    ASSERT_TRUE(WaitFor([&] { return source.bytes() - before >= 200'000; }));
    const absl::Time when = absl::Now() + absl::Microseconds(random_() % 8000);
    while (absl::Now() < when) {
    }
    Kill();
    EXPECT_THAT(ReadFile(target).value_or(""), ::testing::AnyOf("", content)) << "what is visible is whole";
    Spawn(folder, content, source.base_url());
    ASSERT_TRUE(WaitFor([&] { return Ended(); }));
    EXPECT_EQ(ReadFile(target).value_or("missing"), content);
    EXPECT_LE(source.bytes() - before, 200'000 * 2);
  }
}

}  // namespace
}  // namespace fairlead::agent
