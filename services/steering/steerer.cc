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
void Count(const RequestChoice& choice, SteeringTally& tally) {
  for (const ChosenFile& file : choice.files) {
    if (file.choice.not_servable != NotServable::kServable) return tally.CountNotServable(file.choice.not_servable);
  }
  const FileChoice& first = choice.files.front().choice;
  tally.CountServed(first.CauseOf(first.urls[0]));
}

absl::Status ReadBack(const std::string& bytes, sv1::SteerResponse& response) {
  if (response.ParseFromString(bytes)) return absl::OkStatus();
  return absl::InternalError("the answer that was written can't be read");
}

// SteerStreamResponse.results: the error, or the head of a response of so many bytes.
size_t WriteError(const absl::Status& status, WireRoom room) {
  sv1::SteerResult message;
  message.mutable_error()->set_code(static_cast<int32_t>(status.code()));
  message.mutable_error()->set_message(std::string(status.message()));
  const std::string bytes = message.SerializeAsString();
  const size_t size = BlockSize(bytes.size());
  WireWriter(room(size)).String(sv1::SteerStreamResponse::kResultsFieldNumber, bytes);
  return size;
}

size_t WriteResult(const AnswerWriter& answer, size_t answer_size, WireRoom room) {
  const size_t size = BlockSize(BlockSize(answer_size));
  WireWriter out(room(size));
  out.Block(sv1::SteerStreamResponse::kResultsFieldNumber, BlockSize(answer_size));
  out.Block(sv1::SteerResult::kResponseFieldNumber, answer_size);
  answer.Write(out.at());
  return size;
}

// Room in a string.
auto RoomIn(std::string& bytes) {
  return [&bytes](size_t size) {
    bytes.resize(size);
    return bytes.data();
  };
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

RenderContext Steerer::ContextOf(const Moment& moment, const sv1::SteerRequest& request) const {
  return {.state = moment.state,
          .tokens = *tokens_,
          .now = moment.now,
          .monotonic = moment.monotonic,
          .session = request.bind_session() ? absl::string_view(request.session_id()) : absl::string_view()};
}

absl::StatusOr<size_t> Steerer::Prepare(const Moment& moment, const Caller& caller, const sv1::SteerRequest& request, WalkTo walk_to,
                                        AnswerScratch& scratch) const {
  ASSIGN_OR_RETURN(const IpAddress client, ClientAddress(caller, addresses_, request.client_address()));
  RETURN_IF_ERROR(ParseSteerRequest(request, client, moment.state.settings.default_max_urls, scratch.request));
  RETURN_IF_ERROR(Ready(moment.state));
  const SteeringTable& table = *moment.state.table;
  RETURN_IF_ERROR(CheckInCatalogue(*table.catalogue, scratch.request));
  Choose(table, scratch.request, walk_to, scratch.choice);
  return scratch.writer.Measure(scratch.request, scratch.choice, ContextOf(moment, request));
}

absl::StatusOr<size_t> Steerer::PrepareAndCount(const Moment& moment, const Caller& caller, const sv1::SteerRequest& request,
                                                AnswerScratch& scratch) const {
  absl::StatusOr<size_t> size = Prepare(moment, caller, request, WalkTo::kEnough, scratch);
  if (size.ok()) {
    Count(scratch.choice, scratch.tally);
  } else {
    scratch.tally.CountRefused();
  }
  return size;
}

absl::Status Steerer::Steer(const Caller& caller, const sv1::SteerRequest& request, AnswerScratch& scratch, WireRoom room) const {
  const auto start = SteadyClock::now();
  const std::shared_ptr<const ServingState> state = serving_.Get();
  const Moment moment = NowWith(*state);
  absl::Status status = TakeBudget(caller, 1, moment.monotonic);
  if (status.ok()) {
    const absl::StatusOr<size_t> size = PrepareAndCount(moment, caller, request, scratch);
    status = size.status();
    if (size.ok()) scratch.writer.Write(room(*size));
  }
  metrics_.decision_seconds.Observe(SecondsOf(SteadyClock::now() - start));
  scratch.tally.Flush();
  return status;
}

absl::Status Steerer::Steer(const Caller& caller, const sv1::SteerRequest& request, sv1::SteerResponse& response) const {
  RETURN_IF_ERROR(gate_.AdmitByLevel(ClassOf(request), SpreadOf(request), clock_.Monotonic()));
  AnswerScratch scratch(metrics_);
  std::string bytes;
  RETURN_IF_ERROR(Steer(caller, request, scratch, RoomIn(bytes)));
  return ReadBack(bytes, response);
}

absl::Status Steerer::SteerBatch(const Caller& caller, const sv1::SteerStreamRequest& request, absl::Status refusal, AnswerScratch& scratch,
                                 WireRoom room) const {
  metrics_.stream_messages.Increment();
  const int count = request.requests_size();
  if (count > kMaxBatch) {
    return InvalidField("requests", absl::StrCat(count, " of them"), absl::StrCat("at most ", kMaxBatch, " a message"));
  }
  const std::shared_ptr<const ServingState> state = serving_.Get();
  const Moment moment = NowWith(*state);
  if (refusal.ok() && count > 0) refusal = TakeBudget(caller, static_cast<uint32_t>(count), moment.monotonic);
  WireWriter(room(NumberSize(request.id()))).Number(sv1::SteerStreamResponse::kIdFieldNumber, request.id());
  size_t bytes = 0;
  auto last = SteadyClock::now();
  for (const sv1::SteerRequest& one : request.requests()) {
    if (bytes >= kMaxBatchBytes) {
      bytes += WriteError(absl::ResourceExhaustedError(absl::StrCat("the answers before this one fill a message (", kMaxBatchBytes,
                                                                    " bytes); ask in smaller batches")),
                          room);
      continue;
    }
    if (!refusal.ok()) {
      bytes += WriteError(refusal, room);
      continue;
    }
    const absl::StatusOr<size_t> size = PrepareAndCount(moment, caller, one, scratch);
    bytes += size.ok() ? WriteResult(scratch.writer, *size, room) : WriteError(size.status(), room);
    const auto now = SteadyClock::now();
    scratch.tally.Took(SecondsOf(now - last));
    last = now;
  }
  scratch.tally.Flush();
  return absl::OkStatus();
}

absl::Status Steerer::Explain(const Caller& caller, const sv1::ExplainRequest& request, sv1::ExplainResponse& response) const {
  metrics_.explains.Increment();
  const std::shared_ptr<const ServingState> state = serving_.Get();
  const Moment moment = NowWith(*state);
  AnswerScratch scratch(metrics_);
  ASSIGN_OR_RETURN(const size_t size, Prepare(moment, caller, request.request(), WalkTo::kTheEnd, scratch));
  std::string bytes(size, '\0');
  scratch.writer.Write(bytes.data());
  RETURN_IF_ERROR(ReadBack(bytes, *response.mutable_answer()));
  Explanation record;
  const SteeringAnswer answer = PutInWords(*state->table, scratch.request, scratch.choice, &record);
  RenderExplanation(record, answer, ContextOf(moment, request.request()), response);
  return absl::OkStatus();
}

}  // namespace fairlead
