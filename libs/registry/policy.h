// A policy: knobs of the whole installation. "steering", "health" and "drain" are used if they exist, else the defaults.
#ifndef FAIRLEAD_LIBS_REGISTRY_POLICY_H_
#define FAIRLEAD_LIBS_REGISTRY_POLICY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/ids.h"
#include "libs/base/vocabulary.h"
#include "libs/registry/field.h"
#include "libs/registry/unique_key.h"
#include "libs/registry/words.h"

namespace fairlead::registry {

class Fleet;

// Zero values mean the defaults that resources.proto tells.
struct GuardPolicy {
  GuardMode mode = GuardMode::kUnspecified;
  double removable_share = 0;
  int32_t removable_boxes = 0;
  absl::Duration window;
  int32_t wave_sites = 0;
  absl::Duration thaw_after;
  absl::Duration cell_stale_after;
  int32_t corroborated_sites = 0;
  absl::Duration answering_lease;
  int32_t failing_networks = 0;

  template <typename Visit>
  static void Fields(Visit&& visit) {
    visit(Field("mode", &GuardPolicy::mode));
    visit(Field("removable_share", &GuardPolicy::removable_share));
    visit(Field("removable_boxes", &GuardPolicy::removable_boxes));
    visit(Field("window", &GuardPolicy::window));
    visit(Field("wave_sites", &GuardPolicy::wave_sites));
    visit(Field("thaw_after", &GuardPolicy::thaw_after));
    visit(Field("cell_stale_after", &GuardPolicy::cell_stale_after));
    visit(Field("corroborated_sites", &GuardPolicy::corroborated_sites));
    visit(Field("answering_lease", &GuardPolicy::answering_lease));
    visit(Field("failing_networks", &GuardPolicy::failing_networks));
  }
  friend bool operator==(const GuardPolicy&, const GuardPolicy&) = default;
};

struct ClassSteps {
  TransportClass transport_class = TransportClass::kUnspecified;
  PartnerId partner;  // Empty: all.
  std::vector<ProximityStep> steps;

  template <typename Visit>
  static void Fields(Visit&& visit) {
    visit(Field("transport_class", &ClassSteps::transport_class));
    visit(Field("partner", &ClassSteps::partner));
    visit(Field("steps", &ClassSteps::steps));
  }
  friend bool operator==(const ClassSteps&, const ClassSteps&) = default;
};

struct SteeringPolicy {
  std::vector<ProximityStep> steps;
  MoreSpecificScope more_specific_scope = MoreSpecificScope::kUnspecified;
  MedScope med_scope = MedScope::kUnspecified;
  int32_t distance_step_km = 0;
  int32_t max_urls = 0;
  double full_at = 0;
  absl::Duration token_lifetime;
  std::optional<GuardPolicy> guard;
  std::vector<ClassSteps> class_steps;

  template <typename Visit>
  static void Fields(Visit&& visit) {
    visit(Field("steps", &SteeringPolicy::steps));
    visit(Field("more_specific_scope", &SteeringPolicy::more_specific_scope));
    visit(Field("med_scope", &SteeringPolicy::med_scope));
    visit(Field("distance_step_km", &SteeringPolicy::distance_step_km));
    visit(Field("max_urls", &SteeringPolicy::max_urls));
    visit(Field("full_at", &SteeringPolicy::full_at));
    visit(Field("token_lifetime", &SteeringPolicy::token_lifetime));
    visit(Field("guard", &SteeringPolicy::guard));
    visit(Field("class_steps", &SteeringPolicy::class_steps));
  }
  friend bool operator==(const SteeringPolicy&, const SteeringPolicy&) = default;
};

struct HealthPolicy {
  absl::Duration heartbeat_interval;
  absl::Duration lost_after;
  absl::Duration session_grace;

  template <typename Visit>
  static void Fields(Visit&& visit) {
    visit(Field("heartbeat_interval", &HealthPolicy::heartbeat_interval));
    visit(Field("lost_after", &HealthPolicy::lost_after));
    visit(Field("session_grace", &HealthPolicy::session_grace));
  }
  friend bool operator==(const HealthPolicy&, const HealthPolicy&) = default;
};

struct DrainPolicy {
  absl::Duration draining_for = {};
  absl::Duration evacuating_for = {};
  absl::Duration quiet_for = {};
  absl::Duration overdue_after = {};

  template <typename Visit>
  static void Fields(Visit&& visit) {
    visit(Field("draining_for", &DrainPolicy::draining_for));
    visit(Field("evacuating_for", &DrainPolicy::evacuating_for));
    visit(Field("quiet_for", &DrainPolicy::quiet_for));
    visit(Field("overdue_after", &DrainPolicy::overdue_after));
  }
  friend bool operator==(const DrainPolicy&, const DrainPolicy&) = default;
};
// With the defaults in place of zeros.
DrainPolicy WithDefaults(const DrainPolicy& policy);

struct Policy {
  using IdType = PolicyId;
  // Names the table, and leads the fields in errors: "policy.display_name".
  static constexpr absl::string_view kKind = "policy";

  PolicyId id;
  std::string display_name;
  std::optional<SteeringPolicy> steering;
  std::optional<HealthPolicy> health;
  std::optional<DrainPolicy> drain;

  template <typename Visit>
  static void Fields(Visit&& visit) {
    visit(Field("display_name", &Policy::display_name));
    visit(Field("steering", &Policy::steering));
    visit(Field("health", &Policy::health));
    visit(Field("drain", &Policy::drain));
  }
  friend bool operator==(const Policy&, const Policy&) = default;
};

// Fills in defaults and brings text to its canonical form; what is invalid is left for Validate.
void Normalize(Policy& policy);
// What can be said of the values alone.
absl::Status Validate(const Policy& policy);
// What depends on the resources that it refers to; all of them exist.
absl::Status CheckIn(const Fleet& fleet, const Policy& policy);
std::vector<UniqueKey> UniqueKeys(const Policy& policy);

}  // namespace fairlead::registry

#endif  // FAIRLEAD_LIBS_REGISTRY_POLICY_H_
