#include "libs/net/prefix.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"

namespace fairlead {
namespace {

constexpr size_t kMaxQuoted = 60;

std::string Quote(absl::string_view text) {
  return absl::StrCat("'", text.substr(0, kMaxQuoted), text.size() > kMaxQuoted ? "…'" : "'");
}

// One to three decimal digits without a leading zero; -1 if it isn't that.
int ParseLength(absl::string_view text) {
  if (text.empty() || text.size() > 3 || (text.size() > 1 && text[0] == '0')) return -1;
  if (!std::all_of(text.begin(), text.end(), absl::ascii_isdigit)) return -1;
  int length = 0;
  for (const char digit : text) length = 10 * length + (digit - '0');
  return length;
}

}  // namespace

absl::StatusOr<Prefix> Prefix::Parse(absl::string_view text, absl::string_view field) {
  const size_t slash = text.find('/');
  if (slash == absl::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat(field, ": ", Quote(text), " has no length; write address/length"));
  }
  ASSIGN_OR_RETURN(const IpAddress address, IpAddress::Parse(text.substr(0, slash), field));
  const int length = ParseLength(text.substr(slash + 1));
  if (length < 0 || length > address.bits()) {
    return absl::InvalidArgumentError(absl::StrCat(field, ": ", Quote(text), ": the length must be in [0, ", address.bits(), "]"));
  }
  return Make(address, length, field);
}

absl::StatusOr<Prefix> Prefix::Make(const IpAddress& address, int length, absl::string_view field) {
  const std::string shown = absl::StrCat("'", address.ToString(), "/", length, "'");
  if (length < 0 || length > address.bits()) {
    return absl::InvalidArgumentError(absl::StrCat(field, ": ", shown, ": the length must be in [0, ", address.bits(), "]"));
  }
  const Prefix prefix = Of(address, length);
  if (prefix.address() != address) {
    return absl::InvalidArgumentError(absl::StrCat(field, ": ", shown, " has host bits set; did you mean ", prefix.ToString(), "?"));
  }
  return prefix;
}

IpAddress Prefix::last() const {
  const uint64_t high = address_.high() | ~Mask(length_);
  const uint64_t low = address_.low() | ~Mask(length_ - 64);
  return address_.is_v4() ? IpAddress::V4(static_cast<uint32_t>(high >> 32)) : IpAddress::V6(high, low);
}

void Prefix::AppendTo(std::string& out) const {
  address_.AppendTo(out);
  const absl::AlphaNum digits(length_);
  out.push_back('/');
  out.append(digits.data(), digits.size());
}

std::string Prefix::ToString() const {
  std::string text;
  AppendTo(text);
  return text;
}

}  // namespace fairlead
