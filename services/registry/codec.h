// Resources ↔ protobuf, for every kind at once: fields are found by name through reflection, so a field that the message doesn't have is
// a mistake of the program (the codec test walks them all).
#ifndef FAIRLEAD_SERVICES_REGISTRY_CODEC_H_
#define FAIRLEAD_SERVICES_REGISTRY_CODEC_H_

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/base/internal/raw_logging.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/field_mask.pb.h"
#include "google/protobuf/message.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/protobuf/util/field_mask_util.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/registry/record.h"
#include "services/registry/kinds.h"

namespace fairlead::registry {

google::protobuf::Timestamp TimestampToProto(absl::Time time);
google::protobuf::Duration DurationToProto(absl::Duration duration);
// INVALID_ARGUMENT if it is out of protobuf's range or its parts disagree in sign.
absl::StatusOr<absl::Duration> DurationFromProto(const google::protobuf::Duration& duration, absl::string_view field);
// INVALID_ARGUMENT if it is out of protobuf's range.
absl::StatusOr<absl::Time> TimestampFromProto(const google::protobuf::Timestamp& time, absl::string_view field);

namespace codec_internal {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

inline const FieldDescriptor& FieldOfMessage(const Message& message, absl::string_view name) {
  const FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(std::string(name));
  ABSL_RAW_CHECK(field != nullptr, "a resource has a field that its message lacks");
  return *field;
}

template <typename Struct>
void EncodeStruct(const Struct& value, Message& message);
template <typename Struct>
absl::Status DecodeStruct(const Message& message, absl::string_view path, Struct& value);

// One value into a singular field (Add = false) or onto the end of a repeated one.
template <bool Add, typename V>
void EncodeValue(const V& value, Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  const auto put = [&](auto set, auto add, auto converted) {
    if constexpr (Add) {
      (reflection.*add)(&message, &field, std::move(converted));
    } else {
      (reflection.*set)(&message, &field, std::move(converted));
    }
  };
  if constexpr (std::is_same_v<V, std::string>) {
    put(&Reflection::SetString, &Reflection::AddString, value);
  } else if constexpr (std::is_same_v<V, bool>) {
    put(&Reflection::SetBool, &Reflection::AddBool, value);
  } else if constexpr (std::is_same_v<V, int32_t>) {
    put(&Reflection::SetInt32, &Reflection::AddInt32, value);
  } else if constexpr (std::is_same_v<V, uint32_t>) {
    put(&Reflection::SetUInt32, &Reflection::AddUInt32, value);
  } else if constexpr (std::is_same_v<V, int64_t>) {
    put(&Reflection::SetInt64, &Reflection::AddInt64, value);
  } else if constexpr (std::is_same_v<V, double>) {
    put(&Reflection::SetDouble, &Reflection::AddDouble, value);
  } else if constexpr (IsEnum<V>) {
    put(&Reflection::SetEnumValue, &Reflection::AddEnumValue, static_cast<int>(value));
  } else if constexpr (IsId<V>) {
    put(&Reflection::SetString, &Reflection::AddString, value.empty() ? std::string() : value.name());
  } else {
    Message& inner = Add ? *reflection.AddMessage(&message, &field) : *reflection.MutableMessage(&message, &field);
    EncodeStruct(value, inner);
  }
}

template <typename V>
void EncodeField(const V& value, Message& message, const FieldDescriptor& field) {
  if constexpr (IsVector<V>) {
    for (const auto& item : value) EncodeValue<true>(item, message, field);
  } else if constexpr (IsOptional<V>) {
    if (value.has_value()) EncodeValue<false>(*value, message, field);
  } else if constexpr (std::is_same_v<V, absl::Duration>) {
    if (value != absl::ZeroDuration()) message.GetReflection()->MutableMessage(&message, &field)->CopyFrom(DurationToProto(value));
  } else if constexpr (std::is_same_v<V, absl::Time>) {
    if (value != absl::Time()) message.GetReflection()->MutableMessage(&message, &field)->CopyFrom(TimestampToProto(value));
  } else {
    EncodeValue<false>(value, message, field);
  }
}

template <typename Struct>
void EncodeStruct(const Struct& value, Message& message) {
  Struct::Fields([&](const auto& field) { EncodeField(value.*field.member, message, FieldOfMessage(message, field.name)); });
}

// `index` < 0 = a singular field.
template <typename V>
absl::Status DecodeValue(const Message& message, const FieldDescriptor& field, int index, const std::string& path, V& value) {
  const Reflection& reflection = *message.GetReflection();
  const auto get = [&](auto single, auto repeated) {
    return index < 0 ? (reflection.*single)(message, &field) : (reflection.*repeated)(message, &field, index);
  };
  if constexpr (std::is_same_v<V, std::string>) {
    value = get(&Reflection::GetString, &Reflection::GetRepeatedString);
  } else if constexpr (std::is_same_v<V, bool>) {
    value = get(&Reflection::GetBool, &Reflection::GetRepeatedBool);
  } else if constexpr (std::is_same_v<V, int32_t>) {
    value = get(&Reflection::GetInt32, &Reflection::GetRepeatedInt32);
  } else if constexpr (std::is_same_v<V, uint32_t>) {
    value = get(&Reflection::GetUInt32, &Reflection::GetRepeatedUInt32);
  } else if constexpr (std::is_same_v<V, int64_t>) {
    value = get(&Reflection::GetInt64, &Reflection::GetRepeatedInt64);
  } else if constexpr (std::is_same_v<V, double>) {
    value = get(&Reflection::GetDouble, &Reflection::GetRepeatedDouble);
  } else if constexpr (IsEnum<V>) {
    const int number = get(&Reflection::GetEnumValue, &Reflection::GetRepeatedEnumValue);
    if (field.enum_type()->FindValueByNumber(number) == nullptr) {
      return InvalidField(path, absl::StrCat(number), absl::StrCat("must be one of ", absl::StrJoin(WordsOf<V>(), ", ")));
    }
    value = static_cast<V>(number);
  } else if constexpr (IsId<V>) {
    const std::string name = get(&Reflection::GetString, &Reflection::GetRepeatedString);
    if (name.empty() && index < 0) {
      value = V();
    } else {
      ASSIGN_OR_RETURN(value, V::ParseName(name, path));
    }
  } else {
    const Message& inner = index < 0 ? reflection.GetMessage(message, &field) : reflection.GetRepeatedMessage(message, &field, index);
    return DecodeStruct(inner, path, value);
  }
  return absl::OkStatus();
}

template <typename V>
absl::Status DecodeField(const Message& message, const FieldDescriptor& field, const std::string& path, V& value) {
  const Reflection& reflection = *message.GetReflection();
  if constexpr (IsVector<V>) {
    value.clear();
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      value.emplace_back();
      RETURN_IF_ERROR(DecodeValue(message, field, i, absl::StrCat(path, "[", i, "]"), value.back()));
    }
    return absl::OkStatus();
  } else if constexpr (IsOptional<V>) {
    value.reset();
    if (!reflection.HasField(message, &field)) return absl::OkStatus();
    return DecodeValue(message, field, -1, path, value.emplace());
  } else if constexpr (std::is_same_v<V, absl::Duration>) {
    value = absl::ZeroDuration();
    if (!reflection.HasField(message, &field)) return absl::OkStatus();
    const auto& duration = static_cast<const google::protobuf::Duration&>(reflection.GetMessage(message, &field));
    ASSIGN_OR_RETURN(value, DurationFromProto(duration, path));
    return absl::OkStatus();
  } else if constexpr (std::is_same_v<V, absl::Time>) {
    value = absl::Time();
    if (!reflection.HasField(message, &field)) return absl::OkStatus();
    const auto& time = static_cast<const google::protobuf::Timestamp&>(reflection.GetMessage(message, &field));
    ASSIGN_OR_RETURN(value, TimestampFromProto(time, path));
    return absl::OkStatus();
  } else {
    return DecodeValue(message, field, -1, path, value);
  }
}

template <typename Struct>
absl::Status DecodeStruct(const Message& message, absl::string_view path, Struct& value) {
  absl::Status status;
  Struct::Fields([&](const auto& field) {
    if (!status.ok()) return;
    status = DecodeField(message, FieldOfMessage(message, field.name), absl::StrCat(path, ".", field.name), value.*field.member);
  });
  return status;
}

}  // namespace codec_internal

template <typename T>
ProtoOf<T> ToProto(const Record<T>& record) {
  ProtoOf<T> message;
  codec_internal::EncodeStruct(record.value, message);
  message.set_name(record.name());
  message.set_uid(record.meta.uid);
  *message.mutable_create_time() = TimestampToProto(record.meta.create_time);
  *message.mutable_update_time() = TimestampToProto(record.meta.update_time);
  message.set_etag(record.etag());
  return message;
}

// The value alone; the message's name, uid, times and etag are not looked at. INVALID_ARGUMENT naming the field.
template <typename T>
absl::StatusOr<T> FromProto(const ProtoOf<T>& message, typename T::IdType id) {
  T value;
  RETURN_IF_ERROR(codec_internal::DecodeStruct(message, T::kKind, value));
  value.id = std::move(id);
  return value;
}

// What an update means: `current` with the fields of the mask taken from `wish`. An empty mask takes all. INVALID_ARGUMENT for a path that
// the resource doesn't have or that is output only.
template <typename T>
absl::StatusOr<ProtoOf<T>> Merge(const Record<T>& current, const ProtoOf<T>& wish, const google::protobuf::FieldMask& mask) {
  using google::protobuf::util::FieldMaskUtil;
  if (mask.paths().empty()) return wish;
  for (const std::string& path : mask.paths()) {
    bool writable = false;
    const std::string top = path.substr(0, path.find('.'));
    T::Fields([&](const auto& field) { writable = writable || (field.name == top && field.flag == FieldFlag::kWritable); });
    if (!FieldMaskUtil::IsValidPath<ProtoOf<T>>(path))
      return InvalidField("update_mask", path, absl::StrCat("is not a field of a ", T::kKind));
    if (!writable) return InvalidField("update_mask", path, "is output only");
  }
  ProtoOf<T> merged = ToProto(current);
  FieldMaskUtil::MergeOptions options;
  options.set_replace_message_fields(true);
  options.set_replace_repeated_fields(true);
  FieldMaskUtil::MergeMessageTo(wish, mask, options, &merged);
  return merged;
}

// JSON for the audit; "" for null. Settings, which have no message, are {"value": …}.
std::string ToJson(const google::protobuf::Message& message);
template <typename T>
std::string RecordJson(const RecordPtr<T>& record) {
  if (record == nullptr) return "";
  if constexpr (std::is_same_v<T, Setting>) {
    google::protobuf::Struct shown;
    (*shown.mutable_fields())["value"].set_string_value(record->value.value);
    return ToJson(shown);
  } else {
    return ToJson(ToProto(*record));
  }
}

}  // namespace fairlead::registry

#endif  // FAIRLEAD_SERVICES_REGISTRY_CODEC_H_
