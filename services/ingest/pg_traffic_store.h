// TrafficStore in PostgreSQL: schema traffic of migrations/traffic.
#ifndef FAIRLEAD_SERVICES_INGEST_PG_TRAFFIC_STORE_H_
#define FAIRLEAD_SERVICES_INGEST_PG_TRAFFIC_STORE_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/pg/pool.h"
#include "services/ingest/traffic_store.h"

namespace fairlead::ingest {

// Errors are those of libs/pg. One statement a batch (UNNEST), so a batch of some thousand rows takes tens of milliseconds.
class PgTrafficStore final : public TrafficStore {
 public:
  // The pool must outlive it.
  explicit PgTrafficStore(pg::Pool& pool) : pool_(pool) {}

  absl::Status Add(const TrafficBatch& batch) override;
  absl::StatusOr<int64_t> Prune(absl::Time before, int64_t most) override;

 private:
  pg::Pool& pool_;
};

}  // namespace fairlead::ingest

#endif  // FAIRLEAD_SERVICES_INGEST_PG_TRAFFIC_STORE_H_
