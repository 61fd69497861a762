#include "services/registry/server.h"

#include <utility>

#include "libs/base/status_macros.h"

namespace fairlead::registry {

Server::Server(const ServerOptions& options, Store& store, const Clock& clock, Metrics& metrics)
    : options_(options),
      clock_(clock),
      metrics_(metrics),
      state_(store, [this](const std::shared_ptr<const Fleet>& fleet, const ChangeSet& changes) { feeds_.Update(fleet, changes); }),
      writer_(store, state_, clock),
      standard_(state_, writer_),
      special_(store, state_, writer_, options.signing_key_dir),
      drains_(state_, writer_, clock),
      poller_(store, state_, clock, metrics_, {.fill_addresses = options.fill_addresses}),
      drain_loop_(state_, writer_, metrics_),
      pool_(std::make_unique<WorkerPool>(options.workers, options.most_queued)),
      registry_service_(standard_, special_, drains_, *pool_, metrics_),
      config_service_(feeds_, drains_, *pool_, metrics_) {}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options, Store& store, const Clock& clock, Metrics& metrics) {
  std::unique_ptr<Server> server(new Server(options, store, clock, metrics));
  ASSIGN_OR_RETURN(server->rpc_, RpcServer::Start({.program = "registryd", .listen = options.listen, .configure = nullptr},
                                                  {&server->registry_service_, &server->config_service_}));
  server->poll_thread_ = std::thread([raw = server.get()] { raw->Poll(); });
  return server;
}

Server::~Server() {
  Shutdown(absl::ZeroDuration());
}

void Server::Shutdown(absl::Duration grace) {
  feeds_.Shutdown();
  if (rpc_ != nullptr) rpc_->Shutdown(grace);
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  if (poll_thread_.joinable()) poll_thread_.join();
}

void Server::Poll() {
  while (true) {
    // Both have reported what went wrong. What other replicas wrote comes first, so that it isn't tried again.
    poller_.Tick().IgnoreError();
    drain_loop_.Tick(clock_.Now()).IgnoreError();
    metrics_.subscribers.Set(feeds_.subscribers());
    metrics_.requests_waiting.Set(static_cast<double>(pool_->queued()));
    absl::MutexLock lock(&mu_);
    if (mu_.AwaitWithTimeout(absl::Condition(&stopping_), options_.config_poll_interval)) return;
  }
}

}  // namespace fairlead::registry
