#include "libs/base/ids.h"

#include <array>
#include <cstddef>

#include "absl/strings/strip.h"
#include "libs/base/errors.h"

namespace fairlead {
namespace {

constexpr size_t kMaxIdLength = 63;

// By a table: ids are checked in every request.
constexpr std::array<bool, 256> kIdLetters = [] {
  std::array<bool, 256> letters = {};
  for (const unsigned char c : absl::string_view("abcdefghijklmnopqrstuvwxyz0123456789-")) letters[c] = true;
  return letters;
}();

}  // namespace

absl::Status ValidateId(absl::string_view text, absl::string_view field) {
  if (text.empty()) return InvalidField(field, text, "must not be empty");
  bool valid = text.size() <= kMaxIdLength;
  for (const unsigned char c : text) valid &= kIdLetters[c];
  if (valid) return absl::OkStatus();
  return InvalidField(field, text, "must match [a-z0-9-]{1,63}");
}

absl::StatusOr<std::string> ParseResourceName(absl::string_view name, absl::string_view collection, absl::string_view field) {
  absl::string_view id = name;
  if (!absl::ConsumePrefix(&id, collection) || !absl::ConsumePrefix(&id, "/")) {
    return InvalidField(field, name, absl::StrCat("must be of the form ", collection, "/{id}"));
  }
  RETURN_IF_ERROR(ValidateId(id, field));
  return std::string(id);
}

}  // namespace fairlead
