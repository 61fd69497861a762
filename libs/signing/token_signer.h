// Signs tokens with the private keys in a folder: <key id>.pem, PKCS #8, EC P-256, mode 0600 or stricter.
//
// Used by steerd (play) and filld (fill). Which key signs is said by configuration (signing keys in state ACTIVE); the folder only
// says which private halves are here. Thread-safe; Sign takes ~20 µs and no lock beyond a pointer copy.
// Errors: Open and Rescan name the file and what is wrong with it and change nothing then (FAILED_PRECONDITION for a mode, for a
// key INVALID_ARGUMENT); Sign with a key that isn't here is FAILED_PRECONDITION.
//
//   ASSIGN_OR_RETURN(const std::unique_ptr<TokenSigner> signer, TokenSigner::Open("/etc/fairlead/signing-keys"));
//   ASSIGN_OR_RETURN(const std::string key_id, signer->Choose(active_key_ids));
//   ASSIGN_OR_RETURN(const std::string token, signer->Sign(key_id, claims));
#ifndef FAIRLEAD_LIBS_SIGNING_TOKEN_SIGNER_H_
#define FAIRLEAD_LIBS_SIGNING_TOKEN_SIGNER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/base/published.h"
#include "libs/signing/ec_key.h"
#include "libs/signing/token.h"

namespace fairlead {

class TokenSigner {
 public:
  static constexpr size_t kMaxKeys = 64;

  // An empty folder is fine: the keys may come later. A missing one is NOT_FOUND.
  static absl::StatusOr<std::unique_ptr<TokenSigner>> Open(std::string folder);

  // Reads the folder again. On an error the keys stay as they were.
  absl::Status Rescan();

  // The ids of the keys at hand, in order.
  std::vector<std::string> key_ids() const;
  // The first of `wanted` whose key is here; FAILED_PRECONDITION, naming all of them, if none is.
  absl::StatusOr<std::string> Choose(absl::Span<const std::string> wanted) const;

  // The token "header.claims.signature".
  absl::StatusOr<std::string> Sign(absl::string_view key_id, const TokenClaims& claims) const;

 private:
  using Keys = absl::btree_map<std::string, EcPrivateKey>;

  explicit TokenSigner(std::string folder) : folder_(std::move(folder)), keys_(std::make_shared<const Keys>()) {}

  const std::string folder_;
  Published<Keys> keys_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_SIGNING_TOKEN_SIGNER_H_
