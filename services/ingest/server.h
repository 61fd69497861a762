// ingestd as a library: the same code starts it in production and in tests.
//
//   ASSIGN_OR_RETURN(auto server, IngestServer::Start({.cell = "lhr", .registry = "127.0.0.1:7001", .state_dir =
//   "/var/lib/fairlead/ingest"})); server->target();   // "127.0.0.1:7002"
#ifndef FAIRLEAD_SERVICES_INGEST_SERVER_H_
#define FAIRLEAD_SERVICES_INGEST_SERVER_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "services/ingest/fleet_state.h"
#include "services/ingest/traffic_store.h"

namespace fairlead::ingest {

struct IngestOptions {
  std::string listen = "127.0.0.1:7002";
  // Empty: no /metrics page.
  std::string metrics_listen = "";
  // Its id, or its name "cells/x".
  std::string cell = "";
  // gRPC targets of registryd and filld. Without filld no manifest generations are told.
  std::string registry = "";
  std::string fill = "";
  // postgresql:// URI. Empty: traffic isn't stored.
  std::string database = "";
  // An existing folder: the epoch file, and the checkpoint.
  std::string state_dir = "";

  // CSV of VRPs (vrp_file.h), read again when it changes; a bad or missing one at the start is an error. Empty: origins aren't validated.
  std::string vrp_file = "";

  size_t most_appliances = 20'000;
  size_t most_streams = 19'000;  // Below the limit on file descriptors.
  RouteLimits routes = {};
  // How often health is looked at, and all changes go to the fleet feed.
  absl::Duration publish_interval = absl::Milliseconds(100);
  // What answers wait for goes when it was accepted, but so long after what went before at least.
  absl::Duration publish_gap = absl::Milliseconds(10);
  absl::Duration feed_heartbeat = absl::Seconds(2);
  absl::Duration traffic_interval = absl::Seconds(5);
  absl::Duration vrp_interval = absl::Seconds(1);
  // How far the checkpoint may be behind, less what a step takes.
  absl::Duration checkpoint_interval = absl::Seconds(3);

  // Between two looks at health no more than this counts as silence: what more passed, nobody was here to listen (SIGSTOP, a frozen host).
  absl::Duration longest_deafness = absl::Seconds(1);

  // For tests. Null: the machine's clock; the database.
  const Clock* clock = nullptr;
  TrafficStore* traffic_store = nullptr;
};

class IngestServer {
 public:
  // Returns once the port is open; the registry and the database are not waited for. FAILED_PRECONDITION naming an address that can't be
  // bound or a state_dir that another process has, INVALID_ARGUMENT naming a bad option, NOT_FOUND for a missing state_dir.
  static absl::StatusOr<std::unique_ptr<IngestServer>> Start(const IngestOptions& options);
  // Lets boxes go with UNAVAILABLE and writes what traffic it can, and the checkpoint.
  ~IngestServer();

  std::string target() const;
  int port() const;
  // Writes the checkpoint now; it is written every checkpoint_interval anyway.
  absl::Status SaveNow();
  // What /metrics shows.
  std::string MetricsText() const;
  // Of /metrics; 0 without one.
  int metrics_port() const;

 private:
  class Impl;
  explicit IngestServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fairlead::ingest

#endif  // FAIRLEAD_SERVICES_INGEST_SERVER_H_
