// ingestd: hears the boxes of a cell and tells steerd and filld. README.md has the flags.
#include <cstdio>
#include <memory>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/log/log.h"
#include "libs/rpc/stop_signal.h"
#include "services/ingest/server.h"

ABSL_FLAG(std::string, listen, "127.0.0.1:7002", "gRPC address, host:port");
ABSL_FLAG(std::string, metrics_listen, "127.0.0.1:7102", "address of the /metrics page; empty = none");
ABSL_FLAG(std::string, cell, "", "id of this cell");
ABSL_FLAG(std::string, registry, "127.0.0.1:7001", "gRPC target of registryd");
ABSL_FLAG(std::string, fill, "", "gRPC target of filld, for manifest generations; empty = none");
ABSL_FLAG(std::string, database, "", "postgresql:// URI of the traffic store; empty = traffic isn't stored");
ABSL_FLAG(std::string, vrp_file, "",
          "CSV of VRPs as RPKI validators export them, read again when it changes; empty = origins aren't validated");
ABSL_FLAG(std::string, state_dir, "", "existing folder for the epoch file");
ABSL_FLAG(uint32_t, max_appliances, 20'000, "most boxes that this cell takes");
ABSL_FLAG(uint32_t, max_streams, 19'000, "most streams at once; keep it below the limit on file descriptors");
ABSL_FLAG(uint32_t, max_routes_per_session, 4'000'000, "most routes kept of one reported BGP session");

int main(int argc, char** argv) {
  fairlead::BlockStopSignals();
  absl::SetProgramUsageMessage("Hears the appliances of a cell and publishes their health, routes and holdings.");
  absl::ParseCommandLine(argc, argv);
  // Debian builds Abseil with the search for deadlocks on, which takes one lock of the process at every lock of ours and gRPC's.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  fairlead::InitLog("ingestd");

  fairlead::ingest::IngestOptions options;
  options.listen = absl::GetFlag(FLAGS_listen);
  options.metrics_listen = absl::GetFlag(FLAGS_metrics_listen);
  options.cell = absl::GetFlag(FLAGS_cell);
  options.registry = absl::GetFlag(FLAGS_registry);
  options.fill = absl::GetFlag(FLAGS_fill);
  options.database = absl::GetFlag(FLAGS_database);
  options.vrp_file = absl::GetFlag(FLAGS_vrp_file);
  options.state_dir = absl::GetFlag(FLAGS_state_dir);
  options.most_appliances = absl::GetFlag(FLAGS_max_appliances);
  options.most_streams = absl::GetFlag(FLAGS_max_streams);
  options.routes.most_routes_a_session = absl::GetFlag(FLAGS_max_routes_per_session);

  const absl::StatusOr<std::unique_ptr<fairlead::ingest::IngestServer>> server = fairlead::ingest::IngestServer::Start(options);
  if (!server.ok()) {
    std::fprintf(stderr, "ingestd: %s\n", server.status().ToString().c_str());
    return 1;
  }
  const int signal = fairlead::WaitForStopSignal();
  fairlead::LogInfo("ingestd stops", {{"signal", signal}});
  return 0;
}
