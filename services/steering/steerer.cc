#include "services/steering/steerer.h"

#include <algorithm>
#include <array>
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
void Count(const Answering& one, SteeringTally& tally) {
  if (!one.status.ok()) return tally.CountRefused();
  const RequestChoice& choice = one.choice;
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

// SteerStreamResponse.results: the error, or the head of a response of so many bytes. Whoever is refused is often so with the rest of its
// batch or class, and to write an error must cost much less than an answer: so the last ones are kept as bytes.
class ErrorWriter {
 public:
  size_t Write(const absl::Status& status, WireRoom room) {
    const std::string& bytes = BytesOf(status);
    const size_t size = BlockSize(bytes.size());
    WireWriter(room(size)).String(sv1::SteerStreamResponse::kResultsFieldNumber, bytes);
    return size;
  }

 private:
  struct Kept {
    absl::Status status;
    std::string bytes;
  };
  const std::string& BytesOf(const absl::Status& status) {
    for (const Kept& kept : kept_) {
      if (kept.status == status) return kept.bytes;
    }
    Kept& into = kept_[next_++ % kept_.size()];
    sv1::SteerResult message;
    message.mutable_error()->set_code(static_cast<int32_t>(status.code()));
    message.mutable_error()->set_message(std::string(status.message()));
    into = {status, message.SerializeAsString()};
    return into.bytes;
  }

  std::array<Kept, kRequestClasses + 1> kept_;
  size_t next_ = 0;
};

// The refusals of single requests of a batch: one text a class, counted at the end.
class Refusals {
 public:
  Refusals(const OverloadGate& gate, SteeringMetrics& metrics, absl::Duration retry_after)
      : gate_(gate), metrics_(metrics), retry_after_(retry_after) {}
  ~Refusals() {
    for (size_t i = 0; i < kRequestClasses; ++i) {
      if (more_[i] > 0) metrics_.CountShed(ShedReason::kOverload, static_cast<RequestClass>(i), more_[i]);
    }
  }
  const absl::Status& Of(RequestClass request_class) {
    absl::Status& kept = of_class_[static_cast<size_t>(request_class)];
    if (kept.ok()) {
      kept = gate_.Refuse(ShedReason::kOverload, request_class, retry_after_);
    } else {
      ++more_[static_cast<size_t>(request_class)];
    }
    return kept;
  }

 private:
  const OverloadGate& gate_;
  SteeringMetrics& metrics_;
  const absl::Duration retry_after_;
  std::array<absl::Status, kRequestClasses> of_class_;
  std::array<size_t, kRequestClasses> more_{};  // Than the one that the gate has counted.
};

void WriteId(const BatchRequest& batch, WireRoom room) {
  WireWriter(room(NumberSize(batch.id()))).Number(sv1::SteerStreamResponse::kIdFieldNumber, batch.id());
}

size_t WriteResult(const Answering& one, WireRoom room) {
  const size_t size = BlockSize(BlockSize(one.size));
  WireWriter out(room(size));
  out.Block(sv1::SteerStreamResponse::kResultsFieldNumber, BlockSize(one.size));
  out.Block(sv1::SteerResult::kResponseFieldNumber, one.size);
  one.writer.Write(out.at());
  return size;
}

absl::Status TooLong() {
  return absl::ResourceExhaustedError(
      absl::StrCat("the answers before this one fill a message (", kMaxBatchBytes, " bytes); ask in smaller batches"));
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

uint64_t Steerer::SpreadOf(absl::string_view session_id, absl::string_view client_address) {
  return absl::HashOf(session_id.empty() ? client_address : session_id);
}

uint64_t Steerer::SpreadOf(const sv1::SteerRequest& request) {
  return SpreadOf(request.session_id(), request.client_address());
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

RenderContext Steerer::ContextOf(const Moment& moment, const Answering& one) const {
  return {.state = moment.state,
          .tokens = *tokens_,
          .now = moment.now,
          .monotonic = moment.monotonic,
          .session = one.session,
          .playlists = one.playlists};
}

absl::Status Steerer::Understand(const Moment& moment, const Caller& caller, const sv1::SteerRequest& request, Answering& one) const {
  ASSIGN_OR_RETURN(const IpAddress client, ClientAddress(caller, addresses_, request.client_address()));
  RETURN_IF_ERROR(ParseSteerRequest(request, client, moment.state.settings.default_max_urls, one.request));
  RETURN_IF_ERROR(Ready(moment.state));
  one.session = request.bind_session() ? absl::string_view(request.session_id()) : absl::string_view();
  one.playlists = !request.omit_playlist_urls();
  moment.state.table->catalogue->FetchPlaceOfTitle(one.request.title);
  return absl::OkStatus();
}

namespace {

template <typename Step>
void EachOk(absl::Span<Answering> turn, Step&& step) {
  for (Answering& one : turn) {
    if (one.status.ok()) step(one);
  }
}

}  // namespace

// From the title to its file, and from the client to its ladder, by turns: each reads a line that the step before has asked for.
void Steerer::ChooseTurn(const SteeringTable& table, absl::Span<Answering> turn, AnswerScratch& scratch) {
  scratch.many.clear();
  EachOk(turn, [&](Answering& one) {
    scratch.many.push_back({.request = &one.request, .choice = &one.choice});
    table.catalogue->FetchTitle(one.request.title);
  });
  MatchMany(table, scratch.many, scratch.choosing);
  EachOk(turn, [&](Answering& one) { one.wanted.title = table.catalogue->FindTitle(one.request.title); });
  FetchLadders(table, scratch.many);
  EachOk(turn, [&](Answering& one) {
    one.wanted.version = one.wanted.title == nullptr ? nullptr : one.wanted.title->FindVersion(one.request.version);
    if (one.wanted.version != nullptr) one.wanted.version->FetchRenditions();
  });
  EachOk(turn, [&](Answering& one) {
    const bool one_file = one.wanted.version != nullptr && one.request.renditions.size() == 1;
    one.likely = one_file ? one.wanted.version->GuessFile(one.request.renditions.front()) : nullptr;
    __builtin_prefetch(one.likely);
  });
  EachOk(turn, [&](Answering& one) {
    if (one.likely != nullptr) one.likely->FetchNames();
  });
  EachOk(turn, [&](Answering& one) { one.status = CheckInCatalogue(one.wanted, one.request); });
  scratch.many.clear();
  EachOk(turn, [&](Answering& one) { scratch.many.push_back({.request = &one.request, .wanted = one.wanted, .choice = &one.choice}); });
  ChooseMany(table, scratch.many, scratch.choosing);
}

void Steerer::MeasureTurn(const Moment& moment, absl::Span<Answering> turn) const {
  EachOk(turn, [&](Answering& one) { one.status = one.writer.List(one.choice, ContextOf(moment, one)); });
  EachOk(turn, [&](Answering& one) { one.writer.FetchTokens(ContextOf(moment, one)); });
  EachOk(turn, [&](Answering& one) {
    absl::StatusOr<size_t> size = one.writer.Measure(one.request, one.choice, ContextOf(moment, one));
    one.status = size.status();
    one.size = size.value_or(0);
  });
}

void Steerer::Prepare(const Moment& moment, absl::Span<Answering> turn, AnswerScratch& scratch) const {
  if (moment.state.table != nullptr) ChooseTurn(*moment.state.table, turn, scratch);
  MeasureTurn(moment, turn);
}

void Steerer::Turn(const Moment& moment, size_t count, AnswerScratch& scratch,
                   absl::FunctionRef<absl::Status(size_t, Answering&)> understand,
                   absl::FunctionRef<void(size_t, const Answering&)> answer) const {
  const auto start = SteadyClock::now();
  const absl::Span<Answering> turn = absl::MakeSpan(scratch.turn).first(count);
  for (size_t i = 0; i < count; ++i) turn[i].status = understand(i, turn[i]);
  Prepare(moment, turn, scratch);
  for (size_t i = 0; i < count; ++i) {
    Count(turn[i], scratch.tally);
    answer(i, turn[i]);
  }
  scratch.tally.Took(SecondsOf(SteadyClock::now() - start), count);
}

void Steerer::SteerTurn(absl::Span<const SingleCall> calls, AnswerScratch& scratch,
                        absl::FunctionRef<void(size_t, const Answering&)> answer) const {
  const std::shared_ptr<const ServingState> state = serving_.Get();
  const Moment moment = NowWith(*state);
  const auto understand = [&](size_t i, Answering& one) {
    RETURN_IF_ERROR(TakeBudget(calls[i].caller, 1, moment.monotonic));
    return Understand(moment, calls[i].caller, calls[i].request, one);
  };
  Turn(moment, calls.size(), scratch, understand, answer);
  scratch.tally.Flush();
}

absl::Status Steerer::Steer(const Caller& caller, const sv1::SteerRequest& request, AnswerScratch& scratch, WireRoom room) const {
  const SingleCall call = {caller, request};
  absl::Status status;
  SteerTurn({&call, 1}, scratch, [&](size_t, const Answering& one) {
    status = one.status;
    if (one.status.ok()) one.writer.Write(room(one.size));
  });
  return status;
}

absl::Status Steerer::Steer(const Caller& caller, const sv1::SteerRequest& request, sv1::SteerResponse& response) const {
  RETURN_IF_ERROR(gate_.AdmitByLevel(ClassOf(request), SpreadOf(request), clock_.Monotonic()));
  AnswerScratch scratch(metrics_);
  std::string bytes;
  RETURN_IF_ERROR(Steer(caller, request, scratch, RoomIn(bytes)));
  return ReadBack(bytes, response);
}

absl::Status Steerer::UnderstandBytes(const Moment& moment, const Caller& caller, absl::string_view request, Answering& one) const {
  if (!one.message.ParseFromArray(request.data(), static_cast<int>(request.size()))) return Unreadable();
  return Understand(moment, caller, one.message, one);
}

absl::Status Steerer::SteerBatch(const Caller& caller, const BatchRequest& batch, BatchRefusal refusal, AnswerScratch& scratch,
                                 WireRoom room) const {
  metrics_.stream_messages.Increment();
  const size_t count = batch.requests().size();
  if (count > size_t{kMaxBatch}) {
    return InvalidField("requests", absl::StrCat(count, " of them"), absl::StrCat("at most ", kMaxBatch, " a message"));
  }
  const std::shared_ptr<const ServingState> state = serving_.Get();
  const Moment moment = NowWith(*state);
  const auto admitted = static_cast<uint32_t>(
      refusal.some.empty() ? count : static_cast<size_t>(std::count(refusal.some.begin(), refusal.some.end(), BatchRefusal::kAdmitted)));
  if (refusal.whole.ok() && admitted > 0) refusal.whole = TakeBudget(caller, admitted, moment.monotonic);
  WriteId(batch, room);
  ErrorWriter errors;
  Refusals refusals(gate_, metrics_, refusal.retry_after);
  size_t bytes = 0;
  for (size_t begin = 0, end = 0; begin < count; begin = end) {
    const auto start = SteadyClock::now();
    // The next ones that are answered, and all that are refused before the one after them.
    size_t answered = 0;
    for (; end < count && answered < AnswerScratch::kInTurn; ++end) {
      if (!refusal.whole.ok() || refusal.Has(end)) continue;
      Answering& one = scratch.turn[answered++];
      one.status = UnderstandBytes(moment, caller, batch.requests()[end], one);
    }
    const absl::Span<Answering> turn = absl::MakeSpan(scratch.turn).first(answered);
    if (!turn.empty()) Prepare(moment, turn, scratch);
    const Answering* next = turn.begin();
    for (size_t at = begin; at < end; ++at) {
      if (!refusal.whole.ok()) {
        bytes += errors.Write(refusal.whole, room);
      } else if (refusal.Has(at)) {
        scratch.tally.CountRefused();
        bytes += errors.Write(refusals.Of(refusal.ClassOf(at)), room);
      } else {
        const Answering& one = *next++;
        Count(one, scratch.tally);
        bytes += one.status.ok() ? WriteResult(one, room) : errors.Write(one.status, room);
      }
      if (refusal.whole.ok() && bytes >= kMaxBatchBytes) refusal.whole = TooLong();
    }
    if (!turn.empty()) scratch.tally.Took(SecondsOf(SteadyClock::now() - start), turn.size());
  }
  scratch.tally.Flush();
  return absl::OkStatus();
}

void Steerer::SteerSingles(absl::Span<const SingleBatch> batches, AnswerScratch& scratch,
                           absl::FunctionRef<char*(size_t, size_t)> room) const {
  const std::shared_ptr<const ServingState> state = serving_.Get();
  const Moment moment = NowWith(*state);
  ErrorWriter errors;
  const auto understand = [&](size_t i, Answering& one) {
    RETURN_IF_ERROR(TakeBudget(batches[i].caller, 1, moment.monotonic));
    return UnderstandBytes(moment, batches[i].caller, batches[i].batch.requests().front(), one);
  };
  const auto answer = [&](size_t i, const Answering& one) {
    metrics_.stream_messages.Increment();
    const auto room_of_it = [&](size_t size) { return room(i, size); };
    WriteId(batches[i].batch, room_of_it);
    one.status.ok() ? WriteResult(one, room_of_it) : errors.Write(one.status, room_of_it);
  };
  Turn(moment, batches.size(), scratch, understand, answer);
  scratch.tally.Flush();
}

absl::Status Steerer::Explain(const Caller& caller, const sv1::ExplainRequest& request, sv1::ExplainResponse& response) const {
  metrics_.explains.Increment();
  const std::shared_ptr<const ServingState> state = serving_.Get();
  const Moment moment = NowWith(*state);
  Answering one;
  RETURN_IF_ERROR(Understand(moment, caller, request.request(), one));
  one.wanted = FindWanted(*state->table->catalogue, one.request);
  RETURN_IF_ERROR(CheckInCatalogue(one.wanted, one.request));
  Choose(*state->table, one.request, one.wanted, WalkTo::kTheEnd, one.choice);
  MeasureTurn(moment, {&one, 1});
  RETURN_IF_ERROR(one.status);
  std::string bytes(one.size, '\0');
  one.writer.Write(bytes.data());
  RETURN_IF_ERROR(ReadBack(bytes, *response.mutable_answer()));
  Explanation record;
  const SteeringAnswer answer = PutInWords(*state->table, one.request, one.choice, &record);
  RenderExplanation(record, answer, ContextOf(moment, one), response);
  return absl::OkStatus();
}

}  // namespace fairlead
