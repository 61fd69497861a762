#include "libs/signing/ec_key.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/status_macros.h"

namespace fairlead {
namespace {

constexpr int kScalarSize = 32;
constexpr char kCurve[] = "prime256v1";

using BioPtr = std::unique_ptr<BIO, decltype(&BIO_free)>;
using ContextPtr = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
using EcdsaSigPtr = std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)>;
using KeyPtr = std::shared_ptr<EVP_PKEY>;

// OpenSSL's last error, which says nothing of the key's contents; empties the queue.
std::string LastError() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "no detail from OpenSSL";
  const char* reason = ERR_reason_error_string(code);
  return reason == nullptr ? absl::StrCat("OpenSSL error ", code) : reason;
}

KeyPtr Own(EVP_PKEY* key) {
  return KeyPtr(key, EVP_PKEY_free);
}

// Without it OpenSSL asks the terminal for the passphrase of an encrypted key.
int NoPassphrase(char*, int, int, void*) {
  return -1;
}

BioPtr ReadBio(absl::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free);
}

std::string Contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<size_t>(size)) : std::string();
}

// One PEM block with this label and nothing around it, so that a file can't hold a second key that nobody looks at.
absl::Status CheckLabel(absl::string_view pem, absl::string_view label) {
  const std::string begin = absl::StrCat("-----BEGIN ", label, "-----\n");
  const std::string end = absl::StrCat("-----END ", label, "-----");
  absl::string_view body = absl::StripTrailingAsciiWhitespace(pem);
  if (!absl::ConsumePrefix(&body, begin) || !absl::ConsumeSuffix(&body, end) || body.find("-----") != absl::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat("not exactly one PEM block labelled '", label, "'"));
  }
  return absl::OkStatus();
}

absl::Status CheckCurve(EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "EC") != 1) return absl::InvalidArgumentError("not an EC key");
  char name[64] = "";
  size_t length = 0;
  if (EVP_PKEY_get_group_name(key, name, sizeof(name), &length) != 1) return absl::InvalidArgumentError("an EC key without a named curve");
  if (absl::string_view(name, length) != kCurve) {
    return absl::InvalidArgumentError(absl::StrCat("the curve is '", absl::string_view(name, length), "', want P-256 ('", kCurve, "')"));
  }
  return absl::OkStatus();
}

// ECDSA signatures are DER in OpenSSL and r‖s in a token.
absl::StatusOr<std::string> DerToRaw(const std::string& der) {
  const unsigned char* at = reinterpret_cast<const unsigned char*>(der.data());
  const EcdsaSigPtr parts(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())), ECDSA_SIG_free);
  if (parts == nullptr) return absl::InternalError(absl::StrCat("ECDSA signature: ", LastError()));
  std::string raw(2 * kScalarSize, '\0');
  unsigned char* out = reinterpret_cast<unsigned char*>(raw.data());
  if (BN_bn2binpad(ECDSA_SIG_get0_r(parts.get()), out, kScalarSize) != kScalarSize ||
      BN_bn2binpad(ECDSA_SIG_get0_s(parts.get()), out + kScalarSize, kScalarSize) != kScalarSize) {
    return absl::InternalError("ECDSA signature: a scalar is longer than 32 bytes");
  }
  return raw;
}

// Empty if OpenSSL is out of memory.
std::string RawToDer(absl::string_view raw) {
  const unsigned char* in = reinterpret_cast<const unsigned char*>(raw.data());
  const EcdsaSigPtr parts(ECDSA_SIG_new(), ECDSA_SIG_free);
  BIGNUM* r = BN_bin2bn(in, kScalarSize, nullptr);
  BIGNUM* s = BN_bin2bn(in + kScalarSize, kScalarSize, nullptr);
  if (parts == nullptr || r == nullptr || s == nullptr || ECDSA_SIG_set0(parts.get(), r, s) != 1) {
    BN_free(r);
    BN_free(s);
    return "";
  }
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(parts.get(), &der);
  if (size <= 0) return "";
  std::string result(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return result;
}

absl::StatusOr<std::string> WritePublicPem(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_mem()), BIO_free);
  if (bio == nullptr || PEM_write_bio_PUBKEY(bio.get(), key) != 1) return absl::InternalError(absl::StrCat("public key: ", LastError()));
  return Contents(bio.get());
}

}  // namespace

absl::StatusOr<EcPrivateKey> EcPrivateKey::FromPem(absl::string_view pem) {
  RETURN_IF_ERROR(CheckLabel(pem, "PRIVATE KEY"));
  const BioPtr bio = ReadBio(pem);
  KeyPtr key = Own(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr));
  if (key == nullptr) return absl::InvalidArgumentError(absl::StrCat("not a readable private key: ", LastError()));
  RETURN_IF_ERROR(CheckCurve(key.get()));
  const std::shared_ptr<EVP_MD_CTX> begun(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  if (begun == nullptr || EVP_DigestSignInit(begun.get(), nullptr, EVP_sha256(), nullptr, key.get()) != 1) {
    return absl::InternalError(absl::StrCat("signing: ", LastError()));
  }
  return EcPrivateKey(std::move(key), begun);
}

absl::StatusOr<std::string> EcPrivateKey::Sign(absl::string_view message) const {
  const ContextPtr context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  const unsigned char* data = reinterpret_cast<const unsigned char*>(message.data());
  size_t size = 0;
  if (context == nullptr || EVP_MD_CTX_copy_ex(context.get(), begun_.get()) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, data, message.size()) != 1) {
    return absl::InternalError(absl::StrCat("signing: ", LastError()));
  }
  std::string der(size, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(der.data()), &size, data, message.size()) != 1) {
    return absl::InternalError(absl::StrCat("signing: ", LastError()));
  }
  der.resize(size);
  return DerToRaw(der);
}

absl::StatusOr<std::string> EcPrivateKey::PublicPem() const {
  return WritePublicPem(key_.get());
}

absl::StatusOr<EcPublicKey> EcPublicKey::FromPem(absl::string_view pem) {
  RETURN_IF_ERROR(CheckLabel(pem, "PUBLIC KEY"));
  const BioPtr bio = ReadBio(pem);
  KeyPtr key = Own(PEM_read_bio_PUBKEY(bio.get(), nullptr, NoPassphrase, nullptr));
  if (key == nullptr) return absl::InvalidArgumentError(absl::StrCat("not a readable public key: ", LastError()));
  RETURN_IF_ERROR(CheckCurve(key.get()));
  return EcPublicKey(std::move(key));
}

bool EcPublicKey::Verify(absl::string_view message, absl::string_view signature) const {
  if (signature.size() != 2 * kScalarSize) return false;
  const std::string der = RawToDer(signature);
  const ContextPtr context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  const bool good = !der.empty() && context != nullptr &&
                    EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) == 1 &&
                    EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(der.data()), der.size(),
                                     reinterpret_cast<const unsigned char*>(message.data()), message.size()) == 1;
  ERR_clear_error();
  return good;
}

absl::StatusOr<EcKeyPair> GenerateEcKeyPair() {
  const KeyPtr key = Own(EVP_EC_gen(kCurve));
  if (key == nullptr) return absl::InternalError(absl::StrCat("making a key: ", LastError()));
  const BioPtr bio(BIO_new(BIO_s_secmem()), BIO_free);
  if (bio == nullptr || PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return absl::InternalError(absl::StrCat("private key: ", LastError()));
  }
  EcKeyPair pair;
  pair.private_pem = Contents(bio.get());
  ASSIGN_OR_RETURN(pair.public_pem, WritePublicPem(key.get()));
  return pair;
}

}  // namespace fairlead
