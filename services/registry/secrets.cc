#include "services/registry/secrets.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/signing/base64url.h"
#include "libs/signing/digest.h"

namespace fairlead::registry {

std::string NewSecret() {
  return Base64UrlEncode(RandomBytes(32));
}

std::string NewUid() {
  return absl::BytesToHexString(RandomBytes(16));
}

std::string DeriveCredential(absl::string_view token, absl::string_view serial, absl::string_view installation_id) {
  // Sizes first, so that no two different pairs give one message.
  const std::string message =
      absl::StrCat("fairlead credential v1\n", serial.size(), "\n", serial, "\n", installation_id.size(), "\n", installation_id);
  return Base64UrlEncode(HmacSha256(token, message));
}

}  // namespace fairlead::registry
