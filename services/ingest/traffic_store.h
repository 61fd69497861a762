// Where hourly traffic ends up.
#ifndef FAIRLEAD_SERVICES_INGEST_TRAFFIC_STORE_H_
#define FAIRLEAD_SERVICES_INGEST_TRAFFIC_STORE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/ingest/traffic_buffer.h"

namespace fairlead::ingest {

// Sums to be added once. A writer numbers its batches 1, 2, 3, … within an epoch that rises at each start.
struct TrafficBatch {
  std::string writer;  // The cell's id.
  uint64_t epoch = 0;
  uint64_t number = 0;
  std::vector<TrafficSum> sums;
};

// Implementations may block and are used from one thread.
class TrafficStore {
 public:
  virtual ~TrafficStore() = default;
  // Adds the sums to those that are there, all in one transaction, and only if no batch of this writer with this or a higher (epoch,
  // number) was added before: so it is safe, and right, to repeat a batch whose commit is in doubt. Nothing is changed on an error.
  virtual absl::Status Add(const TrafficBatch& batch) = 0;
  // Forgets hours before `before`, up to `most` rows; repeat until nothing is left.
  virtual absl::StatusOr<int64_t> Prune(absl::Time before, int64_t most) = 0;
};

}  // namespace fairlead::ingest

#endif  // FAIRLEAD_SERVICES_INGEST_TRAFFIC_STORE_H_
