// The one path from a request to its answer, for gRPC and HTTP, for Steer and Explain: whose address, what is asked, decide, sign, render.
//
// Steer chooses many at once, Explain one and to the end of its ladder (choose.h: the same walk); all else is the same for both.
//
// Answers are made as bytes (answer_writer.h); HTTP and Explain read them back into a message, so that there is one way only. Uses what the
// table builder published and nothing else: no disk, no database, no other service, no lock held while deciding. Thread-safe. Errors are
// canonical and name field and value; UNAVAILABLE says what is missing for any answer.
//
//   Steerer steerer(serving, tokens, addresses, clock, gate, metrics);
//   AnswerScratch scratch(metrics);
//   RETURN_IF_ERROR(steerer.Steer(CallerOf(context), request, scratch, response));
#ifndef FAIRLEAD_SERVICES_STEERING_STEERER_H_
#define FAIRLEAD_SERVICES_STEERING_STEERER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "fairlead/steering/v1/steering_service.pb.h"
#include "libs/base/clock.h"
#include "libs/base/published.h"
#include "libs/signing/token_cache.h"
#include "libs/steering/choose.h"
#include "libs/steering/decision.h"
#include "services/steering/answer_writer.h"
#include "services/steering/batch_request.h"
#include "services/steering/client_address.h"
#include "services/steering/metrics.h"
#include "services/steering/overload_gate.h"
#include "services/steering/serving_state.h"
#include "services/steering/wire.h"

namespace fairlead {

// A request on its way to its answer.
struct Answering {
  absl::Status status;                 // Not OK: the answer is this, and nothing else counts.
  steering::v1::SteerRequest message;  // Of a batch.
  SteeringRequest request;
  Wanted wanted;
  const CatalogueFile* likely = nullptr;  // Where one file is wanted: it, if it is there.
  RequestChoice choice;
  AnswerWriter writer;
  absl::string_view session;  // As in RenderContext, both.
  bool playlists = true;
  size_t size = 0;  // Of the answer.
};

// What a thread keeps from answer to answer, so that it needn't be made each time. One thread at a time.
struct AnswerScratch {
  static constexpr int kInTurn = 8;  // Requests that take each step together, so that their memory comes in at the same time.

  explicit AnswerScratch(SteeringMetrics& metrics) : tally(metrics) {}
  std::array<Answering, kInTurn> turn;
  std::vector<Choosing> many;
  ChoosingScratch choosing;
  SteeringTally tally;
};

// One call of those whose turn has come.
struct SingleCall {
  const Caller& caller;
  const steering::v1::SteerRequest& request;
};
struct SingleBatch {
  const Caller& caller;
  const BatchRequest& batch;
};

// What overload control says of a batch: refused whole, or some of its requests.
struct BatchRefusal {
  static constexpr uint8_t kAdmitted = 0xff;

  absl::Status whole;               // OK, or the answer to each.
  absl::Span<const uint8_t> some;   // By request: kAdmitted, or the RequestClass as which it is refused. Empty: all are admitted.
  absl::Duration retry_after = {};  // For those.

  bool Has(size_t request) const { return !some.empty() && some[request] != kAdmitted; }
  RequestClass ClassOf(size_t request) const { return static_cast<RequestClass>(some[request]); }
};

class Steerer {
 public:
  // Everything must outlive it. `tokens` may be null if no key will ever be chosen.
  Steerer(const Published<ServingState>& serving, TokenCache* tokens, ClientAddressPolicy addresses, const Clock& clock, OverloadGate& gate,
          SteeringMetrics& metrics)
      : serving_(serving), tokens_(tokens), addresses_(std::move(addresses)), clock_(clock), gate_(gate), metrics_(metrics) {}

  // answer(i, one) for each call: its status is the call's, and if it is OK `one.writer` writes the SteerResponse, of `one.size` bytes. At
  // most AnswerScratch::kInTurn calls.
  void SteerTurn(absl::Span<const SingleCall> calls, AnswerScratch& scratch,
                 absl::FunctionRef<void(size_t, const Answering&)> answer) const;
  // The bytes of the SteerResponse, in one room.
  absl::Status Steer(const Caller& caller, const steering::v1::SteerRequest& request, AnswerScratch& scratch, WireRoom room) const;
  // For callers without a queue of their own: also refused by the level that the queues admit.
  absl::Status Steer(const Caller& caller, const steering::v1::SteerRequest& request, steering::v1::SteerResponse& response) const;
  // The bytes of the SteerStreamResponse, in one room after the other: the results in the order of the requests, all decided by one
  // table. INVALID_ARGUMENT if there are more than kMaxBatch.
  absl::Status SteerBatch(const Caller& caller, const BatchRequest& batch, BatchRefusal refusal, AnswerScratch& scratch,
                          WireRoom room) const;
  // The same for batches of one request each, none of them refused, with room(i, size) in what is sent for the i-th.
  void SteerSingles(absl::Span<const SingleBatch> batches, AnswerScratch& scratch, absl::FunctionRef<char*(size_t, size_t)> room) const;
  absl::Status Explain(const Caller& caller, const steering::v1::ExplainRequest& request, steering::v1::ExplainResponse& response) const;

  // OK if requests can be answered.
  absl::Status Health() const;
  // The same for one caller, so that the same ones are refused for a while; its session where it says one.
  static uint64_t SpreadOf(absl::string_view session_id, absl::string_view client_address);
  static uint64_t SpreadOf(const steering::v1::SteerRequest& request);

 private:
  // One moment for all answers of a message.
  struct Moment {
    const ServingState& state;
    absl::Time now;
    absl::Duration monotonic;
  };
  Moment NowWith(const ServingState& state) const { return {state, clock_.Now(), clock_.Monotonic()}; }

  RenderContext ContextOf(const Moment& moment, const Answering& one) const;
  // understand(i, one) for each of so many, then all other steps for all of them, then answer(i, one).
  void Turn(const Moment& moment, size_t count, AnswerScratch& scratch, absl::FunctionRef<absl::Status(size_t, Answering&)> understand,
            absl::FunctionRef<void(size_t, const Answering&)> answer) const;
  absl::Status UnderstandBytes(const Moment& moment, const Caller& caller, absl::string_view request, Answering& one) const;
  absl::Status Understand(const Moment& moment, const Caller& caller, const steering::v1::SteerRequest& request, Answering& one) const;
  // Of those whose status is OK: looks up what each asks for and chooses; then what each one's writer will write.
  static void ChooseTurn(const SteeringTable& table, absl::Span<Answering> turn, AnswerScratch& scratch);
  void MeasureTurn(const Moment& moment, absl::Span<Answering> turn) const;
  void Prepare(const Moment& moment, absl::Span<Answering> turn, AnswerScratch& scratch) const;
  absl::Status TakeBudget(const Caller& caller, uint32_t cost, absl::Duration now) const;
  static absl::Status Ready(const ServingState& state);

  const Published<ServingState>& serving_;
  TokenCache* const tokens_;
  const ClientAddressPolicy addresses_;
  const Clock& clock_;
  OverloadGate& gate_;
  SteeringMetrics& metrics_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_STEERER_H_
