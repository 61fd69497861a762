#include "libs/pg/connection_string.h"

#include <postgresql/libpq-fe.h>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace fairlead::pg {
namespace {

std::string Keyword(absl::string_view key, absl::string_view value) {
  return absl::StrCat(key, "='", absl::StrReplaceAll(value, {{"\\", "\\\\"}, {"'", "\\'"}}), "' ");
}

}  // namespace

ConnectionString ConnectionString::With(absl::string_view keyword, absl::string_view value) const {
  ConnectionString result = *this;
  result.text_ += Keyword(keyword, value);  // In libpq the last of several settings of one keyword counts.
  return result;
}

absl::StatusOr<ConnectionString> ParseUri(const std::string& uri) {
  char* error = nullptr;
  PQconninfoOption* options = PQconninfoParse(uri.c_str(), &error);
  if (options == nullptr) {
    // libpq's message may quote a part of the text, so it is only shown if no password can be in it.
    const bool secret = absl::StrContains(uri, "@") || absl::StrContains(uri, "password");
    const std::string why = secret || error == nullptr ? "not shown, because it may hold a password" : error;
    PQfreemem(error);
    return absl::InvalidArgumentError(absl::StrCat("database: not a PostgreSQL connection URI: ", absl::StripAsciiWhitespace(why)));
  }
  ConnectionString result;
  for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    result.text_ += Keyword(option->keyword, option->val);
    const absl::string_view keyword = option->keyword;
    if ((keyword == "host" || keyword == "hostaddr") && absl::StrContains(option->val, ",")) result.several_hosts_ = true;
  }
  PQconninfoFree(options);
  return result;
}

}  // namespace fairlead::pg
