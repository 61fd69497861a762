// The condition of the fleet as the decision reads it: 16 bytes a slot, side by side for the boxes of a site, and 2 bytes a link. Worked
// out of a Fleet and the policy's thresholds; whatever a report changes, it changes here. An immutable value; any thread.
#ifndef FAIRLEAD_LIBS_STEERING_CONDITION_H_
#define FAIRLEAD_LIBS_STEERING_CONDITION_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "libs/steering/decision.h"
#include "libs/steering/fleet.h"
#include "libs/steering/policy.h"

namespace fairlead {

struct BoxState {
  // Endpoints, as bits 0 to 2; then what else is yes or no.
  static constexpr uint32_t kV4Name = 1;
  static constexpr uint32_t kV4Literal = 2;
  static constexpr uint32_t kV6 = 4;
  static constexpr uint32_t kEndpoints = 7;
  static constexpr uint32_t kLive = 8;
  static constexpr uint32_t kNoRoom = 16;  // Unfit because of capacity, not health.

  static constexpr int kFitnessShift = 5;
  static constexpr uint32_t kFitnessMask = 3u << kFitnessShift;
  static constexpr int kWeightShift = 8;

  uint64_t hash = 0;            // For the spread.
  uint32_t box = Fleet::kNone;  // Its number in the fleet; kNone: an empty slot.
  uint32_t traits = 0;          // What is yes or no; the fitness; the weight. Of none of them: an empty slot.

  // For the spread.
  uint32_t weight() const { return traits >> kWeightShift; }
  // Of health, and of capacity as far as the box and its site's uplinks go.
  Fitness fitness() const { return static_cast<Fitness>((traits & kFitnessMask) >> kFitnessShift); }
  bool Is(uint32_t flag) const { return (traits & flag) != 0; }
  uint8_t endpoints() const { return static_cast<uint8_t>(traits & kEndpoints); }
};
static_assert(sizeof(BoxState) == 16);

class Condition {
 public:
  // `fleet` is kept.
  static std::shared_ptr<const Condition> Build(std::shared_ptr<const Fleet> fleet, const SteeringPolicy& policy);

  const BoxState& At(uint32_t slot) const { return boxes_[slot]; }
  // Of the box and its site's uplinks; 65535 stands for all above.
  uint16_t BusiestPermille(uint32_t slot) const { return busiest_permille_[slot]; }
  // `link` may be kNone: never full, and idle.
  bool LinkHasRoom(uint32_t link) const { return LinkPermille(link) < full_permille_; }
  uint32_t LinkPermille(uint32_t link) const { return links_[std::min<size_t>(link, links_.size() - 1)]; }
  // True if Build would make the same of these: `fleet` must be the very object.
  bool IsOf(const Fleet& fleet, const SteeringPolicy& policy) const {
    return fleet_.get() == &fleet && full_permille_ == policy.full_permille;
  }

 private:
  Condition() = default;

  std::vector<BoxState> boxes_;
  std::vector<uint16_t> busiest_permille_;  // By slot. Asked only about boxes that were chosen.
  std::vector<uint16_t> links_;             // The last stands for no link: so nobody has to ask whether there is one.
  uint32_t full_permille_ = 0;
  std::shared_ptr<const Fleet> fleet_;
};

// Use as a share of the capacity that counts; 0 if that isn't known.
uint64_t UsePermille(const LinkView& link);
uint64_t UsePermille(const ApplianceView& box);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_CONDITION_H_
