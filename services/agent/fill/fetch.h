// Fetches one file over HTTP into a partial file, going on where an earlier try stopped. Blocking; any thread.
//
// The partial file's size is the progress; nothing else is kept. What is in it is not trusted: the caller hashes the whole.
#ifndef FAIRLEAD_SERVICES_AGENT_FILL_FETCH_H_
#define FAIRLEAD_SERVICES_AGENT_FILL_FETCH_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/agent/fill/rate_limiter.h"

namespace fairlead::agent {

struct FetchRequest {
  std::string url;
  std::string part_path;
  int64_t size_bytes = 0;  // Of the whole file.
  // A source that brings less than this many bytes in this time (not counting our own throttling) is given up.
  int64_t slow_bytes = 16 * 1024;
  absl::Duration slow_time = absl::Seconds(15);
};

// OK when the partial file has its whole size. RESOURCE_EXHAUSTED: our disk is full. CANCELLED: `stop` was set. Anything else is the
// source's fault: NOT_FOUND and PERMISSION_DENIED for 404 and 403, DATA_LOSS for a wrong size, UNAVAILABLE for the rest. Messages don't
// have the URL, which holds a token. `on_bytes` is told the partial file's size now and then.
absl::Status Fetch(const FetchRequest& request, RateLimiter& limiter, const std::atomic<bool>& stop,
                   const std::function<void(int64_t)>& on_bytes);

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_FILL_FETCH_H_
