// The store in memory, for tests and for trying things out. Keeps the contract of store.h; nothing survives the process.
#ifndef FAIRLEAD_SERVICES_FILL_FAKE_STORE_H_
#define FAIRLEAD_SERVICES_FILL_FAKE_STORE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/fill/store.h"

namespace fairlead::fill {

class FakeStore final : public Store {
 public:
  absl::StatusOr<StoreChanges> Load(FeedPosition since, uint64_t known_plan) override ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<ImportResult> Import(const TitleImport& import, const RequestKey& request, absl::Time now) override
      ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<PlanSummary> SavePlan(const FillPlan& plan, uint64_t expected_current, const RequestKey& request, absl::Time now) override
      ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<PlanSummary> KeepPlan(uint64_t expected_current, const RequestKey& request, absl::Time now) override
      ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<PlanSummary> GetPlan(uint64_t number) override ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<std::vector<PlanSummary>> ListPlans(uint64_t before, int limit) override ABSL_LOCKS_EXCLUDED(mu_);

  // While not OK every verb returns it and does nothing.
  void Fail(absl::Status status) ABSL_LOCKS_EXCLUDED(mu_);
  // As after a restore: the position only. RaiseEpoch is what the operator should do then.
  void GoBack(FeedPosition position) ABSL_LOCKS_EXCLUDED(mu_);
  void RaiseEpoch() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct StoredTitle {
    Title title;
    uint64_t changed_version = 0;
  };
  struct StoredRequest {
    std::string kind;
    std::string fingerprint;
    bool created = false;
  };

  // The stored request, null if there is none; INVALID_ARGUMENT if it was another.
  absl::StatusOr<const StoredRequest*> FindRequest(const RequestKey& request, const std::string& kind) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  uint64_t CurrentPlan() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return plans_.empty() ? 0 : plans_.rbegin()->first; }

  absl::Mutex mu_;
  absl::Status failure_ ABSL_GUARDED_BY(mu_);
  FeedPosition position_ ABSL_GUARDED_BY(mu_) = {1, 1};
  uint32_t next_file_number_ ABSL_GUARDED_BY(mu_) = 1;
  std::map<TitleId, StoredTitle> titles_ ABSL_GUARDED_BY(mu_);
  std::map<uint64_t, FillPlan> plans_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, StoredRequest> requests_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fairlead::fill

#endif  // FAIRLEAD_SERVICES_FILL_FAKE_STORE_H_
