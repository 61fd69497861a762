#include "libs/signing/token_cache.h"

#include <sys/stat.h>

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
  EXPECT_NE(*cache.Get(request_, "k-1", kNow + absl::Minutes(10) + absl::Seconds(1)).value(), *first);
  EXPECT_EQ(cache.stats().hits, 1u);
  EXPECT_EQ(cache.stats().misses, 2u);
  EXPECT_DOUBLE_EQ(cache.stats().hit_rate(), 1.0 / 3);
}

TEST_F(TokenCacheTest, ATokenLivesAtLeastAsLongAsAskedAndIsValidAtOnce) {
  TokenCache cache(*signer_);
  for (int second = 0; second <= 1200; second += 37) {
    const absl::Time now = kNow + absl::Seconds(second);
    const TokenVerdict verdict = verifier_.Verify(*cache.Get(request_, "k-1", now).value(), now);
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
        ASSERT_EQ(verifier_.Verify(**token, kNow).claims.title, title);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(cache.stats().hits + cache.stats().misses, 2000u);
}

}  // namespace
}  // namespace fairlead
