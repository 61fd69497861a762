// Every series of registryd.
#ifndef FAIRLEAD_SERVICES_REGISTRY_METRICS_H_
#define FAIRLEAD_SERVICES_REGISTRY_METRICS_H_

#include <string>

#include "absl/status/status.h"
#include "libs/metrics/metrics.h"

namespace fairlead::registry {

// Thread-safe.
struct RegistryMetrics {
  explicit RegistryMetrics(Metrics& metrics_in)
      : metrics(metrics_in),
        config_version(metrics.Gauge("fairlead_registry_config_version", "Config version that the feeds stand at")),
        config_epoch(metrics.Gauge("fairlead_registry_config_epoch", "Config epoch that the feeds stand at")),
        store_up(metrics.Gauge("fairlead_registry_store_up", "1 if the last look at PostgreSQL succeeded")),
        store_age_seconds(metrics.Gauge("fairlead_registry_store_age_seconds", "Time since the last successful look at PostgreSQL")),
        store_failures(metrics.Counter("fairlead_registry_store_failures_total", "Looks at PostgreSQL that failed")),
        subscribers(metrics.Gauge("fairlead_registry_feed_subscribers", "Subscribers of the config feeds")),
        requests_waiting(metrics.Gauge("fairlead_registry_requests_waiting", "Requests that wait for a worker")),
        drain_overdue_boxes(metrics.Gauge("fairlead_registry_drain_overdue_boxes",
                                          "Boxes that a drain waits for longer than its policy allows: somebody has to look")) {}

  void CountRequest(const std::string& method, const absl::Status& status) {
    metrics
        .Counter("fairlead_registry_requests_total", "Requests by method and canonical code",
                 {{"method", method}, {"code", absl::StatusCodeToString(status.code())}})
        .Increment();
  }

  void SetDrainBoxes(const std::string& phase, int count) {
    metrics.Gauge("fairlead_registry_drain_boxes", "Boxes that a drain has in its hands, by phase", {{"phase", phase}}).Set(count);
  }

  Metrics& metrics;
  prometheus::Gauge& config_version;
  prometheus::Gauge& config_epoch;
  prometheus::Gauge& store_up;
  prometheus::Gauge& store_age_seconds;
  prometheus::Counter& store_failures;
  prometheus::Gauge& subscribers;
  prometheus::Gauge& requests_waiting;
  prometheus::Gauge& drain_overdue_boxes;
};

}  // namespace fairlead::registry

#endif  // FAIRLEAD_SERVICES_REGISTRY_METRICS_H_
