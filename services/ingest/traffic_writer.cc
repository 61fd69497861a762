#include "services/ingest/traffic_writer.h"

#include <utility>

#include "libs/log/log.h"

namespace fairlead::ingest {
namespace {

constexpr absl::Duration kPruneInterval = absl::Hours(1);

// Whether the same batch may go through later.
bool MayPass(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kUnknown:  // In doubt: repeating is safe.
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kFailedPrecondition:  // The schema isn't deployed yet.
      return true;
    default:
      return false;
  }
}

}  // namespace

TrafficWriter::TrafficWriter(TrafficBuffer& buffer, TrafficStore& store, const Clock& clock, TrafficWriterOptions options,
                             IngestMetrics& metrics)
    : buffer_(buffer),
      store_(store),
      clock_(clock),
      options_(std::move(options)),
      metrics_(metrics),
      backoff_(options_.backoff, options_.epoch),
      batch_{.writer = options_.writer, .epoch = options_.epoch, .number = 0, .sums = {}} {}

TrafficWriter::~TrafficWriter() {
  Stop();
}

void TrafficWriter::Start() {
  thread_ = std::thread([this] { Run(); });
}

void TrafficWriter::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void TrafficWriter::Run() {
  bool stop = false;
  while (!stop) {
    const absl::Duration wait = down_ ? backoff_.Next() : options_.interval;
    {
      absl::MutexLock lock(&mu_);
      stop = mu_.AwaitWithTimeout(absl::Condition(&stopping_), wait);
    }
    const bool was_down = std::exchange(down_, !Tick());
    if (!down_) backoff_.Reset();
    if (was_down && !down_) LogInfo("traffic is written again");
  }
}

bool TrafficWriter::Tick() {
  bool written = true;
  while (written && (!batch_.sums.empty() || buffer_.size() > 0)) written = WriteBatch();
  metrics_.traffic_waiting.Set(static_cast<double>(buffer_.size() + batch_.sums.size()));
  if (written && clock_.Monotonic() >= next_prune_) PruneNow();
  return written;
}

bool TrafficWriter::WriteBatch() {
  if (batch_.sums.empty()) {
    batch_.sums = buffer_.Take(options_.batch_rows);
    if (batch_.sums.empty()) return true;
    ++batch_.number;
    refusals_ = 0;
  }
  const absl::Status added = store_.Add(batch_);
  if (added.ok()) {
    metrics_.traffic_written.Increment(static_cast<double>(batch_.sums.size()));
    batch_.sums.clear();
    return true;
  }
  metrics_.traffic_failures.Increment();
  if (!down_) LogWarning("traffic can't be written; it is kept and tried again", {{"rows", batch_.sums.size()}, {"why", added}});
  if (!MayPass(added) && ++refusals_ >= kMostRefusals) {
    LogError("the store refuses a batch of traffic; dropped", {{"rows", batch_.sums.size()}, {"why", added}});
    metrics_.traffic_refused.Increment(static_cast<double>(batch_.sums.size()));
    batch_.sums.clear();
  }
  return false;
}

void TrafficWriter::PruneNow() {
  const absl::StatusOr<int64_t> pruned = store_.Prune(clock_.Now() - options_.retention, kPruneRows);
  // A full portion: more is left, for the next round.
  if (pruned.ok() && *pruned < kPruneRows) next_prune_ = clock_.Monotonic() + kPruneInterval;
}

}  // namespace fairlead::ingest
