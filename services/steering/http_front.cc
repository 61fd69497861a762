#include "services/steering/http_front.h"

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/http/error.h"
#include "services/steering/client_address.h"
#include "services/steering/http_request.h"

namespace fairlead {
namespace {

namespace sv1 = steering::v1;
namespace json = google::protobuf::util;

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
  RETURN_IF_ERROR(request.method == "POST" ? ParseJsonBody(request.body, steer) : ParseSteerQuery(request.target, steer));
  sv1::SteerResponse answer;
  RETURN_IF_ERROR(steerer.Steer(CallerOf(request), steer, answer));
  return Render(answer);
}

absl::StatusOr<HttpResponse> Explain(const Steerer& steerer, const HttpRequest& request) {
  sv1::ExplainRequest explain;
  RETURN_IF_ERROR(request.method == "POST" ? ParseJsonBody(request.body, explain)
                                           : ParseSteerQuery(request.target, *explain.mutable_request()));
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
