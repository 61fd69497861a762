#include "libs/net/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace fairlead {
namespace {

// Long enough for every address; a longer text is cut in messages.
constexpr size_t kMaxQuoted = 60;

uint64_t ReadBigEndian(const unsigned char* bytes, int count) {
  uint64_t value = 0;
  for (int i = 0; i < count; ++i) value = value << 8 | bytes[i];
  return value;
}

void AppendBigEndian(uint64_t value, int count, std::string& out) {
  for (int shift = 8 * (count - 1); shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

char* WriteDecimal(uint32_t value, char* at) {
  if (value >= 100) *at++ = static_cast<char>('0' + value / 100);
  if (value >= 10) *at++ = static_cast<char>('0' + value / 10 % 10);
  *at++ = static_cast<char>('0' + value % 10);
  return at;
}

char* WriteV4(uint32_t value, char* at) {
  for (int shift = 24; shift > 0; shift -= 8) {
    at = WriteDecimal(value >> shift & 0xff, at);
    *at++ = '.';
  }
  return WriteDecimal(value & 0xff, at);
}

char* WriteHex(uint32_t group, char* at) {
  int shift = 12;
  while (shift > 0 && group >> shift == 0) shift -= 4;
  for (; shift >= 0; shift -= 4) *at++ = "0123456789abcdef"[group >> shift & 0xf];
  return at;
}

struct Run {
  int first = 0;
  int size = 0;
};

// RFC 5952 §4.2: the longest run of two or more zero groups is left out, the first of several.
Run LongestZeroRun(const std::array<uint32_t, 8>& groups) {
  Run best;
  for (int first = 0; first < 8; ++first) {
    int end = first;
    while (end < 8 && groups[end] == 0) ++end;
    if (end - first > best.size) best = {first, end - first};
    first = std::max(first, end - 1);
  }
  return best.size >= 2 ? best : Run{8, 0};
}

char* WriteV6(uint64_t high, uint64_t low, char* at) {
  std::array<uint32_t, 8> groups;
  for (int i = 0; i < 4; ++i) {
    groups[i] = (high >> (48 - 16 * i)) & 0xffff;
    groups[i + 4] = (low >> (48 - 16 * i)) & 0xffff;
  }
  const Run gap = LongestZeroRun(groups);
  for (int i = 0; i < 8; ++i) {
    if (i == gap.first) {
      *at++ = ':';
      *at++ = ':';
      i += gap.size - 1;
      continue;
    }
    if (i > 0 && i != gap.first + gap.size) *at++ = ':';
    at = WriteHex(groups[i], at);
  }
  return at;
}

}  // namespace

// glibc's inet_pton is as strict as we want: four decimal octets without leading zeros, no zone ids, no spaces.
absl::StatusOr<IpAddress> IpAddress::Parse(absl::string_view text, absl::string_view field) {
  std::array<char, INET6_ADDRSTRLEN> terminated;
  std::array<unsigned char, 16> bytes;
  const bool whole = text.size() < terminated.size() && text.find('\0') == absl::string_view::npos;
  if (whole) terminated[text.copy(terminated.data(), text.size())] = '\0';
  if (whole && inet_pton(AF_INET, terminated.data(), bytes.data()) == 1) {
    return V4(static_cast<uint32_t>(ReadBigEndian(bytes.data(), 4)));
  }
  if (whole && inet_pton(AF_INET6, terminated.data(), bytes.data()) == 1) {
    return V6(ReadBigEndian(bytes.data(), 8), ReadBigEndian(bytes.data() + 8, 8));
  }
  const absl::string_view cut = text.size() > kMaxQuoted ? "…" : "";
  return absl::InvalidArgumentError(absl::StrCat(field, ": '", text.substr(0, kMaxQuoted), cut, "' is not an IPv4 or IPv6 address"));
}

absl::StatusOr<IpAddress> IpAddress::FromBytes(absl::string_view bytes, absl::string_view field) {
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  if (bytes.size() == 4) return V4(static_cast<uint32_t>(ReadBigEndian(data, 4)));
  if (bytes.size() == 16) return V6(ReadBigEndian(data, 8), ReadBigEndian(data + 8, 8));
  return absl::InvalidArgumentError(absl::StrCat(field, ": an address has 4 or 16 bytes, not ", bytes.size()));
}

void IpAddress::AppendTo(std::string& out) const {
  std::array<char, INET6_ADDRSTRLEN> text;
  const char* const end = is_v4() ? WriteV4(v4(), text.data()) : WriteV6(high_, low_, text.data());
  out.append(text.data(), static_cast<size_t>(end - text.data()));
}

std::string IpAddress::ToString() const {
  std::string text;
  AppendTo(text);
  return text;
}

std::string IpAddress::ToBytes() const {
  std::string bytes;
  if (is_v4()) {
    AppendBigEndian(v4(), 4, bytes);
  } else {
    AppendBigEndian(high_, 8, bytes);
    AppendBigEndian(low_, 8, bytes);
  }
  return bytes;
}

// Clients read a host whose last label is a number as an IPv4 address, in whatever odd form (WHATWG URL §3.5 "ends in a number").
bool IsAddressLiteral(absl::string_view host) {
  if (!host.empty() && host.front() == '[') return true;
  if (host.find(':') != absl::string_view::npos) return true;
  if (!host.empty() && host.back() == '.') host.remove_suffix(1);
  const size_t dot = host.rfind('.');
  const absl::string_view label = dot == absl::string_view::npos ? host : host.substr(dot + 1);
  if (label.empty()) return false;
  if (std::all_of(label.begin(), label.end(), absl::ascii_isdigit)) return true;
  return label.size() >= 2 && label[0] == '0' && (label[1] == 'x' || label[1] == 'X') &&
         std::all_of(label.begin() + 2, label.end(), absl::ascii_isxdigit);
}

}  // namespace fairlead
