// Early return on failure, for functions that return absl::Status or absl::StatusOr.
//
//   RETURN_IF_ERROR(Validate(site));
//   ASSIGN_OR_RETURN(const Prefix prefix, Prefix::Parse(text));
#ifndef FAIRLEAD_LIBS_BASE_STATUS_MACROS_H_
#define FAIRLEAD_LIBS_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define FAIRLEAD_CONCAT_INNER(a, b) a##b
#define FAIRLEAD_CONCAT(a, b) FAIRLEAD_CONCAT_INNER(a, b)

#define RETURN_IF_ERROR(expression)                    \
  do {                                                 \
    const absl::Status fairlead_status = (expression); \
    if (!fairlead_status.ok()) return fairlead_status; \
  } while (false)

#define ASSIGN_OR_RETURN(declaration, expression) \
  FAIRLEAD_ASSIGN_OR_RETURN(FAIRLEAD_CONCAT(fairlead_or_, __LINE__), declaration, expression)

#define FAIRLEAD_ASSIGN_OR_RETURN(result, declaration, expression) \
  auto result = (expression);                                      \
  if (!result.ok()) return std::move(result).status();             \
  declaration = std::move(result).value()

#endif  // FAIRLEAD_LIBS_BASE_STATUS_MACROS_H_
