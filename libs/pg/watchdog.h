// The thread that ends waits for a PostgreSQL which doesn't answer: libpq blocks in recv for ever, and libpqxx 6 offers no other way out
// than to shut the connection's socket down, whereupon libpq reads the end of the stream and gives the connection up.
//
// hang_detector.h decides; this asks the server (a connection of its own and SELECT 1, without blocking), shuts sockets down and tells the
// owner when the server begins and ceases to be silent. Thread-safe. Where a host is a name, asking resolves it, which may block.
//
//   Watchdog::Watch watch = watchdog.Begin(connection);
//   …
//   if (watchdog.End(watch) != Cut::kNot) …
#ifndef FAIRLEAD_LIBS_PG_WATCHDOG_H_
#define FAIRLEAD_LIBS_PG_WATCHDOG_H_

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/clock/system_clock.h"
#include "libs/pg/connection_string.h"
#include "libs/pg/hang_detector.h"
#include "pqxx/pqxx"

namespace fairlead::pg {

class Watchdog {
 public:
  // A duplicate of a connection's socket: the original may be closed by libpq and its number be used by another part of the program at
  // any moment. -1: nobody watches.
  struct Watch {
    int socket = -1;
  };

  // `on_silence` is called on the watchdog's thread, or SuspectServer's, at each change.
  Watchdog(ConnectionString where, HangLimits limits, std::function<void(bool silent)> on_silence);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  Watch Begin(pqxx::connection& connection) ABSL_LOCKS_EXCLUDED(mu_);
  Cut End(Watch watch) ABSL_LOCKS_EXCLUDED(mu_);
  // A new connection was not answered in time.
  void SuspectServer() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  class Question;

  void Run() ABSL_LOCKS_EXCLUDED(mu_);
  void Tick() ABSL_LOCKS_EXCLUDED(mu_);
  void Tell() ABSL_LOCKS_EXCLUDED(mu_, telling_mu_);

  const ConnectionString where_;
  const HangLimits limits_;
  const std::function<void(bool)> on_silence_;
  const SystemClock clock_{};

  absl::Mutex mu_;
  HangDetector detector_ ABSL_GUARDED_BY(mu_);
  // Which of several servers the operation talks to, by Watch::socket.
  absl::flat_hash_map<int, std::string> servers_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;

  absl::Mutex telling_mu_;
  bool told_silent_ ABSL_GUARDED_BY(telling_mu_) = false;

  std::unique_ptr<Question> question_;  // The watchdog's thread only.
  std::thread thread_;
};

}  // namespace fairlead::pg

#endif  // FAIRLEAD_LIBS_PG_WATCHDOG_H_
