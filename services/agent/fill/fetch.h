// Fetches one file over HTTP into a partial file, going on where an earlier try stopped. Blocking; any thread.
//
// The partial file's size is the progress; nothing else is kept. What is in it is not trusted: the caller hashes the whole.
#ifndef FAIRLEAD_SERVICES_AGENT_FILL_FETCH_H_
#define FAIRLEAD_SERVICES_AGENT_FILL_FETCH_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/fill/source_faults.h"
#include "services/agent/fill/rate_limiter.h"

namespace fairlead::agent {

// What is read at once, and so the most that is lost of what has arrived when the process is killed.
inline constexpr int64_t kChunkBytes = 64 * 1024;

struct FetchRequest {
  std::string url;
  std::string part_path;
  int64_t size_bytes = 0;  // Of the whole file.
  // A source that brings less than this many bytes in this time (not counting our own throttling) is given up: 0.8 Mbit/s by default.
  int64_t slow_bytes = 1'000'000;
  absl::Duration slow_time = absl::Seconds(10);
};

// OK when the partial file has its whole size. CANCELLED: `stop` was set. What is the source's fault has a reason (SourceFaultOf); what has
// none is our own trouble, RESOURCE_EXHAUSTED for a full disk. Messages don't have the URL, which holds a token. `on_bytes` is told the
// partial file's size now and then.
absl::Status Fetch(const FetchRequest& request, RateLimiter& limiter, const std::atomic<bool>& stop,
                   const std::function<void(int64_t)>& on_bytes);

// UNAVAILABLE, with the reason for which a source is blamed; and that reason again.
absl::Status SourceError(SourceFaultReason reason, absl::string_view why);
std::optional<SourceFaultReason> SourceFaultOf(const absl::Status& status);

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_FILL_FETCH_H_
