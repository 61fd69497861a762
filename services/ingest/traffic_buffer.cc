#include "services/ingest/traffic_buffer.h"

#include <limits>
#include <utility>

namespace fairlead::ingest {
namespace {

absl::Time HourOf(absl::Time time) {
  return absl::UnixEpoch() + absl::Floor(time - absl::UnixEpoch(), absl::Hours(1));
}

// Counts come from boxes: a sum stands still at the end of the range rather than overflow.
int64_t AddBounded(int64_t a, int64_t b) {
  int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<int64_t>::max() : sum;
}

}  // namespace

TrafficCounts* TrafficBuffer::Slot(Key key) {
  const auto found = sums_.find(key);
  if (found != sums_.end()) return &found->second;
  if (sums_.size() >= most_rows_) return nullptr;
  return &sums_[std::move(key)];
}

void TrafficBuffer::Add(const ApplianceId& appliance, const TrafficReport& report, absl::Time now) {
  absl::MutexLock lock(&mu_);
  if (report.start < now - kOldest || report.start > now + kNewest) {
    mistimed_ += static_cast<int64_t>(report.rows.size());
    return;
  }
  for (const TrafficRow& row : report.rows) {
    Key key{appliance, HourOf(report.start), row.key};
    TrafficCounts* sum = Slot(key);
    if (sum == nullptr) {
      key.key.title.clear();
      key.key.version.clear();
      sum = Slot(std::move(key));
      if (sum == nullptr) {
        ++dropped_;
        continue;
      }
      ++folded_;
    }
    sum->requests = AddBounded(sum->requests, row.counts.requests);
    sum->bytes = AddBounded(sum->bytes, row.counts.bytes);
    sum->refused_requests = AddBounded(sum->refused_requests, row.counts.refused_requests);
  }
}

std::vector<TrafficSum> TrafficBuffer::Take(size_t most) {
  absl::MutexLock lock(&mu_);
  std::vector<TrafficSum> taken;
  auto at = sums_.begin();
  for (; at != sums_.end() && taken.size() < most; ++at) {
    taken.push_back({at->first.appliance, at->first.hour, at->first.key, at->second});
  }
  sums_.erase(sums_.begin(), at);
  return taken;
}

size_t TrafficBuffer::size() const {
  absl::MutexLock lock(&mu_);
  return sums_.size();
}
int64_t TrafficBuffer::folded() const {
  absl::MutexLock lock(&mu_);
  return folded_;
}
int64_t TrafficBuffer::dropped() const {
  absl::MutexLock lock(&mu_);
  return dropped_;
}
int64_t TrafficBuffer::mistimed() const {
  absl::MutexLock lock(&mu_);
  return mistimed_;
}

}  // namespace fairlead::ingest
