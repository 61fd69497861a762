// registryd: keeps what the fleet should be, and tells everybody. README.md has the operator's view.
#include <cstdio>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "libs/clock/system_clock.h"
#include "libs/log/log.h"
#include "libs/metrics/metrics.h"
#include "libs/pg/pool.h"
#include "libs/rpc/stop_signal.h"
#include "services/registry/pg_store.h"
#include "services/registry/server.h"

ABSL_FLAG(std::string, listen, "127.0.0.1:7001", "gRPC address, host:port");
ABSL_FLAG(std::string, metrics_listen, "127.0.0.1:7101", "address of /metrics; empty = none");
ABSL_FLAG(std::string, database, "postgresql:///fairlead", "libpq connection URI of the database with schema `registry`");
ABSL_FLAG(std::string, signing_key_dir, "",
          "folder for private halves of signing keys, readable by the signers only; empty = no keys can be made");
ABSL_FLAG(std::string, fill_addresses, "", "gRPC targets of filld that boxes are told, separated by commas");
ABSL_FLAG(absl::Duration, config_poll_interval, absl::Milliseconds(200), "how often to look for changes that other replicas made");

namespace fairlead::registry {
namespace {

constexpr absl::Duration kShutdownGrace = absl::Seconds(5);
// One for each worker, and two for the poll loop and a check.
constexpr int kConnections = 10;

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "registryd: %s\n", std::string(status.message()).c_str());
  return 1;
}

int Run() {
  const absl::StatusOr<pg::ConnectionString> database = pg::ParseUri(absl::GetFlag(FLAGS_database));
  if (!database.ok()) return Fail(database.status());
  pg::PoolOptions pool_options;
  pool_options.max_connections = kConnections;
  pool_options.application_name = "registryd";
  pg::Pool pool(*database, pool_options);
  PgStore store(pool);
  const SystemClock clock;
  Metrics metrics;
  ServerOptions options;
  options.listen = absl::GetFlag(FLAGS_listen);
  options.signing_key_dir = absl::GetFlag(FLAGS_signing_key_dir);
  options.fill_addresses = absl::GetFlag(FLAGS_fill_addresses);
  options.config_poll_interval = absl::GetFlag(FLAGS_config_poll_interval);
  const auto server = Server::Start(options, store, clock, metrics);
  if (!server.ok()) return Fail(server.status());
  if (!absl::GetFlag(FLAGS_metrics_listen).empty()) {
    const absl::StatusOr<int> port = metrics.Serve(absl::GetFlag(FLAGS_metrics_listen));
    if (!port.ok()) return Fail(port.status());
  }
  LogInfo("registryd serves", {{"address", (*server)->target()}});
  const int signal = WaitForStopSignal();
  LogInfo("registryd stops", {{"signal", signal}});
  (*server)->Shutdown(kShutdownGrace);
  return 0;
}

}  // namespace
}  // namespace fairlead::registry

int main(int argc, char** argv) {
  fairlead::BlockStopSignals();
  absl::SetProgramUsageMessage("Keeps what the fleet should be in PostgreSQL, and tells everybody.");
  absl::ParseCommandLine(argc, argv);
  fairlead::InitLog("registryd");
  return fairlead::registry::Run();
}
