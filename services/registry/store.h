// Where the registry is kept. Each verb is one transaction and blocks, so it is called on a worker pool. Thread-safe.
//
// One contract suite (store_test.cc) runs on every implementation. When the store can't be reached every verb returns UNAVAILABLE.
#ifndef FAIRLEAD_SERVICES_REGISTRY_STORE_H_
#define FAIRLEAD_SERVICES_REGISTRY_STORE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/registry/fleet.h"

namespace fairlead::registry {

template <typename T>
struct KindChanges {
  std::vector<RecordPtr<T>> put;
  std::vector<typename T::IdType> deleted;
};

// What changed up to `position`.
struct ChangeSet {
  ConfigPosition position;
  // Whether this is everything there is, instead of changes to what the caller has.
  bool whole = false;
  AllKinds::Tuple<KindChanges> kinds;

  template <typename T>
  KindChanges<T>& Of() {
    return std::get<KindChanges<T>>(kinds);
  }
  template <typename T>
  const KindChanges<T>& Of() const {
    return std::get<KindChanges<T>>(kinds);
  }
};

// Who changed what; the sequence and the config version are given when it is written.
struct AuditEntry {
  int64_t sequence = 0;
  uint64_t config_version = 0;
  absl::Time time;
  std::string principal;
  std::string method;
  std::string resource;
  std::string before_json;
  std::string after_json;
};

// The result of a write, kept so that a repetition gets the same answer.
struct StoredRequest {
  std::string request_id;
  std::string method;
  // Hex.
  std::string body_sha256;
  std::string result;
  absl::Time time;
};

// The secret with which a box may bind to an appliance.
struct Enrollment {
  ApplianceId appliance;
  // Hex; the token itself is never kept.
  std::string token_sha256;
  absl::Time issue_time;
  // Empty until a box has bound.
  std::string installation_id;
};

struct Batch {
  // The state that the writes were planned on.
  ConfigPosition base;
  std::vector<AnyWrite> writes;
  std::vector<AuditEntry> audit;
  std::optional<StoredRequest> request;
  // Replaces what is kept for the appliance.
  std::optional<Enrollment> enrollment;
  // Forgets what is kept for the appliance.
  std::optional<ApplianceId> forget_enrollment;

  // Nothing but a request id to remember: no change that anyone must hear of.
  bool only_request() const {
    return request.has_value() && writes.empty() && audit.empty() && !enrollment.has_value() && !forget_enrollment.has_value();
  }
};

class Store {
 public:
  virtual ~Store() = default;

  // Cheap: one row.
  virtual absl::StatusOr<ConfigPosition> Position() = 0;
  // Everything that changed after `since`, as of one moment; the whole if `since` is of another epoch or from the future.
  virtual absl::StatusOr<ChangeSet> ChangesSince(ConfigPosition since) = 0;
  // Writes all of the batch and raises the version (not for a mere request id), if the registry still is at `base`; returns the position
  // afterwards. Else ABORTED and nothing is written: read, plan and try again. ALREADY_EXISTS or FAILED_PRECONDITION if the store's own
  // constraints refuse it. UNKNOWN if the outcome can't be known; then never try again blindly.
  virtual absl::StatusOr<ConfigPosition> Commit(const Batch& batch) = 0;
  virtual absl::StatusOr<std::optional<StoredRequest>> FindRequest(const std::string& request_id) = 0;
  virtual absl::StatusOr<std::optional<Enrollment>> FindEnrollment(const ApplianceId& appliance) = 0;
  // At most `limit` entries of the resource ("" = all), newest first, of sequences below `before` (0 = from the newest).
  virtual absl::StatusOr<std::vector<AuditEntry>> ListAudit(const std::string& resource, int64_t before, int limit) = 0;
  // Forgets requests older than `before`; how many.
  virtual absl::StatusOr<int64_t> PruneRequests(absl::Time before) = 0;
};

}  // namespace fairlead::registry

#endif  // FAIRLEAD_SERVICES_REGISTRY_STORE_H_
