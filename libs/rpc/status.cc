#include "libs/rpc/status.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "fairlead/common/v1/error_details.pb.h"
#include "libs/base/errors.h"
#include "libs/base/retry_after.h"

namespace fairlead {
namespace {

// gRPC refuses to send metadata beyond 8 KiB; a message longer than this is cut.
constexpr size_t kMaxMessage = 2048;
constexpr char kErrorInfoUrl[] = "type.googleapis.com/google.rpc.ErrorInfo";
constexpr char kRetryInfoUrl[] = "type.googleapis.com/google.rpc.RetryInfo";

std::string Details(const absl::Status& status, const std::string& message) {
  common::v1::ErrorInfo info;
  info.set_reason(absl::StatusCodeToString(status.code()));
  info.set_domain("fairlead");
  const std::string field = FieldOf(status);
  if (!field.empty()) {
    (*info.mutable_metadata())["field"] = field;
    (*info.mutable_metadata())["value"] = ValueOf(status);
  }
  common::v1::ErrorStatus error;
  error.set_code(static_cast<int>(status.code()));
  error.set_message(message);
  auto* detail = error.add_details();
  detail->set_type_url(kErrorInfoUrl);
  detail->set_value(info.SerializeAsString());
  if (const absl::Duration delay = RetryAfterOf(status); delay > absl::ZeroDuration()) {
    common::v1::RetryInfo retry;
    const int64_t nanos = absl::ToInt64Nanoseconds(delay);
    retry.mutable_retry_delay()->set_seconds(nanos / 1'000'000'000);
    retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
    detail = error.add_details();
    detail->set_type_url(kRetryInfoUrl);
    detail->set_value(retry.SerializeAsString());
  }
  return error.SerializeAsString();
}

absl::Status WithToldRetry(absl::Status status, const common::v1::ErrorStatus& error) {
  for (const auto& detail : error.details()) {
    common::v1::RetryInfo retry;
    if (detail.type_url() != kRetryInfoUrl || !retry.ParseFromString(detail.value())) continue;
    return WithRetryAfter(std::move(status), absl::Seconds(retry.retry_delay().seconds()) + absl::Nanoseconds(retry.retry_delay().nanos()));
  }
  return status;
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  std::string message(status.message());
  if (message.size() > kMaxMessage) message = absl::StrCat(message.substr(0, kMaxMessage), "… (", message.size(), " bytes)");
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), message, Details(status, message));
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  common::v1::ErrorStatus error;
  common::v1::ErrorInfo info;
  if (error.ParseFromString(status.error_details()) && !error.details().empty() && error.details(0).type_url() == kErrorInfoUrl &&
      info.ParseFromString(error.details(0).value()) && info.metadata().contains("field")) {
    const std::string& field = info.metadata().at("field");
    const std::string& value = info.metadata().at("value");
    const std::string lead = absl::StrCat(field, " ", Quoted(value), ": ");
    const std::string& message = status.error_message();
    if (message.compare(0, lead.size(), lead) == 0)
      return WithToldRetry(FieldError(code, field, value, message.substr(lead.size())), error);
  }
  return WithToldRetry(absl::Status(code, status.error_message()), error);
}

}  // namespace fairlead
