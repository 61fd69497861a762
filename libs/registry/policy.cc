#include "libs/registry/policy.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/registry/check.h"

namespace fairlead::registry {
namespace {

constexpr int kMaxUrls = 8;
constexpr int kMaxDistanceStepKm = 20'000;      // Half the Earth's girth: one step for all.
constexpr int kMaxBoxes = 20'000;               // The fleets that Fairlead is made for.
constexpr double kLeastRemovableShare = 0.001;  // Of the guard; finer shares can't be told from none.
constexpr absl::Duration kDefaultHeartbeat = absl::Seconds(2);
constexpr absl::Duration kDefaultLostAfter = absl::Seconds(10);

absl::Status ValidateGuard(const GuardPolicy& guard) {
  constexpr absl::string_view kShare = "policy.steering.guard.removable_share";
  const double share = guard.removable_share;
  if (!std::isfinite(share) || (share != 0 && (share < kLeastRemovableShare || share > 1))) {
    return InvalidField(kShare, absl::StrCat(share), absl::StrCat("must be in [", kLeastRemovableShare, ", 1]; 0 means the default"));
  }
  RETURN_IF_ERROR(CheckRange("policy.steering.guard.removable_boxes", guard.removable_boxes, 0, kMaxBoxes));
  RETURN_IF_ERROR(CheckDuration("policy.steering.guard.window", guard.window, absl::Seconds(1), absl::Hours(1)));
  if (guard.wave_sites == 1) {
    return InvalidField("policy.steering.guard.wave_sites", "1",
                        "must be at least 2, because one site can fail by itself; 0 means the default");
  }
  RETURN_IF_ERROR(CheckRange("policy.steering.guard.wave_sites", guard.wave_sites, 0, kMaxBoxes));
  RETURN_IF_ERROR(CheckDuration("policy.steering.guard.thaw_after", guard.thaw_after, absl::Milliseconds(100), absl::Hours(1)));
  RETURN_IF_ERROR(CheckDuration("policy.steering.guard.cell_stale_after", guard.cell_stale_after, absl::Seconds(1), absl::Hours(1)));
  return CheckRange("policy.steering.guard.corroborated_sites", guard.corroborated_sites, 0, kMaxBoxes);
}

absl::Status ValidateSteering(const SteeringPolicy& policy) {
  for (const ProximityStep step : policy.steps) RETURN_IF_ERROR(CheckSet("policy.steering.steps", step));
  RETURN_IF_ERROR(CheckDistinct("policy.steering.steps", policy.steps));
  RETURN_IF_ERROR(CheckRange("policy.steering.distance_step_km", policy.distance_step_km, 0, kMaxDistanceStepKm));
  RETURN_IF_ERROR(CheckRange("policy.steering.max_urls", policy.max_urls, 0, kMaxUrls));
  if (!std::isfinite(policy.full_at) || policy.full_at < 0 || policy.full_at > 1) {
    return InvalidField("policy.steering.full_at", absl::StrCat(policy.full_at), "must be in [0, 1]; 0 means the default");
  }
  RETURN_IF_ERROR(CheckDuration("policy.steering.token_lifetime", policy.token_lifetime, absl::Minutes(1), absl::Hours(24)));
  return policy.guard.has_value() ? ValidateGuard(*policy.guard) : absl::OkStatus();
}

absl::Status ValidateHealth(const HealthPolicy& policy) {
  RETURN_IF_ERROR(CheckDuration("policy.health.heartbeat_interval", policy.heartbeat_interval, absl::Milliseconds(100), absl::Minutes(5)));
  RETURN_IF_ERROR(CheckDuration("policy.health.lost_after", policy.lost_after, absl::Milliseconds(200), absl::Hours(1)));
  RETURN_IF_ERROR(CheckDuration("policy.health.session_grace", policy.session_grace, absl::ZeroDuration(), absl::Hours(1)));
  const absl::Duration heartbeat = policy.heartbeat_interval == absl::ZeroDuration() ? kDefaultHeartbeat : policy.heartbeat_interval;
  const absl::Duration lost = policy.lost_after == absl::ZeroDuration() ? kDefaultLostAfter : policy.lost_after;
  if (lost >= 2 * heartbeat) return absl::OkStatus();
  return InvalidField("policy.health.lost_after", absl::FormatDuration(lost),
                      absl::StrCat("must be at least twice the heartbeat interval, ", absl::FormatDuration(heartbeat)));
}

}  // namespace

void Normalize(Policy&) {}

absl::Status Validate(const Policy& policy) {
  RETURN_IF_ERROR(CheckText("policy.display_name", policy.display_name));
  if (policy.steering.has_value() == policy.health.has_value()) {
    return InvalidField("policy.body", "", "exactly one of steering, health is required");
  }
  const std::string& id = policy.id.value();
  if (id == "steering" && !policy.steering.has_value())
    return InvalidField("policy.body", "health", "policies/steering needs a steering body");
  if (id == "health" && !policy.health.has_value()) return InvalidField("policy.body", "steering", "policies/health needs a health body");
  return policy.steering.has_value() ? ValidateSteering(*policy.steering) : ValidateHealth(*policy.health);
}

absl::Status CheckIn(const Fleet&, const Policy&) {
  return absl::OkStatus();
}

std::vector<UniqueKey> UniqueKeys(const Policy&) {
  return {};
}

}  // namespace fairlead::registry
