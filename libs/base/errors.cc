#include "libs/base/errors.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "libs/base/utf8.h"

namespace fairlead {
namespace {

constexpr absl::string_view kFieldPayload = "fairlead/field";
constexpr absl::string_view kValuePayload = "fairlead/value";
constexpr absl::string_view kWhyPayload = "fairlead/why";
// Hostile input must not fill a log. What is quoted is cut between characters, and bytes that aren't UTF-8 are escaped: statuses travel in
// protobuf strings, which a receiver refuses otherwise.
constexpr size_t kMaxQuoted = 100;

std::string Payload(const absl::Status& status, absl::string_view url) {
  const absl::optional<absl::Cord> payload = status.GetPayload(url);
  return payload.has_value() ? std::string(*payload) : "";
}

}  // namespace

std::string Quoted(absl::string_view text) {
  if (text.size() <= kMaxQuoted) return absl::StrCat("'", ToUtf8(text), "'");
  return absl::StrCat("'", ToUtf8(CutUtf8(text, kMaxQuoted)), "'… (", text.size(), " bytes)");
}

absl::Status FieldError(absl::StatusCode code, absl::string_view field, absl::string_view value, absl::string_view why) {
  absl::Status status(code, absl::StrCat(field, " ", Quoted(value), ": ", why));
  status.SetPayload(kFieldPayload, absl::Cord(field));
  status.SetPayload(kValuePayload, absl::Cord(ToUtf8(CutUtf8(value, kMaxQuoted))));
  status.SetPayload(kWhyPayload, absl::Cord(why));
  return status;
}

absl::Status InvalidField(absl::string_view field, absl::string_view value, absl::string_view why) {
  return FieldError(absl::StatusCode::kInvalidArgument, field, value, why);
}

absl::Status WithFieldPrefix(const absl::Status& status, absl::string_view prefix) {
  if (status.ok()) return status;
  const std::string field = FieldOf(status);
  if (field.empty()) return absl::Status(status.code(), absl::StrCat(prefix, status.message()));
  return FieldError(status.code(), absl::StrCat(prefix, field), ValueOf(status), Payload(status, kWhyPayload));
}

std::string FieldOf(const absl::Status& status) {
  return Payload(status, kFieldPayload);
}

std::string ValueOf(const absl::Status& status) {
  return Payload(status, kValuePayload);
}

}  // namespace fairlead
