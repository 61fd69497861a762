#include "libs/http/error.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "libs/base/errors.h"
#include "libs/base/retry_after.h"
#include "nlohmann/json.hpp"

namespace fairlead {

int HttpStatusOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kAlreadyExists:
      return 409;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kCancelled:
      return 499;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

HttpResponse ErrorResponse(const absl::Status& status) {
  return ErrorResponse(HttpStatusOf(status.code()), status);
}

HttpResponse ErrorResponse(int http_status, const absl::Status& status) {
  const std::string code = absl::StatusCodeToString(status.code());
  nlohmann::ordered_json metadata = nlohmann::ordered_json::object();
  if (const std::string field = FieldOf(status); !field.empty()) metadata = {{"field", field}, {"value", ValueOf(status)}};
  nlohmann::ordered_json info;
  info["@type"] = "type.googleapis.com/google.rpc.ErrorInfo";
  info["reason"] = code;
  info["domain"] = "fairlead";
  info["metadata"] = std::move(metadata);
  nlohmann::ordered_json error;
  error["code"] = http_status;
  error["status"] = code;
  error["message"] = std::string(status.message());
  error["details"] = nlohmann::ordered_json::array({std::move(info)});

  HttpResponse response;
  response.status = http_status;
  response.headers.emplace_back("Cache-Control", "no-store");
  if (const absl::Duration delay = RetryAfterOf(status); delay > absl::ZeroDuration()) {
    // Whole seconds, and never too early (RFC 9110 §10.2.3).
    response.headers.emplace_back("Retry-After", absl::StrCat(absl::ToInt64Seconds(absl::Ceil(delay, absl::Seconds(1)))));
  }
  // Strict would throw on bytes that aren't UTF-8, and messages quote what clients send.
  response.body =
      nlohmann::ordered_json({{"error", std::move(error)}}).dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  return response;
}

}  // namespace fairlead
