// Checks tokens against public keys, as a box does; every refusal has its own reason.
//
// Used by tests and tools on the C++ side; boxes check in NGINX (njs) by the same rules, in the same order. Immutable after
// construction; any thread. A check costs one ES256 verification (~60 µs).
//
//   TokenVerifier verifier;
//   RETURN_IF_ERROR(verifier.AddKey("k-1", public_key_pem));
//   const TokenVerdict verdict = verifier.Verify(token, now);
//   if (verdict.fault != TokenFault::kNone) Refuse(ToString(verdict.fault), verdict.detail);
#ifndef FAIRLEAD_LIBS_SIGNING_TOKEN_VERIFIER_H_
#define FAIRLEAD_LIBS_SIGNING_TOKEN_VERIFIER_H_

#include <cstdint>
#include <ostream>
#include <string>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/signing/ec_key.h"
#include "libs/signing/token.h"

namespace fairlead {

// In the order of the checks.
enum class TokenFault : uint8_t {
  kNone = 0,
  kMalformed,     // Not three base64url parts with a JSON header.
  kBadAlgorithm,  // Anything but ES256, "none" above all.
  kUnknownKey,    // No such key id here.
  kBadSignature,  // Header, claims or signature were changed, or another key signed.
  kBadClaims,     // Well signed, but not claims of ours.
  kNotYetValid,   // More than the skew before nbf.
  kExpired,       // More than the skew after exp.
};
absl::string_view ToString(TokenFault fault);  // "NONE", "MALFORMED", …
std::ostream& operator<<(std::ostream& out, TokenFault fault);

struct TokenVerdict {
  TokenFault fault = TokenFault::kNone;
  std::string detail;  // For people; empty if there is no fault.
  std::string key_id;
  TokenClaims claims;  // Meaningful if there is no fault, or it is kNotYetValid or kExpired.
};

class TokenVerifier {
 public:
  static constexpr size_t kMaxTokenSize = 2048;

  explicit TokenVerifier(absl::Duration skew = absl::Seconds(60)) : skew_(skew) {}

  // INVALID_ARGUMENT if the PEM isn't a P-256 SubjectPublicKeyInfo.
  absl::Status AddKey(std::string key_id, absl::string_view public_pem);

  TokenVerdict Verify(absl::string_view token, absl::Time now) const;

 private:
  const absl::Duration skew_;
  absl::btree_map<std::string, EcPublicKey> keys_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_SIGNING_TOKEN_VERIFIER_H_
