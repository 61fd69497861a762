// filld's subscriptions: one to registryd's configuration, one to the fleet feed of every cell.
//
// Which cells there are comes from the configuration; until it has come, from the bootstrap list. Reconcile is called by a loop and
// brings the cell subscriptions in line. Not thread-safe, except for stats().
#ifndef FAIRLEAD_SERVICES_FILL_SUBSCRIPTIONS_H_
#define FAIRLEAD_SERVICES_FILL_SUBSCRIPTIONS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fairlead/ingest/v1/fleet_service.grpc.pb.h"
#include "fairlead/registry/v1/config_service.grpc.pb.h"
#include "libs/feed/feed_client.h"
#include "services/fill/fleet_state.h"
#include "services/fill/metrics.h"

namespace fairlead::fill {

struct SubscriptionOptions {
  std::string registry;             // gRPC target.
  std::vector<std::string> ingest;  // gRPC targets of cells, until the configuration says.
  std::string subscriber = "filld";
  uint64_t seed = 1;
};

class Subscriptions {
 public:
  static constexpr size_t kMaxCells = 256;

  // `fleet` must outlive it. Starts the configuration's.
  Subscriptions(const SubscriptionOptions& options, FleetState& fleet);
  ~Subscriptions();

  void Reconcile();
  void UpdateMetrics(FillMetrics& metrics) const;

 private:
  using ConfigClient = FeedClient<registry::v1::WatchConfigRequest, registry::v1::WatchConfigResponse>;
  using FleetClient = FeedClient<ingest::v1::WatchFleetRequest, ingest::v1::WatchFleetResponse>;
  struct CellSubscription {
    std::string address;
    std::unique_ptr<ingest::v1::FleetFeedService::Stub> stub;
    std::unique_ptr<FleetClient> client;
  };

  void StartConfig();
  void StartCell(const std::string& cell, const std::string& address);

  const SubscriptionOptions options_;
  FleetState& fleet_;
  std::unique_ptr<registry::v1::ConfigService::Stub> config_stub_;
  std::unique_ptr<ConfigClient> config_;
  std::map<std::string, CellSubscription> cells_;  // By id; bootstrap ones by "bootstrap-<n>".
};

}  // namespace fairlead::fill

#endif  // FAIRLEAD_SERVICES_FILL_SUBSCRIPTIONS_H_
