#include "services/steering/steerer.h"

#include <chrono>
#include <string>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/steering/decide.h"
#include "services/steering/codec.h"

namespace fairlead {

namespace sv1 = steering::v1;

namespace {

using SteadyClock = std::chrono::steady_clock;

double SecondsOf(SteadyClock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// Of an answer: the cause of its first URL, or why there is none.
void Count(const SteeringAnswer& answer, SteeringTally& tally) {
  for (const FileAnswer& file : answer.files) {
    if (file.not_servable != NotServable::kServable) return tally.CountNotServable(file.not_servable);
  }
  tally.CountServed(answer.files.front().candidates.front().cause);
}

absl::Status ReadBack(const WireBuffer& bytes, sv1::SteerResponse& response) {
  if (response.ParseFromArray(bytes.view().data(), static_cast<int>(bytes.size()))) return absl::OkStatus();
  return absl::InternalError("the answer that was written can't be read");
}

void WriteError(const absl::Status& status, WireBuffer& result) {
  sv1::SteerResult message;
  message.mutable_error()->set_code(static_cast<int32_t>(status.code()));
  message.mutable_error()->set_message(std::string(status.message()));
  const std::string bytes = message.SerializeAsString();
  result.Reserve(BlockSize(bytes.size()));
  result.String(sv1::SteerStreamResponse::kResultsFieldNumber, bytes);
}

void WriteResult(absl::string_view response, WireBuffer& result) {
  result.Reserve(BlockSize(BlockSize(response.size())));
  result.Block(sv1::SteerStreamResponse::kResultsFieldNumber, BlockSize(response.size()));
  result.Block(sv1::SteerResult::kResponseFieldNumber, response.size());
  result.Bytes(response);
}

}  // namespace

absl::Status Steerer::Ready(const ServingState& state) {
  if (state.table == nullptr) return state.why_none;
  return state.key_id.empty() ? state.why_no_key : absl::OkStatus();
}

absl::Status Steerer::Health() const {
  return Ready(*serving_.Get());
}

uint64_t Steerer::SpreadOf(const sv1::SteerRequest& request) {
  return absl::HashOf(request.session_id().empty() ? request.client_address() : request.session_id());
}

// A trusted caller has one budget for all its viewers; anybody else the one of the address that it calls from.
absl::Status Steerer::TakeBudget(const Caller& caller, uint32_t cost, absl::Duration now) const {
  if (!gate_.budgets_enabled()) return absl::OkStatus();
  if (caller.principal.trusted()) {
    return gate_.TakeBudget(absl::HashOf(static_cast<int>(caller.principal.kind), caller.principal.name), cost, now);
  }
  ASSIGN_OR_RETURN(const IpAddress origin, ClientAddress(caller, addresses_, ""));
  return gate_.TakeBudget(absl::HashOf(origin), cost, now);
}

absl::StatusOr<SteeringAnswer> Steerer::Decided(const Moment& moment, const Caller& caller, const sv1::SteerRequest& request,
                                                Explanation* record) const {
  ASSIGN_OR_RETURN(const IpAddress client, ClientAddress(caller, addresses_, request.client_address()));
  ASSIGN_OR_RETURN(const SteeringRequest parsed, ParseSteerRequest(request, client, moment.state.settings));
  RETURN_IF_ERROR(Ready(moment.state));
  RETURN_IF_ERROR(CheckInCatalogue(*moment.state.table->catalogue, parsed));
  return Decide(*moment.state.table, parsed, record);
}

absl::Status Steerer::Write(const Moment& moment, const sv1::SteerRequest& request, const SteeringAnswer& answer, AnswerWriter& writer,
                            WireBuffer& out) const {
  const RenderContext context = {.state = moment.state,
                                 .tokens = *tokens_,
                                 .now = moment.now,
                                 .monotonic = moment.monotonic,
                                 .session = request.bind_session() ? absl::string_view(request.session_id()) : absl::string_view()};
  return writer.Write(answer, context, out);
}

absl::Status Steerer::Answer(const Moment& moment, const Caller& caller, const sv1::SteerRequest& request, AnswerScratch& scratch,
                             WireBuffer& out, SteeringTally& tally) const {
  const absl::StatusOr<SteeringAnswer> answer = Decided(moment, caller, request, nullptr);
  const absl::Status status = answer.ok() ? Write(moment, request, *answer, scratch.writer, out) : answer.status();
  if (status.ok()) {
    Count(*answer, tally);
  } else {
    tally.CountRefused();
  }
  return status;
}

absl::Status Steerer::Steer(const Caller& caller, const sv1::SteerRequest& request, AnswerScratch& scratch, WireBuffer& response) const {
  const auto start = SteadyClock::now();
  const std::shared_ptr<const ServingState> state = serving_.Get();
  const Moment moment = NowWith(*state);
  absl::Status status = TakeBudget(caller, 1, moment.monotonic);
  if (status.ok()) status = Answer(moment, caller, request, scratch, response, scratch.tally);
  metrics_.decision_seconds.Observe(SecondsOf(SteadyClock::now() - start));
  scratch.tally.Flush();
  return status;
}

absl::Status Steerer::Steer(const Caller& caller, const sv1::SteerRequest& request, sv1::SteerResponse& response) const {
  RETURN_IF_ERROR(gate_.AdmitByLevel(ClassOf(request), SpreadOf(request), clock_.Monotonic()));
  AnswerScratch scratch(metrics_);
  RETURN_IF_ERROR(Steer(caller, request, scratch, scratch.answer));
  return ReadBack(scratch.answer, response);
}

absl::Status Steerer::SteerBatch(const Caller& caller, const sv1::SteerStreamRequest& request, absl::Status refusal, AnswerScratch& scratch,
                                 absl::FunctionRef<void(absl::string_view)> append) const {
  metrics_.stream_messages.Increment();
  const int count = request.requests_size();
  if (count > kMaxBatch) {
    return InvalidField("requests", absl::StrCat(count, " of them"), absl::StrCat("at most ", kMaxBatch, " a message"));
  }
  const absl::Status too_large = absl::ResourceExhaustedError(
      absl::StrCat("the answers before this one fill a message (", kMaxBatchBytes, " bytes); ask in smaller batches"));
  const std::shared_ptr<const ServingState> state = serving_.Get();
  const Moment moment = NowWith(*state);
  if (refusal.ok() && count > 0) refusal = TakeBudget(caller, static_cast<uint32_t>(count), moment.monotonic);
  WireBuffer& result = scratch.result;
  result.clear();
  result.Reserve(NumberSize(request.id()));
  result.Number(sv1::SteerStreamResponse::kIdFieldNumber, request.id());
  append(result.view());
  size_t bytes = 0;
  auto last = SteadyClock::now();
  for (const sv1::SteerRequest& one : request.requests()) {
    absl::Status status = bytes < kMaxBatchBytes ? refusal : too_large;
    scratch.answer.clear();
    if (status.ok()) {
      status = Answer(moment, caller, one, scratch, scratch.answer, scratch.tally);
      const auto now = SteadyClock::now();
      scratch.tally.Took(SecondsOf(now - last));
      last = now;
    }
    result.clear();
    if (status.ok()) {
      WriteResult(scratch.answer.view(), result);
    } else {
      WriteError(status, result);
    }
    bytes += result.size();
    append(result.view());
  }
  scratch.tally.Flush();
  return absl::OkStatus();
}

absl::Status Steerer::Explain(const Caller& caller, const sv1::ExplainRequest& request, sv1::ExplainResponse& response) const {
  metrics_.explains.Increment();
  const std::shared_ptr<const ServingState> state = serving_.Get();
  const Moment moment = NowWith(*state);
  Explanation record;
  ASSIGN_OR_RETURN(const SteeringAnswer answer, Decided(moment, caller, request.request(), &record));
  AnswerWriter writer;
  WireBuffer bytes;
  RETURN_IF_ERROR(Write(moment, request.request(), answer, writer, bytes));
  RETURN_IF_ERROR(ReadBack(bytes, *response.mutable_answer()));
  const RenderContext context = {.state = *state, .tokens = *tokens_, .now = moment.now, .monotonic = moment.monotonic};
  RenderExplanation(record, answer, context, response);
  return absl::OkStatus();
}

}  // namespace fairlead
