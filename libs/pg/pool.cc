#include "libs/pg/pool.h"

#include <postgresql/libpq-fe.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "absl/container/btree_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "libs/base/backoff.h"
#include "libs/base/status_macros.h"
#include "libs/pg/status.h"

namespace fairlead::pg {
namespace {

// How often the watcher looks; transaction deadlines are kept within this.
constexpr absl::Duration kWatchInterval = absl::Milliseconds(250);
constexpr BackoffPolicy kRetryBackoff = {.first = absl::Milliseconds(5), .most = absl::Milliseconds(200)};

std::string Keyword(absl::string_view key, absl::string_view value) {
  return absl::StrCat(key, "='", absl::StrReplaceAll(value, {{"\\", "\\\\"}, {"'", "\\'"}}), "' ");
}

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

}  // namespace

absl::StatusOr<ConnectionString> ParseUri(const std::string& uri) {
  char* error = nullptr;
  PQconninfoOption* options = PQconninfoParse(uri.c_str(), &error);
  if (options == nullptr) {
    // libpq's message may quote a part of the text, so it is only shown if no password can be in it.
    const bool secret = absl::StrContains(uri, "@") || absl::StrContains(uri, "password");
    const std::string why = secret || error == nullptr ? "not shown, because it may hold a password" : error;
    PQfreemem(error);
    return absl::InvalidArgumentError(absl::StrCat("database: not a PostgreSQL connection URI: ", absl::StripAsciiWhitespace(why)));
  }
  std::string text;
  for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
    if (option->val != nullptr) absl::StrAppend(&text, Keyword(option->keyword, option->val));
  }
  PQconninfoFree(options);
  return ConnectionString(std::move(text));
}

Pool::Pool(const ConnectionString& where, PoolOptions options)
    // In libpq the last of several settings of one keyword counts.
    : where_(absl::StrCat(where.text(), Keyword("application_name", options.application_name),
                          Keyword("connect_timeout", absl::StrCat(std::max<int64_t>(2, absl::ToInt64Seconds(options.connect_timeout)))),
                          Keyword("tcp_user_timeout", "5000"), Keyword("keepalives_idle", "5"), Keyword("keepalives_interval", "2"),
                          Keyword("keepalives_count", "3"))),
      options_(std::move(options)),
      watcher_([this] { Watch(); }) {}

Pool::~Pool() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  watcher_.join();
}

void Pool::Watch() {
  absl::MutexLock lock(&mu_);
  while (!mu_.AwaitWithTimeout(absl::Condition(&stopping_), kWatchInterval)) {
    const absl::Time now = absl::Now();
    for (auto& [socket, deadline] : running_) {
      if (now < deadline) continue;
      shutdown(socket, SHUT_RDWR);  // libpq reads the end of the stream and gives the connection up.
      deadline = absl::InfiniteFuture();
    }
  }
}

absl::StatusOr<Pool::Connection> Pool::Connect() {
  try {
    auto connection = std::make_unique<pqxx::connection>(where_);
    ForbidReconnecting(*connection);
    pqxx::nontransaction tx(*connection);
    const int64_t timeout = absl::ToInt64Milliseconds(options_.statement_timeout);
    tx.exec0(absl::StrCat("SET statement_timeout = ", timeout, "; SET idle_in_transaction_session_timeout = ",
                          absl::ToInt64Milliseconds(options_.transaction_timeout), "; SET TIME ZONE 'UTC'"));
    return connection;
  } catch (...) {
    return StatusOfCurrentException();
  }
}

absl::StatusOr<Pool::Lease> Pool::Acquire() {
  Lease lease;
  {
    absl::MutexLock lock(&mu_);
    if (!mu_.AwaitWithTimeout(absl::Condition(this, &Pool::HasRoom), options_.acquire_timeout)) {
      return absl::ResourceExhaustedError(absl::StrCat("all ", options_.max_connections, " PostgreSQL connections are in use"));
    }
    ++in_use_;
    if (!idle_.empty()) {
      lease.connection = std::move(idle_.back());
      idle_.pop_back();
      StartWatching(lease);
    }
  }
  if (lease.connection != nullptr) return lease;
  absl::StatusOr<Connection> connected = Connect();  // Without the lock: it may take seconds.
  absl::MutexLock lock(&mu_);
  if (!connected.ok()) {
    --in_use_;
    return connected.status();
  }
  ++opened_;
  lease.connection = *std::move(connected);
  lease.fresh = true;
  StartWatching(lease);
  return lease;
}

void Pool::StartWatching(Lease& lease) {
  lease.socket = dup(lease.connection->sock());  // -1 if it is broken or descriptors are short: then nobody watches it.
  if (lease.socket >= 0) running_[lease.socket] = absl::Now() + options_.transaction_timeout;
}

void Pool::GiveBack(Lease lease, bool usable) {
  absl::MutexLock lock(&mu_);
  if (lease.socket >= 0) {
    running_.erase(lease.socket);
    close(lease.socket);
  }
  --in_use_;
  if (usable && lease.connection->is_open()) {
    idle_.push_back(std::move(lease.connection));
  } else {
    ++broken_;
  }
}

void Pool::DropIdle() {
  std::vector<Connection> dropped;
  absl::MutexLock lock(&mu_);
  dropped.swap(idle_);
  broken_ += static_cast<int64_t>(dropped.size());
}

absl::Status Pool::RunOnce(TransactionKind kind, ErasedWork work, bool& began) {
  ASSIGN_OR_RETURN(Lease lease, Acquire());
  const bool fresh = lease.fresh;
  absl::Status status;
  try {
    status = TransactAs(kind, *lease.connection, work, began);
  } catch (...) {
    status = StatusOfCurrentException();
  }
  const bool broken = IsBrokenConnection(status) || !lease.connection->is_open();
  GiveBack(std::move(lease), !broken);
  if (broken && !began && !fresh) DropIdle();  // The server went away while they were idle: none of them is of use.
  if (fresh && broken) began = true;           // A new connection broke at once: no second try.
  return status;
}

absl::Status Pool::RunErased(TransactionKind kind, ErasedWork work) {
  Backoff backoff(kRetryBackoff, static_cast<uint64_t>(absl::GetCurrentTimeNanos()));
  bool reconnected = false;
  for (int attempt = 1;; ++attempt) {
    bool began = false;
    const absl::Status status = RunOnce(kind, work, began);
    if (IsBrokenConnection(status) && !began && !reconnected) {
      reconnected = true;  // Nothing was sent yet, so this is safe.
      continue;
    }
    if (!IsRetryable(status) || attempt >= options_.max_attempts) return status;
    absl::SleepFor(backoff.Next());
  }
}

PoolStats Pool::stats() const {
  absl::MutexLock lock(&mu_);
  return {.in_use = in_use_, .idle = static_cast<int>(idle_.size()), .opened = opened_, .broken = broken_};
}

}  // namespace fairlead::pg
