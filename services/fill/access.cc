#include "services/fill/access.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/signing/digest.h"

namespace fairlead::fill {
namespace {

constexpr int kDefaultPage = 100;
constexpr int kMaxPage = 1000;

}  // namespace

absl::Status RequireTrusted(const Principal& caller) {
  if (caller.trusted()) return absl::OkStatus();
  if (caller.kind == Principal::Kind::kAnonymous)
    return absl::UnauthenticatedError("this needs an operator or a service; nobody knows who you are");
  return absl::PermissionDeniedError("this is for operators and services, not for appliances");
}

absl::Status RequireBoxOrTrusted(const Principal& caller, const FleetSnapshot& fleet, const ApplianceId& appliance) {
  if (caller.kind != Principal::Kind::kAppliance) return RequireTrusted(caller);
  // Without configuration nobody's credential can be checked: not the box's fault.
  if (!fleet.configured) return absl::UnavailableError("the configuration hasn't come from registryd yet");
  const FleetBox* box = fleet.FindBox(appliance);
  // Hashes are compared, so the time that it takes tells nothing of the credential.
  if (box != nullptr && !box->credential_sha256.empty() && EqualInConstantTime(Sha256Hex(caller.credential), box->credential_sha256)) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(absl::StrCat("the credential is not that of ", appliance.name()));
}

absl::StatusOr<int> PageSize(int asked) {
  if (asked < 0) return InvalidField("page_size", absl::StrCat(asked), "must not be negative");
  return asked == 0 ? kDefaultPage : std::min(asked, kMaxPage);
}

}  // namespace fairlead::fill
