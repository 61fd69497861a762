// Secrets that the registry makes; libs/signing/digest.h hashes and compares them. Thread-safe. Secrets are never logged and never stored.
#ifndef FAIRLEAD_SERVICES_REGISTRY_SECRETS_H_
#define FAIRLEAD_SERVICES_REGISTRY_SECRETS_H_

#include <string>

#include "absl/strings/string_view.h"

namespace fairlead::registry {

// 256 random bits as 43 characters of base64url.
std::string NewSecret();
// 128 random bits as 32 hex digits: for uids.
std::string NewUid();
// The credential of a box: HMAC-SHA256 by the token over who binds, so that a retry of the same installation gets the same one although
// neither token nor credential is stored. base64url.
std::string DeriveCredential(absl::string_view token, absl::string_view serial, absl::string_view installation_id);

}  // namespace fairlead::registry

#endif  // FAIRLEAD_SERVICES_REGISTRY_SECRETS_H_
