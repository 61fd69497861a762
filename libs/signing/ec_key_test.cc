#include "libs/signing/ec_key.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <string>

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;

std::string PrivatePem(EVP_PKEY* key, bool traditional = false) {
  BIO* bio = BIO_new(BIO_s_mem());
  if (traditional) {
    PEM_write_bio_PrivateKey_traditional(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  } else {
    PEM_write_bio_PKCS8PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  const std::string text(data, static_cast<size_t>(size));
  BIO_free(bio);
  return text;
}

TEST(EcKey, WhatAKeySignsItsPublicHalfVerifies) {
  const absl::StatusOr<EcKeyPair> pair = GenerateEcKeyPair();
  ASSERT_TRUE(pair.ok()) << pair.status();
  const absl::StatusOr<EcPrivateKey> private_key = EcPrivateKey::FromPem(pair->private_pem);
  const absl::StatusOr<EcPublicKey> public_key = EcPublicKey::FromPem(pair->public_pem);
  ASSERT_TRUE(private_key.ok()) << private_key.status();
  ASSERT_TRUE(public_key.ok()) << public_key.status();
  EXPECT_EQ(*private_key->PublicPem(), pair->public_pem);
  // 200 signatures: scalars with leading zero bytes turn up, which raw form must pad.
  for (int i = 0; i < 200; ++i) {
    const std::string message = "message " + std::to_string(i);
    const absl::StatusOr<std::string> signature = private_key->Sign(message);
    ASSERT_TRUE(signature.ok()) << signature.status();
    ASSERT_EQ(signature->size(), 64u);
    ASSERT_TRUE(public_key->Verify(message, *signature));
    ASSERT_FALSE(public_key->Verify(message + ".", *signature));
  }
}

TEST(EcKey, ASignatureOfAnotherSizeIsNoSignature) {
  const EcKeyPair pair = GenerateEcKeyPair().value();
  const EcPublicKey key = EcPublicKey::FromPem(pair.public_pem).value();
  const std::string signature = EcPrivateKey::FromPem(pair.private_pem).value().Sign("m").value();
  EXPECT_FALSE(key.Verify("m", ""));
  EXPECT_FALSE(key.Verify("m", signature.substr(0, 63)));
  EXPECT_FALSE(key.Verify("m", signature + signature[0]));
  EXPECT_FALSE(key.Verify("m", std::string(64, '\0')));
}

TEST(EcKey, AKeyOnAnotherCurveIsRefusedByName) {
  EVP_PKEY* key = EVP_EC_gen("secp384r1");
  const absl::StatusOr<EcPrivateKey> loaded = EcPrivateKey::FromPem(PrivatePem(key));
  EVP_PKEY_free(key);
  ASSERT_FALSE(loaded.ok());
  EXPECT_THAT(std::string(loaded.status().message()), HasSubstr("secp384r1"));
}

TEST(EcKey, AKeyOfAnotherKindIsRefused) {
  EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  const absl::StatusOr<EcPrivateKey> loaded = EcPrivateKey::FromPem(PrivatePem(key));
  EVP_PKEY_free(key);
  EXPECT_EQ(loaded.status().message(), "not an EC key");
}

TEST(EcKey, OnlyOnePkcs8BlockIsAPrivateKey) {
  const EcKeyPair pair = GenerateEcKeyPair().value();
  EVP_PKEY* key = EVP_EC_gen("prime256v1");
  const std::string traditional = PrivatePem(key, /*traditional=*/true);
  EVP_PKEY_free(key);
  ASSERT_THAT(traditional, HasSubstr("EC PRIVATE KEY"));
  for (const std::string& bad : {std::string(), std::string("hello"), traditional, pair.public_pem, pair.private_pem + pair.private_pem,
                                 absl::StrReplaceAll(pair.private_pem, {{"PRIVATE", "ENCRYPTED PRIVATE"}}),
                                 pair.private_pem.substr(0, 60) + "\n-----END PRIVATE KEY-----\n"}) {
    EXPECT_EQ(EcPrivateKey::FromPem(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad.size();
  }
  EXPECT_EQ(EcPublicKey::FromPem(pair.private_pem).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace fairlead
