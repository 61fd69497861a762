#include "services/registry/secrets.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "absl/base/internal/raw_logging.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace fairlead::registry {
namespace {

std::string RandomBytes(size_t size) {
  std::string bytes(size, '\0');
  // Without randomness no secret can be made, and going on would be worse than ending.
  ABSL_RAW_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(size)) == 1, "no randomness");
  return bytes;
}

std::string Base64Url(absl::string_view bytes) {
  std::string text;
  absl::WebSafeBase64Escape(bytes, &text);  // Without padding.
  return text;
}

}  // namespace

std::string NewSecret() {
  return Base64Url(RandomBytes(32));
}

std::string NewUid() {
  return absl::BytesToHexString(RandomBytes(16));
}

std::string Sha256Hex(absl::string_view bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

bool EqualInConstantTime(absl::string_view a, absl::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string DeriveCredential(absl::string_view token, absl::string_view serial, absl::string_view installation_id) {
  // Sizes first, so that no two different pairs give one message.
  const std::string message =
      absl::StrCat("fairlead credential v1\n", serial.size(), "\n", serial, "\n", installation_id.size(), "\n", installation_id);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), token.data(), static_cast<int>(token.size()), reinterpret_cast<const unsigned char*>(message.data()), message.size(),
       digest, &size);
  return Base64Url(absl::string_view(reinterpret_cast<const char*>(digest), size));
}

}  // namespace fairlead::registry
