// registryd's wiring as a library: what main() starts, tests start too.
#ifndef FAIRLEAD_SERVICES_REGISTRY_SERVER_H_
#define FAIRLEAD_SERVICES_REGISTRY_SERVER_H_

#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/metrics/metrics.h"
#include "libs/rpc/server.h"
#include "libs/rpc/worker_pool.h"
#include "services/registry/config_feeds.h"
#include "services/registry/config_service.h"
#include "services/registry/drain_loop.h"
#include "services/registry/drain_methods.h"
#include "services/registry/poller.h"
#include "services/registry/registry_service.h"

namespace fairlead::registry {

struct ServerOptions {
  // "host:port"; port 0 takes a free one.
  std::string listen = "127.0.0.1:0";
  // Where private halves of signing keys go; "" = none can be made.
  std::string signing_key_dir = "";
  // gRPC targets of filld, separated by commas.
  std::string fill_addresses = "";
  absl::Duration config_poll_interval = absl::Milliseconds(200);
  // Requests that wait on the store at a time, and how many more may queue.
  int workers = 8;
  size_t most_queued = 256;
};

// Thread-safe.
class Server {
 public:
  // `store`, `clock` and `metrics` must outlive the server. Starts whether or not the store can be reached.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options, Store& store, const Clock& clock, Metrics& metrics);
  ~Server();

  int port() const { return rpc_->port(); }
  std::string target() const { return rpc_->target(); }
  RegistryMetrics& metrics() { return metrics_; }
  // Ends the feeds, lets running calls end within `grace`, stops the loop. Safe to call twice.
  void Shutdown(absl::Duration grace);

 private:
  Server(const ServerOptions& options, Store& store, const Clock& clock, Metrics& metrics);
  void Poll() ABSL_LOCKS_EXCLUDED(mu_);

  const ServerOptions options_;
  const Clock& clock_;
  RegistryMetrics metrics_;
  ConfigFeeds feeds_;
  FleetState state_;
  Writer writer_;
  StandardMethods standard_;
  SpecialMethods special_;
  DrainMethods drains_;
  Poller poller_;
  DrainLoop drain_loop_;
  std::unique_ptr<WorkerPool> pool_;
  RegistryService registry_service_;
  ConfigService config_service_;
  std::unique_ptr<RpcServer> rpc_;
  absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread poll_thread_;
};

}  // namespace fairlead::registry

#endif  // FAIRLEAD_SERVICES_REGISTRY_SERVER_H_
