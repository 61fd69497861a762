#include "libs/signing/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "absl/base/internal/raw_logging.h"
#include "absl/strings/escaping.h"

namespace fairlead {
namespace {

const unsigned char* Bytes(absl::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* Bytes(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

}  // namespace

void Sha256Hasher::Deleter::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

Sha256Hasher::Sha256Hasher() : context_(EVP_MD_CTX_new()) {
  ABSL_RAW_CHECK(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1, "no SHA-256");
}

void Sha256Hasher::Update(absl::string_view bytes) {
  EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
}

std::string Sha256Hasher::Finish() {
  std::string digest(kSha256Bytes, '\0');
  EVP_DigestFinal_ex(context_.get(), Bytes(digest), nullptr);
  return digest;
}

std::string Sha256(absl::string_view bytes) {
  Sha256Hasher hasher;
  hasher.Update(bytes);
  return hasher.Finish();
}

std::string Sha256Hex(absl::string_view bytes) {
  return absl::BytesToHexString(Sha256(bytes));
}

std::string HmacSha256(absl::string_view key, absl::string_view message) {
  std::string digest(kSha256Bytes, '\0');
  ABSL_RAW_CHECK(
      HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), Bytes(message), message.size(), Bytes(digest), nullptr) != nullptr,
      "no HMAC-SHA-256");
  return digest;
}

std::string RandomBytes(size_t size) {
  std::string bytes(size, '\0');
  ABSL_RAW_CHECK(RAND_bytes(Bytes(bytes), static_cast<int>(size)) == 1, "no randomness");
  return bytes;
}

bool EqualInConstantTime(absl::string_view a, absl::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace fairlead
