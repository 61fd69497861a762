// The Store in PostgreSQL, schema `registry` (migrations/registry).
//
// A commit locks the one row of config_version first, so commits come one after the other and READ COMMITTED is enough. Reads see one
// moment (REPEATABLE READ).
#ifndef FAIRLEAD_SERVICES_REGISTRY_PG_STORE_H_
#define FAIRLEAD_SERVICES_REGISTRY_PG_STORE_H_

#include <string>
#include <vector>

#include "libs/pg/pool.h"
#include "services/registry/store.h"

namespace fairlead::registry {

class PgStore final : public Store {
 public:
  // `pool` must outlive the store.
  explicit PgStore(pg::Pool& pool) : pool_(pool) {}

  absl::StatusOr<ConfigPosition> Position() override;
  absl::StatusOr<ChangeSet> ChangesSince(ConfigPosition since) override;
  absl::StatusOr<ConfigPosition> Commit(const Batch& batch) override;
  absl::StatusOr<std::optional<StoredRequest>> FindRequest(const std::string& request_id) override;
  absl::StatusOr<std::optional<Enrollment>> FindEnrollment(const ApplianceId& appliance) override;
  absl::StatusOr<std::vector<AuditEntry>> ListAudit(const std::string& resource, int64_t before, int limit) override;
  absl::StatusOr<int64_t> PruneRequests(absl::Time before) override;

 private:
  pg::Pool& pool_;
};

}  // namespace fairlead::registry

#endif  // FAIRLEAD_SERVICES_REGISTRY_PG_STORE_H_
