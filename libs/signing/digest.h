// SHA-256, HMAC, randomness and comparing secrets, over OpenSSL 3. Functions are thread-safe; digests are 32 raw bytes.
//
//   Sha256Hasher hasher;
//   hasher.Update(block);
//   const std::string digest = hasher.Finish();
#ifndef FAIRLEAD_LIBS_SIGNING_DIGEST_H_
#define FAIRLEAD_LIBS_SIGNING_DIGEST_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

// OpenSSL's EVP_MD_CTX, so that its headers stay out of ours.
struct evp_md_ctx_st;

namespace fairlead {

inline constexpr size_t kSha256Bytes = 32;

// For what comes in pieces. Not thread-safe. Aborts where OpenSSL has no SHA-256.
class Sha256Hasher {
 public:
  Sha256Hasher();
  void Update(absl::string_view bytes);
  // The digest of all so far; call once.
  std::string Finish();

 private:
  struct Deleter {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Deleter> context_;
};

std::string Sha256(absl::string_view bytes);
// 64 lower-case hex digits.
std::string Sha256Hex(absl::string_view bytes);
std::string HmacSha256(absl::string_view key, absl::string_view message);

// From the system's cryptographic source; aborts if it has none, because going on with a guessable secret would be worse.
std::string RandomBytes(size_t size);

// Takes a time that doesn't depend on where the two differ.
bool EqualInConstantTime(absl::string_view a, absl::string_view b);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_SIGNING_DIGEST_H_
