#include "services/steering/http_front.h"

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/http/error.h"
#include "services/steering/client_address.h"

namespace fairlead {
namespace {

namespace sv1 = steering::v1;
namespace json = google::protobuf::util;

// The message in a request's body.
absl::Status ParseBody(const HttpRequest& request, google::protobuf::Message& message) {
  json::JsonParseOptions options;
  options.ignore_unknown_fields = false;
  const auto parsed = json::JsonStringToMessage(request.body, &message, options);
  if (parsed.ok()) return absl::OkStatus();
  const std::string why(parsed.message().data(), parsed.message().size());
  return absl::InvalidArgumentError(absl::StrCat("request body is no JSON form of ", message.GetDescriptor()->name(), ": ", why));
}

absl::Status SetParameter(const std::string& name, const std::string& value, sv1::SteerRequest& request) {
  if (name == "client_address") {
    request.set_client_address(value);
  } else if (name == "title") {
    request.set_title(value);
  } else if (name == "version") {
    request.set_version(value);
  } else if (name == "renditions") {
    request.add_renditions(value);
  } else if (name == "session_id") {
    request.set_session_id(value);
  } else if (name == "max_urls") {
    int number = 0;
    if (!absl::SimpleAtoi(value, &number)) return InvalidField(name, value, "must be a whole number");
    request.set_max_urls(number);
  } else {
    return InvalidField(name, value, "no such parameter; known are client_address, title, version, renditions, max_urls, session_id");
  }
  return absl::OkStatus();
}

absl::StatusOr<HttpResponse> Render(const google::protobuf::Message& message) {
  json::JsonPrintOptions options;
  options.always_print_primitive_fields = true;  // So that rank 0 and position 0 are there.
  HttpResponse response;
  response.headers.emplace_back("Cache-Control", "no-store");
  const auto printed = json::MessageToJsonString(message, &response.body, options);
  if (!printed.ok()) return absl::InternalError("the answer has no JSON form");
  return response;
}

absl::StatusOr<HttpResponse> Steer(const Steerer& steerer, const HttpRequest& request) {
  sv1::SteerRequest steer;
  RETURN_IF_ERROR(request.method == "POST" ? ParseBody(request, steer) : ParseSteerQuery(request, steer));
  sv1::SteerResponse answer;
  RETURN_IF_ERROR(steerer.Steer(CallerOf(request), steer, answer));
  return Render(answer);
}

absl::StatusOr<HttpResponse> Explain(const Steerer& steerer, const HttpRequest& request) {
  sv1::ExplainRequest explain;
  RETURN_IF_ERROR(request.method == "POST" ? ParseBody(request, explain) : ParseSteerQuery(request, *explain.mutable_request()));
  sv1::ExplainResponse answer;
  RETURN_IF_ERROR(steerer.Explain(CallerOf(request), explain, answer));
  return Render(answer);
}

absl::StatusOr<HttpResponse> Healthz(const Steerer& steerer) {
  RETURN_IF_ERROR(steerer.Health());
  HttpResponse response;
  response.headers.emplace_back("Cache-Control", "no-store");
  response.body = R"({"status":"SERVING"})";
  return response;
}

HttpResponse MethodNotAllowed(const HttpRequest& request, const std::string& allowed) {
  HttpResponse response =
      ErrorResponse(405, absl::UnimplementedError(absl::StrCat("method ", request.method, " isn't allowed here; allowed: ", allowed)));
  response.headers.emplace_back("Allow", allowed);
  return response;
}

}  // namespace

absl::Status ParseSteerQuery(const HttpRequest& request, sv1::SteerRequest& steer) {
  for (const auto& [name, value] : request.target.query) RETURN_IF_ERROR(SetParameter(name, value, steer));
  return absl::OkStatus();
}

HttpResponse AnswerHttp(const Steerer& steerer, const HttpRequest& request) {
  const std::string& path = request.target.path;
  const bool get = request.method == "GET";
  absl::StatusOr<HttpResponse> response;
  if (path == "/healthz") {
    if (!get) return MethodNotAllowed(request, "GET, HEAD");
    response = Healthz(steerer);
  } else if (path == "/v1/steer" || path == "/v1/explain") {
    if (!get && request.method != "POST") return MethodNotAllowed(request, "GET, HEAD, POST");
    response = path == "/v1/steer" ? Steer(steerer, request) : Explain(steerer, request);
  } else {
    response = FieldError(absl::StatusCode::kNotFound, "path", path, "there is nothing here; see /v1/steer, /v1/explain and /healthz");
  }
  return response.ok() ? *std::move(response) : ErrorResponse(response.status());
}

}  // namespace fairlead
