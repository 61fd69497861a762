#include "services/steering/http_request.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/base/utf8.h"
#include "nlohmann/json.hpp"

namespace fairlead {
namespace {

namespace sv1 = steering::v1;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using nlohmann::json;

constexpr char kBody[] = "request body";
// A field's name is the caller's own word where we don't know it.
constexpr size_t kLongestName = 64;

std::string NameOf(absl::string_view name) {
  return name.empty() ? "''" : ToUtf8(CutUtf8(name, kLongestName));
}

// Reads the text without keeping it, and stops at what a tree of it would hide: depth and doubled names.
class Scan final : public json::json_sax_t {
 public:
  const absl::Status& status() const { return status_; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(json::number_integer_t) override { return true; }
  bool number_unsigned(json::number_unsigned_t) override { return true; }
  bool number_float(json::number_float_t, const std::string&) override { return true; }
  bool string(std::string&) override { return true; }
  bool binary(json::binary_t&) override { return true; }
  bool start_object(size_t) override { return Enter(); }
  bool start_array(size_t) override { return Enter(); }
  bool end_object() override { return Leave(); }
  bool end_array() override { return Leave(); }
  bool key(std::string& name) override {
    if (names_.back().insert(name).second) return true;
    status_ = InvalidField(NameOf(name), "", "is given twice");
    return false;
  }
  bool parse_error(size_t position, const std::string& last_token, const nlohmann::detail::exception&) override {
    status_ = InvalidField(kBody, last_token, absl::StrCat("isn't JSON from byte ", position, " on"));
    return false;
  }

 private:
  bool Enter() {
    names_.emplace_back();
    if (names_.size() <= static_cast<size_t>(kMaxJsonDepth)) return true;
    status_ = InvalidField(kBody, absl::StrCat("depth ", names_.size()), absl::StrCat("is nested deeper than ", kMaxJsonDepth));
    return false;
  }
  bool Leave() {
    names_.pop_back();
    return true;
  }

  std::vector<absl::flat_hash_set<std::string>> names_;
  absl::Status status_;
};

std::string Shown(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string KnownFields(const Descriptor& message) {
  std::string names;
  for (int i = 0; i < message.field_count(); ++i) absl::StrAppend(&names, i == 0 ? "" : ", ", message.field(i)->name());
  return names;
}

// "title_case" or "titleCase".
const FieldDescriptor* FindField(const Descriptor& message, const std::string& name) {
  for (int i = 0; i < message.field_count(); ++i) {
    if (message.field(i)->name() == name || message.field(i)->json_name() == name) return message.field(i);
  }
  return nullptr;
}

bool IsWhole(const json& value, double least, double most) {
  double number = 0;
  if (value.is_number()) {
    number = value.get<double>();
  } else if (!value.is_string() || !absl::SimpleAtod(value.get_ref<const std::string&>(), &number)) {
    return false;
  }
  return number == std::floor(number) && number >= least && number <= most;
}

absl::Status CheckMessage(const json& value, const Descriptor& message, const std::string& path);

absl::Status CheckValue(const json& value, const FieldDescriptor& field, const std::string& path) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      if (value.is_string()) return absl::OkStatus();
      return InvalidField(path, Shown(value), "must be a string");
    case FieldDescriptor::CPPTYPE_INT32:
      if (IsWhole(value, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max())) return absl::OkStatus();
      return InvalidField(path, Shown(value), "must be a whole number");
    case FieldDescriptor::CPPTYPE_BOOL:
      if (value.is_boolean()) return absl::OkStatus();
      return InvalidField(path, Shown(value), "must be true or false");
    case FieldDescriptor::CPPTYPE_ENUM:
      if (value.is_string() && field.enum_type()->FindValueByName(value.get<std::string>()) != nullptr) return absl::OkStatus();
      // As a number any is a shape; which of them there are is judged with the other fields.
      if (value.is_number() && IsWhole(value, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()))
        return absl::OkStatus();
      return InvalidField(path, Shown(value), absl::StrCat("must be a value of ", field.enum_type()->name()));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      // Well-known types (durations, times) have JSON forms of their own.
      if (field.message_type()->file()->package() == "google.protobuf") return absl::OkStatus();
      return CheckMessage(value, *field.message_type(), absl::StrCat(path, "."));
    default:
      return absl::OkStatus();  // Left to protobuf's parser.
  }
}

absl::Status CheckField(const json& value, const FieldDescriptor& field, const std::string& path) {
  if (value.is_null()) return absl::OkStatus();  // As if it weren't there.
  if (!field.is_repeated()) return CheckValue(value, field, path);
  if (!value.is_array()) return InvalidField(path, Shown(value), "must be a list");
  size_t index = 0;
  for (const json& element : value) RETURN_IF_ERROR(CheckValue(element, field, absl::StrCat(path, "[", index++, "]")));
  return absl::OkStatus();
}

// `path`: that of the message with its dot; empty for the body itself.
absl::Status CheckMessage(const json& value, const Descriptor& message, const std::string& path) {
  if (!value.is_object()) return InvalidField(path.empty() ? kBody : path.substr(0, path.size() - 1), Shown(value), "must be an object");
  absl::flat_hash_set<const FieldDescriptor*> seen;
  for (const auto& [name, inner] : value.items()) {
    const FieldDescriptor* field = FindField(message, name);
    const std::string shown = absl::StrCat(path, NameOf(name));
    if (field == nullptr) return InvalidField(shown, Shown(inner), absl::StrCat("no such field; known are ", KnownFields(message)));
    if (!seen.insert(field).second) return InvalidField(shown, Shown(inner), "is given twice, in two spellings");
    RETURN_IF_ERROR(CheckField(inner, *field, absl::StrCat(path, field->name())));
  }
  return absl::OkStatus();
}

absl::Status SetParameter(const std::string& name, const std::string& value, sv1::SteerRequest& request) {
  if (!IsUtf8(value)) return InvalidField(NameOf(name), value, "must be UTF-8");
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
  } else if (name == "request_class") {
    sv1::RequestClass request_class = sv1::REQUEST_CLASS_UNSPECIFIED;
    if (!sv1::RequestClass_Parse(value, &request_class)) return InvalidField(name, value, "no such class, see steering_service.proto");
    request.set_request_class(request_class);
  } else if (name == "bind_session" || name == "omit_playlist_urls") {
    if (value != "true" && value != "false") return InvalidField(name, value, "must be true or false");
    name == "bind_session" ? request.set_bind_session(value == "true") : request.set_omit_playlist_urls(value == "true");
  } else {
    return InvalidField(NameOf(name), value,
                        "no such parameter; known are client_address, title, version, renditions, max_urls, session_id, request_class, "
                        "bind_session, omit_playlist_urls");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ParseJsonBody(absl::string_view body, google::protobuf::Message& message) {
  if (body.empty())
    return InvalidField(kBody, body, absl::StrCat("is empty; a JSON object of ", message.GetDescriptor()->name(), " is wanted"));
  Scan scan;
  if (!json::sax_parse(body.begin(), body.end(), &scan)) return scan.status();
  const json tree = json::parse(body.begin(), body.end(), nullptr, /*allow_exceptions=*/false);
  RETURN_IF_ERROR(CheckMessage(tree, *message.GetDescriptor(), ""));
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = false;
  const auto parsed = google::protobuf::util::JsonStringToMessage({body.data(), body.size()}, &message, options);
  if (parsed.ok()) return absl::OkStatus();
  const std::string why(parsed.message().data(), parsed.message().size());
  return InvalidField(kBody, body, absl::StrCat("is no JSON form of ", message.GetDescriptor()->name(), ": ", Quoted(why)));
}

absl::Status ParseSteerQuery(const HttpTarget& target, sv1::SteerRequest& request) {
  absl::flat_hash_set<absl::string_view> seen;
  for (const auto& [name, value] : target.query) {
    if (!seen.insert(name).second && name != "renditions") return InvalidField(NameOf(name), value, "is given twice");
    RETURN_IF_ERROR(SetParameter(name, value, request));
  }
  return absl::OkStatus();
}

}  // namespace fairlead
