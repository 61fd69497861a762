// Errors that name the field to blame and quote its value, for people and for programs.
//
//   return FieldError(absl::StatusCode::kInvalidArgument, "site.country", country, "must be two letters (ISO 3166-1 alpha-2)");
//   // INVALID_ARGUMENT: site.country 'Germany': must be two letters (ISO 3166-1 alpha-2)
//
// The field and the value also travel as payloads of the status; libs/rpc turns them into google.rpc.ErrorInfo metadata.
#ifndef FAIRLEAD_LIBS_BASE_ERRORS_H_
#define FAIRLEAD_LIBS_BASE_ERRORS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace fairlead {

// Values longer than 100 bytes are cut in the message and the payload.
absl::Status FieldError(absl::StatusCode code, absl::string_view field, absl::string_view value, absl::string_view why);

// FieldError with INVALID_ARGUMENT, the usual case.
absl::Status InvalidField(absl::string_view field, absl::string_view value, absl::string_view why);

// The same status with `prefix` before the field's name, for errors found inside a list or a message: "sites[3]." + "country".
// A status without a field gets the prefix before its message.
absl::Status WithFieldPrefix(const absl::Status& status, absl::string_view prefix);

// "" if the status names none.
std::string FieldOf(const absl::Status& status);
std::string ValueOf(const absl::Status& status);

// 'text', with what is beyond 100 bytes left out and its size told.
std::string Quoted(absl::string_view text);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_BASE_ERRORS_H_
