// A Store in memory, for tests: the same rules as pg_store, plus switches for what can go wrong.
#ifndef FAIRLEAD_SERVICES_REGISTRY_FAKE_STORE_H_
#define FAIRLEAD_SERVICES_REGISTRY_FAKE_STORE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/registry/store.h"

namespace fairlead::registry {

class FakeStore final : public Store {
 public:
  absl::StatusOr<ConfigPosition> Position() override ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<ChangeSet> ChangesSince(ConfigPosition since) override ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<ConfigPosition> Commit(const Batch& batch) override ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<std::optional<StoredRequest>> FindRequest(const std::string& request_id) override ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<std::optional<Enrollment>> FindEnrollment(const ApplianceId& appliance) override ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<std::vector<AuditEntry>> ListAudit(const std::string& resource, int64_t before, int limit) override
      ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<int64_t> PruneRequests(absl::Time before) override ABSL_LOCKS_EXCLUDED(mu_);

  // Every verb returns this from now on; OK = works again.
  void FailWith(absl::Status status) ABSL_LOCKS_EXCLUDED(mu_);
  // The next commits return this; with `but_write` they write all the same.
  void FailCommits(int count, absl::Status status, bool but_write) ABSL_LOCKS_EXCLUDED(mu_);
  // As after a restore.
  void RaiseEpoch() ABSL_LOCKS_EXCLUDED(mu_);
  // As after a restore by someone who forgot to raise the epoch.
  void GoBack(uint64_t version) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct LogEntry {
    uint64_t version;
    AnyWrite write;
  };

  absl::Status CheckWrites(const Batch& batch) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  absl::Mutex mu_;
  absl::Status failure_ ABSL_GUARDED_BY(mu_);
  absl::Status commit_failure_ ABSL_GUARDED_BY(mu_);
  int commits_to_fail_ ABSL_GUARDED_BY(mu_) = 0;
  bool but_write_ ABSL_GUARDED_BY(mu_) = false;
  Fleet fleet_ ABSL_GUARDED_BY(mu_) = [] {
    Fleet fleet;
    fleet.set_position({.epoch = 1, .version = 1});
    return fleet;
  }();
  std::vector<LogEntry> log_ ABSL_GUARDED_BY(mu_);
  std::vector<AuditEntry> audit_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, StoredRequest> requests_ ABSL_GUARDED_BY(mu_);
  std::map<ApplianceId, Enrollment> enrollments_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fairlead::registry

#endif  // FAIRLEAD_SERVICES_REGISTRY_FAKE_STORE_H_
