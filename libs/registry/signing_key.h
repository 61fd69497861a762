// A signing key: the public half of what signs URLs. Made and revoked by verbs of their own.
#ifndef FAIRLEAD_LIBS_REGISTRY_SIGNING_KEY_H_
#define FAIRLEAD_LIBS_REGISTRY_SIGNING_KEY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/ids.h"
#include "libs/base/vocabulary.h"
#include "libs/registry/field.h"
#include "libs/registry/unique_key.h"
#include "libs/registry/words.h"

namespace fairlead::registry {

class Fleet;

struct SigningKey {
  using IdType = SigningKeyId;
  // Names the table, and leads the fields in errors: "signing_key.state".
  static constexpr absl::string_view kKind = "signing_key";

  SigningKeyId id;
  SigningKeyState state = SigningKeyState::kUnspecified;  // Output only.
  std::string public_key_pem;                             // Output only.

  template <typename Visit>
  static void Fields(Visit&& visit) {
    visit(Field("state", &SigningKey::state, FieldFlag::kOutputOnly));
    visit(Field("public_key_pem", &SigningKey::public_key_pem, FieldFlag::kOutputOnly));
  }
  friend bool operator==(const SigningKey&, const SigningKey&) = default;
};

// Fills in defaults and brings text to its canonical form; what is invalid is left for Validate.
void Normalize(SigningKey& key);
// What can be said of the values alone.
absl::Status Validate(const SigningKey& key);
// What depends on the resources that it refers to; all of them exist.
absl::Status CheckIn(const Fleet& fleet, const SigningKey& key);
std::vector<UniqueKey> UniqueKeys(const SigningKey& key);

}  // namespace fairlead::registry

#endif  // FAIRLEAD_LIBS_REGISTRY_SIGNING_KEY_H_
