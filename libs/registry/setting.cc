#include "libs/registry/setting.h"

namespace fairlead::registry {

void Normalize(Setting&) {}

// Made by registryd itself, never from outside.
absl::Status Validate(const Setting&) {
  return absl::OkStatus();
}

absl::Status CheckIn(const Fleet&, const Setting&) {
  return absl::OkStatus();
}

std::vector<UniqueKey> UniqueKeys(const Setting&) {
  return {};
}

}  // namespace fairlead::registry
