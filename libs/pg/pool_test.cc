#include "libs/pg/pool.h"

#include <atomic>
#include <thread>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/postgres.h"

namespace fairlead::pg {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class PoolTest : public ::testing::Test {
 protected:
  PoolTest() { uri_ = *SharedPostgres({}).NewDatabase(); }

  std::unique_ptr<Pool> MakePool(PoolOptions options = {}) { return std::make_unique<Pool>(*ParseUri(uri_), options); }

  static absl::StatusOr<int> Count(Pool& pool) {
    return pool.Read([](pqxx::transaction_base& tx) -> absl::StatusOr<int> { return tx.exec1("SELECT count(*) FROM t")[0].as<int>(); });
  }
  static absl::Status Exec(Pool& pool, const std::string& sql) {
    return pool.Write([&sql](pqxx::transaction_base& tx) {
      tx.exec0(sql);
      return absl::OkStatus();
    });
  }

  std::string uri_;
};

TEST_F(PoolTest, AFailedTransactionLeavesNothing) {
  const auto pool = MakePool();
  ASSERT_TRUE(Exec(*pool, "CREATE TABLE t (id int PRIMARY KEY)").ok());
  const absl::Status refused = pool->Write([](pqxx::transaction_base& tx) {
    tx.exec0("INSERT INTO t VALUES (1)");
    return absl::NotFoundError("second thoughts");
  });
  EXPECT_EQ(refused.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(*Count(*pool), 0);
  EXPECT_TRUE(Exec(*pool, "INSERT INTO t VALUES (1)").ok());
  EXPECT_EQ(Exec(*pool, "INSERT INTO t VALUES (1)").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(*Count(*pool), 1);
  EXPECT_EQ(pool->stats().opened, 1) << "a failed statement does not cost a connection";
}

TEST_F(PoolTest, AnUnreachableServerIsUnavailableAndIsUsedOnceItIsThere) {
  const auto pool = MakePool();
  ASSERT_TRUE(Exec(*pool, "CREATE TABLE t (id int)").ok());
  ASSERT_TRUE(SharedPostgres({}).Kill().ok());
  for (int i = 0; i < 2; ++i) {
    const absl::Status down = Count(*pool).status();
    EXPECT_EQ(down.code(), absl::StatusCode::kUnavailable) << down;
    EXPECT_THAT(std::string(down.message()), HasSubstr("PostgreSQL can't be reached"));
  }
  ASSERT_TRUE(SharedPostgres({}).Restart().ok());
  const absl::StatusOr<int> count = Count(*pool);
  EXPECT_TRUE(count.ok()) << count.status();
}

TEST_F(PoolTest, ConnectionsThatDiedWhileIdleAreReplacedWithoutAnError) {
  const auto pool = MakePool();
  ASSERT_TRUE(Exec(*pool, "CREATE TABLE t (id int)").ok());
  ASSERT_TRUE(SharedPostgres({}).Kill().ok());
  ASSERT_TRUE(SharedPostgres({}).Restart().ok());
  const absl::StatusOr<int> count = Count(*pool);
  EXPECT_TRUE(count.ok()) << count.status();
  EXPECT_EQ(pool->stats().broken, 1);
}

TEST_F(PoolTest, AConnectionLostInTheMiddleIsUnavailable) {
  const auto pool = MakePool();
  const absl::Status status = pool->Write([](pqxx::transaction_base& tx) {
    tx.exec("SELECT pg_terminate_backend(pg_backend_pid())");
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
}

TEST_F(PoolTest, AHangingServerHoldsATransactionNoLongerThanItsTimeout) {
  const auto pool = MakePool({.transaction_timeout = absl::Milliseconds(500)});
  ASSERT_TRUE(Exec(*pool, "CREATE TABLE t (id int)").ok());
  ASSERT_TRUE(SharedPostgres({}).Pause().ok());
  const absl::Time start = absl::Now();
  const absl::Status status = Count(*pool).status();
  EXPECT_TRUE(SharedPostgres({}).Resume().ok());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_LT(absl::Now() - start, absl::Seconds(20));
}

TEST_F(PoolTest, AStatementThatTakesTooLongIsStoppedByTheServer) {
  const auto pool = MakePool({.statement_timeout = absl::Milliseconds(100)});
  EXPECT_EQ(Exec(*pool, "DO 'BEGIN PERFORM pg_sleep(20); END'").code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(PoolTest, WaitingForAConnectionHasAnEnd) {
  const auto pool = MakePool({.max_connections = 1, .acquire_timeout = absl::Milliseconds(50)});
  const absl::Status outer = pool->Write([&pool](pqxx::transaction_base&) { return Exec(*pool, "SELECT"); });
  EXPECT_EQ(outer.code(), absl::StatusCode::kResourceExhausted) << outer;
}

TEST_F(PoolTest, SerializationFailuresAreRunAgain) {
  const auto pool = MakePool();
  ASSERT_TRUE(Exec(*pool, "CREATE TABLE t (id int, n int); INSERT INTO t VALUES (1, 0)").ok());
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const absl::Status status = pool->Run(TransactionKind::kSerializable, [](pqxx::transaction_base& tx) {
        const int n = tx.exec1("SELECT n FROM t")[0].as<int>();
        tx.exec0("UPDATE t SET n = " + std::to_string(n + 1));
        return absl::OkStatus();
      });
      if (!status.ok()) ++failures;
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto n = pool->Read([](pqxx::transaction_base& tx) -> absl::StatusOr<int> { return tx.exec1("SELECT n FROM t")[0].as<int>(); });
  EXPECT_EQ(*n, 4 - failures) << "no lost update";
}

TEST(ParseUriTest, NonsenseIsRefusedWithoutQuotingAPassword) {
  for (const char* uri :
       {"postgresql://u:hunter2@h:notaport:1/db?nonsense=1", "mysql://u:hunter2@h", "postgresql://h/db?passwort=hunter2"}) {
    const absl::Status status = ParseUri(uri).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("hunter2")));
  }
  EXPECT_THAT(std::string(ParseUri("nonsense").status().message()), HasSubstr("nonsense"));
}

}  // namespace
}  // namespace fairlead::pg
