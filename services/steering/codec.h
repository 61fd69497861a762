// The API's messages ↔ the values of libs/steering. Parsing checks every field; rendering makes the signed URLs. Any thread.
#ifndef FAIRLEAD_SERVICES_STEERING_CODEC_H_
#define FAIRLEAD_SERVICES_STEERING_CODEC_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "fairlead/steering/v1/steering_service.pb.h"
#include "libs/net/ip_address.h"
#include "libs/signing/token_cache.h"
#include "libs/steering/catalogue.h"
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

// With the policy's number of URLs where the request names none.
absl::StatusOr<SteeringRequest> ParseSteerRequest(const steering::v1::SteerRequest& request, const IpAddress& client,
                                                  const SteeringSettings& settings);
// NOT_FOUND naming the title, version or rendition that the catalogue doesn't have.
absl::Status CheckInCatalogue(const Catalogue& catalogue, const SteeringRequest& request);

// What rendering needs beside the decision. Everything must outlive the call.
struct RenderContext {
  const ServingState& state;
  TokenCache& tokens;
  absl::Time now;            // Wall time, for tokens.
  absl::Duration monotonic;  // For ages.
};
// Errors are those of signing.
absl::Status RenderAnswer(const SteeringAnswer& answer, const RenderContext& context, steering::v1::SteerResponse& response);

// Everything of the explanation but `answer`, from which the candidates' positions are taken.
void RenderExplanation(const Explanation& explanation, const SteeringAnswer& answer, const RenderContext& context,
                       steering::v1::ExplainResponse& response);

// "https://[2001:db8::1]:8443": brackets around an IPv6 literal, no port where it is the scheme's own.
std::string UrlOrigin(const Endpoint& endpoint);

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_CODEC_H_
