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
// Errors: those of status.h; RESOURCE_EXHAUSTED if no connection became free in time. `work` may return any status of its own, which
// rolls back; it may be run several times (after a serialization failure), so it must have no other effects than on `tx`.
#ifndef FAIRLEAD_LIBS_PG_POOL_H_
#define FAIRLEAD_LIBS_PG_POOL_H_

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "pqxx/pqxx"

namespace fairlead::pg {

struct PoolOptions {
  int max_connections = 8;
  // How long a transaction waits for a connection of the pool.
  absl::Duration acquire_timeout = absl::Seconds(5);
  // Whole seconds, at least 2 (libpq's rule).
  absl::Duration connect_timeout = absl::Seconds(3);
  // Enforced by the server for each statement.
  absl::Duration statement_timeout = absl::Seconds(10);
  // Enforced here for a whole transaction, in case the server hangs: then the socket is closed.
  absl::Duration transaction_timeout = absl::Seconds(60);
  // Runs of one transaction that keeps losing against concurrent ones.
  int max_attempts = 5;
  // Shown in pg_stat_activity.
  std::string application_name = "fairlead";
};

// A checked connection string in libpq's keyword form. INVALID_ARGUMENT (never quoting the text, which may hold a password) if it is
// neither a postgresql:// URI nor keywords.
class ConnectionString {
 public:
  const std::string& text() const { return text_; }

 private:
  friend absl::StatusOr<ConnectionString> ParseUri(const std::string& uri);
  explicit ConnectionString(std::string text) : text_(std::move(text)) {}
  std::string text_;
};
absl::StatusOr<ConnectionString> ParseUri(const std::string& uri);

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
    // A duplicate of the connection's socket, for the watcher: the original may be closed by libpq and its number be used by another
    // part of the program at any moment.
    int socket = -1;
  };

  absl::Status RunErased(TransactionKind kind, ErasedWork work);
  absl::Status RunOnce(TransactionKind kind, ErasedWork work, bool& began);
  absl::StatusOr<Lease> Acquire() ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<Connection> Connect();
  void StartWatching(Lease& lease) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void GiveBack(Lease lease, bool usable) ABSL_LOCKS_EXCLUDED(mu_);
  void DropIdle() ABSL_LOCKS_EXCLUDED(mu_);
  bool HasRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return in_use_ < options_.max_connections; }
  // Closes the sockets of transactions that have passed their deadline.
  void Watch() ABSL_LOCKS_EXCLUDED(mu_);

  const std::string where_;
  const PoolOptions options_;

  mutable absl::Mutex mu_;
  std::vector<Connection> idle_ ABSL_GUARDED_BY(mu_);
  // The deadlines of running transactions, by Lease::socket.
  absl::flat_hash_map<int, absl::Time> running_ ABSL_GUARDED_BY(mu_);
  int in_use_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t opened_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t broken_ ABSL_GUARDED_BY(mu_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread watcher_;
};

}  // namespace fairlead::pg

#endif  // FAIRLEAD_LIBS_PG_POOL_H_
