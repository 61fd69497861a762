#include "libs/pg/watchdog.h"

#include <fcntl.h>
#include <poll.h>
#include <postgresql/libpq-fe.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace fairlead::pg {
namespace {

// How often it looks; all limits are kept within this.
constexpr absl::Duration kWatchInterval = absl::Milliseconds(100);
// libpq steps of one tick: a question that spins must not hold up the limits.
constexpr int kMaxSteps = 16;

std::string Quoted(const char* text) {
  return absl::StrCat("'", absl::StrReplaceAll(text == nullptr ? "" : text, {{"\\", "\\\\"}, {"'", "\\'"}}), "'");
}

// Narrows a connection string down to the server that `connection` has; in libpq the last of several settings of one keyword counts.
std::string ServerOf(pqxx::connection& connection) {
  const char* const host = connection.hostname();
  const char* const port = connection.port();
  if (host == nullptr || *host == '\0' || port == nullptr || *port == '\0') return "";
  return absl::StrCat(" hostaddr='' host=", Quoted(host), " port=", Quoted(port));
}

bool Ready(int socket, short events) {
  pollfd wanted = {.fd = socket, .events = events, .revents = 0};
  return socket >= 0 && poll(&wanted, 1, 0) > 0;
}

}  // namespace

// A new connection and SELECT 1: a connection pooler in front of the server would answer for a mere connection.
class Watchdog::Question {
 public:
  Question(std::string where, absl::Duration now) : where_(std::move(where)), asked_(now), connection_(PQconnectStart(where_.c_str())) {
    if (connection_ == nullptr || PQstatus(connection_) == CONNECTION_BAD) phase_ = Phase::kEnded;
  }
  ~Question() { PQfinish(connection_); }
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;

  const std::string& where() const { return where_; }
  absl::Duration asked() const { return asked_; }

  // Goes as far as it can without waiting; whether it has come to an end: an answer, a refusal, a closed connection.
  bool Step() {
    for (int i = 0; i < kMaxSteps; ++i) {
      if (phase_ == Phase::kConnects && !Connect()) return false;
      if (phase_ == Phase::kAsks && !Ask()) return false;
      if (phase_ == Phase::kEnded) return true;
    }
    return false;
  }

 private:
  enum class Phase { kConnects, kAsks, kEnded };

  // False: nothing to do before the socket is ready.
  bool Connect() {
    const short events = wanted_ == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    if (!Ready(PQsocket(connection_), events)) return false;
    wanted_ = PQconnectPoll(connection_);
    if (wanted_ == PGRES_POLLING_FAILED) phase_ = Phase::kEnded;
    if (wanted_ == PGRES_POLLING_OK) phase_ = PQsendQuery(connection_, "SELECT 1") == 1 ? Phase::kAsks : Phase::kEnded;
    return true;
  }
  bool Ask() {
    if (!Ready(PQsocket(connection_), POLLIN)) return false;
    if (PQconsumeInput(connection_) == 0 || PQisBusy(connection_) == 0) phase_ = Phase::kEnded;
    return true;
  }

  const std::string where_;
  const absl::Duration asked_;
  PGconn* const connection_;
  Phase phase_ = Phase::kConnects;
  PostgresPollingStatusType wanted_ = PGRES_POLLING_WRITING;  // libpq's rule for the beginning.
};

Watchdog::Watchdog(ConnectionString where, HangLimits limits, std::function<void(bool)> on_silence)
    : where_(std::move(where)), limits_(limits), on_silence_(std::move(on_silence)), detector_(limits), thread_([this] { Run(); }) {}

Watchdog::~Watchdog() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  thread_.join();
}

Watchdog::Watch Watchdog::Begin(pqxx::connection& connection) {
  // -1 if the connection is broken or descriptors are short: then nobody watches it.
  const Watch watch = {.socket = fcntl(connection.sock(), F_DUPFD_CLOEXEC, 0)};
  if (watch.socket < 0) return watch;
  absl::MutexLock lock(&mu_);
  detector_.Begin(watch.socket, clock_.Monotonic());
  if (where_.several_hosts()) servers_[watch.socket] = ServerOf(connection);
  return watch;
}

Cut Watchdog::End(Watch watch) {
  if (watch.socket < 0) return Cut::kNot;
  absl::MutexLock lock(&mu_);
  servers_.erase(watch.socket);
  const Cut cut = detector_.End(watch.socket);
  close(watch.socket);  // Under the lock: the number must not be shut down once somebody else has it.
  return cut;
}

void Watchdog::SuspectServer() {
  {
    absl::MutexLock lock(&mu_);
    detector_.SuspectServer();
  }
  Tell();
}

void Watchdog::Run() {
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      if (mu_.AwaitWithTimeout(absl::Condition(&stopping_), kWatchInterval)) break;
    }
    Tick();
  }
  question_.reset();
}

void Watchdog::Tick() {
  const absl::Duration now = clock_.Monotonic();
  // Asked again after a while: a lost packet makes TCP itself come back ever more slowly.
  if (question_ != nullptr && question_->asked() + limits_.hang_timeout < now) {
    question_ = std::make_unique<Question>(question_->where(), now);
  }
  const bool answered = question_ != nullptr && question_->Step();
  if (answered) question_.reset();
  std::optional<std::string> ask;
  {
    absl::MutexLock lock(&mu_);
    if (answered) detector_.Answered(now);
    const HangDetector::Todo todo = detector_.Step(now);
    for (const int socket : todo.cut) shutdown(socket, SHUT_RDWR);
    if (todo.ask_for.has_value()) {
      const auto server = servers_.find(*todo.ask_for);
      ask = server == servers_.end() ? "" : server->second;
    }
  }
  if (ask.has_value()) question_ = std::make_unique<Question>(absl::StrCat(where_.text(), *ask), now);
  Tell();
}

void Watchdog::Tell() {
  absl::MutexLock lock(&telling_mu_);
  bool silent = false;
  {
    absl::MutexLock state(&mu_);
    silent = detector_.silent();
  }
  if (silent == told_silent_) return;
  told_silent_ = silent;
  on_silence_(silent);
}

}  // namespace fairlead::pg
