// ES256 key pairs: the private half as a file for the signers of this host, the public half as text for everybody.
#ifndef FAIRLEAD_SERVICES_REGISTRY_KEY_FILES_H_
#define FAIRLEAD_SERVICES_REGISTRY_KEY_FILES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/ids.h"

namespace fairlead::registry {

struct KeyPair {
  std::string private_pem;  // PKCS #8. Never logged.
  std::string public_pem;   // SubjectPublicKeyInfo.
  // "k-" and 12 hex digits of the public half's SHA-256.
  SigningKeyId derived_id;
};

absl::StatusOr<KeyPair> NewKeyPair();

// <folder>/<id>.pem with mode 0600, complete or not at all. FAILED_PRECONDITION if there is no folder, ALREADY_EXISTS if there is the file.
absl::Status WritePrivateKey(const std::string& folder, const SigningKeyId& id, const std::string& private_pem);
// OK if it isn't there.
absl::Status RemovePrivateKey(const std::string& folder, const SigningKeyId& id);

}  // namespace fairlead::registry

#endif  // FAIRLEAD_SERVICES_REGISTRY_KEY_FILES_H_
