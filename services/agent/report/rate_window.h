// The rate of a counter that grows in steps: its average over the last minute or so. Pure and not thread-safe.
//
//   RateWindow window(now);
//   const int64_t bps = window.Add(now, total_bytes, capacity_bps);
//
// O(1) amortised; memory is one sample for each Add within the window.
#ifndef FAIRLEAD_SERVICES_AGENT_REPORT_RATE_WINDOW_H_
#define FAIRLEAD_SERVICES_AGENT_REPORT_RATE_WINDOW_H_

#include <algorithm>
#include <cstdint>
#include <deque>

#include "absl/time/time.h"

namespace fairlead::agent {

class RateWindow {
 public:
  static constexpr absl::Duration kLength = absl::Seconds(60);

  // The counter is 0 at `now`, which is monotonic.
  explicit RateWindow(absl::Duration now) : samples_{{now, 0}} {}

  // bit/s since the newest sample that is at least kLength old, or since the start; at most `most` unless that is 0.
  int64_t Add(absl::Duration now, int64_t total_bytes, int64_t most) {
    while (samples_.size() > 1 && samples_[1].time <= now - kLength) samples_.pop_front();
    const absl::Duration time = now - samples_.front().time;
    const double bits = static_cast<double>(total_bytes - samples_.front().bytes) * 8;
    samples_.push_back({now, total_bytes});
    if (time <= absl::ZeroDuration() || bits <= 0) return 0;
    const double limit = most > 0 ? static_cast<double>(most) : 1e18;
    return static_cast<int64_t>(std::min(bits / absl::ToDoubleSeconds(time), limit));
  }

 private:
  struct Sample {
    absl::Duration time;
    int64_t bytes;
  };
  std::deque<Sample> samples_;  // Oldest first; only the first may be older than kLength.
};

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_REPORT_RATE_WINDOW_H_
