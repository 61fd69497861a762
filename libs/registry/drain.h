// A drain: boxes taken out for new sessions until nobody is at them. Made, advanced and ended by verbs of their own (drain_plan.h).
#ifndef FAIRLEAD_LIBS_REGISTRY_DRAIN_H_
#define FAIRLEAD_LIBS_REGISTRY_DRAIN_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/ids.h"
#include "libs/registry/field.h"
#include "libs/registry/unique_key.h"
#include "libs/registry/words.h"

namespace fairlead::registry {

class Fleet;

// How far it is with one box.
struct DrainBox {
  ApplianceId appliance;
  DrainPhase phase = DrainPhase::kUnspecified;
  absl::Time phase_time = {};
  // For people.
  std::string detail = {};
  // When the box first said, in LAME_DUCK, that it refuses viewers.
  absl::Time report_time = {};

  template <typename Visit>
  static void Fields(Visit&& visit) {
    visit(Field("appliance", &DrainBox::appliance));
    visit(Field("phase", &DrainBox::phase));
    visit(Field("phase_time", &DrainBox::phase_time));
    visit(Field("detail", &DrainBox::detail));
    visit(Field("report_time", &DrainBox::report_time));
  }
  friend bool operator==(const DrainBox&, const DrainBox&) = default;
};

struct Drain {
  using IdType = DrainId;
  // Names the table, and leads the fields in errors: "drain.target".
  static constexpr absl::string_view kKind = "drain";

  DrainId id;
  // "appliances/x" or "sites/x". Not a reference: what a drain emptied may be deleted while the drain is remembered.
  std::string target;
  absl::Time start_time;
  absl::Time end_time;
  std::string reason;
  DrainPhase phase = DrainPhase::kUnspecified;  // Output only.
  std::vector<DrainBox> boxes;                  // Output only.

  template <typename Visit>
  static void Fields(Visit&& visit) {
    visit(Field("target", &Drain::target));
    visit(Field("start_time", &Drain::start_time));
    visit(Field("end_time", &Drain::end_time));
    visit(Field("reason", &Drain::reason));
    visit(Field("phase", &Drain::phase, FieldFlag::kOutputOnly));
    visit(Field("boxes", &Drain::boxes, FieldFlag::kOutputOnly));
  }
  friend bool operator==(const Drain&, const Drain&) = default;
};

// Whether nothing is to happen any more: CANCELLED, ENDED, and RELEASED of a box.
bool IsOver(DrainPhase phase);

// Brings times to what the store keeps: whole microseconds.
void Normalize(Drain& drain);
// What can be said of the values alone.
absl::Status Validate(const Drain& drain);
// Nothing: the target is looked at when the drain is made, and may be gone later.
absl::Status CheckIn(const Fleet& fleet, const Drain& drain);
std::vector<UniqueKey> UniqueKeys(const Drain& drain);

}  // namespace fairlead::registry

#endif  // FAIRLEAD_LIBS_REGISTRY_DRAIN_H_
