// The config feeds, one a scope, and the boxes' configs: all from one state of the registry, in memory, so they go on while the store
// can't be reached.
//
// Thread-safe; Update is called by one thread at a time (FleetState's listener).
#ifndef FAIRLEAD_SERVICES_REGISTRY_CONFIG_FEEDS_H_
#define FAIRLEAD_SERVICES_REGISTRY_CONFIG_FEEDS_H_

#include <array>
#include <memory>

#include "fairlead/registry/v1/config_service.pb.h"
#include "libs/base/published.h"
#include "libs/feed/feed_publisher.h"
#include "services/registry/appliance_config.h"
#include "services/registry/store.h"

namespace fairlead::registry {

class ConfigFeeds {
 public:
  ConfigFeeds();

  void Update(const std::shared_ptr<const Fleet>& fleet, const ChangeSet& changes);

  // Null for a scope that isn't one.
  FeedPublisher* Of(v1::ConfigScope scope);
  // Null before the first update.
  std::shared_ptr<const ConfigView> view() const { return view_.Get(); }
  int subscribers() const;
  // Ends all streams.
  void Shutdown();

 private:
  Published<ConfigView> view_{nullptr};
  // CELL, STEERING, FILL.
  std::array<std::unique_ptr<FeedPublisher>, 3> publishers_;
};

}  // namespace fairlead::registry

#endif  // FAIRLEAD_SERVICES_REGISTRY_CONFIG_FEEDS_H_
