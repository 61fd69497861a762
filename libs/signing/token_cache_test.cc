#include "libs/signing/token_cache.h"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "libs/signing/ec_key.h"
#include "libs/signing/token_verifier.h"

namespace fairlead {
namespace {

// A multiple of 10 minutes.
const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

class TokenCacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = absl::StrCat(::testing::TempDir(), "/keysXXXXXX");
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    const EcKeyPair pair = GenerateEcKeyPair().value();
    for (const char* name : {"/k-1.pem", "/k-2.pem"}) {
      FILE* file = fopen((folder + name).c_str(), "w");
      ASSERT_NE(file, nullptr);
      fputs(pair.private_pem.c_str(), file);
      fclose(file);
      ASSERT_EQ(chmod((folder + name).c_str(), 0600), 0);
    }
    signer_ = TokenSigner::Open(folder).value();
    ASSERT_TRUE(verifier_.AddKey("k-1", pair.public_pem).ok());
  }

  std::unique_ptr<TokenSigner> signer_;
  TokenVerifier verifier_;
  const TokenRequest request_{.title = "big-film", .version = "v1", .rank = 1, .cause = MissCause::kHealth};
};

TEST_F(TokenCacheTest, RequestsOfOneBucketShareOneToken) {
  TokenCache cache(*signer_);
  const TokenCache::Token first = cache.Get(request_, "k-1", kNow + absl::Seconds(1)).value();
  EXPECT_EQ(cache.Get(request_, "k-1", kNow + absl::Minutes(10)).value(), first);
  EXPECT_NE(cache.Get(request_, "k-1", kNow + absl::Minutes(10) + absl::Seconds(1)).value(), first);
  EXPECT_EQ(cache.stats().hits, 1u);
  EXPECT_EQ(cache.stats().misses, 2u);
  EXPECT_DOUBLE_EQ(cache.stats().hit_rate(), 1.0 / 3);
}

TEST_F(TokenCacheTest, ATokenLivesAtLeastAsLongAsAskedAndIsValidAtOnce) {
  TokenCache cache(*signer_);
  for (int second = 0; second <= 1200; second += 37) {
    const absl::Time now = kNow + absl::Seconds(second);
    const TokenVerdict verdict = verifier_.Verify(cache.Get(request_, "k-1", now).value(), now);
    ASSERT_EQ(verdict.fault, TokenFault::kNone) << verdict.detail;
    EXPECT_LE(verdict.claims.not_before, now);
    EXPECT_GE(verdict.claims.expires, now + absl::Hours(4));
    EXPECT_LT(verdict.claims.expires, now + absl::Hours(4) + absl::Minutes(10));
    EXPECT_EQ(verdict.claims.rank, 1u);
    EXPECT_EQ(verdict.claims.cause, MissCause::kHealth);
  }
}

TEST_F(TokenCacheTest, EveryPartOfTheKeyMakesAnotherToken) {
  TokenCache cache(*signer_);
  std::vector<TokenRequest> requests(8, request_);
  requests[1].title = "other";
  requests[2].version = "v2";
  requests[3].rank = 2;
  requests[4].position = 1;
  requests[5].cause = MissCause::kNone;
  requests[6].scope = TokenScope::kFill;
  requests[7].lifetime = absl::Hours(5);
  for (const TokenRequest& request : requests) ASSERT_TRUE(cache.Get(request, "k-1", kNow).ok());
  ASSERT_TRUE(cache.Get(request_, "k-2", kNow).ok());
  EXPECT_EQ(cache.size(), 9u);
  EXPECT_EQ(cache.stats().hits, 0u);
}

TEST_F(TokenCacheTest, RanksAboveThreeShareOneToken) {
  TokenCache cache(*signer_);
  TokenRequest request = request_;
  request.rank = 3;
  const TokenCache::Token third = cache.Get(request, "k-1", kNow).value();
  request.rank = 9;
  EXPECT_EQ(cache.Get(request, "k-1", kNow).value(), third);
}

TEST_F(TokenCacheTest, TheCacheNeverHoldsMoreThanItsBoundAndKeepsWhatIsAskedFor) {
  TokenCache cache(*signer_, {.max_entries = 320});
  ASSERT_TRUE(cache.Get(request_, "k-1", kNow).ok());
  for (int i = 0; i < 3000; ++i) {
    const std::string title = absl::StrCat("title-", i);
    ASSERT_TRUE(cache.Get({.title = title, .version = "v1"}, "k-1", kNow).ok());
    ASSERT_TRUE(cache.Get(request_, "k-1", kNow).ok());
    ASSERT_LE(cache.size(), 320u);
  }
  EXPECT_EQ(cache.stats().misses, 3001u);
  EXPECT_EQ(cache.stats().hits, 3000u);
  EXPECT_GT(cache.stats().evictions, 2000u);
}

TEST_F(TokenCacheTest, AFailureIsNotCached) {
  TokenCache cache(*signer_);
  EXPECT_EQ(cache.Get(request_, "k-9", kNow).status().code(), absl::StatusCode::kFailedPrecondition);
  TokenRequest bad = request_;
  bad.title = "A/B";
  EXPECT_EQ(cache.Get(bad, "k-1", kNow).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_EQ(cache.stats().misses, 0u);
}

TEST_F(TokenCacheTest, ThreadsMayShareIt) {
  TokenCache cache(*signer_, {.max_entries = 64});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        const std::string title = absl::StrCat("title-", i % 40);
        const absl::StatusOr<TokenCache::Token> token = cache.Get({.title = title, .version = "v1"}, "k-1", kNow);
        ASSERT_TRUE(token.ok());
        ASSERT_EQ(verifier_.Verify(*token, kNow).claims.title, title);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(cache.stats().hits + cache.stats().misses, 2000u);
}

TEST_F(TokenCacheTest, ThreadsThatWantTheSameTokenAtOnceSignItOnce) {
  TokenCache cache(*signer_);
  constexpr int kThreads = 4;
  for (int round = 0; round < 200; ++round) {
    const std::string title = absl::StrCat("title-", round);
    std::atomic<int> ready{0};
    std::vector<std::string> tokens(kThreads);
    std::vector<std::thread> threads;
    for (std::string& token : tokens) {
      threads.emplace_back([&] {
        for (++ready; ready < kThreads;) std::this_thread::yield();
        token = cache.Get({.title = title, .version = "v1"}, "k-1", kNow).value();
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::string& token : tokens) ASSERT_EQ(token, tokens.front());
  }
  EXPECT_EQ(cache.stats().misses, 200u);
  EXPECT_EQ(cache.stats().hits, 200u * (kThreads - 1));
}

// Readers copy out of slots that are being written all the time; what they get is always one whole token, and the one they asked for.
TEST_F(TokenCacheTest, ATokenIsNeverReadHalfWritten) {
  TokenCache cache(*signer_, {.max_entries = 8});
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 3000; ++i) {
        const std::string title(static_cast<size_t>(1 + (i * 7 + t) % 12), 'a');
        const std::string token = cache.Get({.title = title, .version = "v1"}, "k-1", kNow).value();
        ASSERT_EQ(verifier_.Verify(token, kNow).claims.title, title);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(cache.size(), 8u);
}

TEST_F(TokenCacheTest, ATokenOfASessionIsBoundToItAndNotKept) {
  TokenCache cache(*signer_);
  TokenRequest request = request_;
  request.session = "Session_1";
  const std::string token = cache.Get(request, "k-1", kNow).value();
  EXPECT_EQ(verifier_.Verify(token, kNow).claims.session, "Session_1");
  EXPECT_EQ(verifier_.Verify(cache.Get(request_, "k-1", kNow).value(), kNow).claims.session, "");
  EXPECT_EQ(cache.size(), 1u);
}

TEST_F(TokenCacheTest, TheLongestIdsAreCachedToo) {
  TokenCache cache(*signer_);
  const std::string longest(63, 'x');
  const TokenRequest request = {.title = longest, .version = longest, .rank = 3, .position = 31, .cause = MissCause::kCapacity};
  const std::string token = cache.Get(request, "k-1", kNow).value();
  EXPECT_EQ(cache.Get(request, "k-1", kNow).value(), token);
  EXPECT_EQ(cache.stats().hits, 1u);
}

TEST_F(TokenCacheTest, WhatIsAskedForAgainIsSignedAheadOfTheNextBucket) {
  TokenCache cache(*signer_);
  const absl::Time now = kNow + absl::Minutes(9);  // A minute before the bucket ends.
  for (int i = 0; i < 50; ++i) {
    const std::string title = absl::StrCat("head-", i);
    for (int times = 0; times < 2; ++times) ASSERT_TRUE(cache.Get({.title = title, .version = "v1"}, "k-1", now).ok());
    ASSERT_TRUE(cache.Get({.title = absl::StrCat("tail-", i), .version = "v1"}, "k-1", now).ok());
  }
  const SignAheadStep all = {.max_slots = 1'000'000, .max_signatures = 1'000};
  EXPECT_EQ(cache.SignAhead(now - absl::Minutes(2), all), 0u);  // Too early.
  EXPECT_EQ(cache.SignAhead(now, all), 50u);
  EXPECT_EQ(cache.SignAhead(now, all), 0u);  // They are there.
  EXPECT_EQ(cache.stats().ahead, 50u);
  const uint64_t signed_before = cache.stats().misses;
  const absl::Time later = kNow + absl::Minutes(10) + absl::Seconds(1);
  for (int i = 0; i < 50; ++i) {
    const std::string title = absl::StrCat("head-", i);
    const TokenVerdict verdict = verifier_.Verify(cache.Get({.title = title, .version = "v1"}, "k-1", later).value(), later);
    ASSERT_EQ(verdict.fault, TokenFault::kNone);
    ASSERT_EQ(verdict.claims.title, title);
    ASSERT_GE(verdict.claims.expires, later + absl::Hours(4));
  }
  EXPECT_EQ(cache.stats().misses, signed_before);  // No storm.
}

TEST_F(TokenCacheTest, AStepAheadIsBoundedAndTheNextGoesOnFromThere) {
  TokenCache cache(*signer_, {.max_entries = 800});
  for (int i = 0; i < 100; ++i) {
    const std::string title = absl::StrCat("head-", i);
    for (int times = 0; times < 2; ++times) ASSERT_TRUE(cache.Get({.title = title, .version = "v1"}, "k-1", kNow).ok());
  }
  size_t made = 0;
  for (int step = 0; step < 20; ++step) {
    const size_t now = cache.SignAhead(kNow, {.max_slots = 800, .max_signatures = 10});
    ASSERT_LE(now, 10u);
    made += now;
  }
  EXPECT_EQ(made, 100u);
}

TEST_F(TokenCacheTest, SigningAheadNeverPushesOutWhatIsInUse) {
  TokenCache cache(*signer_, {.max_entries = 8});  // One set.
  for (int times = 0; times < 2; ++times) {
    for (int i = 0; i < 8; ++i) ASSERT_TRUE(cache.Get({.title = absl::StrCat("head-", i), .version = "v1"}, "k-1", kNow).ok());
  }
  ASSERT_EQ(cache.stats().misses, 8u);
  EXPECT_EQ(cache.SignAhead(kNow), 0u);
  EXPECT_EQ(cache.stats().ahead, 0u);
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(cache.Get({.title = absl::StrCat("head-", i), .version = "v1"}, "k-1", kNow).ok());
  EXPECT_EQ(cache.stats().misses, 8u);
}

TEST_F(TokenCacheTest, WhatNobodyAskedForTakesNoPlaceThatIsNeeded) {
  TokenCache cache(*signer_, {.max_entries = 8});
  const absl::Time now = kNow + absl::Seconds(1);
  const auto open = [&](const std::string& title, absl::Time at) { return cache.Open({.title = title, .version = "v1"}, "k-1", at); };
  const auto ask = [&](const std::string& title, absl::Time at) {
    std::string text;
    ASSERT_TRUE(cache.Append(open(title, at), {}, text).ok());
    ASSERT_TRUE(cache.Append(open(title, at), {}, text).ok());
  };
  const std::vector<std::string> asked = {"a1", "a2", "a3", "a4", "a5"};
  for (const std::string& title : asked) ask(title, now);
  for (const char* title : {"u1", "u2", "u3"}) EXPECT_TRUE(cache.SignUnasked(open(title, now), {}, now));
  EXPECT_FALSE(cache.SignUnasked(open("u1", now), {}, now)) << "it is there";
  EXPECT_FALSE(cache.SignUnasked(open("u4", now), {}, now)) << "no room";
  EXPECT_EQ(cache.size(), 8u);
  const uint64_t misses = cache.stats().misses;
  for (const std::string& title : asked) ask(title, now);
  EXPECT_EQ(cache.stats().misses, misses);
  // Those that are over make room, and so do those for an earlier bucket that nobody asked for.
  const absl::Time later = now + absl::Minutes(10);
  for (const char* title : {"u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8"}) {
    EXPECT_TRUE(cache.SignUnasked(open(title, later), {}, later)) << title;
  }
  EXPECT_EQ(cache.stats().evictions, 0u);
}

TEST_F(TokenCacheTest, TheCommonestLabelsAreThoseOfMostTokensAndChangeWithThem) {
  TokenCache cache(*signer_);
  EXPECT_TRUE(cache.CommonestLabels(4).empty());
  const TokenCache::Book book = cache.Open({.title = "big-film", .version = "v1"}, "k-1", kNow);
  const std::vector<TokenLabel> usual = {{.rank = 0, .position = 0, .cause = MissCause::kNone},
                                         {.rank = 1, .position = 1, .cause = MissCause::kHealth}};
  const std::vector<TokenLabel> rare = {{.rank = 3, .position = 2, .cause = MissCause::kRoute}};
  std::string text;
  size_t ends[2];
  const auto ask = [&](const std::vector<TokenLabel>& labels, int times) {
    for (int i = 0; i < times; ++i) ASSERT_TRUE(cache.AppendAll(book, labels, text, ends).ok());
  };
  ask(usual, 6'400);
  ask(rare, 640);
  const std::vector<TokenLabel> found = cache.CommonestLabels(4);
  EXPECT_EQ(found.size(), 2u);
  for (const TokenLabel& label : usual) EXPECT_EQ(std::count(found.begin(), found.end(), label), 1);
  EXPECT_EQ(cache.CommonestLabels(1).size(), 1u);
  ask(rare, 64'000);
  EXPECT_EQ(cache.CommonestLabels(1), rare);
}

}  // namespace
}  // namespace fairlead
