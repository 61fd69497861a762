// The store in PostgreSQL: schema `fill`, made by migrations/fill.
//
// Writers lock the row of fill.state first, so writes are serial, and versions, file numbers and plan numbers are committed in order and
// without gaps. Uses a pool of its own; nothing connects before the first call.
#ifndef FAIRLEAD_SERVICES_FILL_PG_STORE_H_
#define FAIRLEAD_SERVICES_FILL_PG_STORE_H_

#include <memory>
#include <string>
#include <vector>

#include "libs/pg/pool.h"
#include "services/fill/store.h"

namespace fairlead::fill {

class PgStore final : public Store {
 public:
  // INVALID_ARGUMENT if `uri` isn't a postgresql:// URI.
  static absl::StatusOr<std::unique_ptr<PgStore>> Create(const std::string& uri);

  absl::StatusOr<StoreChanges> Load(FeedPosition since, uint64_t known_plan) override;
  absl::StatusOr<ImportResult> Import(const TitleImport& import, const RequestKey& request, absl::Time now) override;
  absl::StatusOr<PlanSummary> SavePlan(const FillPlan& plan, uint64_t expected_current, const RequestKey& request, absl::Time now) override;
  absl::StatusOr<PlanSummary> KeepPlan(uint64_t expected_current, const RequestKey& request, absl::Time now) override;
  absl::StatusOr<PlanSummary> GetPlan(uint64_t number) override;
  absl::StatusOr<std::vector<PlanSummary>> ListPlans(uint64_t before, int limit) override;

 private:
  explicit PgStore(const pg::ConnectionString& where);
  pg::Pool pool_;
};

}  // namespace fairlead::fill

#endif  // FAIRLEAD_SERVICES_FILL_PG_STORE_H_
