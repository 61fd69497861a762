#include "libs/pg/pool.h"

#include <atomic>
#include <optional>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/eventually.h"
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

// Pauses the server, and lets it go on however the test ends.
class Paused {
 public:
  Paused() { EXPECT_TRUE(SharedPostgres({}).Pause().ok()); }
  ~Paused() { End(); }
  void End() {
    if (std::exchange(paused_, false)) {
      EXPECT_TRUE(SharedPostgres({}).Resume().ok());
    }
  }

 private:
  bool paused_ = true;
};

TEST_F(PoolTest, ATransactionThatNeverEndsIsCutAtItsDeadlineThoughTheServerAnswersOthers) {
  const auto pool = MakePool({.transaction_timeout = absl::Milliseconds(500)});
  const absl::Status status = Exec(*pool, "DO 'BEGIN PERFORM pg_sleep(20); END'");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("did not end a transaction in 500ms"));
  EXPECT_FALSE(pool->stats().silent);
}

TEST_F(PoolTest, WhenTheServerHangsAllCallersEndWithinItsBoundAndWorkGoesOnAfterwards) {
  const auto pool = MakePool({.max_connections = 2, .hang_timeout = absl::Seconds(2), .acquire_timeout = absl::Minutes(5)});
  ASSERT_TRUE(Exec(*pool, "CREATE TABLE t (id int)").ok());
  Paused paused;
  std::vector<std::thread> callers;
  for (int i = 0; i < 12; ++i) {
    callers.emplace_back([&] {
      const absl::Status status = Exec(*pool, "INSERT INTO t VALUES (1)");
      EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
      EXPECT_THAT(std::string(status.message()), HasSubstr("PostgreSQL can't be reached"));
    });
  }
  // Nobody has its own turn of waiting: that would take as many times the bound as there are callers to a connection.
  const absl::Time start = absl::Now();
  for (std::thread& caller : callers) caller.join();
  EXPECT_LT(absl::Now() - start, absl::Seconds(8));
  EXPECT_TRUE(pool->stats().silent);
  EXPECT_EQ(pool->stats().in_use, 0);
  EXPECT_THAT(std::string(Count(*pool).status().message()), HasSubstr("has not answered for 2s")) << "at once";
  paused.End();
  EXPECT_TRUE(Eventually([&] { return Count(*pool).ok(); }));
  EXPECT_FALSE(pool->stats().silent);
  EXPECT_EQ(*Count(*pool), 0) << "what was refused did not happen later";
}

TEST_F(PoolTest, ANewConnectionToAHangingServerIsBoundedToo) {
  const auto pool = MakePool({.hang_timeout = absl::Seconds(2)});
  Paused paused;
  const absl::Time start = absl::Now();
  EXPECT_EQ(Exec(*pool, "SELECT").code(), absl::StatusCode::kUnavailable);
  EXPECT_LT(absl::Now() - start, absl::Seconds(8));
  EXPECT_TRUE(pool->stats().silent);
  paused.End();
  EXPECT_TRUE(Eventually([&] { return Exec(*pool, "SET TIME ZONE 'UTC'").ok(); }));
}

TEST_F(PoolTest, AServerThatIsKilledWhileItHangsIsUsedOnceItIsBack) {
  const auto pool = MakePool({.hang_timeout = absl::Seconds(2)});
  ASSERT_TRUE(Exec(*pool, "CREATE TABLE t (id int)").ok());
  ASSERT_TRUE(SharedPostgres({}).Pause().ok());
  EXPECT_EQ(Count(*pool).status().code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(SharedPostgres({}).Kill().ok());
  EXPECT_TRUE(Eventually([&] { return !pool->stats().silent; })) << "a server that is gone refuses by itself";
  EXPECT_EQ(Count(*pool).status().code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(SharedPostgres({}).Restart().ok());
  EXPECT_TRUE(Eventually([&] { return Count(*pool).ok(); }));
}

TEST_F(PoolTest, ASlowStatementIsNoHangingServer) {
  const auto pool = MakePool({.hang_timeout = absl::Seconds(1)});
  EXPECT_TRUE(Exec(*pool, "DO 'BEGIN PERFORM pg_sleep(3); END'").ok());
  EXPECT_EQ(pool->stats().cut, 0);
}

TEST_F(PoolTest, ACommitThatGetsNoAnswerIsInDoubtUnlessItOnlyRead) {
  const auto pool = MakePool({.hang_timeout = absl::Seconds(1)});
  ASSERT_TRUE(Exec(*pool, "CREATE TABLE t (id int)").ok());
  for (const TransactionKind kind : {TransactionKind::kReadWrite, TransactionKind::kReadSnapshot}) {
    std::optional<Paused> paused;
    const absl::Status status = pool->Run(kind, [&](pqxx::transaction_base& tx) {
      tx.exec("SELECT count(*) FROM t");
      paused.emplace();  // The next that is sent is COMMIT.
      return absl::OkStatus();
    });
    const bool wrote = kind == TransactionKind::kReadWrite;
    EXPECT_EQ(status.code(), wrote ? absl::StatusCode::kUnknown : absl::StatusCode::kUnavailable) << status;
    paused->End();
    EXPECT_TRUE(Eventually([&] { return Count(*pool).ok(); }));
  }
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
