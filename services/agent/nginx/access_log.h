// Lines of NGINX's access log (config.cc's log_format) and their sums by what the signed URL said. Nothing here tells one viewer from
// another.
//
//   ASSIGN_OR_RETURN(const AccessLine line, ParseAccessLine(datagram));
//   sums.Add(line);
#ifndef FAIRLEAD_SERVICES_AGENT_NGINX_ACCESS_LOG_H_
#define FAIRLEAD_SERVICES_AGENT_NGINX_ACCESS_LOG_H_

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/vocabulary.h"

namespace fairlead::agent {

struct TrafficKey {
  std::string title;  // An id; empty for the sum of the rest.
  std::string version;
  int rank = 0;
  int position = 0;
  MissCause cause = MissCause::kNone;
  AddressFamily family = AddressFamily::kIpv4;
  bool fill = false;

  friend auto operator<=>(const TrafficKey&, const TrafficKey&) = default;
  friend bool operator==(const TrafficKey&, const TrafficKey&) = default;
};

struct TrafficSums {
  int64_t requests = 0;
  int64_t bytes = 0;
  int64_t refused = 0;

  friend bool operator==(const TrafficSums&, const TrafficSums&) = default;
};

struct AccessLine {
  TrafficKey key;
  int status = 0;
  int64_t bytes = 0;
  std::string refused;  // The reason; empty = served, or simply not here.
};

// A syslog datagram or a bare line. INVALID_ARGUMENT, quoting it, if it is neither.
absl::StatusOr<AccessLine> ParseAccessLine(absl::string_view line);

// Not thread-safe. At most kMaxRows keys; what is beyond is summed under an empty title.
class TrafficAggregator {
 public:
  static constexpr size_t kMaxRows = 10'000;

  void Add(const AccessLine& line);
  int64_t total_bytes() const { return total_bytes_; }  // Since the start; only ever grows.
  bool empty() const { return rows_.empty(); }
  // The sums since the last call.
  std::map<TrafficKey, TrafficSums> Take() { return std::exchange(rows_, {}); }

 private:
  std::map<TrafficKey, TrafficSums> rows_;
  int64_t total_bytes_ = 0;
};

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_NGINX_ACCESS_LOG_H_
