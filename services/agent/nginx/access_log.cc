#include "services/agent/nginx/access_log.h"

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "libs/base/errors.h"
#include "libs/base/ids.h"
#include "nlohmann/json.hpp"

namespace fairlead::agent {
namespace {

using Json = nlohmann::json;

std::string Text(const Json& object, const char* name) {
  const auto at = object.find(name);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

int64_t Number(const Json& object, const char* name, int64_t otherwise) {
  const auto at = object.find(name);
  return at != object.end() && at->is_number_integer() ? at->get<int64_t>() : otherwise;
}

int SmallNumber(const Json& object, const char* name, int most) {
  int value = 0;
  return absl::SimpleAtoi(Text(object, name), &value) && value >= 0 ? std::min(value, most) : 0;
}

}  // namespace

absl::StatusOr<AccessLine> ParseAccessLine(absl::string_view line) {
  const size_t brace = line.find('{');  // Before it: syslog's priority, time and tag.
  const Json object =
      brace == absl::string_view::npos ? Json() : Json::parse(line.begin() + brace, line.end(), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return InvalidField("access log line", line, "is not a JSON object");
  AccessLine out;
  out.status = static_cast<int>(Number(object, "status", -1));
  out.bytes = Number(object, "bytes", -1);
  if (out.status < 0 || out.bytes < 0) return InvalidField("access log line", line, "has no status or bytes");
  out.key.title = Text(object, "title");
  out.key.version = Text(object, "version");
  // The path's shape is checked by NGINX; what it refused before that has no title.
  if (!ValidateId(out.key.title, "title").ok() || !ValidateId(out.key.version, "version").ok()) out.key.title = out.key.version = "";
  out.key.rank = SmallNumber(object, "rank", 3);
  out.key.position = SmallNumber(object, "position", 31);
  if (!FromString(absl::AsciiStrToUpper(Text(object, "cause")), out.key.cause)) out.key.cause = MissCause::kNone;
  out.key.family = Text(object, "family") == "6" ? AddressFamily::kIpv6 : AddressFamily::kIpv4;
  out.key.fill = Text(object, "scope") == "fill";
  out.refused = Text(object, "refused");
  // The path alone is what anybody may write: without a token that was accepted it must not make rows.
  if (Text(object, "scope").empty() || !out.refused.empty()) {
    out.key.title = out.key.version = "";
    out.key.rank = out.key.position = 0;
  }
  return out;
}

void TrafficAggregator::Add(const AccessLine& line) {
  total_bytes_ += line.bytes;
  auto row = rows_.find(line.key);
  if (row == rows_.end()) {
    TrafficKey key = rows_.size() + 1 < kMaxRows ? line.key : TrafficKey{};
    row = rows_.try_emplace(std::move(key)).first;
  }
  ++row->second.requests;
  row->second.bytes += line.bytes;
  if (line.status >= 400) ++row->second.refused;
}

}  // namespace fairlead::agent
