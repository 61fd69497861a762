#include "services/fill/subscriptions.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "libs/log/log.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"

namespace fairlead::fill {

Subscriptions::Subscriptions(const SubscriptionOptions& options, FleetState& fleet) : options_(options), fleet_(fleet) {
  StartConfig();
  Reconcile();
}

Subscriptions::~Subscriptions() {
  config_->Stop();
  for (auto& [id, cell] : cells_) cell.client->Stop();
}

void Subscriptions::StartConfig() {
  config_stub_ = registry::v1::ConfigService::NewStub(MakeChannel(options_.registry));
  FeedClientOptions<registry::v1::WatchConfigRequest, registry::v1::WatchConfigResponse> client;
  client.name = "config";
  client.request.set_scope(registry::v1::CONFIG_SCOPE_FILL);
  client.request.set_subscriber(options_.subscriber);
  client.start = [stub = config_stub_.get()](auto* context, const auto& request, auto* queue) {
    return stub->PrepareAsyncWatchConfig(context, request, queue);
  };
  client.apply = [this](const FeedChange<registry::v1::ConfigEntry>& change) { return fleet_.ApplyConfig(change); };
  client.prepare = [](grpc::ClientContext& context) { SetPrincipal(context, "service/filld"); };
  client.seed = options_.seed;
  config_ = std::make_unique<ConfigClient>(std::move(client));
  config_->Start();
}

void Subscriptions::StartCell(const std::string& cell, const std::string& address) {
  CellSubscription& subscription = cells_[cell];
  subscription.address = address;
  subscription.stub = ingest::v1::FleetFeedService::NewStub(MakeChannel(address));
  FeedClientOptions<ingest::v1::WatchFleetRequest, ingest::v1::WatchFleetResponse> client;
  client.name = absl::StrCat("cells/", cell);
  client.request.set_subscriber(options_.subscriber);
  client.start = [stub = subscription.stub.get()](auto* context, const auto& request, auto* queue) {
    return stub->PrepareAsyncWatchFleet(context, request, queue);
  };
  client.apply = [this, cell](const FeedChange<ingest::v1::FleetEntry>& change) { return fleet_.ApplyFleet(cell, change); };
  client.prepare = [](grpc::ClientContext& context) { SetPrincipal(context, "service/filld"); };
  client.seed = options_.seed + cells_.size();
  subscription.client = std::make_unique<FleetClient>(std::move(client));
  subscription.client->Start();
}

void Subscriptions::Reconcile() {
  const std::shared_ptr<const FleetSnapshot> fleet = fleet_.Get();
  std::map<std::string, std::string> wanted(fleet->cells.begin(), fleet->cells.end());
  if (!fleet->configured) {
    for (const std::string& address : options_.ingest) wanted[absl::StrCat("bootstrap-", wanted.size())] = address;
  }
  for (auto at = cells_.begin(); at != cells_.end();) {
    const auto still = wanted.find(at->first);
    if (still != wanted.end() && still->second == at->second.address) {
      ++at;
      continue;
    }
    at->second.client->Stop();
    // A moved cell's reports stay until the new address tells better; a removed one's go.
    if (still == wanted.end()) fleet_.ForgetCell(at->first);
    LogInfo("no longer following a cell", {{"cell", at->first}, {"address", at->second.address}});
    at = cells_.erase(at);
  }
  for (const auto& [cell, address] : wanted) {
    if (cells_.contains(cell)) continue;
    if (cells_.size() == kMaxCells) {
      LogError("too many cells; some are not followed", {{"most", kMaxCells}});
      return;
    }
    StartCell(cell, address);
  }
}

void Subscriptions::UpdateMetrics(FillMetrics& metrics) const {
  const FeedClientStats config = config_->stats();
  metrics.config_connected.Set(config.connected ? 1 : 0);
  metrics.config_age_seconds.Set(config.age == absl::InfiniteDuration() ? -1 : absl::ToDoubleSeconds(config.age));
  int connected = 0;
  for (const auto& [id, cell] : cells_) connected += cell.client->stats().connected ? 1 : 0;
  metrics.cells_connected.Set(connected);
  metrics.cells.Set(static_cast<double>(cells_.size()));
}

}  // namespace fairlead::fill
