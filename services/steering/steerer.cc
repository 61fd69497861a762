#include "services/steering/steerer.h"

#include <chrono>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/steering/decide.h"
#include "services/steering/codec.h"

namespace fairlead {

namespace sv1 = steering::v1;

absl::Status Steerer::Ready(const ServingState& state) {
  if (state.table == nullptr) return state.why_none;
  return state.key_id.empty() ? state.why_no_key : absl::OkStatus();
}

absl::Status Steerer::Health() const {
  return Ready(*serving_.Get());
}

absl::Status Steerer::Answer(const ServingState& state, const Caller& caller, const sv1::SteerRequest& request,
                             sv1::SteerResponse& response, sv1::ExplainResponse* explanation) const {
  ASSIGN_OR_RETURN(const IpAddress client, ClientAddress(caller, addresses_, request.client_address()));
  ASSIGN_OR_RETURN(const SteeringRequest parsed, ParseSteerRequest(request, client, state.settings));
  RETURN_IF_ERROR(Ready(state));
  RETURN_IF_ERROR(CheckInCatalogue(*state.table->catalogue, parsed));
  const RenderContext context = {.state = state, .tokens = *tokens_, .now = clock_.Now(), .monotonic = clock_.Monotonic()};
  Explanation record;
  const SteeringAnswer answer = Decide(*state.table, parsed, explanation == nullptr ? nullptr : &record);
  RETURN_IF_ERROR(RenderAnswer(answer, context, response));
  if (explanation != nullptr) {
    RenderExplanation(record, answer, context, *explanation);
  } else {
    Count(answer);
  }
  return absl::OkStatus();
}

void Steerer::Count(const SteeringAnswer& answer) const {
  for (const FileAnswer& file : answer.files) {
    if (file.not_servable != NotServable::kServable) return metrics_.CountNotServable(file.not_servable);
  }
  metrics_.CountServed(answer.files.front().candidates.front().cause);
}

absl::Status Steerer::Timed(const ServingState& state, const Caller& caller, const sv1::SteerRequest& request,
                            sv1::SteerResponse& response) const {
  const auto start = std::chrono::steady_clock::now();
  const absl::Status status = Answer(state, caller, request, response, nullptr);
  metrics_.decision_seconds.Observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  if (!status.ok()) {
    metrics_.refused.Increment();
    response.Clear();  // Nothing half-made goes out.
  }
  return status;
}

absl::Status Steerer::Steer(const Caller& caller, const sv1::SteerRequest& request, sv1::SteerResponse& response) const {
  return Timed(*serving_.Get(), caller, request, response);
}

absl::Status Steerer::SteerBatch(const Caller& caller, const sv1::SteerStreamRequest& request, sv1::SteerStreamResponse& response) const {
  metrics_.stream_messages.Increment();
  response.set_id(request.id());
  if (request.requests_size() > kMaxBatch) {
    return InvalidField("requests", absl::StrCat(request.requests_size(), " of them"), absl::StrCat("at most ", kMaxBatch, " a message"));
  }
  const std::shared_ptr<const ServingState> state = serving_.Get();
  const absl::Status too_large = absl::ResourceExhaustedError(
      absl::StrCat("the answers before this one fill a message (", kMaxBatchBytes, " bytes); ask in smaller batches"));
  response.mutable_results()->Reserve(request.requests_size());
  size_t bytes = 0;
  for (const sv1::SteerRequest& one : request.requests()) {
    sv1::SteerResult& result = *response.add_results();
    const absl::Status status = bytes < kMaxBatchBytes ? Timed(*state, caller, one, *result.mutable_response()) : too_large;
    bytes += result.ByteSizeLong();
    if (status.ok()) continue;
    sv1::SteerError& error = *result.mutable_error();  // Replaces the response.
    error.set_code(static_cast<int32_t>(status.code()));
    error.set_message(std::string(status.message()));
  }
  return absl::OkStatus();
}

absl::Status Steerer::Explain(const Caller& caller, const sv1::ExplainRequest& request, sv1::ExplainResponse& response) const {
  metrics_.explains.Increment();
  const absl::Status status = Answer(*serving_.Get(), caller, request.request(), *response.mutable_answer(), &response);
  if (!status.ok()) response.Clear();
  return status;
}

}  // namespace fairlead
