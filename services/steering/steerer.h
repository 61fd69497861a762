// The one path from a request to its answer, for gRPC and HTTP, for Steer and Explain: whose address, what is asked, decide, sign, render.
//
// Uses what the table builder published and nothing else: no disk, no database, no other service, no lock held while deciding.
// Thread-safe. Errors are canonical and name field and value; UNAVAILABLE says what is missing for any answer.
//
//   Steerer steerer(serving, tokens, addresses, clock, metrics);
//   RETURN_IF_ERROR(steerer.Steer(CallerOf(context), request, response));
#ifndef FAIRLEAD_SERVICES_STEERING_STEERER_H_
#define FAIRLEAD_SERVICES_STEERING_STEERER_H_

#include <memory>

#include "absl/status/status.h"
#include "fairlead/steering/v1/steering_service.pb.h"
#include "libs/base/clock.h"
#include "libs/base/published.h"
#include "libs/signing/token_cache.h"
#include "services/steering/client_address.h"
#include "services/steering/metrics.h"
#include "services/steering/serving_state.h"

namespace fairlead {

class Steerer {
 public:
  // Everything must outlive it. `tokens` may be null if no key will ever be chosen.
  Steerer(const Published<ServingState>& serving, TokenCache* tokens, ClientAddressPolicy addresses, const Clock& clock,
          SteeringMetrics& metrics)
      : serving_(serving), tokens_(tokens), addresses_(std::move(addresses)), clock_(clock), metrics_(metrics) {}

  absl::Status Steer(const Caller& caller, const steering::v1::SteerRequest& request, steering::v1::SteerResponse& response) const;
  // The results stand in the order of the requests, all decided by one table. INVALID_ARGUMENT if there are more than kMaxBatch.
  absl::Status SteerBatch(const Caller& caller, const steering::v1::SteerStreamRequest& request,
                          steering::v1::SteerStreamResponse& response) const;
  absl::Status Explain(const Caller& caller, const steering::v1::ExplainRequest& request, steering::v1::ExplainResponse& response) const;

  // OK if requests can be answered.
  absl::Status Health() const;

 private:
  // `explanation` may be null.
  absl::Status Answer(const ServingState& state, const Caller& caller, const steering::v1::SteerRequest& request,
                      steering::v1::SteerResponse& response, steering::v1::ExplainResponse* explanation) const;
  absl::Status Timed(const ServingState& state, const Caller& caller, const steering::v1::SteerRequest& request,
                     steering::v1::SteerResponse& response) const;
  static absl::Status Ready(const ServingState& state);
  void Count(const SteeringAnswer& answer) const;

  const Published<ServingState>& serving_;
  TokenCache* const tokens_;
  const ClientAddressPolicy addresses_;
  const Clock& clock_;
  SteeringMetrics& metrics_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_STEERER_H_
