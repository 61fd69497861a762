#include "services/registry/drain_methods.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/registry/drain_plan.h"
#include "services/registry/codec.h"
#include "services/registry/secrets.h"

namespace fairlead::registry {
namespace {

// Enough that two drains of one minute don't meet.
constexpr size_t kIdDigits = 6;

// Sorted by the time when they were made, which is how operators look for them.
DrainId NewDrainId(absl::Time now) {
  return DrainId(absl::StrCat("d-", absl::FormatTime("%Y%m%d-%H%M", now, absl::UTCTimeZone()), "-", NewUid().substr(0, kIdDigits)));
}

}  // namespace

absl::Status DrainMethods::CreateDrain(const std::string& principal, const v1::CreateDrainRequest& request, v1::Drain& response) {
  DrainId id = NewDrainId(clock_.Now());
  if (!request.drain_id().empty()) {
    ASSIGN_OR_RETURN(id, DrainId::Parse(request.drain_id(), "drain_id"));
  }
  ASSIGN_OR_RETURN(const Drain wish, FromProto<Drain>(request.drain(), std::move(id)));
  const WriteCall call{
      .principal = principal, .method = "CreateDrain", .request_id = request.request_id(), .request = request, .reason = wish.reason};
  return writer_.Write(
      call, response,
      [&](const Fleet& fleet, const Rules& rules) -> absl::StatusOr<WritePlan> {
        WritePlan planned;
        ASSIGN_OR_RETURN(planned.writes, PlanCreateDrain(fleet, wish, rules));
        planned.trial = request.validate_only();
        return planned;
      },
      [&](const WritePlan& planned) { response = ToProto(*std::get<Write<Drain>>(planned.writes.front()).after); });
}

absl::Status DrainMethods::CancelDrain(const std::string& principal, const v1::CancelDrainRequest& request, v1::Drain& response) {
  ASSIGN_OR_RETURN(const DrainId id, DrainId::ParseName(request.name()));
  const WriteCall call{.principal = principal, .method = "CancelDrain", .request_id = request.request_id(), .request = request};
  RecordPtr<Drain> result;
  return writer_.Write(
      call, response,
      [&](const Fleet& fleet, const Rules& rules) -> absl::StatusOr<WritePlan> {
        WritePlan planned;
        ASSIGN_OR_RETURN(planned.writes, PlanCancelDrain(fleet, id, request.etag(), rules.now));
        result = planned.writes.empty() ? fleet.Find<Drain>(id) : std::get<Write<Drain>>(planned.writes.front()).after;
        return planned;
      },
      [&](const WritePlan&) { response = ToProto(*result); });
}

absl::Status DrainMethods::ReportDrain(const std::string& principal, const v1::ReportDrainRequest& request,
                                       v1::ReportDrainResponse& response) {
  ASSIGN_OR_RETURN(const ApplianceId appliance, ApplianceId::ParseName(request.appliance(), "appliance"));
  ASSIGN_OR_RETURN(const DrainId drain, DrainId::ParseName(request.drain(), "drain"));
  ASSIGN_OR_RETURN(const absl::Duration quiet_for, DurationFromProto(request.quiet_for(), "quiet_for"));
  const auto plan = [&](const Fleet& fleet, absl::Time now) -> absl::StatusOr<WritePlan> {
    ASSIGN_OR_RETURN(DrainReport report, PlanDrainReport(fleet, appliance, drain, quiet_for, now));
    response.set_phase(static_cast<v1::Drain::Phase>(report.phase));
    WritePlan planned;
    planned.writes = std::move(report.writes);
    return planned;
  };
  const std::shared_ptr<const Fleet> fleet = state_.Get();
  if (fleet != nullptr) {
    const absl::StatusOr<WritePlan> planned = plan(*fleet, clock_.Now());
    if (planned.ok() && planned->empty()) return absl::OkStatus();
  }
  // A refusal too is looked at again on the newest state: another replica may be ahead of what we remember.
  const WriteCall call{.principal = principal, .method = "ReportDrain", .request_id = "", .request = request};
  return writer_.Write(
      call, response, [&](const Fleet& newest, const Rules& rules) { return plan(newest, rules.now); }, [](const WritePlan&) {});
}

}  // namespace fairlead::registry
