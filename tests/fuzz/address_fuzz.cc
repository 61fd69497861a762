// Addresses as strangers write them: libs/net's parsers against a second reader of RFC 4291, and the rules of client_address.h, whatever
// stands in headers and fields.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "libs/base/utf8.h"
#include "libs/net/ip_address.h"
#include "libs/net/prefix.h"
#include "libs/net/written_address.h"
#include "services/steering/client_address.h"
#include "tests/fuzz/require.h"

namespace fairlead {
namespace {

std::optional<uint32_t> ReadV4(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '.');
  if (parts.size() != 4) return std::nullopt;
  uint32_t value = 0;
  for (const absl::string_view part : parts) {
    if (part.empty() || part.size() > 3 || (part.size() > 1 && part[0] == '0')) return std::nullopt;
    uint32_t number = 0;
    for (const char c : part) {
      if (c < '0' || c > '9') return std::nullopt;
      number = number * 10 + static_cast<uint32_t>(c - '0');
    }
    if (number > 255) return std::nullopt;
    value = value << 8 | number;
  }
  return value;
}

// "a:b:c", the last perhaps an IPv4 address, as groups of 16 bits.
bool ReadGroups(absl::string_view text, bool may_end_in_v4, std::vector<uint32_t>& groups) {
  if (text.empty()) return true;
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
  for (size_t i = 0; i < parts.size(); ++i) {
    if (may_end_in_v4 && i + 1 == parts.size() && absl::StrContains(parts[i], '.')) {
      const std::optional<uint32_t> v4 = ReadV4(parts[i]);
      if (!v4.has_value()) return false;
      groups.push_back(*v4 >> 16);
      groups.push_back(*v4 & 0xffff);
      continue;
    }
    if (parts[i].empty() || parts[i].size() > 4) return false;
    uint32_t group = 0;
    for (const char c : parts[i]) {
      if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) return false;
      const char digit = absl::ascii_tolower(static_cast<unsigned char>(c));
      group = group << 4 | static_cast<uint32_t>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
    }
    groups.push_back(group);
  }
  return true;
}

std::optional<IpAddress> NaiveAddress(absl::string_view text) {
  if (const std::optional<uint32_t> v4 = ReadV4(text)) return IpAddress::V4(*v4);
  std::vector<uint32_t> groups;
  const size_t gap = text.find("::");
  if (gap == absl::string_view::npos) {
    if (text.empty() || !ReadGroups(text, true, groups) || groups.size() != 8) return std::nullopt;
  } else {
    std::vector<uint32_t> behind;
    if (!ReadGroups(text.substr(0, gap), false, groups) || !ReadGroups(text.substr(gap + 2), true, behind)) return std::nullopt;
    if (groups.size() + behind.size() > 7) return std::nullopt;
    groups.resize(8 - behind.size(), 0);
    groups.insert(groups.end(), behind.begin(), behind.end());
  }
  uint64_t halves[2] = {};
  for (size_t i = 0; i < 8; ++i) halves[i / 4] = halves[i / 4] << 16 | groups[i];
  return IpAddress::V6(halves[0], halves[1]);
}

void RequireGoodError(const absl::Status& status, absl::string_view text) {
  FUZZ_REQUIRE(status.code() == absl::StatusCode::kInvalidArgument, status.ToString());
  FUZZ_REQUIRE(!status.message().empty() && status.message().size() < 600, text.size(), " bytes give ", status.message().size());
}

void CheckParsers(absl::string_view text) {
  const absl::StatusOr<IpAddress> address = IpAddress::Parse(text);
  const std::optional<IpAddress> naive = NaiveAddress(text);
  FUZZ_REQUIRE(address.ok() == naive.has_value(), "'", text, "': ", address.status().ToString());
  if (!address.ok()) {
    RequireGoodError(address.status(), text);
  } else {
    FUZZ_REQUIRE(*address == *naive, "'", text, "' is read as ", address->ToString(), " and not ", naive->ToString());
    FUZZ_REQUIRE(!address->is_v6() || address->high() != 0 || address->low() >> 32 != 0xffff, address->ToString(), " is IPv4-mapped");
    FUZZ_REQUIRE(*IpAddress::Parse(address->ToString()) == *address, address->ToString());
    FUZZ_REQUIRE(*IpAddress::FromBytes(address->ToBytes()) == *address, address->ToString());
  }
  const absl::StatusOr<Prefix> prefix = Prefix::Parse(text);
  if (prefix.ok()) {
    FUZZ_REQUIRE(*Prefix::Parse(prefix->ToString()) == *prefix, prefix->ToString());
    FUZZ_REQUIRE(Prefix::Of(prefix->address(), prefix->length()) == *prefix, prefix->ToString());
  } else {
    RequireGoodError(prefix.status(), text);
  }
  IsAddressLiteral(text);
}

void CheckForms(absl::string_view text) {
  for (const AddressForm form : {AddressForm::kPlain, AddressForm::kListed, AddressForm::kNode, AddressForm::kPeer}) {
    const absl::StatusOr<IpAddress> address = ParseWritten(text, form, "field");
    if (!address.ok()) {
      RequireGoodError(address.status(), text);
      FUZZ_REQUIRE(IsUtf8(address.status().message()), "an error that isn't UTF-8");
      continue;
    }
    FUZZ_REQUIRE(*address != IpAddress() && *address != IpAddress::V6(0, 0), "the unspecified address");
    FUZZ_REQUIRE(*ParseWritten(address->ToString(), AddressForm::kPlain, "field") == *address, address->ToString());
    if (form == AddressForm::kPlain) FUZZ_REQUIRE(NaiveAddress(text) == *address, text);
    if (form == AddressForm::kListed) FUZZ_REQUIRE(NaiveAddress(absl::StripAsciiWhitespace(text)) == *address, text);
  }
}

const ClientAddressPolicy& Policy(const std::string& header) {
  static const auto& x = *new ClientAddressPolicy(*ClientAddressPolicy::Parse({.trusted_proxies = "127.0.0.1,10.0.0.0/24"}));
  static const auto& standard =
      *new ClientAddressPolicy(*ClientAddressPolicy::Parse({.trusted_proxies = "127.0.0.1,10.0.0.0/24", .forwarded_header = "forwarded"}));
  static const auto& none =
      *new ClientAddressPolicy(*ClientAddressPolicy::Parse({.trusted_proxies = "127.0.0.1,10.0.0.0/24", .forwarded_header = "none"}));
  return header == "none" ? none : header == "forwarded" ? standard : x;
}

// The answer is `wanted`, or a refusal of what the client sent.
void RequireOnly(const absl::StatusOr<IpAddress>& address, const IpAddress& wanted, absl::string_view text) {
  if (!address.ok()) return RequireGoodError(address.status(), text);
  FUZZ_REQUIRE(*address == wanted, "'", text, "' moved ", wanted.ToString(), " to ", address->ToString());
}

// Whatever a client writes in front of what our proxies append, it can't become another.
void CheckHeaders(const std::string& text) {
  const IpAddress client = IpAddress::V4(0xc6336409);  // 198.51.100.9
  const std::string seen = client.ToString();
  Caller caller{.principal = {}, .peer = IpAddress::V4(0x7f000001), .forwarded_for = absl::StrCat(text, ", ", seen)};
  caller.forwarded = absl::StrCat(text, ", for=", seen);
  RequireOnly(ClientAddress(caller, Policy("x"), ""), client, text);
  RequireOnly(ClientAddress(caller, Policy("forwarded"), ""), client, text);
  FUZZ_REQUIRE(*ClientAddress(caller, Policy("none"), "") == caller.peer, text);
  caller.forwarded_for += ", 10.0.0.3";
  caller.forwarded += ";proto=https, for=\"10.0.0.3:4711\"";
  RequireOnly(ClientAddress(caller, Policy("x"), ""), client, text);
  RequireOnly(ClientAddress(caller, Policy("forwarded"), ""), client, text);
  caller.forwarded_for = text;
  caller.forwarded = text;
  for (const char* header : {"x", "forwarded"}) {
    const absl::StatusOr<IpAddress> address = ClientAddress(caller, Policy(header), "");
    if (!address.ok()) RequireGoodError(address.status(), text);
  }
  // Nobody's proxy.
  caller.peer = client;
  for (const char* header : {"x", "forwarded", "none"}) RequireOnly(ClientAddress(caller, Policy(header), ""), client, text);
}

void CheckNaming(const std::string& text) {
  const Caller stranger{.principal = {}, .peer = IpAddress::V4(0xc6336409), .forwarded_for = ""};
  const absl::StatusOr<IpAddress> own = ClientAddress(stranger, Policy("x"), text);
  FUZZ_REQUIRE(!own.ok() || *own == stranger.peer, "a stranger named ", text);
  const Caller service{.principal = ParsePrincipal("service/playback"), .peer = stranger.peer, .forwarded_for = ""};
  const absl::StatusOr<IpAddress> named = ClientAddress(service, Policy("x"), text);
  FUZZ_REQUIRE(named.ok() == ParseWritten(text, AddressForm::kPlain, "f").ok(), text);
  if (text.size() > 4096) return;  // Flags aren't longer.
  for (const ClientAddressOptions& options : {ClientAddressOptions{.trusted_proxies = text}, ClientAddressOptions{.forwarded_header = text},
                                              ClientAddressOptions{.address_setters = text}}) {
    const auto policy = ClientAddressPolicy::Parse(options);
    if (!policy.ok()) RequireGoodError(policy.status(), text);
  }
}

}  // namespace
}  // namespace fairlead

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  fairlead::CheckParsers(text);
  fairlead::CheckForms(text);
  fairlead::CheckHeaders(text);
  fairlead::CheckNaming(text);
  return 0;
}
