// filld wired together as a library: the same code in production and in tests.
//
//   ASSIGN_OR_RETURN(const auto store, PgStore::Create(uri));
//   ASSIGN_OR_RETURN(const auto server, FillServer::Start({.listen = "127.0.0.1:0", .registry = "127.0.0.1:7001"}, *store, metrics,
//   clock));
#ifndef FAIRLEAD_SERVICES_FILL_SERVER_H_
#define FAIRLEAD_SERVICES_FILL_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/metrics/metrics.h"
#include "services/fill/planner.h"
#include "services/fill/store.h"
#include "services/fill/subscriptions.h"

namespace fairlead::fill {

struct FillServerOptions {
  std::string listen = "127.0.0.1:0";
  SubscriptionOptions subscriptions;
  // Must exist; may be empty of keys.
  std::string signing_key_dir;
  PlannerOptions planner;
  absl::Duration fleet_interval = absl::Milliseconds(250);  // Between rebuilds of the fleet's snapshot.
  absl::Duration store_interval = absl::Seconds(1);         // Between looks at the store.
  absl::Duration key_scan_interval = absl::Seconds(5);
  int database_threads = 4;
  size_t max_queued_requests = 256;
};

class FillServer {
 public:
  // `store`, `metrics` and `clock` must outlive it. Runs even while the store can't be reached.
  // Errors: a port in use, a key folder that is missing or holds a bad key.
  static absl::StatusOr<std::unique_ptr<FillServer>> Start(const FillServerOptions& options, Store& store, Metrics& metrics,
                                                           const Clock& clock);
  ~FillServer();

  // "127.0.0.1:<port>"
  std::string target() const;
  // Refuses new calls, ends the feeds, waits for running calls up to `grace`. Safe to call twice.
  void Shutdown(absl::Duration grace);

 private:
  class Impl;
  explicit FillServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fairlead::fill

#endif  // FAIRLEAD_SERVICES_FILL_SERVER_H_
