#include "libs/registry/policy.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/registry/check.h"
#include "libs/registry/fleet.h"

namespace fairlead::registry {
namespace {

constexpr int kMaxUrls = 8;
constexpr int kMaxDistanceStepKm = 20'000;      // Half the Earth's girth: one step for all.
constexpr int kMaxBoxes = 20'000;               // The fleets that Fairlead is made for.
constexpr double kLeastRemovableShare = 0.001;  // Of the guard; finer shares can't be told from none.
constexpr absl::Duration kDefaultHeartbeat = absl::Seconds(2);
constexpr absl::Duration kDefaultLostAfter = absl::Seconds(10);
// Of a drain: an operator who waits for one must not wait for longer than this.
constexpr absl::Duration kMostDraining = absl::Hours(2);
constexpr int kMaxFailingNetworks = 16;  // Steering remembers no more of a box.
constexpr size_t kMaxClassSteps = 1'000;
constexpr absl::Duration kShortestPhase = absl::Milliseconds(100);
constexpr DrainPolicy kDefaultDrain = {
    .draining_for = absl::Hours(1), .evacuating_for = absl::Minutes(30), .quiet_for = absl::Minutes(5), .overdue_after = absl::Minutes(15)};

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
  RETURN_IF_ERROR(CheckRange("policy.steering.guard.corroborated_sites", guard.corroborated_sites, 0, kMaxBoxes));
  RETURN_IF_ERROR(CheckDuration("policy.steering.guard.answering_lease", guard.answering_lease, absl::Seconds(1), absl::Hours(24)));
  return CheckRange("policy.steering.guard.failing_networks", guard.failing_networks, 0, kMaxFailingNetworks);
}

// Steps up to TRANSPORT_CLASS are over once a class is alone; none: classes are never parted.
std::vector<ProximityStep> StepsThatPartClasses(const SteeringPolicy& policy) {
  if (policy.steps.empty()) return {ProximityStep::kPrefixLength, ProximityStep::kTransportClass};  // The default order.
  const auto parting = std::find(policy.steps.begin(), policy.steps.end(), ProximityStep::kTransportClass);
  return parting == policy.steps.end() ? std::vector<ProximityStep>() : std::vector<ProximityStep>(policy.steps.begin(), parting + 1);
}

absl::Status ValidateClassSteps(const SteeringPolicy& policy) {
  constexpr absl::string_view kField = "policy.steering.class_steps";
  if (policy.class_steps.size() > kMaxClassSteps) {
    return InvalidField(kField, absl::StrCat(policy.class_steps.size(), " rules"), absl::StrCat("must be at most ", kMaxClassSteps));
  }
  const std::vector<ProximityStep> parting = StepsThatPartClasses(policy);
  std::set<std::pair<TransportClass, PartnerId>> seen;
  for (size_t i = 0; i < policy.class_steps.size(); ++i) {
    const ClassSteps& rule = policy.class_steps[i];
    const std::string field = absl::StrCat(kField, "[", i, "]");
    RETURN_IF_ERROR(CheckSet(field + ".transport_class", rule.transport_class));
    for (const ProximityStep step : rule.steps) {
      RETURN_IF_ERROR(CheckSet(field + ".steps", step));
      if (std::find(parting.begin(), parting.end(), step) == parting.end()) continue;
      return InvalidField(field + ".steps", ToString(step), "is over when classes are parted: it stands up to TRANSPORT_CLASS in steps");
    }
    RETURN_IF_ERROR(CheckDistinct(field + ".steps", rule.steps));
    if (seen.insert({rule.transport_class, rule.partner}).second) continue;
    return InvalidField(field, absl::StrCat(ToString(rule.transport_class), " ", rule.partner.empty() ? "" : rule.partner.name()),
                        "stands there twice");
  }
  if (!policy.class_steps.empty() && parting.empty()) {
    return InvalidField("policy.steering.steps", "", "must contain TRANSPORT_CLASS where class_steps are given, or no class is parted");
  }
  return absl::OkStatus();
}

absl::Status ValidateSteering(const SteeringPolicy& policy) {
  for (const ProximityStep step : policy.steps) RETURN_IF_ERROR(CheckSet("policy.steering.steps", step));
  RETURN_IF_ERROR(CheckDistinct("policy.steering.steps", policy.steps));
  RETURN_IF_ERROR(ValidateClassSteps(policy));
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

absl::Status ValidateDrain(const DrainPolicy& policy) {
  absl::Status status;
  DrainPolicy::Fields([&](const auto& field) {
    if (status.ok()) status = CheckDuration(absl::StrCat("policy.drain.", field.name), policy.*field.member, kShortestPhase, kMostDraining);
  });
  RETURN_IF_ERROR(status);
  const DrainPolicy whole = WithDefaults(policy);
  const absl::Duration total = whole.draining_for + whole.evacuating_for + whole.overdue_after;
  if (total > kMostDraining) {
    return InvalidField("policy.drain", absl::FormatDuration(total),
                        absl::StrCat("draining_for, evacuating_for and overdue_after must take at most ",
                                     absl::FormatDuration(kMostDraining), " together"));
  }
  if (whole.quiet_for <= whole.overdue_after) return absl::OkStatus();
  return InvalidField("policy.drain.quiet_for", absl::FormatDuration(whole.quiet_for),
                      absl::StrCat("must be at most overdue_after, ", absl::FormatDuration(whole.overdue_after)));
}

// Which body an id must have; the others may have any.
absl::Status CheckBodyOf(const Policy& policy) {
  const auto check = [&](absl::string_view body, bool present) {
    if (policy.id.value() != body || present) return absl::OkStatus();
    return InvalidField("policy.body",
                        policy.steering ? "steering"
                        : policy.health ? "health"
                                        : "drain",
                        absl::StrCat("policies/", body, " needs a ", body, " body"));
  };
  RETURN_IF_ERROR(check("steering", policy.steering.has_value()));
  RETURN_IF_ERROR(check("health", policy.health.has_value()));
  return check("drain", policy.drain.has_value());
}

}  // namespace

DrainPolicy WithDefaults(const DrainPolicy& policy) {
  DrainPolicy whole = policy;
  DrainPolicy::Fields([&](const auto& field) {
    if (whole.*field.member == absl::ZeroDuration()) whole.*field.member = kDefaultDrain.*field.member;
  });
  return whole;
}

void Normalize(Policy&) {}

absl::Status Validate(const Policy& policy) {
  RETURN_IF_ERROR(CheckText("policy.display_name", policy.display_name));
  if (policy.steering.has_value() + policy.health.has_value() + policy.drain.has_value() != 1) {
    return InvalidField("policy.body", "", "exactly one of steering, health, drain is required");
  }
  RETURN_IF_ERROR(CheckBodyOf(policy));
  if (policy.steering.has_value()) return ValidateSteering(*policy.steering);
  return policy.health.has_value() ? ValidateHealth(*policy.health) : ValidateDrain(*policy.drain);
}

// A partner that is deleted later leaves its rule behind, which then is nobody's.
absl::Status CheckIn(const Fleet& fleet, const Policy& policy) {
  if (!policy.steering.has_value()) return absl::OkStatus();
  const std::vector<ClassSteps>& rules = policy.steering->class_steps;
  for (size_t i = 0; i < rules.size(); ++i) {
    if (rules[i].partner.empty() || fleet.Find<Partner>(rules[i].partner) != nullptr) continue;
    return FieldError(absl::StatusCode::kNotFound, absl::StrCat("policy.steering.class_steps[", i, "].partner"), rules[i].partner.name(),
                      "does not exist");
  }
  return absl::OkStatus();
}

std::vector<UniqueKey> UniqueKeys(const Policy&) {
  return {};
}

}  // namespace fairlead::registry
