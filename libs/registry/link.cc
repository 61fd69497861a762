#include "libs/registry/link.h"

#include "libs/base/status_macros.h"
#include "libs/registry/check.h"

namespace fairlead::registry {

void Normalize(Link&) {}

absl::Status Validate(const Link& link) {
  RETURN_IF_ERROR(CheckText("link.display_name", link.display_name));
  RETURN_IF_ERROR(CheckSet("link.site", link.site));
  RETURN_IF_ERROR(CheckSet("link.kind", link.kind));
  if (link.kind == LinkKind::kPartnerAgreement) RETURN_IF_ERROR(CheckSet("link.partner", link.partner));
  RETURN_IF_ERROR(CheckRange("link.capacity_bps", link.capacity_bps, 1, INT64_MAX));
  return CheckRange("link.contract_cap_bps", link.contract_cap_bps, 0, INT64_MAX);
}

absl::Status CheckIn(const Fleet&, const Link&) {
  return absl::OkStatus();
}

std::vector<UniqueKey> UniqueKeys(const Link&) {
  return {};
}

}  // namespace fairlead::registry
