// The API's messages ↔ the values of libs/steering. Parsing checks every field; rendering makes messages. Any thread.
#ifndef FAIRLEAD_SERVICES_STEERING_CODEC_H_
#define FAIRLEAD_SERVICES_STEERING_CODEC_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "fairlead/steering/v1/steering_service.pb.h"
#include "libs/net/ip_address.h"
#include "libs/overload/request_class.h"
#include "libs/signing/token_cache.h"
#include "libs/steering/choose.h"
#include "libs/steering/decision.h"
#include "services/steering/config_views.h"
#include "services/steering/serving_state.h"
#include "services/steering/steer_request.h"

namespace fairlead {

// The bounds of an answer; those of a request are in steer_request.h.
inline constexpr size_t kMaxFilesAnAnswer = 256;  // With eight URLs a file, under 2 MiB of answer.
inline constexpr int kMaxBatch = 256;
inline constexpr size_t kMaxBatchBytes = 4 << 20;  // Answers of a batch beyond this are refused one by one; clients take 8 MiB.
// How long an answer may be reused.
inline constexpr absl::Duration kAnswerTtl = absl::Seconds(60);
inline constexpr absl::Duration kNotServableTtl = absl::Seconds(5);

// Of bytes that are no SteerRequest, or no batch of them.
absl::Status Unreadable();
// What it counts as when there are too many.
RequestClass ClassOf(steering::v1::RequestClass request_class);
inline RequestClass ClassOf(const steering::v1::SteerRequest& request) {
  return ClassOf(request.request_class());
}
// NOT_FOUND naming the title, version or rendition that the catalogue, in which `wanted` was found, doesn't have.
absl::Status CheckInCatalogue(const Wanted& wanted, const SteeringRequest& request);

// What rendering needs beside the decision. Everything must outlive the call.
struct RenderContext {
  const ServingState& state;
  TokenCache& tokens;
  absl::Time now;                  // Wall time, for tokens.
  absl::Duration monotonic;        // For ages.
  absl::string_view session = {};  // That URLs are bound to; empty: shared ones.
  bool playlists = true;           // Whether their URLs are told.
};
// The answer itself: answer_writer.h. How old what it rests on is:
void RenderSources(const RenderContext& context, google::protobuf::RepeatedPtrField<steering::v1::SourceAge>& sources);

// Everything of the explanation but `answer`, from which the candidates' positions are taken.
void RenderExplanation(const Explanation& explanation, const SteeringAnswer& answer, const RenderContext& context,
                       steering::v1::ExplainResponse& response);

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_CODEC_H_
