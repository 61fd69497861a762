// The HTTP forms of a request → the API's messages: JSON bodies (the protobuf JSON mapping) and query strings. Any thread.
//
// Before protobuf's parser sees a body its shape is checked against the message: nesting, doubled and unknown fields, types. So every error
// is INVALID_ARGUMENT and names the field (with its path, "request.max_urls") and quotes its value.
//
//   RETURN_IF_ERROR(ParseJsonBody(request.body, steer));
//   RETURN_IF_ERROR(ParseSteerQuery(request.target, steer));
#ifndef FAIRLEAD_SERVICES_STEERING_HTTP_REQUEST_H_
#define FAIRLEAD_SERVICES_STEERING_HTTP_REQUEST_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "fairlead/steering/v1/steering_service.pb.h"
#include "libs/http/message.h"

namespace fairlead {

// Objects and arrays inside one another; no message of the API needs more.
inline constexpr int kMaxJsonDepth = 8;

// The message in a request's body. On an error it may be half filled.
absl::Status ParseJsonBody(absl::string_view body, google::protobuf::Message& message);

// ?title=titles/x&client_address=…&max_urls=2&renditions=a&renditions=b&version=…&session_id=…; only `renditions` may come twice.
absl::Status ParseSteerQuery(const HttpTarget& target, steering::v1::SteerRequest& request);

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_HTTP_REQUEST_H_
