#include "services/registry/fake_store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/registry/check_changes.h"
#include "libs/registry/plan.h"

namespace fairlead::registry {

absl::StatusOr<ConfigPosition> FakeStore::Position() {
  absl::MutexLock lock(&mu_);
  RETURN_IF_ERROR(failure_);
  return fleet_.position();
}

absl::StatusOr<ChangeSet> FakeStore::ChangesSince(ConfigPosition since) {
  absl::MutexLock lock(&mu_);
  RETURN_IF_ERROR(failure_);
  ChangeSet changes;
  changes.position = fleet_.position();
  changes.whole = since.epoch != fleet_.position().epoch || since.version > fleet_.position().version;
  AllKinds::ForEach([&]<typename T>() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    KindChanges<T>& kind = changes.Of<T>();
    absl::btree_set<typename T::IdType> touched;
    for (const LogEntry& entry : log_) {
      if (!std::holds_alternative<Write<T>>(entry.write) || (!changes.whole && entry.version <= since.version)) continue;
      touched.insert(std::get<Write<T>>(entry.write).either().value.id);
    }
    for (const typename T::IdType& id : touched) {
      RecordPtr<T> record = fleet_.Find<T>(id);
      if (record != nullptr) {
        kind.put.push_back(std::move(record));
      } else {
        kind.deleted.push_back(id);
      }
    }
  });
  return changes;
}

absl::Status FakeStore::CheckWrites(const Batch& batch) const {
  Fleet next = fleet_;
  for (const AnyWrite& write : batch.writes) {
    absl::Status status;
    std::visit(
        [&]<typename T>(const Write<T>& typed) {
          const typename T::IdType& id = typed.either().value.id;
          if (typed.creates()) {
            status = CheckFresh<T>(next, id);
          } else {
            const RecordPtr<T> current = next.Find<T>(id);
            if (current == nullptr || current->meta.generation != typed.before->meta.generation) status = absl::AbortedError(typed.name());
          }
          next.Apply(typed);
        },
        write);
    RETURN_IF_ERROR(status);
  }
  const std::vector<Problem> problems = CheckChanges(next, batch.writes);
  if (problems.empty()) return absl::OkStatus();
  const absl::Status& status = problems.front().status;
  // A database knows two ways of refusing.
  return status.code() == absl::StatusCode::kAlreadyExists ? status : absl::FailedPreconditionError(status.message());
}

absl::StatusOr<ConfigPosition> FakeStore::Commit(const Batch& batch) {
  absl::MutexLock lock(&mu_);
  RETURN_IF_ERROR(failure_);
  const bool fail = commits_to_fail_ > 0;
  if (fail) --commits_to_fail_;
  if (fail && !but_write_) return commit_failure_;
  if (batch.base != fleet_.position()) return absl::AbortedError("the registry has moved on");
  if (batch.request.has_value() && requests_.contains(batch.request->request_id)) {
    return absl::AlreadyExistsError(absl::StrCat("request ", batch.request->request_id));
  }
  RETURN_IF_ERROR(CheckWrites(batch));
  ConfigPosition position = fleet_.position();
  if (!batch.only_request()) ++position.version;
  for (const AnyWrite& write : batch.writes) {
    fleet_.Apply(write);
    log_.push_back({position.version, write});
    const auto* appliance = std::get_if<Write<Appliance>>(&write);
    if (appliance != nullptr && appliance->deletes()) enrollments_.erase(appliance->before->value.id);
  }
  fleet_.set_position(position);
  for (AuditEntry entry : batch.audit) {
    entry.sequence = static_cast<int64_t>(audit_.size()) + 1;
    entry.config_version = position.version;
    audit_.push_back(std::move(entry));
  }
  if (batch.request.has_value()) requests_[batch.request->request_id] = *batch.request;
  if (batch.forget_enrollment.has_value()) enrollments_.erase(*batch.forget_enrollment);
  if (batch.enrollment.has_value()) enrollments_[batch.enrollment->appliance] = *batch.enrollment;
  if (fail) return commit_failure_;
  return position;
}

absl::StatusOr<std::optional<StoredRequest>> FakeStore::FindRequest(const std::string& request_id) {
  absl::MutexLock lock(&mu_);
  RETURN_IF_ERROR(failure_);
  const auto found = requests_.find(request_id);
  if (found == requests_.end()) return std::optional<StoredRequest>();
  return std::make_optional(found->second);
}

absl::StatusOr<std::optional<Enrollment>> FakeStore::FindEnrollment(const ApplianceId& appliance) {
  absl::MutexLock lock(&mu_);
  RETURN_IF_ERROR(failure_);
  const auto found = enrollments_.find(appliance);
  if (found == enrollments_.end()) return std::optional<Enrollment>();
  return std::make_optional(found->second);
}

absl::StatusOr<std::vector<AuditEntry>> FakeStore::ListAudit(const std::string& resource, int64_t before, int limit) {
  absl::MutexLock lock(&mu_);
  RETURN_IF_ERROR(failure_);
  std::vector<AuditEntry> entries;
  for (auto entry = audit_.rbegin(); entry != audit_.rend() && static_cast<int>(entries.size()) < limit; ++entry) {
    if (before > 0 && entry->sequence >= before) continue;
    if (resource.empty() || entry->resource == resource) entries.push_back(*entry);
  }
  return entries;
}

absl::StatusOr<int64_t> FakeStore::PruneRequests(absl::Time before) {
  absl::MutexLock lock(&mu_);
  RETURN_IF_ERROR(failure_);
  return static_cast<int64_t>(std::erase_if(requests_, [before](const auto& entry) { return entry.second.time < before; }));
}

void FakeStore::FailWith(absl::Status status) {
  absl::MutexLock lock(&mu_);
  failure_ = std::move(status);
}

void FakeStore::FailCommits(int count, absl::Status status, bool but_write) {
  absl::MutexLock lock(&mu_);
  commits_to_fail_ = count;
  commit_failure_ = std::move(status);
  but_write_ = but_write;
}

void FakeStore::RaiseEpoch() {
  absl::MutexLock lock(&mu_);
  ConfigPosition position = fleet_.position();
  ++position.epoch;
  fleet_.set_position(position);
}

void FakeStore::GoBack(uint64_t version) {
  absl::MutexLock lock(&mu_);
  ConfigPosition position = fleet_.position();
  position.version = version;
  fleet_.set_position(position);
}

}  // namespace fairlead::registry
