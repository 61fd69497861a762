#include "services/cli/names.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/errors.h"
#include "libs/base/ids.h"
#include "services/cli/exit_code.h"

namespace fairlead::cli {

absl::StatusOr<std::string> FullName(absl::string_view text, absl::string_view collection) {
  absl::string_view id = text;
  absl::ConsumePrefix(&id, absl::StrCat(collection, "/"));
  if (id.find('/') != absl::string_view::npos) {
    return UsageError(absl::StrCat("name ", Quoted(text), ": want an id like 'x' or '", collection, "/x'"));
  }
  const absl::Status valid = ValidateId(id, "name");
  if (!valid.ok()) return UsageError(valid.message());
  return absl::StrCat(collection, "/", id);
}

std::string ShortName(absl::string_view name) {
  const size_t slash = name.find('/');
  return std::string(slash == absl::string_view::npos ? name : name.substr(slash + 1));
}

}  // namespace fairlead::cli
