#include "services/registry/codec.h"

#include "google/protobuf/util/json_util.h"

namespace fairlead::registry {
namespace {

constexpr int64_t kMaxProtoSeconds = 315'576'000'000;  // Ten thousand years, by duration.proto.
// The years 1 to 9999, by timestamp.proto.
constexpr int64_t kFirstSecond = -62'135'596'800;
constexpr int64_t kLastSecond = 253'402'300'799;

}  // namespace

google::protobuf::Timestamp TimestampToProto(absl::Time time) {
  google::protobuf::Timestamp proto;
  const int64_t seconds = absl::ToUnixSeconds(time);
  proto.set_seconds(seconds);
  proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return proto;
}

google::protobuf::Duration DurationToProto(absl::Duration duration) {
  google::protobuf::Duration proto;
  proto.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  proto.set_nanos(static_cast<int32_t>(absl::IDivDuration(duration, absl::Nanoseconds(1), &duration)));
  return proto;
}

absl::StatusOr<absl::Duration> DurationFromProto(const google::protobuf::Duration& duration, absl::string_view field) {
  const bool in_range =
      duration.seconds() >= 0 && duration.seconds() <= kMaxProtoSeconds && duration.nanos() >= 0 && duration.nanos() <= 999'999'999;
  if (in_range) return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
  return InvalidField(field, absl::StrCat(duration.seconds(), " s ", duration.nanos(), " ns"), "must be a duration of at least 0");
}

absl::StatusOr<absl::Time> TimestampFromProto(const google::protobuf::Timestamp& time, absl::string_view field) {
  const bool in_range = time.seconds() >= kFirstSecond && time.seconds() <= kLastSecond && time.nanos() >= 0 && time.nanos() <= 999'999'999;
  if (in_range) return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
  return InvalidField(field, absl::StrCat(time.seconds(), " s ", time.nanos(), " ns"), "must be a time of the years 1 to 9999");
}

std::string ToJson(const google::protobuf::Message& message) {
  std::string json;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  // A message of ours always prints; if it ever did not, the audit row would say so.
  if (!google::protobuf::util::MessageToJsonString(message, &json, options).ok()) return R"({"error":"not printable"})";
  return json;
}

}  // namespace fairlead::registry
