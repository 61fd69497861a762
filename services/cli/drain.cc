// Taking a box or a site out for a while: beginning, calling off, and waiting until nobody is at it.
#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "fairlead/registry/v1/registry_service.grpc.pb.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "services/cli/commands.h"
#include "services/cli/describe_text.h"
#include "services/cli/drain_text.h"
#include "services/cli/exit_code.h"
#include "services/cli/names.h"
#include "services/cli/table.h"
#include "services/cli/units.h"

namespace fairlead::cli {
namespace {

using registry::v1::Drain;
using registry::v1::RegistryService;
using Stub = RegistryService::StubInterface;

constexpr absl::Duration kPoll = absl::Seconds(2);
// A drain's phases take at most 2 h; who still waits after this waits for a box that is overdue.
constexpr absl::Duration kLongestWait = absl::Hours(3);

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  google::protobuf::Timestamp proto;
  proto.set_seconds(absl::ToUnixSeconds(time));
  return proto;
}

// "2027-01-15T08:00:00Z", or "+90m" after `base`. Whole seconds.
absl::StatusOr<absl::Time> ParseMoment(const std::string& flag, const std::string& text, absl::Time base) {
  absl::Time time;
  absl::Duration after;
  absl::string_view length = text;
  if (absl::ConsumePrefix(&length, "+") && absl::ParseDuration(std::string(length), &after)) return base + after;
  if (absl::ParseTime(absl::RFC3339_full, text, &time, nullptr)) return time;
  return UsageError(absl::StrCat(flag, " ", Quoted(text), ": want a time like 2027-01-15T08:00:00Z, or a length like +4h"));
}

absl::StatusOr<registry::v1::CreateDrainRequest> RequestOf(const DrainArguments& arguments) {
  registry::v1::CreateDrainRequest request;
  const bool is_site = absl::StartsWith(arguments.target, "sites/");
  if (!is_site && !absl::StartsWith(arguments.target, "appliances/")) {
    return UsageError(absl::StrCat("TARGET ", Quoted(arguments.target), ": want appliances/x or sites/x"));
  }
  ASSIGN_OR_RETURN(*request.mutable_drain()->mutable_target(), FullName(arguments.target, is_site ? "sites" : "appliances"));
  absl::Time start = absl::Now();
  if (!arguments.from.empty()) {
    ASSIGN_OR_RETURN(start, ParseMoment("--from", arguments.from, start));
    *request.mutable_drain()->mutable_start_time() = ToTimestamp(start);
  }
  if (!arguments.to.empty()) {
    ASSIGN_OR_RETURN(absl::Time end, ParseMoment("--to", arguments.to, start));
    // "+3h" must not become less by the time that the call takes.
    if (arguments.from.empty() && absl::StartsWith(arguments.to, "+")) end += absl::Minutes(1);
    *request.mutable_drain()->mutable_end_time() = ToTimestamp(end);
  }
  request.mutable_drain()->set_reason(arguments.reason);
  request.set_request_id(NewRequestId());
  return request;
}

// Neither goes on by itself: DRAINED waits for the end or an operator.
bool IsSettled(Drain::Phase phase) {
  return phase == Drain::PHASE_DRAINED || phase == Drain::PHASE_CANCELLED || phase == Drain::PHASE_ENDED;
}

absl::StatusOr<Drain> WaitUntilSettled(Context& context, Drain drain) {
  const absl::Duration until_start = absl::FromUnixSeconds(drain.start_time().seconds()) - absl::Now();
  const int64_t polls = (std::max(until_start, absl::ZeroDuration()) + kLongestWait) / kPoll;
  registry::v1::GetDrainRequest request;
  request.set_name(drain.name());
  for (int64_t i = 0; i < polls && !IsSettled(drain.phase()); ++i) {
    context.Sleep(kPoll);
    ASSIGN_OR_RETURN(Drain next, context.Call<RegistryService>(context.registry(), &Stub::GetDrain, request));
    if (next.phase() != drain.phase()) context.Note(absl::StrCat(ShortName(next.name()), " is ", Word(next.phase())));
    drain = std::move(next);
  }
  return drain;
}

void Print(Context& context, const Drain& drain) {
  context.PrintJson(drain);
  if (context.json()) return;
  context.out() << ShortName(drain.name()) << " is " << Word(drain.phase()) << "\n" << DrainBoxesText(drain, 2);
}

}  // namespace

std::string DrainBoxesText(const Drain& drain, int indent) {
  Table table({{"APPLIANCE"}, {"PHASE"}, {"SINCE"}, {"DETAIL"}});
  for (const registry::v1::DrainBox& box : drain.boxes()) {
    table.Add({ShortName(box.appliance()), Word(box.phase()), HumanTime(box.phase_time()), box.detail()});
  }
  return table.Render(indent);
}

std::string DrainText(const Drain& drain) {
  Drain head = drain;
  head.clear_boxes();
  return absl::StrCat(DescribeText(head, 2), "\nBoxes\n", drain.boxes().empty() ? "  none\n" : DrainBoxesText(drain, 2));
}

absl::Status CreateDrain(Context& context, const DrainArguments& arguments) {
  ASSIGN_OR_RETURN(const registry::v1::CreateDrainRequest request, RequestOf(arguments));
  ASSIGN_OR_RETURN(Drain drain, context.Call<RegistryService>(context.registry(), &Stub::CreateDrain, request));
  if (arguments.wait) {
    context.Note(absl::StrCat(ShortName(drain.name()), " is ", Word(drain.phase()), "; it goes on if you stop waiting"));
    ASSIGN_OR_RETURN(drain, WaitUntilSettled(context, std::move(drain)));
  }
  Print(context, drain);
  if (!arguments.wait || drain.phase() == Drain::PHASE_DRAINED) return absl::OkStatus();
  const std::string why = IsSettled(drain.phase()) ? " ended before it was DRAINED" : " is not DRAINED yet, and overdue";
  return absl::FailedPreconditionError(absl::StrCat(drain.name(), why, ": it is ", Word(drain.phase())));
}

absl::Status CancelDrain(Context& context, const std::string& name) {
  registry::v1::CancelDrainRequest request;
  ASSIGN_OR_RETURN(*request.mutable_name(), FullName(name, "drains"));
  request.set_request_id(NewRequestId());
  ASSIGN_OR_RETURN(const Drain drain, context.Call<RegistryService>(context.registry(), &Stub::CancelDrain, request));
  Print(context, drain);
  return absl::OkStatus();
}

}  // namespace fairlead::cli
