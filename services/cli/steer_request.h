// What `steer` and `explain` share: the request, and the answer in one sentence.
#ifndef FAIRLEAD_SERVICES_CLI_STEER_REQUEST_H_
#define FAIRLEAD_SERVICES_CLI_STEER_REQUEST_H_

#include <string>

#include "absl/status/statusor.h"
#include "fairlead/steering/v1/steering_service.pb.h"
#include "services/cli/commands.h"

namespace fairlead::cli {

// Everything but the client.
absl::StatusOr<steering::v1::SteerRequest> MakeRequestLike(const SteerArguments& arguments);
absl::StatusOr<steering::v1::SteerRequest> MakeSteerRequest(const SteerArguments& arguments);

// "OK by 198.51.0.0/16; reusable for 30s" or "NOT SERVABLE: NOT_HELD, no appliance holds …".
std::string VerdictText(const steering::v1::SteerResponse& response);

// "registry 0.2s, cells/a 1.1s (from disk)": how old what the answer rests on is.
std::string AgesText(const google::protobuf::RepeatedPtrField<steering::v1::SourceAge>& sources);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_SERVICES_CLI_STEER_REQUEST_H_
