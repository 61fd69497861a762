// The one way to write: find out whether the request was done already, plan on the newest state, commit, and plan again if somebody else
// was faster.
//
// Thread-safe; blocks on the store.
#ifndef FAIRLEAD_SERVICES_REGISTRY_WRITER_H_
#define FAIRLEAD_SERVICES_REGISTRY_WRITER_H_

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "libs/base/clock.h"
#include "libs/registry/plan.h"
#include "services/registry/fleet_state.h"
#include "services/registry/store.h"

namespace fairlead::registry {

// Who asks for what.
struct WriteCall {
  // "operator/jane"
  std::string principal;
  // "CreateSite"
  std::string method;
  // May be empty.
  std::string request_id;
  // The whole request, for telling a repetition from another request with the same id.
  const google::protobuf::Message& request;
  // For the audit; may be empty.
  std::string reason = "";
};

// What is to be written; nothing at all if `writes` and `enrollment` are empty, but the request id is remembered all the same: a repetition
// that comes late must not undo what others did meanwhile.
struct WritePlan {
  std::vector<AnyWrite> writes = {};
  std::optional<Enrollment> enrollment = std::nullopt;
  // Whose enrollment is void; only with `writes`.
  std::optional<ApplianceId> forget_enrollment = std::nullopt;
  // Validation or dry run: not even the request id is kept.
  bool trial = false;
  // Named in the audit if there are no writes.
  std::string resource = "";
  // Who it was, where only the plan finds out; else the call's.
  std::string principal = "";

  bool empty() const { return writes.empty() && !enrollment.has_value(); }
};

class Writer {
 public:
  // All must outlive the writer.
  Writer(Store& store, FleetState& state, const Clock& clock) : store_(store), state_(state), clock_(clock) {}

  // `plan` may be called several times and must have no effect of its own; it gets the newest fleet. `render` fills in `response` from
  // the plan, whose records then have their uids. An OK status means that the writes are durable, or that there was nothing to write.
  absl::Status Write(const WriteCall& call, google::protobuf::Message& response,
                     absl::FunctionRef<absl::StatusOr<WritePlan>(const Fleet&, const Rules&)> plan,
                     absl::FunctionRef<void(const WritePlan&)> render);

 private:
  // Whether the request was done before; then `response` is its result.
  absl::StatusOr<bool> Replay(const WriteCall& call, google::protobuf::Message& response);

  Store& store_;
  FleetState& state_;
  const Clock& clock_;
};

// The time as the store keeps it: whole microseconds.
absl::Time StoredTime(absl::Time time);

// Whether the zone files know this zone.
bool ZoneExists(absl::string_view zone);

}  // namespace fairlead::registry

#endif  // FAIRLEAD_SERVICES_REGISTRY_WRITER_H_
