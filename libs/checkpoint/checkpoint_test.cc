#include "libs/checkpoint/checkpoint.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::IsEmpty;
using ::testing::Pair;

using State = std::map<std::string, std::string>;

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}
void WriteAll(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

class CheckpointTest : public ::testing::Test {
 protected:
  CheckpointTest() { EXPECT_NE(mkdtemp(folder_.data()), nullptr); }
  ~CheckpointTest() override { std::filesystem::remove_all(folder_); }

  // As after a crash: what is on disk is all there is.
  void Reopen() {
    checkpoint_.reset();
    options_.folder = folder_;
    options_.name = "fleet";
    absl::StatusOr<std::unique_ptr<Checkpoint>> opened = Checkpoint::Open(options_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    checkpoint_ = *std::move(opened);
  }
  State Read() {
    State state;
    std::string last;
    const absl::Status read = checkpoint_->ForEach([&](absl::string_view key, absl::string_view value) {
      EXPECT_TRUE(state.empty() || last < key) << key;
      last = std::string(key);
      state.emplace(key, value);
    });
    EXPECT_TRUE(read.ok()) << read;
    return state;
  }
  void Set(const std::string& key, const std::string& value) {
    ChangeBatch batch;
    batch.Set(key, value);
    ASSERT_TRUE(checkpoint_->Append(batch).ok());
  }
  // But for the lock.
  std::vector<std::string> Files() const {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      if (entry.path().filename() != "fleet.lock") files.push_back(entry.path().filename().string());
    }
    std::sort(files.begin(), files.end());
    return files;
  }
  std::string Path(const std::string& file) const { return absl::StrCat(folder_, "/", file); }

  std::string folder_ = "/tmp/checkpoint-XXXXXX";
  CheckpointOptions options_;
  std::unique_ptr<Checkpoint> checkpoint_;
};

TEST_F(CheckpointTest, WhatIsAppendedIsThereAfterACrash) {
  Reopen();
  EXPECT_THAT(Read(), IsEmpty());
  ChangeBatch batch;
  batch.Set("box/a/routes/1", "one");
  batch.Set("box/a/routes/2", std::string(300'000, 'x'));  // Larger than a block.
  batch.Set("box/a/routes/22", "");
  batch.Set("box/b", std::string("\0\n", 2));
  ASSERT_TRUE(checkpoint_->Append(batch).ok());
  Set("box/a/routes/1", "uno");
  Reopen();
  EXPECT_THAT(checkpoint_->faults(), IsEmpty());
  EXPECT_THAT(Read(), ElementsAre(Pair("box/a/routes/1", "uno"), Pair("box/a/routes/2", std::string(300'000, 'x')),
                                  Pair("box/a/routes/22", ""), Pair("box/b", std::string("\0\n", 2))));
  batch.Clear();
  batch.RemoveAll("box/a/");
  batch.Set("box/a/routes/3", "three");
  batch.Remove("box/b");
  ASSERT_TRUE(checkpoint_->Append(batch).ok());
  Reopen();
  EXPECT_THAT(Read(), ElementsAre(Pair("box/a/routes/3", "three")));
}

TEST_F(CheckpointTest, ACompactionKeepsTheStateAndTheOneBefore) {
  Reopen();
  Set("a", "1");
  Set("b", "1");
  ASSERT_TRUE(checkpoint_->Compact().ok());
  EXPECT_THAT(Files(), ElementsAre("fleet.base.1", "fleet.log.0", "fleet.log.1"));
  Set("a", "2");
  ASSERT_TRUE(checkpoint_->Compact().ok());
  EXPECT_THAT(Files(), ElementsAre("fleet.base.1", "fleet.base.2", "fleet.log.1", "fleet.log.2"));
  Set("c", "3");
  const State whole = {{"a", "2"}, {"b", "1"}, {"c", "3"}};
  EXPECT_EQ(Read(), whole);
  Reopen();
  EXPECT_EQ(Read(), whole);
  ASSERT_TRUE(checkpoint_->Compact().ok());
  ASSERT_TRUE(checkpoint_->Compact().ok());  // With nothing new.
  Reopen();
  EXPECT_EQ(Read(), whole);
  EXPECT_THAT(checkpoint_->faults(), IsEmpty());
}

TEST_F(CheckpointTest, ALogCutAtAnyByteGivesAWholeEarlierState) {
  Reopen();
  std::vector<State> states = {{}};
  for (int i = 0; i < 6; ++i) {
    ChangeBatch batch;
    batch.Set("a", absl::StrCat(i));
    batch.Set("b", absl::StrCat(i, std::string(i == 3 ? 150'000 : 3, 'x')));  // One group of several records.
    ASSERT_TRUE(checkpoint_->Append(batch).ok());
    states.push_back(Read());
  }
  const std::string log = ReadAll(Path("fleet.log.0"));
  size_t seen = 0;
  int cuts = 0;
  const size_t line = log.find('\n') + 1;
  for (size_t length = 0; length <= log.size(); length += length > 700 && length + 700 < log.size() ? 501 : 1) {
    WriteAll(Path("fleet.log.0"), log.substr(0, length));
    Reopen();
    const State state = Read();
    ASSERT_THAT(states, Contains(state)) << length;
    ASSERT_EQ(checkpoint_->faults().empty(), length >= line) << "a cut end is no fault: " << length;
    cuts += checkpoint_->cut().ok() ? 0 : 1;
    ASSERT_GE(state.empty() ? 0 : std::stoi(state.at("a")) + 1, seen) << "more of the log, but less of the state";
    seen = state.empty() ? 0 : std::stoul(state.at("a")) + 1;
    // It goes on from there.
    Set("c", "new");
    Reopen();
    State next = state;
    next["c"] = "new";
    ASSERT_EQ(Read(), next) << length;
    ASSERT_THAT(checkpoint_->faults(), IsEmpty()) << "said once";
    ASSERT_TRUE(checkpoint_->cut().ok()) << "said once";
  }
  EXPECT_EQ(seen, 6u);
  EXPECT_GT(cuts, 100);
}

TEST_F(CheckpointTest, AnyFlippedBitOfALogGivesAWholeEarlierState) {
  Reopen();
  std::vector<State> states = {{}};
  for (int i = 0; i < 4; ++i) {
    Set("a", absl::StrCat(i));
    if (i == 1) {
      ASSERT_TRUE(checkpoint_->Compact().ok());
      std::filesystem::remove(Path("fleet.base.1"));  // So that both logs count.
      Reopen();
    }
    states.push_back(Read());
  }
  for (const char* file : {"fleet.log.0", "fleet.log.1"}) {
    std::map<std::string, std::string> all;
    for (const std::string& name : Files()) all[name] = ReadAll(Path(name));
    const std::string whole = all.at(file);
    for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
      for (const auto& [name, bytes] : all) WriteAll(Path(name), bytes);
      std::string spoilt = whole;
      spoilt[bit / 8] = static_cast<char>(spoilt[bit / 8] ^ (1 << bit % 8));
      WriteAll(Path(file), spoilt);
      Reopen();
      ASSERT_THAT(states, Contains(Read())) << file << " bit " << bit;
    }
    for (const auto& [name, bytes] : all) WriteAll(Path(name), bytes);
  }
  Reopen();
  EXPECT_EQ(Read(), states.back());
}

TEST_F(CheckpointTest, AnyFlippedBitOrCutOfABaseIsRefusedAndTheOneBeforeLeadsToTheSameState) {
  Reopen();
  Set("a", "1");
  ASSERT_TRUE(checkpoint_->Compact().ok());
  Set("b", "2");
  ASSERT_TRUE(checkpoint_->Compact().ok());
  Set("c", "3");
  const State whole = Read();
  ASSERT_THAT(Files(), ElementsAre("fleet.base.1", "fleet.base.2", "fleet.log.1", "fleet.log.2"));
  const std::string base = ReadAll(Path("fleet.base.2"));
  std::vector<std::string> spoilt = {base + "x", base + base};
  for (size_t length = 0; length < base.size(); ++length) spoilt.push_back(base.substr(0, length));
  for (size_t bit = 0; bit < base.size() * 8; ++bit) {
    spoilt.push_back(base);
    spoilt.back()[bit / 8] = static_cast<char>(spoilt.back()[bit / 8] ^ (1 << bit % 8));
  }
  for (size_t i = 0; i < spoilt.size(); ++i) {
    WriteAll(Path("fleet.base.2"), spoilt[i]);
    Reopen();
    ASSERT_EQ(Read(), whole) << i;
    ASSERT_EQ(checkpoint_->faults().size(), 1u) << i;
    ASSERT_EQ(checkpoint_->faults()[0].code(), absl::StatusCode::kDataLoss);
    ASSERT_TRUE(std::filesystem::exists(Path("fleet.base.refused")));
    ASSERT_FALSE(std::filesystem::exists(Path("fleet.base.2")));
  }
  // It goes on, and is compacted again.
  Set("d", "4");
  ASSERT_TRUE(checkpoint_->Compact().ok());
  Reopen();
  EXPECT_EQ(Read(), (State{{"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}}));
}

TEST_F(CheckpointTest, WithNothingUsableItStartsEmptyAndGoesOn) {
  Reopen();
  Set("a", "1");
  ASSERT_TRUE(checkpoint_->Compact().ok());
  Set("b", "2");
  ASSERT_TRUE(checkpoint_->Compact().ok());
  for (const char* file : {"fleet.base.1", "fleet.base.2"}) WriteAll(Path(file), "nonsense");
  Reopen();
  EXPECT_EQ(checkpoint_->faults().size(), 2u);
  EXPECT_THAT(Read(), IsEmpty());
  Set("c", "3");
  Reopen();
  EXPECT_THAT(Read(), ElementsAre(Pair("c", "3"))) << "none of the old logs comes back";
}

TEST_F(CheckpointTest, WhatStandsBehindAFaultIsNeverMixedIn) {
  Reopen();
  Set("a", "1");
  Set("b", "1");
  ASSERT_TRUE(checkpoint_->Compact().ok());
  std::filesystem::remove(Path("fleet.base.1"));  // As if it had not been finished: log 0, then log 1.
  Reopen();
  Set("b", "2");
  ASSERT_EQ(Read(), (State{{"a", "1"}, {"b", "2"}}));
  checkpoint_.reset();
  std::string log = ReadAll(Path("fleet.log.0"));
  log.back() = static_cast<char>(log.back() ^ 1);
  WriteAll(Path("fleet.log.0"), log);
  Reopen();
  EXPECT_EQ(Read(), (State{{"a", "1"}})) << "b was lost in log 0, so its later value in log 1 doesn't count";
  EXPECT_EQ(checkpoint_->faults().size(), 2u);
}

// Lets files grow to so many bytes only: a full disk, also for root.
class SmallDisk {
 public:
  explicit SmallDisk(rlim_t bytes) {
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~SmallDisk() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_;
};

TEST_F(CheckpointTest, AFullDiskLeavesWhatWasThereAndTheSameCanBeAppendedLater) {
  Reopen();
  Set("a", "1");
  ChangeBatch batch;
  batch.Set("a", "2");
  batch.Set("b", std::string(400'000, 'x'));
  {
    SmallDisk small(200'000);  // In the middle of the group.
    const absl::Status status = checkpoint_->Append(batch);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), "fleet.log.0")) << status;
    EXPECT_THAT(Read(), ElementsAre(Pair("a", "1")));
  }
  const std::string small_log = ReadAll(Path("fleet.log.0"));
  EXPECT_LT(small_log.size(), 200u) << "what was written of the group is cut off again";
  ASSERT_TRUE(checkpoint_->Append(batch).ok());
  {
    SmallDisk small(200'000);
    EXPECT_FALSE(checkpoint_->Compact().ok());
  }
  Set("c", "3");
  Reopen();
  EXPECT_THAT(Read(), ElementsAre(Pair("a", "2"), Pair("b", std::string(400'000, 'x')), Pair("c", "3")));
  EXPECT_THAT(checkpoint_->faults(), IsEmpty());
}

TEST_F(CheckpointTest, AFolderThatGoesAwayIsAnErrorAndNoMore) {
  options_.folder = "/no/such/folder";
  EXPECT_EQ(Checkpoint::Open(options_).status().code(), absl::StatusCode::kUnavailable);
  Reopen();
  std::filesystem::remove_all(folder_);
  ChangeBatch batch;
  batch.Set("a", "1");
  EXPECT_FALSE(checkpoint_->Append(batch).ok());
  std::filesystem::create_directory(folder_);
  EXPECT_TRUE(checkpoint_->Append(batch).ok());
}

TEST_F(CheckpointTest, OneProcessHasItAtATime) {
  Reopen();
  Set("a", "1");
  EXPECT_EQ(Checkpoint::Open(options_).status().code(), absl::StatusCode::kFailedPrecondition);
  Set("b", "2");
  Reopen();
  EXPECT_EQ(Read(), (State{{"a", "1"}, {"b", "2"}}));
}

TEST_F(CheckpointTest, TheLogAsksForCompactionAndIsBounded) {
  options_.least_log_bytes = 1'000;
  options_.most_log_bytes = 10'000;
  Reopen();
  Set("a", "1");
  EXPECT_FALSE(checkpoint_->wants_compaction());
  Set("b", std::string(2'000, 'x'));
  EXPECT_TRUE(checkpoint_->wants_compaction());
  ASSERT_TRUE(checkpoint_->Compact().ok());
  EXPECT_FALSE(checkpoint_->wants_compaction());
  ChangeBatch batch;
  batch.Set("c", std::string(5'000, 'y'));
  absl::Status appended;
  for (int i = 0; i < 10 && appended.ok(); ++i) appended = checkpoint_->Append(batch);
  EXPECT_EQ(appended.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_LT(checkpoint_->bytes(), 40'000u);
  checkpoint_->Cancel();
  EXPECT_EQ(checkpoint_->Compact().code(), absl::StatusCode::kCancelled);
  Reopen();
  ASSERT_TRUE(checkpoint_->Compact().ok());
  EXPECT_TRUE(checkpoint_->Append(batch).ok());
}

TEST_F(CheckpointTest, AfterAnyHistoryItHoldsWhatAMapHolds) {
  std::mt19937 random(20'24);
  State model;
  Reopen();
  for (int step = 0; step < 600; ++step) {
    ChangeBatch batch;
    for (unsigned i = random() % 8; i > 0; --i) {
      std::string key(1 + random() % 3, 'a');
      for (char& c : key) c = static_cast<char>('a' + random() % 3);
      if (random() % 12 == 0) {
        batch.RemoveAll(key);
        for (auto at = model.lower_bound(key); at != model.end() && absl::StartsWith(at->first, key);) at = model.erase(at);
      } else if (random() % 4 == 0) {
        batch.Remove(key);
        model.erase(key);
      } else {
        model[key] = absl::StrCat(step);
        batch.Set(key, model[key]);
      }
    }
    ASSERT_TRUE(checkpoint_->Append(batch).ok());
    if (random() % 10 == 0) {
      ASSERT_TRUE(checkpoint_->Compact().ok());
    }
    if (random() % 10 == 0) Reopen();
    ASSERT_EQ(Read(), model) << step;
    ASSERT_THAT(checkpoint_->faults(), IsEmpty());
  }
}

}  // namespace
}  // namespace fairlead
