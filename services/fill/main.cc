// filld: keeps the catalogue, plans who should hold what, and tells boxes where to get it. See README.md.
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "libs/clock/system_clock.h"
#include "libs/log/log.h"
#include "libs/metrics/metrics.h"
#include "libs/rpc/stop_signal.h"
#include "services/fill/pg_store.h"
#include "services/fill/server.h"

ABSL_FLAG(std::string, listen, "127.0.0.1:7003", "Where to serve gRPC; a front NGINX stands before it");
ABSL_FLAG(std::string, metrics_listen, "127.0.0.1:7083", "Where to serve /metrics; empty: nowhere");
ABSL_FLAG(std::string, registry, "127.0.0.1:7001", "registryd, for the configuration");
ABSL_FLAG(std::string, ingest, "", "Cells to follow until the configuration names them, comma-separated");
ABSL_FLAG(std::string, database, "", "postgresql:// URI of the database with schema fill");
ABSL_FLAG(std::string, signing_key_dir, "", "Folder of <key id>.pem, mode 0600");
ABSL_FLAG(absl::Duration, replan_interval, absl::Seconds(30),
          "How often the plan is worked out anew; changes are planned for sooner. 0: only by CreatePlan");

namespace {

std::string HostName() {
  char name[256] = "unknown";
  gethostname(name, sizeof(name) - 1);
  return name;
}

int Fail(const absl::Status& status) {
  fairlead::LogError("can't start", {{"why", status}});
  std::fprintf(stderr, "filld: %s\n", std::string(status.message()).c_str());
  return 1;
}

fairlead::fill::FillServerOptions OptionsFromFlags(absl::Time now) {
  fairlead::fill::FillServerOptions options;
  options.listen = absl::GetFlag(FLAGS_listen);
  options.subscriptions.registry = absl::GetFlag(FLAGS_registry);
  options.subscriptions.ingest = absl::StrSplit(absl::GetFlag(FLAGS_ingest), ',', absl::SkipWhitespace());
  options.subscriptions.subscriber = absl::StrCat("filld@", HostName());
  // Different in each process, so that they don't come back to a lost source at one moment.
  options.subscriptions.seed = static_cast<uint64_t>(absl::ToUnixNanos(now)) ^ (static_cast<uint64_t>(getpid()) << 40);
  options.signing_key_dir = absl::GetFlag(FLAGS_signing_key_dir);
  options.planner.interval = absl::GetFlag(FLAGS_replan_interval);
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("filld: the catalogue and the fill plans of Fairlead");
  absl::ParseCommandLine(argc, argv);
  fairlead::BlockStopSignals();
  fairlead::InitLog("filld");
  if (absl::GetFlag(FLAGS_database).empty()) return Fail(absl::InvalidArgumentError("--database is needed: a postgresql:// URI"));
  if (absl::GetFlag(FLAGS_signing_key_dir).empty())
    return Fail(absl::InvalidArgumentError("--signing_key_dir is needed: a folder of <key id>.pem"));
  if (absl::GetFlag(FLAGS_replan_interval) < absl::ZeroDuration())
    return Fail(absl::InvalidArgumentError("--replan_interval must not be negative"));

  fairlead::SystemClock clock;
  fairlead::Metrics metrics;
  if (const std::string address = absl::GetFlag(FLAGS_metrics_listen); !address.empty()) {
    if (const auto port = metrics.Serve(address); !port.ok()) return Fail(port.status());
  }
  const auto store = fairlead::fill::PgStore::Create(absl::GetFlag(FLAGS_database));
  if (!store.ok()) return Fail(store.status());
  const auto server = fairlead::fill::FillServer::Start(OptionsFromFlags(clock.Now()), **store, metrics, clock);
  if (!server.ok()) return Fail(server.status());
  fairlead::LogInfo("listening", {{"grpc", (*server)->target()}});
  const int signal = fairlead::WaitForStopSignal();
  fairlead::LogInfo("stopping", {{"signal", signal}});
  (*server)->Shutdown(absl::Seconds(5));
  return 0;
}
