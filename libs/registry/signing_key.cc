#include "libs/registry/signing_key.h"

namespace fairlead::registry {

void Normalize(SigningKey&) {}

// Made by registryd itself, never from outside.
absl::Status Validate(const SigningKey&) {
  return absl::OkStatus();
}

absl::Status CheckIn(const Fleet&, const SigningKey&) {
  return absl::OkStatus();
}

std::vector<UniqueKey> UniqueKeys(const SigningKey&) {
  return {};
}

}  // namespace fairlead::registry
