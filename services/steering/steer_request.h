// A SteerRequest → the value that libs/steering decides on: every field checked, and bounded as steering_service.proto tells. Any thread.
#ifndef FAIRLEAD_SERVICES_STEERING_STEER_REQUEST_H_
#define FAIRLEAD_SERVICES_STEERING_STEER_REQUEST_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "fairlead/steering/v1/steering_service.pb.h"
#include "libs/net/ip_address.h"
#include "libs/steering/decision.h"

namespace fairlead {

inline constexpr int kMaxRenditions = 64;
inline constexpr int kMaxUrlsAFile = 8;
inline constexpr size_t kMaxSessionId = 64;

// `client`: see client_address.h. INVALID_ARGUMENT naming the field and its value.
absl::StatusOr<SteeringRequest> ParseSteerRequest(const steering::v1::SteerRequest& request, const IpAddress& client, int default_max_urls);
// Into a value whose memory is kept; all of it is overwritten.
absl::Status ParseSteerRequest(const steering::v1::SteerRequest& request, const IpAddress& client, int default_max_urls,
                               SteeringRequest& parsed);

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_STEER_REQUEST_H_
