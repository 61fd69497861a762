#include "libs/metrics/metrics.h"

#include <exception>

#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "prometheus/exposer.h"
#include "prometheus/text_serializer.h"

namespace fairlead {

Metrics::Metrics() : registry_(std::make_shared<prometheus::Registry>()) {}

Metrics::~Metrics() = default;

prometheus::Counter& Metrics::Counter(const std::string& name, const std::string& help, const Labels& labels) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(*registry_).Add(labels);
}

prometheus::Gauge& Metrics::Gauge(const std::string& name, const std::string& help, const Labels& labels) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(*registry_).Add(labels);
}

prometheus::Histogram& Metrics::Histogram(const std::string& name, const std::string& help, const std::vector<double>& bounds,
                                          const Labels& labels) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(*registry_).Add(labels, bounds);
}

absl::StatusOr<int> Metrics::Serve(absl::string_view address) {
  // The exposer reports a port in use by throwing; this is where that ends.
  try {
    exposer_ = std::make_unique<prometheus::Exposer>(std::string(address), 1);
  } catch (const std::exception& error) {
    return FieldError(absl::StatusCode::kFailedPrecondition, "metrics_listen", address,
                      absl::StrCat("can't listen there (is the port in use?): ", error.what()));
  }
  exposer_->RegisterCollectable(registry_);
  return exposer_->GetListeningPorts().front();
}

std::string Metrics::Text() const {
  return prometheus::TextSerializer().Serialize(registry_->Collect());
}

}  // namespace fairlead
