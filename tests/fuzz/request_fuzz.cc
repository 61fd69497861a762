// Requests as strangers send them: JSON bodies, query strings and protobuf bytes → the API's message → the value that steering decides on.
// Nothing crashes, every refusal names a field, and what passes is within the documented bounds, whichever way it came. A batch that
// protobuf reads is read the same piece by piece.
//
// The first byte says what the rest is.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "fairlead/steering/v1/steering_service.pb.h"
#include "google/protobuf/stubs/logging.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/message_differencer.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/slice.h"
#include "libs/base/errors.h"
#include "libs/base/ids.h"
#include "libs/base/utf8.h"
#include "libs/http/error.h"
#include "libs/http/message.h"
#include "services/steering/batch_request.h"
#include "services/steering/codec.h"
#include "services/steering/http_request.h"
#include "services/steering/steer_request.h"
#include "tests/fuzz/byte_reader.h"
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

// Cut at `cuts`, which are in order and none behind the end.
grpc::ByteBuffer InSlices(absl::string_view bytes, const std::vector<size_t>& cuts) {
  std::vector<grpc::Slice> slices;
  size_t begin = 0;
  for (const size_t cut : cuts) {
    slices.emplace_back(bytes.data() + begin, cut - begin);
    begin = cut;
  }
  slices.emplace_back(bytes.data() + begin, bytes.size() - begin);
  return grpc::ByteBuffer(slices.data(), slices.size());
}

// `bytes` stand for a request of a batch, and are one or not.
void CheckGlance(absl::string_view bytes) {
  const Glance glance = GlanceAt(bytes);
  for (const absl::string_view field : {glance.client_address, glance.session_id}) {
    FUZZ_REQUIRE(field.empty() || (field.begin() >= bytes.begin() && field.end() <= bytes.end()), "a field that isn't of the request");
  }
  sv1::SteerRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  CheckRequest(request);
  FUZZ_REQUIRE(glance.request_class == ClassOf(request), request.ShortDebugString());
  FUZZ_REQUIRE(glance.client_address == request.client_address(), request.ShortDebugString());
  FUZZ_REQUIRE(glance.session_id == request.session_id(), request.ShortDebugString());
}

void CheckBatch(const std::string& bytes, const std::vector<size_t>& cuts) {
  BatchRequest batch;
  const bool read = batch.Read(InSlices(bytes, cuts));
  FUZZ_REQUIRE(read || batch.requests().empty(), batch.requests().size(), " requests of what was refused");
  for (const absl::string_view request : batch.requests()) CheckGlance(request);
  sv1::SteerStreamRequest message;
  if (!message.ParseFromString(bytes)) return;
  FUZZ_REQUIRE(read, "refused in ", cuts.size() + 1, " slices: ", message.ShortDebugString());
  FUZZ_REQUIRE(batch.id() == message.id(), batch.id(), " instead of ", message.id());
  FUZZ_REQUIRE(batch.requests().size() == static_cast<size_t>(message.requests_size()), batch.requests().size(), " requests");
  for (int i = 0; i < message.requests_size(); ++i) {
    const absl::string_view one = batch.requests()[static_cast<size_t>(i)];
    sv1::SteerRequest request;
    FUZZ_REQUIRE(request.ParseFromArray(one.data(), static_cast<int>(one.size())), "request ", i);
    FUZZ_REQUIRE(request.SerializeAsString() == message.requests(i).SerializeAsString(), message.requests(i).ShortDebugString());
  }
}

// In one slice and in two.
void CheckBatch(const std::string& bytes) {
  CheckBatch(bytes, {});
  CheckBatch(bytes, {bytes.size() / 2});
}

// Its first byte says how many cuts there are; two bytes say where each is.
void CheckCutBatch(ByteReader reader) {
  std::vector<size_t> cuts(reader.Byte() % 8);
  for (size_t& cut : cuts) cut = reader.Word();
  const std::string bytes(reader.Rest());
  for (size_t& cut : cuts) cut %= bytes.size() + 1;
  std::sort(cuts.begin(), cuts.end());
  CheckBatch(bytes, cuts);
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
    case 's':
      fairlead::CheckCutBatch(fairlead::ByteReader(data + 1, size - 1));
      break;
    default:
      break;
  }
  return 0;
}
