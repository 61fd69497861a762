// A small bounded pool of PostgreSQL connections and the one way to run a transaction.
//
// Connects when first needed, never in the constructor: a program starts and keeps running while PostgreSQL is down, and recovers by
// itself. A connection that broke is thrown away. Blocks: call it from a worker pool, never from a gRPC thread. Thread-safe.
//
//   pg::Pool pool(*pg::ParseUri("postgresql://registryd@/fairlead?host=/run/postgresql"), {});
//   const absl::StatusOr<int64_t> count = pool.Read([](pqxx::transaction_base& tx) -> absl::StatusOr<int64_t> {
//     return tx.exec1("SELECT count(*) FROM registry.site")[0].as<int64_t>();
//   });
//
// Errors: those of status.h; UNAVAILABLE within PoolOptions::hang_timeout if the server hangs, at once while it is known to;
// RESOURCE_EXHAUSTED if no connection became free in time. `work` may return any status of its own, which rolls back; it may be run several
// times (after a serialization failure), so it must have no other effects than on `tx`.
#ifndef FAIRLEAD_LIBS_PG_POOL_H_
#define FAIRLEAD_LIBS_PG_POOL_H_

#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/clock/system_clock.h"
#include "libs/pg/connection_string.h"
#include "libs/pg/watchdog.h"
#include "pqxx/pqxx"

namespace fairlead::pg {

struct PoolOptions {
  int max_connections = 8;
  // The bound for a server that hangs: whoever waits for one that answers neither it nor a new connection (hang_detector.h) gets
  // UNAVAILABLE, or UNKNOWN if it was committing, after so long; those who come then get it at once, until the server answers again. Also
  // the time for making a connection, to each of the servers that the connection string names, in whole seconds.
  absl::Duration hang_timeout = absl::Seconds(4);
  // How long a transaction waits for a connection of the pool while the server answers.
  absl::Duration acquire_timeout = absl::Seconds(5);
  // Enforced by the server for each statement.
  absl::Duration statement_timeout = absl::Seconds(10);
  // Enforced here for a whole transaction, in case this one hangs for ever on a server that answers others: then the socket is closed.
  absl::Duration transaction_timeout = absl::Seconds(60);
  // Runs of one transaction that keeps losing against concurrent ones.
  int max_attempts = 5;
  // Shown in pg_stat_activity.
  std::string application_name = "fairlead";
};

enum class TransactionKind {
  kReadWrite,     // READ COMMITTED.
  kSerializable,  // For writes whose checks read other rows without locking them.
  kReadSnapshot,  // REPEATABLE READ, READ ONLY: all statements see one moment.
};

struct PoolStats {
  int in_use = 0;
  int idle = 0;
  int64_t opened = 0;
  int64_t broken = 0;
  // Of the broken ones, those that were shut down here because no answer came.
  int64_t cut = 0;
  // Whether callers are turned away because the server doesn't answer.
  bool silent = false;
};

class Pool {
 public:
  Pool(const ConnectionString& where, PoolOptions options);
  // No transaction may be running.
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Runs `work`, a callable from pqxx::transaction_base& to absl::Status or absl::StatusOr<T>, in one transaction, and commits if it
  // returns OK.
  template <typename Work>
  std::invoke_result_t<Work&, pqxx::transaction_base&> Run(TransactionKind kind, Work&& work) {
    using Result = std::invoke_result_t<Work&, pqxx::transaction_base&>;
    if constexpr (std::is_same_v<Result, absl::Status>) {
      return RunErased(kind, work);
    } else {
      std::optional<Result> result;
      const absl::Status status = RunErased(kind, [&](pqxx::transaction_base& tx) -> absl::Status {
        result.emplace(work(tx));
        return result->status();
      });
      if (!status.ok()) return status;
      return *std::move(result);
    }
  }
  template <typename Work>
  auto Write(Work&& work) {
    return Run(TransactionKind::kReadWrite, std::forward<Work>(work));
  }
  template <typename Work>
  auto Read(Work&& work) {
    return Run(TransactionKind::kReadSnapshot, std::forward<Work>(work));
  }

  PoolStats stats() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  using Connection = std::unique_ptr<pqxx::connection>;
  using ErasedWork = absl::FunctionRef<absl::Status(pqxx::transaction_base&)>;
  // A connection on loan.
  struct Lease {
    Connection connection;
    bool fresh = false;
    Watchdog::Watch watch;
  };

  absl::Status RunErased(TransactionKind kind, ErasedWork work);
  // `stale`: the connection was an idle one that turned out to be broken before anything was sent.
  absl::Status RunOnce(TransactionKind kind, ErasedWork work, bool& stale);
  absl::StatusOr<Lease> Acquire() ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<Connection> Connect();
  // The session's settings.
  absl::Status Configure(Lease& lease);
  // What became of the loan, given its status: a connection that we shut down ourselves says why.
  absl::Status GiveBack(Lease lease, absl::Status status) ABSL_LOCKS_EXCLUDED(mu_);
  void DropIdle() ABSL_LOCKS_EXCLUDED(mu_);
  // Of several servers the next may do, so none keeps callers away.
  bool GivenUp() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return silent_ && !where_.several_hosts(); }
  bool HasRoomOrIsSilent() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return GivenUp() || in_use_ < options_.max_connections; }

  const ConnectionString where_;
  const PoolOptions options_;
  const SystemClock clock_{};

  mutable absl::Mutex mu_;
  std::vector<Connection> idle_ ABSL_GUARDED_BY(mu_);
  int in_use_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t opened_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t broken_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t cut_ ABSL_GUARDED_BY(mu_) = 0;
  bool silent_ ABSL_GUARDED_BY(mu_) = false;
  Watchdog watchdog_;  // Last: its thread calls back.
};

}  // namespace fairlead::pg

#endif  // FAIRLEAD_LIBS_PG_POOL_H_
