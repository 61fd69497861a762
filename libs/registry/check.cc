#include "libs/registry/check.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/status_macros.h"
#include "libs/net/ip_address.h"

namespace fairlead::registry {
namespace {

// The length of the UTF-8 sequence at the start of `text` (Unicode 15, table 3-7); 0 if it is none.
size_t Utf8Length(absl::string_view text) {
  const auto at = [&text](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0; };
  const auto tail = [&at](size_t i, int least = 0x80, int most = 0xbf) { return at(i) >= least && at(i) <= most; };
  const int lead = at(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return tail(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) return tail(1, lead == 0xe0 ? 0xa0 : 0x80, lead == 0xed ? 0x9f : 0xbf) && tail(2) ? 3 : 0;
  if (lead >= 0xf0 && lead <= 0xf4) {
    return tail(1, lead == 0xf0 ? 0x90 : 0x80, lead == 0xf4 ? 0x8f : 0xbf) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

absl::Status CheckText(absl::string_view field, absl::string_view value, size_t most) {
  if (value.size() > most) return InvalidField(field, value, absl::StrCat("must have at most ", most, " bytes"));
  absl::string_view rest = value;
  while (!rest.empty()) {
    const size_t length = Utf8Length(rest);
    if (length == 0) return InvalidField(field, "", "must be valid UTF-8");
    if (length == 1 && absl::ascii_iscntrl(static_cast<unsigned char>(rest[0]))) {
      return InvalidField(field, absl::StrCat("\\x", absl::Hex(rest[0], absl::kZeroPad2)), "control characters are not allowed");
    }
    rest.remove_prefix(length);
  }
  return absl::OkStatus();
}

absl::Status CheckWord(absl::string_view field, absl::string_view value) {
  const bool valid = !value.empty() && value.size() <= 64 && std::all_of(value.begin(), value.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
  });
  if (valid) return absl::OkStatus();
  return InvalidField(field, value, "must be 1 to 64 letters, digits, '.', '_' or '-'");
}

absl::Status CheckRange(absl::string_view field, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return InvalidField(field, absl::StrCat(value), absl::StrCat("must be in [", least, ", ", most, "]"));
}

absl::Status CheckDuration(absl::string_view field, absl::Duration value, absl::Duration least, absl::Duration most) {
  if (value == absl::ZeroDuration() || (value >= least && value <= most)) return absl::OkStatus();
  return InvalidField(field, absl::FormatDuration(value),
                      absl::StrCat("must be in [", absl::FormatDuration(least), ", ", absl::FormatDuration(most), "]"));
}

absl::Status CheckHostName(absl::string_view field, absl::string_view value) {
  bool valid = !value.empty() && value.size() <= 253;
  bool all_numeric = true;
  for (const absl::string_view label : absl::StrSplit(value, '.')) {
    valid = valid && !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-';
    for (const unsigned char c : label) {
      valid = valid && (absl::ascii_isalnum(c) || c == '-');
      all_numeric = all_numeric && absl::ascii_isdigit(c);
    }
  }
  if (valid && !all_numeric) return absl::OkStatus();
  return InvalidField(field, value, "must be a DNS name or an address");
}

absl::Status CheckTarget(absl::string_view field, absl::string_view value) {
  const size_t colon = value.rfind(':');
  int port = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(value.substr(colon + 1), &port) || port < 1 || port > 65535) {
    return InvalidField(field, value, "must be host:port with a port in [1, 65535]");
  }
  absl::string_view host = value.substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) {
    if (!absl::ConsumeSuffix(&host, "]")) return InvalidField(field, value, "the bracket is not closed");
    const absl::StatusOr<IpAddress> address = IpAddress::Parse(host, field);
    return address.ok() && address->is_v6() ? absl::OkStatus() : InvalidField(field, value, "must have an IPv6 address in the brackets");
  }
  if (IpAddress::Parse(host).ok() && host.find(':') == absl::string_view::npos) return absl::OkStatus();
  if (host.find(':') != absl::string_view::npos) return InvalidField(field, value, "an IPv6 address must stand in brackets");
  return CheckHostName(field, host).ok() ? absl::OkStatus() : InvalidField(field, value, "must be host:port");
}

absl::Status Attach(const absl::Status& status, absl::string_view field, absl::string_view value) {
  if (status.ok() || !FieldOf(status).empty()) return status;
  absl::string_view why = status.message();
  absl::ConsumePrefix(&why, absl::StrCat(field, ": ", Quoted(value)));
  absl::ConsumePrefix(&why, ":");
  return FieldError(status.code(), field, value, absl::StripLeadingAsciiWhitespace(why));
}

absl::Status CheckAddress(absl::string_view field, absl::string_view value) {
  return Attach(IpAddress::Parse(value, field).status(), field, value);
}

absl::Status CheckListSize(absl::string_view field, size_t size, size_t most) {
  if (size <= most) return absl::OkStatus();
  return InvalidField(field, absl::StrCat(size, " items"), absl::StrCat("at most ", most, " are allowed"));
}

}  // namespace fairlead::registry
