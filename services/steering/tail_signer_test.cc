#include "services/steering/tail_signer.h"

#include <sys/stat.h>

#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "libs/signing/ec_key.h"
#include "libs/signing/token_signer.h"
#include "libs/steering/steering_table.h"

namespace fairlead {
namespace {

// A multiple of the cache's bucket of 10 minutes, and so is the lifetime: the bucket of kNow + 1 s ends at kNow + 10 minutes.
const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);
constexpr size_t kTitles = 10;

class TailSignerTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string folder = absl::StrCat(testing::TempDir(), "/keysXXXXXX");
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    const std::string key = folder + "/k-1.pem";
    std::ofstream(key) << GenerateEcKeyPair().value().private_pem;
    ASSERT_EQ(chmod(key.c_str(), 0600), 0);
    signer_ = TokenSigner::Open(folder).value();
    tokens_ = std::make_unique<TokenCache>(*signer_);
    state_.key_id = "k-1";
    SetTitles(kTitles);
  }

  // "t0", "t1" …, the later the more popular.
  void SetTitles(size_t count) {
    std::vector<TitleView> titles;
    for (size_t i = 0; i < count; ++i) {
      titles.push_back({.id = TitleId(absl::StrCat("t", i)),
                        .current_version = "v1",
                        .versions = {{.version = "v1"}},
                        .popularity = static_cast<double>(i)});
    }
    auto table = std::make_shared<SteeringTable>();
    table->catalogue = Catalogue::Build(std::move(titles));
    state_.table = std::move(table);
  }

  // Until two steps sign nothing, for the first may only have come to the end of a pass; the number of signatures.
  size_t Run(TailSigner& tail, absl::Time now) {
    size_t all = 0;
    for (int idle = 0; idle < 2;) {
      const size_t step = tail.Step(state_, now);
      all += step;
      idle = step == 0 ? idle + 1 : 0;
    }
    return all;
  }

  // Whether an answer finds the token signed.
  bool IsSigned(const std::string& title, TokenLabel label, absl::Time now) {
    const uint64_t misses = tokens_->stats().misses;
    const TokenCache::Book book =
        tokens_->Open({.title = title, .version = "v1", .lifetime = state_.settings.token_lifetime}, state_.key_id, now);
    std::string text;
    EXPECT_TRUE(tokens_->Append(book, label, text).ok());
    return tokens_->stats().misses == misses;
  }

  std::unique_ptr<TokenSigner> signer_;
  std::unique_ptr<TokenCache> tokens_;
  ServingState state_;
};

constexpr TokenLabel kFirst = {.rank = 0, .position = 0, .cause = MissCause::kNone};
constexpr TokenLabel kThird = {.rank = 0, .position = 2, .cause = MissCause::kNone};
constexpr TokenLabel kElsewhere = {.rank = 1, .position = 1, .cause = MissCause::kContent};

TEST_F(TailSignerTest, TokensOfAllTitlesAreThereBeforeAnybodyAsks) {
  TailSigner tail(*tokens_);
  const absl::Time now = kNow + absl::Seconds(1);
  EXPECT_EQ(Run(tail, now), 3 * kTitles);
  EXPECT_EQ(tokens_->stats().ahead, 3 * kTitles);
  for (size_t i = 0; i < kTitles; ++i) {
    EXPECT_TRUE(IsSigned(absl::StrCat("t", i), kFirst, now));
    EXPECT_TRUE(IsSigned(absl::StrCat("t", i), kThird, now));
  }
  EXPECT_FALSE(IsSigned("t1", kElsewhere, now));
  EXPECT_EQ(Run(tail, now), 0u) << "once a bucket";
}

TEST_F(TailSignerTest, TheNextBucketsAreSignedBeforeItBegins) {
  TailSigner tail(*tokens_);
  EXPECT_EQ(Run(tail, kNow + absl::Seconds(1)), 3 * kTitles);
  EXPECT_EQ(Run(tail, kNow + absl::Minutes(7)), 0u);
  EXPECT_EQ(Run(tail, kNow + absl::Minutes(9)), 3 * kTitles);
  EXPECT_EQ(Run(tail, kNow + absl::Minutes(11)), 0u) << "they are there";
  EXPECT_TRUE(IsSigned("t0", kFirst, kNow + absl::Minutes(11)));
}

TEST_F(TailSignerTest, ABucketThatWasntFinishedComesBeforeTheNext) {
  TailSigner tail(*tokens_, {.signatures = 10});
  EXPECT_EQ(tail.Step(state_, kNow + absl::Minutes(9)), 10u);
  EXPECT_TRUE(IsSigned("t9", kFirst, kNow + absl::Minutes(9)));
  EXPECT_EQ(Run(tail, kNow + absl::Minutes(9)), 2 * 3 * kTitles - 10);
}

TEST_F(TailSignerTest, WhereThereIsNoRoomForAllItIsTheMostPopular) {
  TailSigner tail(*tokens_, {.most_tokens = 6});
  const absl::Time now = kNow + absl::Seconds(1);
  EXPECT_EQ(Run(tail, now), 6u);
  EXPECT_TRUE(IsSigned("t9", kFirst, now));
  EXPECT_TRUE(IsSigned("t8", kThird, now));
  EXPECT_FALSE(IsSigned("t7", kFirst, now));
}

TEST_F(TailSignerTest, LabelsAreThoseThatAreAskedFor) {
  const absl::Time now = kNow + absl::Seconds(1);
  const TokenCache::Book book = tokens_->Open({.title = "t1", .version = "v1", .lifetime = state_.settings.token_lifetime}, "k-1", now);
  std::string text;
  size_t end = 0;
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(tokens_->AppendAll(book, {&kElsewhere, 1}, text, &end).ok());
  TailSigner tail(*tokens_);
  EXPECT_EQ(Run(tail, now), kTitles - 1) << "all but the one that was asked for";
  EXPECT_TRUE(IsSigned("t2", kElsewhere, now));
  EXPECT_FALSE(IsSigned("t2", kFirst, now));
}

TEST_F(TailSignerTest, ATitleThatComesIsSignedSoon) {
  TailSigner tail(*tokens_);
  const absl::Time now = kNow + absl::Seconds(1);
  Run(tail, now);
  SetTitles(kTitles + 1);
  EXPECT_EQ(Run(tail, now), 3u);
  EXPECT_TRUE(IsSigned("t10", kFirst, now));
}

TEST_F(TailSignerTest, WithoutATableOrAKeyNothingIsSigned) {
  TailSigner tail(*tokens_);
  state_.key_id = "";
  EXPECT_EQ(tail.Step(state_, kNow), 0u);
  state_.key_id = "k-1";
  state_.table = nullptr;
  EXPECT_EQ(tail.Step(state_, kNow), 0u);
}

}  // namespace
}  // namespace fairlead
