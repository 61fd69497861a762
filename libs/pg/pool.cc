#include "libs/pg/pool.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/backoff.h"
#include "libs/base/status_macros.h"
#include "libs/pg/status.h"

namespace fairlead::pg {
namespace {

constexpr BackoffPolicy kRetryBackoff = {.first = absl::Milliseconds(5), .most = absl::Milliseconds(200)};

// libpqxx 6 would silently reconnect in the middle of our work and lose the session's settings.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
void ForbidReconnecting(pqxx::connection& connection) {
  connection.inhibit_reactivation(true);
}
#pragma GCC diagnostic pop

template <typename Transaction>
absl::Status Transact(pqxx::connection& connection, absl::FunctionRef<absl::Status(pqxx::transaction_base&)> work, bool& began) {
  Transaction tx(connection);
  began = true;
  RETURN_IF_ERROR(work(tx));  // Rolls back when `tx` goes.
  tx.commit();
  return absl::OkStatus();
}

absl::Status TransactAs(TransactionKind kind, pqxx::connection& connection, absl::FunctionRef<absl::Status(pqxx::transaction_base&)> work,
                        bool& began) {
  switch (kind) {
    case TransactionKind::kReadWrite:
      return Transact<pqxx::transaction<pqxx::read_committed>>(connection, work, began);
    case TransactionKind::kSerializable:
      return Transact<pqxx::transaction<pqxx::serializable>>(connection, work, began);
    case TransactionKind::kReadSnapshot:
      return Transact<pqxx::transaction<pqxx::repeatable_read, pqxx::read_only>>(connection, work, began);
  }
  return absl::InternalError("unknown transaction kind");
}

ConnectionString WithSettings(const ConnectionString& where, const PoolOptions& options) {
  // libpq knows whole seconds, at least 2, and may take up to one less.
  const int64_t connect_seconds = std::max<int64_t>(2, absl::ToInt64Seconds(options.hang_timeout));
  return where.With("application_name", options.application_name)
      .With("connect_timeout", absl::StrCat(connect_seconds))
      .With("tcp_user_timeout", "5000")
      .With("keepalives_idle", "5")
      .With("keepalives_interval", "2")
      .With("keepalives_count", "3");
}

absl::Status SilentServer(absl::Duration hang_timeout) {
  return BrokenConnectionError(
      absl::StrCat("it has not answered for ", absl::FormatDuration(hang_timeout), "; used again as soon as it does"));
}

}  // namespace

Pool::Pool(const ConnectionString& where, PoolOptions options)
    : where_(WithSettings(where, options)),
      options_(std::move(options)),
      watchdog_(where_, {.hang_timeout = options_.hang_timeout, .transaction_timeout = options_.transaction_timeout}, [this](bool silent) {
        absl::MutexLock lock(&mu_);
        silent_ = silent;
      }) {}

Pool::~Pool() = default;

absl::StatusOr<Pool::Connection> Pool::Connect() {
  const absl::Duration start = clock_.Monotonic();
  try {
    auto connection = std::make_unique<pqxx::connection>(where_.text());
    ForbidReconnecting(*connection);
    return connection;
  } catch (...) {
    absl::Status status = StatusOfCurrentException();
    // Refused is refused; but who waited in vain needn't be followed by others.
    const bool in_vain = IsBrokenConnection(status) && clock_.Monotonic() - start >= options_.hang_timeout / 2;
    if (in_vain && !where_.several_hosts()) watchdog_.SuspectServer();
    return status;
  }
}

absl::Status Pool::Configure(Lease& lease) {
  try {
    pqxx::nontransaction tx(*lease.connection);
    tx.exec0(absl::StrCat("SET statement_timeout = ", absl::ToInt64Milliseconds(options_.statement_timeout),
                          "; SET idle_in_transaction_session_timeout = ", absl::ToInt64Milliseconds(options_.transaction_timeout),
                          "; SET TIME ZONE 'UTC'"));
    return absl::OkStatus();
  } catch (...) {
    return StatusOfCurrentException();
  }
}

absl::StatusOr<Pool::Lease> Pool::Acquire() {
  Lease lease;
  {
    absl::MutexLock lock(&mu_);
    const bool ended = mu_.AwaitWithTimeout(absl::Condition(this, &Pool::HasRoomOrIsSilent), options_.acquire_timeout);
    if (GivenUp()) return SilentServer(options_.hang_timeout);
    if (!ended) return absl::ResourceExhaustedError(absl::StrCat("all ", options_.max_connections, " PostgreSQL connections are in use"));
    ++in_use_;
    if (!idle_.empty()) {
      lease.connection = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (lease.connection != nullptr) {
    lease.watch = watchdog_.Begin(*lease.connection);
    return lease;
  }
  absl::StatusOr<Connection> connected = Connect();  // Without the lock: it may take seconds.
  if (!connected.ok()) {
    absl::MutexLock lock(&mu_);
    --in_use_;
    return connected.status();
  }
  lease.connection = *std::move(connected);
  lease.fresh = true;
  lease.watch = watchdog_.Begin(*lease.connection);
  const absl::Status configured = Configure(lease);
  {
    absl::MutexLock lock(&mu_);
    ++opened_;
  }
  if (configured.ok()) return lease;
  return GiveBack(std::move(lease), configured);
}

absl::Status Pool::GiveBack(Lease lease, absl::Status status) {
  const Cut cut = watchdog_.End(lease.watch);
  const bool usable = cut == Cut::kNot && !IsBrokenConnection(status) && lease.connection->is_open();
  {
    absl::MutexLock lock(&mu_);
    --in_use_;
    if (usable) {
      idle_.push_back(std::move(lease.connection));
    } else {
      ++broken_;
    }
    if (cut != Cut::kNot) ++cut_;
  }
  // A commit in doubt stays in doubt; any other broken connection was broken by us.
  if (cut == Cut::kNot || !IsBrokenConnection(status) || absl::IsUnknown(status)) return status;
  if (cut == Cut::kSilent) return SilentServer(options_.hang_timeout);
  return BrokenConnectionError(absl::StrCat("it did not end a transaction in ", absl::FormatDuration(options_.transaction_timeout)));
}

void Pool::DropIdle() {
  std::vector<Connection> dropped;
  absl::MutexLock lock(&mu_);
  dropped.swap(idle_);
  broken_ += static_cast<int64_t>(dropped.size());
}

absl::Status Pool::RunOnce(TransactionKind kind, ErasedWork work, bool& stale) {
  ASSIGN_OR_RETURN(Lease lease, Acquire());
  const bool fresh = lease.fresh;
  bool began = false;
  absl::Status status;
  try {
    status = TransactAs(kind, *lease.connection, work, began);
  } catch (...) {
    status = StatusOfCurrentException();
  }
  status = GiveBack(std::move(lease), std::move(status));
  const bool broken = IsBrokenConnection(status);
  stale = broken && !began && !fresh;
  if (stale) DropIdle();  // The server went away while they were idle: none of them is of use.
  // Nothing can be in doubt where nothing was written.
  if (kind == TransactionKind::kReadSnapshot && broken && absl::IsUnknown(status)) return BrokenConnectionError(status.message());
  return status;
}

absl::Status Pool::RunErased(TransactionKind kind, ErasedWork work) {
  Backoff backoff(kRetryBackoff, static_cast<uint64_t>(absl::GetCurrentTimeNanos()));
  bool reconnected = false;
  for (int attempt = 1;; ++attempt) {
    bool stale = false;
    const absl::Status status = RunOnce(kind, work, stale);
    if (stale && !reconnected) {
      reconnected = true;  // Nothing was sent yet, so this is safe.
      continue;
    }
    if (!IsRetryable(status) || attempt >= options_.max_attempts) return status;
    absl::SleepFor(backoff.Next());
  }
}

PoolStats Pool::stats() const {
  absl::MutexLock lock(&mu_);
  return {.in_use = in_use_, .idle = static_cast<int>(idle_.size()), .opened = opened_, .broken = broken_, .cut = cut_, .silent = silent_};
}

}  // namespace fairlead::pg
