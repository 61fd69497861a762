// Resource names as people type and read them: "lhr001" and "sites/lhr001" are the same site.
#ifndef FAIRLEAD_SERVICES_CLI_NAMES_H_
#define FAIRLEAD_SERVICES_CLI_NAMES_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace fairlead::cli {

// "lhr001" or "sites/lhr001", with collection "sites" → "sites/lhr001". A name of another collection, or an id that no resource can have,
// is a usage error.
absl::StatusOr<std::string> FullName(absl::string_view text, absl::string_view collection);

// What stands behind the collection: "sites/lhr001" → "lhr001". A name without a slash stays as it is.
std::string ShortName(absl::string_view name);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_SERVICES_CLI_NAMES_H_
