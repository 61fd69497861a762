#include "libs/signing/token.h"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/signing/base64url.h"
#include "libs/signing/token_signer.h"
#include "libs/signing/token_verifier.h"

namespace fairlead {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

TokenClaims Claims() {
  TokenClaims claims;
  claims.title = "big-film";
  claims.version = "v1";
  claims.rank = 1;
  claims.position = 2;
  claims.cause = MissCause::kContent;
  claims.not_before = kNow;
  claims.expires = kNow + absl::Hours(4);
  return claims;
}

class TokenTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/keysXXXXXX");
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    pair_ = GenerateEcKeyPair().value();
    Write("k-1.pem", pair_.private_pem, 0600);
    signer_ = TokenSigner::Open(folder_).value();
    ASSERT_TRUE(verifier_.AddKey("k-1", pair_.public_pem).ok());
  }

  void Write(const std::string& name, const std::string& text, mode_t mode) {
    const std::string path = absl::StrCat(folder_, "/", name);
    FILE* file = fopen(path.c_str(), "w");
    ASSERT_NE(file, nullptr);
    fwrite(text.data(), 1, text.size(), file);
    fclose(file);
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
  }

  std::string Sign(const TokenClaims& claims) {
    const absl::StatusOr<std::string> token = signer_->Sign("k-1", claims);
    EXPECT_TRUE(token.ok()) << token.status();
    return token.value_or("");
  }
  // `claims_json` as it stands, signed with the right key.
  std::string SignJson(const std::string& header, const std::string& claims_json) {
    const std::string input = absl::StrCat(Base64UrlEncode(header), ".", Base64UrlEncode(claims_json));
    return absl::StrCat(input, ".", Base64UrlEncode(EcPrivateKey::FromPem(pair_.private_pem).value().Sign(input).value()));
  }
  TokenFault Fault(const std::string& token, absl::Time now = kNow) { return verifier_.Verify(token, now).fault; }

  std::string folder_;
  EcKeyPair pair_;
  std::unique_ptr<TokenSigner> signer_;
  TokenVerifier verifier_;
};

constexpr char kHeader[] = R"({"alg":"ES256","kid":"k-1"})";
constexpr char kClaims[] = R"({"iss":"fairlead","iat":1800000000,"nbf":1800000000,"exp":1800014400,"cdniv":1,)"
                           R"("cdniuc":"regex:https?://[^/]+/big-film/v1/.*","rk":1,"ps":2,"mc":"content","sc":"play"})";

TEST_F(TokenTest, TheTextOfATokenIsExactlyThis) {
  const std::vector<std::string> parts = absl::StrSplit(Sign(Claims()), '.');
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(Base64UrlDecode(parts[0]), kHeader);
  EXPECT_EQ(Base64UrlDecode(parts[1]), kClaims);
  EXPECT_EQ(Base64UrlDecode(parts[2])->size(), 64u);
}

TEST_F(TokenTest, ATokenReadsBackAsItsClaims) {
  TokenClaims claims = Claims();
  claims.scope = TokenScope::kFill;
  claims.session = "Session_1-x";
  const TokenVerdict verdict = verifier_.Verify(Sign(claims), kNow);
  EXPECT_EQ(verdict.fault, TokenFault::kNone) << verdict.detail;
  EXPECT_EQ(verdict.claims, claims);
  EXPECT_EQ(verdict.key_id, "k-1");
}

TEST_F(TokenTest, AHighRankIsWrittenAsThree) {
  TokenClaims claims = Claims();
  claims.rank = 17;
  EXPECT_EQ(verifier_.Verify(Sign(claims), kNow).claims.rank, 3u);
}

// With OpenSSL alone and none of our verifying code: what njs and other JWT libraries will see.
TEST_F(TokenTest, TheSignatureVerifiesIndependently) {
  const std::string token = Sign(Claims());
  const std::vector<std::string> parts = absl::StrSplit(token, '.');
  const std::string raw = Base64UrlDecode(parts[2]).value();
  const unsigned char* bytes = reinterpret_cast<const unsigned char*>(raw.data());
  ECDSA_SIG* signature = ECDSA_SIG_new();
  ECDSA_SIG_set0(signature, BN_bin2bn(bytes, 32, nullptr), BN_bin2bn(bytes + 32, 32, nullptr));
  unsigned char* der = nullptr;
  const int der_size = i2d_ECDSA_SIG(signature, &der);
  BIO* bio = BIO_new_mem_buf(pair_.public_pem.data(), static_cast<int>(pair_.public_pem.size()));
  EVP_PKEY* key = PEM_read_bio_PUBKEY(bio, nullptr, nullptr, nullptr);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ASSERT_EQ(EVP_DigestVerifyInit(context, nullptr, EVP_sha256(), nullptr, key), 1);
  const std::string input = absl::StrCat(parts[0], ".", parts[1]);
  EXPECT_EQ(
      EVP_DigestVerify(context, der, static_cast<size_t>(der_size), reinterpret_cast<const unsigned char*>(input.data()), input.size()), 1);
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  BIO_free(bio);
  OPENSSL_free(der);
  ECDSA_SIG_free(signature);
}

TEST_F(TokenTest, ATamperedClaimIsABadSignature) {
  std::vector<std::string> parts = absl::StrSplit(Sign(Claims()), '.');
  parts[1] = Base64UrlEncode(absl::StrReplaceAll(kClaims, {{"big-film", "other-film"}}));
  EXPECT_EQ(Fault(absl::StrJoin(parts, ".")), TokenFault::kBadSignature);
}

TEST_F(TokenTest, ATamperedSignatureIsABadSignature) {
  std::string token = Sign(Claims());
  token[token.size() - 5] = token[token.size() - 5] == 'A' ? 'B' : 'A';
  EXPECT_EQ(Fault(token), TokenFault::kBadSignature);
}

TEST_F(TokenTest, AlgorithmNoneAndOthersAreRefused) {
  const std::string claims = Base64UrlEncode(kClaims);
  EXPECT_EQ(Fault(absl::StrCat(Base64UrlEncode(R"({"alg":"none","kid":"k-1"})"), ".", claims, ".")), TokenFault::kBadAlgorithm);
  EXPECT_EQ(Fault(SignJson(R"({"alg":"HS256","kid":"k-1"})", kClaims)), TokenFault::kBadAlgorithm);
  EXPECT_EQ(Fault(SignJson(R"({"alg":"es256","kid":"k-1"})", kClaims)), TokenFault::kBadAlgorithm);
  EXPECT_EQ(Fault(SignJson(R"({"kid":"k-1"})", kClaims)), TokenFault::kBadAlgorithm);
}

TEST_F(TokenTest, AForeignKeyIsUnknownOrABadSignature) {
  Write("k-2.pem", GenerateEcKeyPair()->private_pem, 0600);
  ASSERT_TRUE(signer_->Rescan().ok());
  EXPECT_EQ(Fault(signer_->Sign("k-2", Claims()).value()), TokenFault::kUnknownKey);
  // The same id with another key behind it.
  Write("k-1.pem", GenerateEcKeyPair()->private_pem, 0600);
  ASSERT_TRUE(signer_->Rescan().ok());
  EXPECT_EQ(Fault(Sign(Claims())), TokenFault::kBadSignature);
}

TEST_F(TokenTest, ATokenIsGoodFromIssueToExpiryWithASkewOfAMinute) {
  const std::string token = Sign(Claims());
  EXPECT_EQ(Fault(token, kNow - absl::Seconds(61)), TokenFault::kNotYetValid);
  EXPECT_EQ(Fault(token, kNow - absl::Seconds(60)), TokenFault::kNone);
  EXPECT_EQ(Fault(token, kNow + absl::Hours(4) + absl::Seconds(59)), TokenFault::kNone);
  EXPECT_EQ(Fault(token, kNow + absl::Hours(4) + absl::Seconds(60)), TokenFault::kExpired);
}

TEST_F(TokenTest, WhatIsNoTokenIsMalformed) {
  const std::string token = Sign(Claims());
  for (const std::string& bad : {std::string(), std::string("a.b"), std::string("..."), token + ".x", token + "=",
                                 std::string("!.") + token, std::string(5000, 'A'), absl::StrCat(Base64UrlEncode("[]"), ".e30.AAAA")}) {
    EXPECT_EQ(Fault(bad), TokenFault::kMalformed) << bad.substr(0, 40);
  }
}

TEST_F(TokenTest, WellSignedClaimsThatArentOursAreBadClaims) {
  ASSERT_EQ(Fault(SignJson(kHeader, kClaims)), TokenFault::kNone);
  const std::pair<std::string, std::string> changes[] = {{R"("iss":"fairlead")", R"("iss":"other")"},
                                                         {R"("cdniv":1)", R"("cdniv":2)"},
                                                         {R"("cdniv":1,)", ""},
                                                         {"[^/]+/big-film/v1/.*", "[^/]+/.*"},
                                                         {"big-film/v1/.*", "big-film/v1.*"},
                                                         {"big-film/v1", "big.film/v1"},
                                                         {"big-film/v1", "big-film/v1/video"},
                                                         {R"("exp":1800014400,)", ""},
                                                         {R"("exp":1800014400)", R"("exp":-1)"},
                                                         {R"("exp":1800014400)", R"("exp":"1800014400")"},
                                                         {R"("rk":1)", R"("rk":4)"},
                                                         {R"("rk":1)", R"("rk":1.5)"},
                                                         {R"("ps":2)", R"("ps":32)"},
                                                         {R"("mc":"content")", R"("mc":"weather")"},
                                                         {R"("sc":"play")", R"("sc":"admin")"},
                                                         {R"("sc":"play")", R"("sc":"play","sb":"a/b")"}};
  for (const auto& [from, to] : changes) {
    const std::string claims = absl::StrReplaceAll(kClaims, {{from, to}});
    ASSERT_NE(claims, kClaims) << from;
    const TokenVerdict verdict = verifier_.Verify(SignJson(kHeader, claims), kNow);
    EXPECT_EQ(verdict.fault, TokenFault::kBadClaims) << claims;
    EXPECT_NE(verdict.detail, "");
  }
}

TEST_F(TokenTest, AClaimThatCantBeWrittenIsRefusedByName) {
  const auto error_of = [this](auto change) {
    TokenClaims claims = Claims();
    change(claims);
    const absl::StatusOr<std::string> token = signer_->Sign("k-1", claims);
    EXPECT_EQ(token.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(token.status().message());
  };
  EXPECT_THAT(error_of([](TokenClaims& c) { c.title = "a/b"; }), HasSubstr("title"));
  EXPECT_THAT(error_of([](TokenClaims& c) { c.version = ""; }), HasSubstr("version"));
  EXPECT_THAT(error_of([](TokenClaims& c) { c.session = "\"x\""; }), HasSubstr("session"));
  EXPECT_THAT(error_of([](TokenClaims& c) { c.position = 32; }), HasSubstr("position"));
  EXPECT_THAT(error_of([](TokenClaims& c) { c.cause = MissCause::kUnspecified; }), HasSubstr("cause"));
  EXPECT_THAT(error_of([](TokenClaims& c) { c.expires = c.not_before; }), HasSubstr("expires"));
}

TEST_F(TokenTest, ATokenCoversFilesOfItsTitleVersionOnly) {
  EXPECT_TRUE(TokenCovers(Claims(), "big-film/v1/video-720p/media.mp4"));
  for (const char* path : {"big-film/v2/video/media.mp4", "big-film/v10/a/b", "other/v1/video/media.mp4", "big-film/v1", "big-film/v1/",
                           "big-film/v1/../v2/media.mp4", "big-film/v1//a", "big-film/v1/./a", "/big-film/v1/a/b", "big-film/v1/%2e%2e/a",
                           "big-film/v1/a\\b", "big-film/v1/a?b", "big-film/v1/a#b", ""}) {
    EXPECT_FALSE(TokenCovers(Claims(), path)) << path;
  }
}

TEST_F(TokenTest, AKeyFileThatOthersMayReadIsRefusedAndNothingChanges) {
  Write("k-2.pem", GenerateEcKeyPair()->private_pem, 0640);
  const absl::Status status = signer_->Rescan();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("k-2.pem"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("0640"));
  EXPECT_THAT(signer_->key_ids(), ElementsAre("k-1"));
  EXPECT_EQ(Fault(Sign(Claims())), TokenFault::kNone);
}

TEST_F(TokenTest, ABadKeyFileIsNamed) {
  Write("k-2.pem", "hello", 0600);
  EXPECT_THAT(std::string(signer_->Rescan().message()), HasSubstr("k-2.pem"));
  unlink((folder_ + "/k-2.pem").c_str());
  Write("K_3.pem", GenerateEcKeyPair()->private_pem, 0600);
  EXPECT_THAT(std::string(signer_->Rescan().message()), HasSubstr("'K_3'"));
  unlink((folder_ + "/K_3.pem").c_str());
  ASSERT_EQ(symlink("k-1.pem", (folder_ + "/k-4.pem").c_str()), 0);
  EXPECT_EQ(signer_->Rescan().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(TokenTest, RescanFindsNewKeysAndForgetsRemovedOnes) {
  Write("k-2.pem", GenerateEcKeyPair()->private_pem, 0400);
  Write("k-3.pem.tmp", "half written", 0666);
  ASSERT_TRUE(signer_->Rescan().ok());
  EXPECT_THAT(signer_->key_ids(), ElementsAre("k-1", "k-2"));
  unlink((folder_ + "/k-1.pem").c_str());
  ASSERT_TRUE(signer_->Rescan().ok());
  EXPECT_THAT(signer_->key_ids(), ElementsAre("k-2"));
  EXPECT_EQ(signer_->Sign("k-1", Claims()).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(TokenTest, TheFirstWantedKeyAtHandSigns) {
  EXPECT_EQ(signer_->Choose({"k-9", "k-1"}).value(), "k-1");
  const absl::Status missing = signer_->Choose({"k-9", "k-8"}).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(missing.message()), HasSubstr("k-9, k-8"));
  EXPECT_EQ(signer_->Choose({}).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(TokenTest, AMissingFolderIsNotFoundAndAnEmptyOneIsFine) {
  EXPECT_EQ(TokenSigner::Open(folder_ + "/nope").status().code(), absl::StatusCode::kNotFound);
  ASSERT_EQ(mkdir((folder_ + "/empty").c_str(), 0700), 0);
  EXPECT_TRUE(TokenSigner::Open(folder_ + "/empty").ok());
}

}  // namespace
}  // namespace fairlead
