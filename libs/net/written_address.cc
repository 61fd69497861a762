#include "libs/net/written_address.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "libs/base/errors.h"

namespace fairlead {
namespace {

// Of the longest address text, "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", with room for what stands around it.
constexpr size_t kLongest = 45 + 32;

constexpr absl::string_view kDigits = "0123456789";

bool IsPort(absl::string_view text) {
  return !text.empty() && text.size() <= 5 && text.find_first_not_of(kDigits) == absl::string_view::npos;
}

// "1.2.3" and "1.2.3.4.5", "01.2.3.4", "0x1.2.3.4", "16909060": what inet_aton and browsers read and we don't.
absl::string_view OddV4(absl::string_view text) {
  if (absl::StrContains(text, 'x') || absl::StrContains(text, 'X')) return "hexadecimal IPv4 forms aren't read";
  const auto dots = std::count(text.begin(), text.end(), '.');
  if (dots != 3) return "IPv4 has four numbers";
  for (size_t at = 0; at != absl::string_view::npos; at = text.find('.', at)) {
    if (text[at] == '.') ++at;
    const absl::string_view number = text.substr(at, std::min(text.find('.', at), text.size()) - at);
    if (number.empty()) return "a number is missing";
    if (number.size() > 1 && number[0] == '0') return "a number begins with 0, which some read as octal";
  }
  return "a number is above 255";
}

// What is odd about a text that is no address; for the sender's engineers.
absl::string_view WhyNot(absl::string_view text) {
  if (text.empty()) return "it is empty";
  if (text.size() > kLongest) return "it is longer than any address";
  if (std::any_of(text.begin(), text.end(), [](char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)); })) {
    return "it holds a control character";
  }
  if (text.find_first_of(" \t") != absl::string_view::npos) return "it holds a space";
  if (absl::StrContains(text, '%')) return "zone ids mean something on one machine only";
  if (absl::StrContains(text, '/')) return "one address is wanted, not a prefix";
  if (text.find_first_of("[]\"") != absl::string_view::npos) return "brackets and quotes don't belong here";
  if (text.find_first_not_of("0123456789.xXabcdefABCDEF") == absl::string_view::npos && !absl::StrContains(text, ':')) return OddV4(text);
  const size_t colon = text.find(':');
  if (colon != absl::string_view::npos && colon == text.rfind(':') && absl::StrContains(text.substr(0, colon), '.')) {
    return "a port doesn't belong here";
  }
  return colon == absl::string_view::npos ? "names aren't resolved" : "not a form of RFC 4291";
}

// What the form allows around the address, taken off. Nothing if what stands there isn't the form.
absl::string_view Node(absl::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  if (absl::ConsumePrefix(&text, "[")) {
    const size_t end = text.find(']');
    if (end == absl::string_view::npos) return "";
    const absl::string_view behind = text.substr(end + 1);
    if (!behind.empty() && (behind[0] != ':' || !IsPort(behind.substr(1)))) return "";
    const absl::string_view inside = text.substr(0, end);
    return absl::StrContains(inside, ':') ? inside : "";  // Brackets are for IPv6.
  }
  const size_t colon = text.find(':');
  if (colon == absl::string_view::npos) return text;
  return IsPort(text.substr(colon + 1)) ? text.substr(0, colon) : "";  // A bare IPv6 address can't be told from one with a port.
}

absl::StatusOr<IpAddress> Read(absl::string_view inside, absl::string_view text, absl::string_view field) {
  const absl::StatusOr<IpAddress> address = IpAddress::Parse(inside, field);
  if (!address.ok())
    return InvalidField(field, text, absl::StrCat("is not an IPv4 or IPv6 address: ", WhyNot(inside.empty() ? text : inside)));
  if (*address == IpAddress::V4(0) || *address == IpAddress::V6(0, 0)) {
    return InvalidField(field, text, "is the unspecified address, which is nobody's");
  }
  return address;
}

absl::StatusOr<IpAddress> ReadPeer(absl::string_view text, absl::string_view field) {
  if (absl::StartsWith(text, "unix")) return IpAddress::V4(0x7f000001);
  if (text.size() > kLongest) return Read("", text, field);
  const std::string decoded = absl::StrReplaceAll(text, {{"%5B", "["}, {"%5D", "]"}, {"%25", "%"}});
  absl::string_view rest = decoded;
  if (absl::ConsumePrefix(&rest, "ipv4:")) return Read(Node(rest), text, field);
  if (!absl::ConsumePrefix(&rest, "ipv6:")) return Read("", text, field);
  const size_t zone = rest.find('%');
  const size_t close = rest.find(']');
  if (zone == absl::string_view::npos || close == absl::string_view::npos || zone > close) return Read(Node(rest), text, field);
  return Read(Node(absl::StrCat(rest.substr(0, zone), rest.substr(close))), text, field);
}

}  // namespace

absl::StatusOr<IpAddress> ParseWritten(absl::string_view text, AddressForm form, absl::string_view field) {
  switch (form) {
    case AddressForm::kPlain:
      return Read(text, text, field);
    case AddressForm::kListed: {
      const size_t first = std::min(text.find_first_not_of(" \t"), text.size());
      const size_t last = text.find_last_not_of(" \t");
      return Read(text.substr(first, last == absl::string_view::npos ? 0 : last + 1 - first), text, field);
    }
    case AddressForm::kNode:
      return Read(Node(text), text, field);
    case AddressForm::kPeer:
      return ReadPeer(text, field);
  }
  return InvalidField(field, text, "is of no known form");
}

}  // namespace fairlead
