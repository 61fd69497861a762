#include "libs/base/ids.h"

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"

namespace fairlead {
namespace {

constexpr size_t kMaxIdLength = 63;
// Quoted input is cut here, so that a hostile request can't fill a log.
constexpr size_t kMaxQuoted = 100;

std::string Quote(absl::string_view text) {
  if (text.size() <= kMaxQuoted) return absl::StrCat("'", text, "'");
  return absl::StrCat("'", text.substr(0, kMaxQuoted), "'… (", text.size(), " bytes)");
}

}  // namespace

absl::Status ValidateId(absl::string_view text, absl::string_view field) {
  if (text.empty()) return absl::InvalidArgumentError(absl::StrCat(field, ": must not be empty"));
  bool valid = text.size() <= kMaxIdLength;
  for (const char c : text) valid = valid && (absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-');
  if (valid) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", Quote(text), " must match [a-z0-9-]{1,63}"));
}

absl::StatusOr<std::string> ParseResourceName(absl::string_view name, absl::string_view collection, absl::string_view field) {
  absl::string_view id = name;
  if (!absl::ConsumePrefix(&id, collection) || !absl::ConsumePrefix(&id, "/")) {
    return absl::InvalidArgumentError(absl::StrCat(field, ": ", Quote(name), " must be of the form ", collection, "/{id}"));
  }
  RETURN_IF_ERROR(ValidateId(id, field));
  return std::string(id);
}

}  // namespace fairlead
