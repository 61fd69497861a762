#include "services/registry/drain_loop.h"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "google/protobuf/empty.pb.h"
#include "libs/log/log.h"
#include "libs/registry/drain_machine.h"
#include "libs/registry/drain_plan.h"

namespace fairlead::registry {
namespace {

void LogSteps(const std::vector<AnyWrite>& writes) {
  for (const AnyWrite& write : writes) {
    const auto* drain = std::get_if<Write<Drain>>(&write);
    if (drain == nullptr || drain->deletes() || drain->before->value.phase == drain->after->value.phase) continue;
    LogInfo("drain advances", {{"drain", drain->name()},
                               {"from", std::string(ToString(drain->before->value.phase))},
                               {"to", std::string(ToString(drain->after->value.phase))}});
  }
}

}  // namespace

absl::Status DrainLoop::Tick(absl::Time now) {
  const absl::Status status = TickOnce(now);
  if (failing_ != !status.ok()) {
    failing_ = !status.ok();
    if (failing_) {
      LogError("drains can't be advanced; they go on later from where they are", {{"status", status}});
    } else {
      LogInfo("drains are advanced again");
    }
  }
  return status;
}

absl::Status DrainLoop::TickOnce(absl::Time now) {
  const std::shared_ptr<const Fleet> fleet = state_.Get();
  if (fleet == nullptr || (fleet->position() == seen_ && now < look_again_)) return absl::OkStatus();
  const DrainAdvance advance = AdvanceDrains(*fleet, now);
  if (advance.writes.empty()) {
    seen_ = fleet->position();
    look_again_ = advance.look_again;
    CountBoxes(*fleet, now);
    return absl::OkStatus();
  }
  google::protobuf::Empty nothing;
  const WriteCall call{.principal = "service/registryd", .method = "AdvanceDrains", .request_id = "", .request = nothing};
  google::protobuf::Empty response;
  std::vector<AnyWrite> writes;
  const absl::Status status = writer_.Write(
      call, response,
      [](const Fleet& newest, const Rules& rules) -> absl::StatusOr<WritePlan> {
        WritePlan planned;
        planned.writes = AdvanceDrains(newest, rules.now).writes;
        return planned;
      },
      [&writes](const WritePlan& planned) { writes = planned.writes; });
  if (status.ok()) LogSteps(writes);
  return status;
}

void DrainLoop::CountBoxes(const Fleet& fleet, absl::Time now) {
  std::map<DrainPhase, int> counts = {
      {DrainPhase::kDraining, 0}, {DrainPhase::kEvacuating, 0}, {DrainPhase::kLameDuck, 0}, {DrainPhase::kDrained, 0}};
  for (const auto& [id, record] : fleet.All<Appliance>()) {
    if (record->value.drain.has_value()) ++counts[record->value.drain->phase];
  }
  for (const auto& [phase, count] : counts) metrics_.SetDrainBoxes(std::string(ToString(phase)), count);
  const DrainPolicy policy = DrainPolicyIn(fleet);
  int overdue = 0;
  for (const auto& [id, record] : fleet.All<Drain>()) {
    for (const DrainBox& box : record->value.boxes) overdue += IsOverdue(box, policy, now) ? 1 : 0;
  }
  metrics_.drain_overdue_boxes.Set(overdue);
}

}  // namespace fairlead::registry
