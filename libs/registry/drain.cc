#include "libs/registry/drain.h"

#include "absl/strings/match.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/registry/check.h"

namespace fairlead::registry {

bool IsOver(DrainPhase phase) {
  return phase == DrainPhase::kCancelled || phase == DrainPhase::kEnded || phase == DrainPhase::kReleased;
}

void Normalize(Drain& drain) {
  drain.start_time = absl::FromUnixMicros(absl::ToUnixMicros(drain.start_time));
  drain.end_time = absl::FromUnixMicros(absl::ToUnixMicros(drain.end_time));
}

absl::Status Validate(const Drain& drain) {
  RETURN_IF_ERROR(CheckText("drain.reason", drain.reason));
  if (absl::StartsWith(drain.target, "sites/")) return SiteId::ParseName(drain.target, "drain.target").status();
  if (absl::StartsWith(drain.target, "appliances/")) return ApplianceId::ParseName(drain.target, "drain.target").status();
  return InvalidField("drain.target", drain.target, "must be appliances/{id} or sites/{id}");
}

absl::Status CheckIn(const Fleet&, const Drain&) {
  return absl::OkStatus();
}

std::vector<UniqueKey> UniqueKeys(const Drain&) {
  return {};
}

}  // namespace fairlead::registry
