#include "services/fill/server.h"

#include <optional>
#include <utility>

#include "libs/base/status_macros.h"
#include "libs/log/log.h"
#include "libs/rpc/server.h"
#include "libs/rpc/worker_pool.h"
#include "libs/signing/token_signer.h"
#include "services/fill/catalogue.h"
#include "services/fill/fleet_state.h"
#include "services/fill/metrics.h"
#include "services/fill/periodic.h"
#include "services/fill/services.h"
#include "services/fill/source_resolver.h"

namespace fairlead::fill {

// Members are in the order of construction; destruction goes the other way, so nothing outlives what it uses.
class FillServer::Impl {
 public:
  Impl(const FillServerOptions& options, Store& store, Metrics& metrics, const Clock& clock, std::unique_ptr<TokenSigner> signer)
      : options_(options),
        clock_(clock),
        metrics_(metrics),
        signer_(std::move(signer)),
        catalogue_(store, metrics_),
        planner_(store, catalogue_, fleet_, clock, metrics_, options.planner),
        resolver_(*signer_),
        pool_(options.database_threads, options.max_queued_requests),
        parts_{store, catalogue_, fleet_, planner_, resolver_, pool_, clock, metrics_},
        catalog_service_(parts_),
        feed_service_(catalogue_),
        fill_service_(parts_) {}

  ~Impl() { Shutdown(absl::ZeroDuration()); }

  absl::Status Start() {
    RpcServerOptions rpc;
    rpc.program = "filld";
    rpc.listen = options_.listen;
    ASSIGN_OR_RETURN(rpc_, RpcServer::Start(rpc, {&catalog_service_, &feed_service_, &fill_service_}));
    // Two loops, so that a database that hangs doesn't hold up what is heard of the fleet.
    subscriptions_.emplace(options_.subscriptions, fleet_);
    fleet_loop_.emplace(options_.fleet_interval, [this] { TickFleet(); });
    store_loop_.emplace(options_.store_interval, [this] { TickStore(); });
    return absl::OkStatus();
  }

  void Shutdown(absl::Duration grace) {
    store_loop_.reset();
    fleet_loop_.reset();
    subscriptions_.reset();
    catalogue_.ShutdownFeeds();
    if (rpc_ != nullptr) rpc_->Shutdown(grace);
  }

  std::string target() const { return rpc_->target(); }

 private:
  void TickFleet() {
    fleet_.Rebuild();
    subscriptions_->Reconcile();
    subscriptions_->UpdateMetrics(metrics_);
    metrics_.bad_records.Set(static_cast<double>(fleet_.bad_records()));
    metrics_.feed_subscribers.Set(catalogue_.steering_feed().stats().subscribers + catalogue_.cell_feed().stats().subscribers);
    metrics_.sources_behind.Set(static_cast<double>(resolver_.reported().Expire(clock_.Monotonic())));
    const TokenCacheStats tokens = resolver_.token_stats();
    metrics_.token_hits.Set(static_cast<double>(tokens.hits));
    metrics_.token_misses.Set(static_cast<double>(tokens.misses));
    const absl::Duration now = clock_.Monotonic();
    if (now - last_key_scan_ >= options_.key_scan_interval) {
      last_key_scan_ = now;
      RescanKeys();
    }
  }

  void RescanKeys() {
    const absl::Status status = signer_->Rescan();
    if (!status.ok() && status != last_key_error_) LogError("the signing keys can't be read again; the old ones stay", {{"why", status}});
    last_key_error_ = status;
  }

  void TickStore() {
    // Its failures are logged and counted there.
    (void)catalogue_.Refresh();
    planner_.Tick(clock_.Monotonic());
  }

  const FillServerOptions options_;
  const Clock& clock_;
  FillMetrics metrics_;
  const std::unique_ptr<TokenSigner> signer_;
  FleetState fleet_;
  Catalogue catalogue_;
  Planner planner_;
  SourceResolver resolver_;
  WorkerPool pool_;
  const ServiceParts parts_;
  CatalogServiceImpl catalog_service_;
  CatalogFeedServiceImpl feed_service_;
  FillServiceImpl fill_service_;
  std::unique_ptr<RpcServer> rpc_;
  absl::Duration last_key_scan_ = absl::ZeroDuration();
  absl::Status last_key_error_;
  std::optional<Subscriptions> subscriptions_;
  std::optional<Periodic> fleet_loop_;
  std::optional<Periodic> store_loop_;
};

FillServer::FillServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FillServer::~FillServer() = default;

absl::StatusOr<std::unique_ptr<FillServer>> FillServer::Start(const FillServerOptions& options, Store& store, Metrics& metrics,
                                                              const Clock& clock) {
  ASSIGN_OR_RETURN(std::unique_ptr<TokenSigner> signer, TokenSigner::Open(options.signing_key_dir));
  auto impl = std::make_unique<Impl>(options, store, metrics, clock, std::move(signer));
  RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<FillServer>(new FillServer(std::move(impl)));
}

std::string FillServer::target() const {
  return impl_->target();
}
void FillServer::Shutdown(absl::Duration grace) {
  impl_->Shutdown(grace);
}

}  // namespace fairlead::fill
