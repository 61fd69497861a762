#include "libs/registry/cluster.h"

#include "libs/base/status_macros.h"
#include "libs/registry/check.h"

namespace fairlead::registry {
namespace {

constexpr int kMaxCopies = 16;
constexpr int kMaxFillMasters = 1'000;
constexpr absl::Duration kMaxEscalationWait = absl::Hours(7 * 24);

}  // namespace

void Normalize(Cluster&) {}

absl::Status Validate(const Cluster& cluster) {
  RETURN_IF_ERROR(CheckText("cluster.display_name", cluster.display_name));
  RETURN_IF_ERROR(CheckSet("cluster.site", cluster.site));
  RETURN_IF_ERROR(CheckWord("cluster.content_region", cluster.content_region));
  RETURN_IF_ERROR(CheckWord("cluster.popularity_feed", cluster.popularity_feed));
  RETURN_IF_ERROR(CheckRange("cluster.copies", cluster.copies, 1, kMaxCopies));
  if (!cluster.fill_policy.has_value()) return absl::OkStatus();
  RETURN_IF_ERROR(
      CheckDuration("cluster.fill_policy.escalation_wait", cluster.fill_policy->escalation_wait, absl::ZeroDuration(), kMaxEscalationWait));
  return CheckRange("cluster.fill_policy.fill_masters", cluster.fill_policy->fill_masters, 0, kMaxFillMasters);
}

absl::Status CheckIn(const Fleet&, const Cluster&) {
  return absl::OkStatus();
}

std::vector<UniqueKey> UniqueKeys(const Cluster&) {
  return {};
}

}  // namespace fairlead::registry
