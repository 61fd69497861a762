// libpqxx exceptions end here: everything above speaks absl::Status.
//
// broken connection, server starting or stopping, standby → UNAVAILABLE · commit in doubt → UNKNOWN · serialization failure, deadlock →
// ABORTED · unique violation → ALREADY_EXISTS · foreign key or other constraint, missing table → FAILED_PRECONDITION · statement
// timeout → DEADLINE_EXCEEDED · disk full, too many connections → RESOURCE_EXHAUSTED, UNAVAILABLE · anything else → INTERNAL.
#ifndef FAIRLEAD_LIBS_PG_STATUS_H_
#define FAIRLEAD_LIBS_PG_STATUS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace fairlead::pg {

// Call in a catch block only: the status of the exception being handled.
absl::Status StatusOfCurrentException();

// UNAVAILABLE: "PostgreSQL can't be reached: <why>".
absl::Status BrokenConnectionError(absl::string_view why);

// The status of an error with this SQLSTATE.
absl::Status StatusOfSqlState(absl::string_view sqlstate, absl::string_view message);

// Whether the transaction may simply be run again: it was rolled back because of a concurrent one (40001, 40P01). True only for
// statuses made here, never for an ABORTED of the caller's own.
bool IsRetryable(const absl::Status& status);

// Whether the connection is lost. Nothing of the transaction has been committed, unless the code is UNKNOWN.
bool IsBrokenConnection(const absl::Status& status);

}  // namespace fairlead::pg

#endif  // FAIRLEAD_LIBS_PG_STATUS_H_
