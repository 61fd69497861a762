#include "libs/pg/status.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pqxx/pqxx"

namespace fairlead::pg {
namespace {

using ::testing::HasSubstr;

template <typename Exception>
absl::Status StatusOf(const Exception& exception) {
  try {
    throw exception;
  } catch (...) {
    return StatusOfCurrentException();
  }
}

TEST(PgStatusTest, ABrokenConnectionIsUnavailableAndNamesPostgreSql) {
  const absl::Status status = StatusOf(pqxx::broken_connection("no route"));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("PostgreSQL can't be reached: no route"));
  EXPECT_TRUE(IsBrokenConnection(status));
  EXPECT_FALSE(IsRetryable(status));
}

TEST(PgStatusTest, ACommitInDoubtIsUnknownAndNeverRetryable) {
  for (const absl::Status& status : {StatusOf(pqxx::in_doubt_error("lost")), StatusOf(pqxx::statement_completion_unknown("lost"))}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kUnknown);
    EXPECT_FALSE(IsRetryable(status));
  }
}

TEST(PgStatusTest, SerializationFailuresAndDeadlocksAreAbortedAndRetryable) {
  for (const absl::Status& status : {StatusOf(pqxx::serialization_failure("x")), StatusOf(pqxx::deadlock_detected("x"))}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
    EXPECT_TRUE(IsRetryable(status));
  }
  EXPECT_FALSE(IsRetryable(absl::AbortedError("a stale etag")));
}

TEST(PgStatusTest, SqlStatesHaveCanonicalCodes) {
  EXPECT_EQ(StatusOfSqlState("23505", "x").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(StatusOfSqlState("23503", "x").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(StatusOfSqlState("42P01", "x").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(StatusOfSqlState("57014", "x").code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(StatusOfSqlState("53100", "x").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(StatusOfSqlState("25006", "x").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(StatusOfSqlState("XX000", "x").code(), absl::StatusCode::kInternal);
}

TEST(PgStatusTest, AnyOtherExceptionIsInternal) {
  EXPECT_EQ(StatusOf(std::runtime_error("odd")).code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace fairlead::pg
