// The series of one process and the /metrics page that shows them.
//
//   struct SteeringMetrics {
//     explicit SteeringMetrics(Metrics& metrics)
//         : decisions_ok(metrics.Counter("fairlead_steering_decisions_total", "Answers given", {{"verdict", "ok"}})) {}
//     prometheus::Counter& decisions_ok;
//   };
//
// Names follow Prometheus: fairlead_<area>_<what>_<unit>[_total]; units are seconds, bytes, bits per second as _bps.
#ifndef FAIRLEAD_LIBS_METRICS_METRICS_H_
#define FAIRLEAD_LIBS_METRICS_METRICS_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"

namespace prometheus {
class Exposer;
}

namespace fairlead {

// Thread-safe. Series live as long as this object. Asking twice for the same name and labels gives the same series.
class Metrics {
 public:
  using Labels = std::map<std::string, std::string>;

  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  prometheus::Counter& Counter(const std::string& name, const std::string& help, const Labels& labels = {});
  prometheus::Gauge& Gauge(const std::string& name, const std::string& help, const Labels& labels = {});
  // `bounds` are the upper bounds of the buckets, ascending.
  prometheus::Histogram& Histogram(const std::string& name, const std::string& help, const std::vector<double>& bounds,
                                   const Labels& labels = {});

  // Serves http://address/metrics from its own threads until destruction. `address` is "host:port"; port 0 takes a free one. Returns
  // the port. FAILED_PRECONDITION naming the address if it can't be bound.
  absl::StatusOr<int> Serve(absl::string_view address);

  // What /metrics shows, for tests.
  std::string Text() const;

 private:
  std::shared_ptr<prometheus::Registry> registry_;
  std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_METRICS_METRICS_H_
