#include "libs/pg/status.h"

#include <exception>
#include <new>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "pqxx/pqxx"

namespace fairlead::pg {
namespace {

constexpr absl::string_view kSqlStatePayload = "fairlead/sqlstate";
// Not an SQLSTATE of PostgreSQL's: stands for a connection that libpq gave up.
constexpr absl::string_view kBroken = "broken";

absl::Status Make(absl::StatusCode code, absl::string_view sqlstate, absl::string_view lead, absl::string_view message) {
  absl::Status status(code, absl::StrCat(lead, ": ", absl::StripAsciiWhitespace(message)));
  status.SetPayload(kSqlStatePayload, absl::Cord(sqlstate));
  return status;
}

std::string SqlStateOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kSqlStatePayload);
  return payload.has_value() ? std::string(*payload) : "";
}

bool StartsWithAny(absl::string_view sqlstate, std::initializer_list<absl::string_view> prefixes) {
  for (const absl::string_view prefix : prefixes) {
    if (absl::StartsWith(sqlstate, prefix)) return true;
  }
  return false;
}

}  // namespace

absl::Status BrokenConnectionError(absl::string_view why) {
  return Make(absl::StatusCode::kUnavailable, kBroken, "PostgreSQL can't be reached", why);
}

absl::Status StatusOfSqlState(absl::string_view sqlstate, absl::string_view message) {
  // 08 connection exceptions, 57P admin or crash shutdown and starting up, 53300 too many connections, 25006 a read-only standby.
  if (StartsWithAny(sqlstate, {"08", "57P", "53300", "25006"})) {
    return Make(absl::StatusCode::kUnavailable, sqlstate, "PostgreSQL can't be used now", message);
  }
  if (StartsWithAny(sqlstate, {"40001", "40P01"})) {
    return Make(absl::StatusCode::kAborted, sqlstate, "lost against a concurrent transaction", message);
  }
  if (sqlstate == "23505") return Make(absl::StatusCode::kAlreadyExists, sqlstate, "not unique", message);
  if (StartsWithAny(sqlstate, {"23"})) return Make(absl::StatusCode::kFailedPrecondition, sqlstate, "constraint violated", message);
  if (sqlstate == "57014") return Make(absl::StatusCode::kDeadlineExceeded, sqlstate, "PostgreSQL took too long", message);
  if (StartsWithAny(sqlstate, {"53"}))
    return Make(absl::StatusCode::kResourceExhausted, sqlstate, "PostgreSQL is out of resources", message);
  if (StartsWithAny(sqlstate, {"42P01", "3F000", "42703", "42883"})) {
    return Make(absl::StatusCode::kFailedPrecondition, sqlstate, "the schema is missing or old (run migrations/deploy.sh)", message);
  }
  if (sqlstate == "42501") return Make(absl::StatusCode::kFailedPrecondition, sqlstate, "the database role lacks a privilege", message);
  return Make(absl::StatusCode::kInternal, sqlstate, absl::StrCat("PostgreSQL error ", sqlstate), message);
}

absl::Status StatusOfCurrentException() {
  // statement_completion_unknown is a transaction_rollback, and too_many_connections a broken_connection: the special ones first.
  try {
    throw;
  } catch (const pqxx::in_doubt_error& error) {
    return Make(absl::StatusCode::kUnknown, kBroken, "the connection broke during commit; it may or may not have happened", error.what());
  } catch (const pqxx::statement_completion_unknown& error) {
    return Make(absl::StatusCode::kUnknown, kBroken, "the connection broke during commit; it may or may not have happened", error.what());
  } catch (const pqxx::serialization_failure& error) {
    return StatusOfSqlState("40001", error.what());
  } catch (const pqxx::deadlock_detected& error) {
    return StatusOfSqlState("40P01", error.what());
  } catch (const pqxx::transaction_rollback& error) {
    return Make(absl::StatusCode::kAborted, "", "rolled back", error.what());
  } catch (const pqxx::broken_connection& error) {
    return BrokenConnectionError(error.what());
  } catch (const pqxx::sql_error& error) {
    return StatusOfSqlState(error.sqlstate(), error.what());
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory");
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("PostgreSQL client: ", error.what()));
  }
}

bool IsRetryable(const absl::Status& status) {
  const std::string sqlstate = SqlStateOf(status);
  return sqlstate == "40001" || sqlstate == "40P01";
}

bool IsBrokenConnection(const absl::Status& status) {
  return StartsWithAny(SqlStateOf(status), {kBroken, "08", "57P"});
}

}  // namespace fairlead::pg
