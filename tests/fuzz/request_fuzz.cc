// Requests as strangers send them: JSON bodies, query strings and protobuf bytes → the API's message → the value that steering decides on.
// Nothing crashes, every refusal names a field, and what passes is within the documented bounds, whichever way it came.
//
// The first byte says what the rest is.
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "fairlead/steering/v1/steering_service.pb.h"
#include "google/protobuf/stubs/logging.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/message_differencer.h"
#include "libs/base/errors.h"
#include "libs/base/ids.h"
#include "libs/base/utf8.h"
#include "libs/http/error.h"
#include "libs/http/message.h"
#include "services/steering/http_request.h"
#include "services/steering/steer_request.h"
#include "tests/fuzz/require.h"

namespace fairlead {
namespace {

namespace sv1 = steering::v1;

void RequireGoodError(const absl::Status& status) {
  FUZZ_REQUIRE(status.code() == absl::StatusCode::kInvalidArgument, status.ToString());
  FUZZ_REQUIRE(!FieldOf(status).empty(), "no field is named: ", status.ToString());
  FUZZ_REQUIRE(status.message().size() < 1'500, status.message().size(), " bytes: ", status.message());
  FUZZ_REQUIRE(IsUtf8(status.message()) && IsUtf8(FieldOf(status)) && IsUtf8(ValueOf(status)), "an error that isn't UTF-8");
  FUZZ_REQUIRE(ErrorResponse(status).status == 400, status.ToString());
}

void CheckRequest(const sv1::SteerRequest& request) {
  const IpAddress client = IpAddress::V4(0xc6336407);
  const absl::StatusOr<SteeringRequest> parsed = ParseSteerRequest(request, client, 3);
  if (!parsed.ok()) return RequireGoodError(parsed.status());
  FUZZ_REQUIRE(parsed->client == client, "another client");
  FUZZ_REQUIRE(absl::StrCat("titles/", parsed->title.value()) == request.title(), request.title());
  FUZZ_REQUIRE(ValidateId(parsed->title.value(), "title").ok(), parsed->title.value());
  FUZZ_REQUIRE(parsed->version.empty() || ValidateId(parsed->version, "version").ok(), parsed->version);
  FUZZ_REQUIRE(parsed->renditions.size() <= static_cast<size_t>(kMaxRenditions), parsed->renditions.size());
  for (const std::string& rendition : parsed->renditions) FUZZ_REQUIRE(ValidateId(rendition, "renditions").ok(), rendition);
  FUZZ_REQUIRE(parsed->max_urls >= 1 && parsed->max_urls <= kMaxUrlsAFile, parsed->max_urls);
  FUZZ_REQUIRE(parsed->session_key.size() <= kMaxSessionId, parsed->session_key.size());
}

// A message that JSON gave comes back the same by JSON.
void CheckRoundTrip(const sv1::SteerRequest& request) {
  std::string json;
  FUZZ_REQUIRE(google::protobuf::util::MessageToJsonString(request, &json).ok(), request.ShortDebugString());
  sv1::SteerRequest again;
  const absl::Status status = ParseJsonBody(json, again);
  FUZZ_REQUIRE(status.ok(), json, ": ", status.ToString());
  FUZZ_REQUIRE(google::protobuf::util::MessageDifferencer::Equals(request, again), json);
}

void CheckSteerBody(absl::string_view body) {
  sv1::SteerRequest request;
  if (const absl::Status status = ParseJsonBody(body, request); !status.ok()) return RequireGoodError(status);
  CheckRequest(request);
  CheckRoundTrip(request);
}

void CheckExplainBody(absl::string_view body) {
  sv1::ExplainRequest request;
  if (const absl::Status status = ParseJsonBody(body, request); !status.ok()) return RequireGoodError(status);
  CheckRequest(request.request());
  CheckRoundTrip(request.request());
}

void CheckTarget(absl::string_view text) {
  const absl::StatusOr<HttpTarget> target = ParseTarget(text);
  if (!target.ok()) {
    FUZZ_REQUIRE(target.status().code() == absl::StatusCode::kInvalidArgument && IsUtf8(target.status().message()),
                 target.status().ToString());
    return;
  }
  FUZZ_REQUIRE(target->query.size() <= HttpTarget::kMaxParameters, target->query.size());
  sv1::SteerRequest request;
  if (const absl::Status status = ParseSteerQuery(*target, request); !status.ok()) return RequireGoodError(status);
  CheckRequest(request);
  CheckRoundTrip(request);
}

void CheckWire(const std::string& bytes) {
  sv1::SteerRequest request;
  if (!request.ParseFromString(bytes)) return;  // gRPC refuses it.
  CheckRequest(request);
  request.DiscardUnknownFields();
  CheckRoundTrip(request);
}

void CheckBatch(const std::string& bytes) {
  sv1::SteerStreamRequest batch;
  if (!batch.ParseFromString(bytes)) return;
  for (const sv1::SteerRequest& request : batch.requests()) CheckRequest(request);
}

}  // namespace
}  // namespace fairlead

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // It would say each time that a string isn't UTF-8.
  static auto* const before = google::protobuf::SetLogHandler(nullptr);
  static_cast<void>(before);
  if (size == 0) return 0;
  const std::string rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'j':
      fairlead::CheckSteerBody(rest);
      break;
    case 'e':
      fairlead::CheckExplainBody(rest);
      break;
    case 'q':
      fairlead::CheckTarget(rest);
      break;
    case 'w':
      fairlead::CheckWire(rest);
      break;
    case 'b':
      fairlead::CheckBatch(rest);
      break;
    default:
      break;
  }
  return 0;
}
