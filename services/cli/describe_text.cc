#include "services/cli/describe_text.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/protobuf/util/json_util.h"
#include "services/cli/table.h"
#include "services/cli/units.h"

namespace fairlead::cli {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr int kStep = 2;

// AdminState → ADMIN_STATE_
std::string EnumPrefix(absl::string_view type_name) {
  std::string prefix;
  for (size_t i = 0; i < type_name.size(); ++i) {
    if (i > 0 && absl::ascii_isupper(type_name[i])) prefix += '_';
    prefix += absl::ascii_toupper(type_name[i]);
  }
  return prefix + "_";
}

// capacity_bps → "capacity": the unit stands with the value.
std::string Label(const FieldDescriptor& field) {
  absl::string_view name = field.name();
  for (const char* unit : {"_bps", "_bytes", "_km", "_watts", "_celsius"}) {
    if (absl::ConsumeSuffix(&name, unit)) break;
  }
  return absl::StrReplaceAll(name, {{"_", " "}});
}

std::string IntegerText(const FieldDescriptor& field, int64_t value) {
  if (absl::EndsWith(field.name(), "_bps")) return HumanBits(value);
  if (absl::EndsWith(field.name(), "_bytes")) return HumanBytes(value);
  if (absl::EndsWith(field.name(), "_km")) return absl::StrCat(value, " km");
  if (absl::EndsWith(field.name(), "_watts")) return absl::StrCat(value, " W");
  return absl::StrCat(value);
}

std::string DoubleText(const FieldDescriptor& field, double value) {
  if (absl::StrContains(field.name(), "utilisation") || field.name() == "weight") return HumanShare(value);
  if (absl::EndsWith(field.name(), "_celsius")) return absl::StrCat(value, " °C");
  if (absl::EndsWith(field.name(), "_watts")) return absl::StrCat(value, " W");
  return absl::StrCat(value);
}

// The value as one line; `index` < 0 for a singular field. Not for messages, times and durations apart.
std::string ScalarText(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection& reflection = *message.GetReflection();
  const auto pick = [&](auto singular, auto repeated) {
    return index < 0 ? (reflection.*singular)(message, &field) : (reflection.*repeated)(message, &field, index);
  };
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return IntegerText(field, pick(&Reflection::GetInt32, &Reflection::GetRepeatedInt32));
    case FieldDescriptor::CPPTYPE_INT64:
      return IntegerText(field, pick(&Reflection::GetInt64, &Reflection::GetRepeatedInt64));
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(pick(&Reflection::GetUInt32, &Reflection::GetRepeatedUInt32));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(pick(&Reflection::GetUInt64, &Reflection::GetRepeatedUInt64));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return DoubleText(field, pick(&Reflection::GetDouble, &Reflection::GetRepeatedDouble));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return DoubleText(field, pick(&Reflection::GetFloat, &Reflection::GetRepeatedFloat));
    case FieldDescriptor::CPPTYPE_BOOL:
      return pick(&Reflection::GetBool, &Reflection::GetRepeatedBool) ? "yes" : "no";
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumWord(*field.enum_type(), pick(&Reflection::GetEnumValue, &Reflection::GetRepeatedEnumValue));
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string value = pick(&Reflection::GetString, &Reflection::GetRepeatedString);
      if (field.type() == FieldDescriptor::TYPE_BYTES) return absl::BytesToHexString(value);
      return absl::StrContains(value, '\n') ? value : Printable(value);
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  return "";
}

// Messages that are one value; false if this is none of them.
bool WellKnownText(const Message& message, std::string& text) {
  if (const auto* time = dynamic_cast<const google::protobuf::Timestamp*>(&message)) {
    text = HumanTime(*time);
    return true;
  }
  if (const auto* duration = dynamic_cast<const google::protobuf::Duration*>(&message)) {
    text = HumanAge(*duration);
    return true;
  }
  return false;
}

struct Line {
  std::string label;
  std::string value;
  std::string below;  // Indented text that follows the line.
};

std::string Block(const std::string& text, int indent) {
  std::string result;
  const std::string margin(indent, ' ');
  for (absl::string_view rest = text; !rest.empty();) {
    const size_t end = rest.find('\n');
    absl::StrAppend(&result, margin, Printable(rest.substr(0, end)), "\n");
    rest = end == absl::string_view::npos ? absl::string_view() : rest.substr(end + 1);
  }
  return result;
}

void AddMessage(const Message& value, const std::string& label, int indent, std::vector<Line>& lines) {
  Line line{label, "", ""};
  if (!WellKnownText(value, line.value)) line.below = DescribeText(value, indent + kStep);
  if (!line.value.empty() || !line.below.empty()) lines.push_back(std::move(line));
}

void AddField(const Message& message, const FieldDescriptor& field, int indent, std::vector<Line>& lines) {
  const Reflection& reflection = *message.GetReflection();
  const std::string label = Label(field);
  const bool is_message = field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
  if (!field.is_repeated()) {
    if (is_message) return AddMessage(reflection.GetMessage(message, &field), label, indent, lines);
    const std::string value = ScalarText(message, field, -1);
    if (absl::StrContains(value, '\n')) {
      lines.push_back({label, "", Block(value, indent + kStep)});
    } else {
      lines.push_back({label, value, ""});
    }
    return;
  }
  const int size = reflection.FieldSize(message, &field);
  if (is_message) {
    for (int i = 0; i < size; ++i) {
      AddMessage(reflection.GetRepeatedMessage(message, &field, i), absl::StrCat(label, " ", i + 1), indent, lines);
    }
    return;
  }
  std::vector<std::string> values;
  for (int i = 0; i < size; ++i) values.push_back(ScalarText(message, field, i));
  lines.push_back({label, absl::StrJoin(values, ", "), ""});
}

}  // namespace

std::string EnumWord(const google::protobuf::EnumDescriptor& type, int number) {
  const google::protobuf::EnumValueDescriptor* value = type.FindValueByNumber(number);
  if (value == nullptr) return absl::StrCat(number);
  absl::string_view word = value->name();
  absl::ConsumePrefix(&word, EnumPrefix(type.name()));
  return word == "UNSPECIFIED" ? "" : std::string(word);
}

std::string DescribeText(const Message& message, int indent) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  // In the order of the .proto file, which is the order to read them in; ListFields goes by number.
  std::sort(fields.begin(), fields.end(), [](const auto* a, const auto* b) { return a->index() < b->index(); });
  std::vector<Line> lines;
  for (const FieldDescriptor* field : fields) AddField(message, *field, indent, lines);
  size_t width = 0;
  for (const Line& line : lines) width = std::max(width, DisplayWidth(line.label));
  std::string text;
  for (const Line& line : lines) {
    absl::StrAppend(&text, std::string(indent, ' '), line.label);
    if (!line.value.empty()) absl::StrAppend(&text, std::string(width - DisplayWidth(line.label) + 2, ' '), line.value);
    absl::StrAppend(&text, "\n", line.below);
  }
  return text;
}

std::string JsonText(const Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text, options);
  // Fails only for a malformed Any or a timestamp out of range: say so instead of printing half a message.
  if (!status.ok()) return absl::StrCat("{\"error\": \"", absl::CEscape(std::string(status.message())), "\"}\n");
  return text;
}

}  // namespace fairlead::cli
