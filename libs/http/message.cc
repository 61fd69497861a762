#include "libs/http/message.h"

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"

namespace fairlead {
namespace {

std::string Quote(absl::string_view text) {
  return Quoted(absl::CHexEscape(text));
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

enum class Plus { kIsPlus, kIsSpace };

absl::StatusOr<std::string> PercentDecode(absl::string_view text, Plus plus) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return absl::InvalidArgumentError(absl::StrCat("request target: broken percent escape in ", Quote(text)));
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus == Plus::kIsSpace) {
      c = ' ';
    }
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      return absl::InvalidArgumentError(absl::StrCat("request target: control character in ", Quote(text)));
    }
    decoded.push_back(c);
  }
  return decoded;
}

// "http://host/path" → "/path": the absolute form that a proxy may send (RFC 9112 §3.2.2).
absl::string_view WithoutAuthority(absl::string_view target) {
  for (const absl::string_view scheme : {"http://", "https://"}) {
    if (!absl::StartsWithIgnoreCase(target, scheme)) continue;
    const size_t slash = target.find_first_of("/?", scheme.size());
    return slash == absl::string_view::npos ? absl::string_view("/") : target.substr(slash);
  }
  return target;
}

absl::StatusOr<HttpFields> ParseQuery(absl::string_view text) {
  HttpFields query;
  for (const absl::string_view part : absl::StrSplit(text, '&', absl::SkipEmpty())) {
    if (query.size() == HttpTarget::kMaxParameters) {
      return absl::InvalidArgumentError(absl::StrCat("request target: more than ", HttpTarget::kMaxParameters, " parameters"));
    }
    const std::pair<absl::string_view, absl::string_view> sides = absl::StrSplit(part, absl::MaxSplits('=', 1));
    ASSIGN_OR_RETURN(std::string name, PercentDecode(sides.first, Plus::kIsSpace));
    ASSIGN_OR_RETURN(std::string value, PercentDecode(sides.second, Plus::kIsSpace));
    query.emplace_back(std::move(name), std::move(value));
  }
  return query;
}

}  // namespace

absl::StatusOr<HttpTarget> ParseTarget(absl::string_view target) {
  const absl::string_view local = WithoutAuthority(target);
  const std::pair<absl::string_view, absl::string_view> sides = absl::StrSplit(local, absl::MaxSplits('?', 1));
  HttpTarget parsed;
  ASSIGN_OR_RETURN(parsed.path, PercentDecode(sides.first, Plus::kIsPlus));
  if (parsed.path.empty() && !local.empty() && local.data() != target.data()) parsed.path = "/";  // "http://host?query".
  if (parsed.path != "*" && !absl::StartsWith(parsed.path, "/")) {
    return absl::InvalidArgumentError(absl::StrCat("request target ", Quote(target), " is neither a path nor a URL"));
  }
  ASSIGN_OR_RETURN(parsed.query, ParseQuery(sides.second));
  return parsed;
}

std::string HttpRequest::Header(absl::string_view name) const {
  std::string joined;
  for (const auto& [field, value] : headers) {
    if (!absl::EqualsIgnoreCase(field, name)) continue;
    absl::StrAppend(&joined, joined.empty() ? "" : ", ", value);
  }
  return joined;
}

const std::string* HttpRequest::Parameter(absl::string_view name) const {
  for (const auto& [parameter, value] : target.query) {
    if (parameter == name) return &value;
  }
  return nullptr;
}

}  // namespace fairlead
