#include "services/ingest/server.h"

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "fairlead/content/v1/catalog_service.grpc.pb.h"
#include "fairlead/registry/v1/config_service.grpc.pb.h"
#include "libs/base/errors.h"
#include "libs/base/ids.h"
#include "libs/base/status_macros.h"
#include "libs/clock/listening_clock.h"
#include "libs/clock/system_clock.h"
#include "libs/feed/epoch_file.h"
#include "libs/feed/feed_client.h"
#include "libs/feed/feed_publisher.h"
#include "libs/log/log.h"
#include "libs/metrics/metrics.h"
#include "libs/pg/pool.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/server.h"
#include "services/ingest/checkpoint_writer.h"
#include "services/ingest/link_service.h"
#include "services/ingest/metrics.h"
#include "services/ingest/pg_traffic_store.h"
#include "services/ingest/service.h"
#include "services/ingest/traffic_buffer.h"
#include "services/ingest/traffic_writer.h"
#include "services/ingest/vrp_file.h"

namespace fairlead::ingest {
namespace {

using registry::v1::ConfigService;
using ConfigClient = FeedClient<registry::v1::WatchConfigRequest, registry::v1::WatchConfigResponse>;
using content::v1::CatalogFeedService;
using CatalogClient = FeedClient<content::v1::WatchCatalogRequest, content::v1::WatchCatalogResponse>;

constexpr absl::Duration kSlowTick = absl::Milliseconds(250);
// For what is urgent, before it is looked at whether the server stops.
constexpr absl::Duration kLongestWait = absl::Milliseconds(100);
constexpr absl::Duration kShutdownGrace = absl::Seconds(2);
// The log of the fleet feed: a subscriber may be away for so many changes before it needs a snapshot. One router that loses a million
// routes is beyond it.
constexpr FeedTableLimits kFeedLimits = {.log_entries = 500'000, .log_bytes = size_t{256} << 20};
constexpr char kPrincipal[] = "service/ingestd";

absl::StatusOr<CellId> ParseCell(const std::string& text) {
  if (absl::StartsWith(text, "cells/")) return CellId::ParseName(text, "cell");
  return CellId::Parse(text, "cell");
}

}  // namespace

// Members are in the order in which they need each other.
class IngestServer::Impl {
 public:
  Impl(const IngestOptions& options_in, CellId cell_in, uint64_t epoch_in)
      : options(options_in),
        cell(std::move(cell_in)),
        epoch(epoch_in),
        clock(options.clock != nullptr ? *options.clock : system_clock, options.longest_deafness),
        series(metrics),
        fleet({.cell = cell.name(), .most_appliances = options.most_appliances, .routes = options.routes}, clock,
              StoresTraffic() ? &traffic : nullptr, series),
        checkpoint({.folder = options.state_dir, .interval = options.checkpoint_interval}, fleet, clock, series),
        publisher({.name = "fleet", .start = {epoch, 0}, .limits = kFeedLimits, .heartbeat_interval = options.feed_heartbeat}),
        links(fleet, clock, series, options.most_streams),
        feed_service(publisher),
        query_service(fleet) {}
  ~Impl();

  absl::Status Start();
  bool StoresTraffic() const { return options.traffic_store != nullptr || !options.database.empty(); }

  const IngestOptions options;
  const CellId cell;
  const uint64_t epoch;
  const SystemClock system_clock;
  ListeningClock clock;
  Metrics metrics;
  IngestMetrics series;
  TrafficBuffer traffic;
  FleetState fleet;
  CheckpointWriter checkpoint;
  FeedPublisher publisher;
  LinkService links;
  FleetFeedServiceImpl feed_service;
  FleetQueryServiceImpl query_service;
  std::unique_ptr<RpcServer> rpc;
  int metrics_port = 0;

 private:
  absl::Status StartTraffic();
  absl::StatusOr<RestoredFleet> Restore();
  void FollowConfig(const RestoredFleet& restored);
  void FollowCatalog();
  void Loop();
  bool Wait(absl::Duration time);
  // False if there was nothing to publish.
  bool Publish(std::vector<EncodedEntry> entries);
  absl::Status PollVrps();
  void VrpLoop();
  void SlowTick();

  std::unique_ptr<pg::Pool> pool_;
  std::unique_ptr<PgTrafficStore> pg_store_;
  std::unique_ptr<TrafficWriter> writer_;
  std::unique_ptr<ConfigService::Stub> config_stub_;
  std::unique_ptr<ConfigClient> config_;
  std::unique_ptr<CatalogFeedService::Stub> catalog_stub_;
  std::unique_ptr<CatalogClient> catalog_;
  absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread loop_;
  std::optional<VrpFile> vrp_file_;
  std::thread vrp_loop_;  // Not the publishing loop: a table of half a million takes a while.
};

IngestServer::Impl::~Impl() {
  if (config_ != nullptr) config_->Stop();
  if (catalog_ != nullptr) catalog_->Stop();
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  if (loop_.joinable()) loop_.join();
  if (vrp_loop_.joinable()) vrp_loop_.join();
  links.CloseAll();
  publisher.Shutdown();
  if (rpc != nullptr) rpc->Shutdown(kShutdownGrace);
  checkpoint.Stop();
  if (writer_ != nullptr) writer_->Stop();
}

absl::Status IngestServer::Impl::Start() {
  RETURN_IF_ERROR(StartTraffic());
  if (!options.vrp_file.empty()) {
    vrp_file_.emplace(options.vrp_file);
    RETURN_IF_ERROR(PollVrps());
  }
  const absl::StatusOr<RestoredFleet> restored = Restore();
  RpcServerOptions rpc_options;
  rpc_options.program = "ingestd";
  rpc_options.listen = options.listen;
  rpc_options.max_receive_bytes = LinkService::kMostRequestBytes;
  ASSIGN_OR_RETURN(rpc, RpcServer::Start(rpc_options, {&links, &feed_service, &query_service}));
  RETURN_IF_ERROR(restored.status());  // After the port, whose being taken tells more.
  rpc->SetServing(fleet.config_received());
  if (!options.metrics_listen.empty()) {
    ASSIGN_OR_RETURN(metrics_port, metrics.Serve(options.metrics_listen));
  }
  FollowConfig(*restored);
  if (!options.fill.empty()) FollowCatalog();
  checkpoint.Start();
  loop_ = std::thread([this] { Loop(); });
  if (vrp_file_.has_value()) vrp_loop_ = std::thread([this] { VrpLoop(); });
  return absl::OkStatus();
}

absl::Status IngestServer::Impl::StartTraffic() {
  TrafficStore* store = options.traffic_store;
  if (store == nullptr && !options.database.empty()) {
    ASSIGN_OR_RETURN(const pg::ConnectionString where, pg::ParseUri(options.database));
    pg::PoolOptions pool_options;
    pool_options.max_connections = 1;
    pool_options.application_name = "ingestd";
    pool_ = std::make_unique<pg::Pool>(where, pool_options);
    pg_store_ = std::make_unique<PgTrafficStore>(*pool_);
    store = pg_store_.get();
  }
  if (store == nullptr) {
    LogWarning("no database is given: traffic summaries are taken and not stored");
    return absl::OkStatus();
  }
  TrafficWriterOptions writer_options;
  writer_options.writer = cell.value();
  writer_options.epoch = epoch;
  writer_options.interval = options.traffic_interval;
  writer_ = std::make_unique<TrafficWriter>(traffic, *store, clock, writer_options, series);
  writer_->Start();
  return absl::OkStatus();
}

// All of it is in the feed before the first subscriber comes: one that had the fleet before must not see an empty one in between.
absl::StatusOr<RestoredFleet> IngestServer::Impl::Restore() {
  const absl::Duration start = system_clock.Monotonic();
  absl::StatusOr<RestoredFleet> restored = checkpoint.Restore();
  while (Publish(fleet.TakeChanges())) {
  }
  series.restore_seconds.Set(absl::ToDoubleSeconds(system_clock.Monotonic() - start));
  return restored;
}

void IngestServer::Impl::FollowConfig(const RestoredFleet& restored) {
  config_stub_ = ConfigService::NewStub(MakeChannel(options.registry));
  FeedClientOptions<registry::v1::WatchConfigRequest, registry::v1::WatchConfigResponse> feed;
  feed.name = "config";
  feed.request.set_scope(registry::v1::CONFIG_SCOPE_CELL);
  feed.request.set_subscriber(absl::StrCat("ingestd ", cell.name()));
  feed.start = [this](auto* context, const auto& request, auto* queue) {
    return config_stub_->PrepareAsyncWatchConfig(context, request, queue);
  };
  feed.prepare = [](grpc::ClientContext& context) { SetPrincipal(context, kPrincipal); };
  feed.apply = [this](const FeedChange<registry::v1::ConfigEntry>& change) { return fleet.ApplyConfig(change); };
  feed.held = restored.config_position;
  feed.held_keys = restored.config_keys;
  feed.seed = epoch;
  config_ = std::make_unique<ConfigClient>(std::move(feed));
  config_->Start();
}

void IngestServer::Impl::FollowCatalog() {
  catalog_stub_ = CatalogFeedService::NewStub(MakeChannel(options.fill));
  FeedClientOptions<content::v1::WatchCatalogRequest, content::v1::WatchCatalogResponse> feed;
  feed.name = "catalog";
  feed.request.set_scope(content::v1::CATALOG_SCOPE_CELL);
  feed.request.set_subscriber(absl::StrCat("ingestd ", cell.name()));
  feed.start = [this](auto* context, const auto& request, auto* queue) {
    return catalog_stub_->PrepareAsyncWatchCatalog(context, request, queue);
  };
  feed.prepare = [](grpc::ClientContext& context) { SetPrincipal(context, kPrincipal); };
  feed.apply = [this](const FeedChange<content::v1::CatalogEntry>& change) { return fleet.ApplyCatalog(change); };
  feed.seed = epoch + 1;
  catalog_ = std::make_unique<CatalogClient>(std::move(feed));
  catalog_->Start();
}

// False once the server stops.
bool IngestServer::Impl::Wait(absl::Duration time) {
  absl::MutexLock lock(&mu_);
  return !mu_.AwaitWithTimeout(absl::Condition(&stopping_), time);
}

// What is urgent goes when it comes, all else by the beat. A change that comes while nothing else does waits for nobody; with many, the gap
// bounds how often subscribers are told, and so what each of them does for it.
void IngestServer::Impl::Loop() {
  absl::Duration next_beat = system_clock.Monotonic() + options.publish_interval;
  absl::Duration next_slow_tick = system_clock.Monotonic();
  while (Wait(absl::ZeroDuration())) {
    const absl::Duration left = next_beat - system_clock.Monotonic();
    if (left > absl::ZeroDuration()) {
      if (!fleet.AwaitUrgent(std::min(left, kLongestWait))) continue;
      Publish(fleet.TakeUrgent());
      if (!Wait(std::min(options.publish_gap, std::max(next_beat - system_clock.Monotonic(), absl::ZeroDuration())))) return;
      continue;
    }
    clock.Tick();
    fleet.Tick();
    Publish(fleet.TakeChanges());
    next_beat = system_clock.Monotonic() + options.publish_interval;
    series.unheard_seconds.Set(absl::ToDoubleSeconds(clock.missed()));
    if (system_clock.Monotonic() < next_slow_tick) continue;
    next_slow_tick = system_clock.Monotonic() + kSlowTick;
    SlowTick();
  }
}

absl::Status IngestServer::Impl::PollVrps() {
  ASSIGN_OR_RETURN(const bool changed, vrp_file_->Poll());
  if (!changed) return absl::OkStatus();
  fleet.SetVrps(vrp_file_->table());
  series.vrps.Set(static_cast<double>(vrp_file_->table()->size()));
  LogInfo("a VRP file is in use", {{"file", options.vrp_file}, {"vrps", vrp_file_->table()->size()}});
  return absl::OkStatus();
}

void IngestServer::Impl::VrpLoop() {
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      if (mu_.AwaitWithTimeout(absl::Condition(&stopping_), options.vrp_interval)) return;
    }
    const absl::Status polled = PollVrps();
    if (polled.ok()) continue;
    series.vrp_file_failures.Increment();
    LogWarning("a VRP file is refused; the one before stays in use", {{"why", polled}});
  }
}

// One entry that can't be published (too large) must not hold back the others.
bool IngestServer::Impl::Publish(std::vector<EncodedEntry> entries) {
  if (entries.empty()) return false;
  if (publisher.Publish(entries).ok()) return true;
  for (EncodedEntry& entry : entries) {
    const std::string key(entry.key());
    const absl::Status published = publisher.Publish({std::move(entry)});
    if (published.ok()) continue;
    series.feed_failures.Increment();
    LogError("an entry of the fleet feed can't be published", {{"key", key}, {"why", published}});
  }
  return true;
}

void IngestServer::Impl::SlowTick() {
  links.Tick();
  fleet.Measure();
  checkpoint.Measure();
  rpc->SetServing(fleet.config_received());
  const FeedPublisherStats feed = publisher.stats();
  series.feed_subscribers.Set(feed.subscribers);
  series.feed_entries.Set(static_cast<double>(feed.entries));
  series.feed_bytes.Set(static_cast<double>(feed.entry_bytes));
  series.feed_refused_subscribers.Set(static_cast<double>(feed.refused_subscribers));
  series.feed_cut_off_subscribers.Set(static_cast<double>(feed.cut_off_subscribers));
  const absl::Duration age = config_->stats().age;
  series.config_age.Set(age == absl::InfiniteDuration() ? -1 : absl::ToDoubleSeconds(age));
  series.traffic_folded.Set(static_cast<double>(traffic.folded()));
  series.traffic_dropped.Set(static_cast<double>(traffic.dropped()));
  series.traffic_mistimed.Set(static_cast<double>(traffic.mistimed()));
}

absl::StatusOr<std::unique_ptr<IngestServer>> IngestServer::Start(const IngestOptions& options) {
  ASSIGN_OR_RETURN(CellId cell, ParseCell(options.cell));
  if (options.registry.empty()) return InvalidField("registry", "", "must be the gRPC target of registryd");
  if (options.state_dir.empty()) return InvalidField("state_dir", "", "must be an existing folder");
  const SystemClock system_clock;
  const Clock& clock = options.clock != nullptr ? *options.clock : static_cast<const Clock&>(system_clock);
  ASSIGN_OR_RETURN(const uint64_t epoch, RaiseEpoch(absl::StrCat(options.state_dir, "/fleet_epoch"), clock.Now()));
  auto impl = std::make_unique<Impl>(options, std::move(cell), epoch);
  RETURN_IF_ERROR(impl->Start());
  LogInfo("ingestd serves", {{"target", impl->rpc->target()}, {"cell", impl->cell.name()}, {"epoch", epoch}});
  return std::unique_ptr<IngestServer>(new IngestServer(std::move(impl)));
}

IngestServer::IngestServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
IngestServer::~IngestServer() = default;
std::string IngestServer::target() const {
  return impl_->rpc->target();
}
int IngestServer::port() const {
  return impl_->rpc->port();
}
absl::Status IngestServer::SaveNow() {
  return impl_->checkpoint.SaveNow();
}
std::string IngestServer::MetricsText() const {
  return impl_->metrics.Text();
}
int IngestServer::metrics_port() const {
  return impl_->metrics_port;
}

}  // namespace fairlead::ingest
