// What a running NGINX says of itself on its status socket.
#ifndef FAIRLEAD_SERVICES_AGENT_NGINX_STATUS_H_
#define FAIRLEAD_SERVICES_AGENT_NGINX_STATUS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace fairlead::agent {

struct NginxCounters {
  int64_t active_connections = 0;
  int64_t accepted = 0;
  int64_t handled = 0;
  int64_t requests = 0;

  friend bool operator==(const NginxCounters&, const NginxCounters&) = default;
};

// Reads stub_status's page. INVALID_ARGUMENT quoting it if it is another page. Pure.
absl::StatusOr<NginxCounters> ParseStubStatus(absl::string_view page);

// GET over a unix socket; the body of a 200, at most 64 KiB. UNAVAILABLE, naming the socket, otherwise.
absl::StatusOr<std::string> HttpGetOverUnixSocket(const std::string& socket, const std::string& path, absl::Duration timeout);

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_NGINX_STATUS_H_
