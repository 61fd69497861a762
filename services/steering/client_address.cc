#include "services/steering/client_address.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"

namespace fairlead {
namespace {

constexpr char kForwardedFor[] = "x-forwarded-for";
constexpr char kPrincipalHeader[] = "x-fairlead-principal";
constexpr char kField[] = "client_address";

bool IsLoopback(const IpAddress& address) {
  return address.is_v4() ? (address.v4() >> 24) == 127 : address == IpAddress::V6(0, 1);
}

// "ipv4:192.0.2.1:4000", "ipv6:[2001:db8::1]:4000" (the brackets percent-encoded since gRPC 1.36). A unix socket is this machine.
IpAddress PeerAddress(absl::string_view peer) {
  std::string text = absl::StrReplaceAll(peer, {{"%5B", "["}, {"%5D", "]"}, {"%25", "%"}});
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "ipv4:") || absl::ConsumePrefix(&rest, "ipv6:")) {
    rest = rest.substr(0, rest.rfind(':'));
    if (absl::ConsumePrefix(&rest, "[")) absl::ConsumeSuffix(&rest, "]");
    rest = rest.substr(0, rest.find('%'));  // A link-local peer has a zone.
    const absl::StatusOr<IpAddress> address = IpAddress::Parse(rest);
    if (address.ok()) return *address;
    return IpAddress();
  }
  return IpAddress::V4(0x7f000001);
}

// The address that the request comes from, behind the proxies that are ours.
absl::StatusOr<IpAddress> Origin(const Caller& caller, const TrustedProxies& proxies) {
  IpAddress origin = caller.peer;
  if (caller.forwarded_for.empty()) return origin;
  const std::vector<absl::string_view> hops = absl::StrSplit(caller.forwarded_for, ',');
  if (hops.size() > kMaxForwardedHops) {
    return InvalidField(kForwardedFor, caller.forwarded_for, absl::StrCat("has more than ", kMaxForwardedHops, " hops"));
  }
  for (auto hop = hops.rbegin(); hop != hops.rend() && proxies.Contains(origin); ++hop) {
    ASSIGN_OR_RETURN(origin, IpAddress::Parse(absl::StripAsciiWhitespace(*hop), kForwardedFor));
  }
  return origin;
}

}  // namespace

Caller CallerOf(const grpc::ServerContextBase& context) {
  Caller caller{.principal = PrincipalOf(context), .peer = PeerAddress(context.peer()), .forwarded_for = ""};
  const auto [first, last] = context.client_metadata().equal_range(kForwardedFor);
  for (auto value = first; value != last; ++value) {
    absl::StrAppend(&caller.forwarded_for, caller.forwarded_for.empty() ? "" : ",",
                    absl::string_view(value->second.data(), value->second.size()));
  }
  return caller;
}

Caller CallerOf(const HttpRequest& request) {
  Caller caller{.principal = {}, .peer = request.peer, .forwarded_for = request.Header(kForwardedFor)};
  const std::string authorization = request.Header("authorization");
  if (absl::StartsWith(authorization, "Bearer ")) {
    caller.principal.kind = Principal::Kind::kAppliance;
  } else if (IsLoopback(request.peer)) {
    caller.principal = ParsePrincipal(request.Header(kPrincipalHeader));
  }
  return caller;
}

absl::StatusOr<TrustedProxies> TrustedProxies::Parse(absl::string_view text) {
  TrustedProxies proxies;
  for (const absl::string_view part : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
    const absl::string_view stripped = absl::StripAsciiWhitespace(part);
    if (absl::StrContains(stripped, '/')) {
      ASSIGN_OR_RETURN(const Prefix prefix, Prefix::Parse(stripped, "trusted_proxies"));
      proxies.prefixes_.push_back(prefix);
    } else {
      ASSIGN_OR_RETURN(const IpAddress address, IpAddress::Parse(stripped, "trusted_proxies"));
      proxies.prefixes_.push_back(Prefix::Host(address));
    }
  }
  return proxies;
}

bool TrustedProxies::Contains(const IpAddress& address) const {
  return std::any_of(prefixes_.begin(), prefixes_.end(), [&](const Prefix& prefix) { return prefix.Contains(address); });
}

absl::StatusOr<IpAddress> ClientAddress(const Caller& caller, const TrustedProxies& proxies, absl::string_view named) {
  if (caller.principal.trusted()) {
    if (named.empty()) return InvalidField(kField, named, "a caller that acts for viewers must say for which");
    return IpAddress::Parse(named, kField);
  }
  ASSIGN_OR_RETURN(const IpAddress origin, Origin(caller, proxies));
  if (named.empty()) return origin;
  ASSIGN_OR_RETURN(const IpAddress address, IpAddress::Parse(named, kField));
  if (address == origin) return origin;
  return FieldError(absl::StatusCode::kPermissionDenied, kField, named,
                    absl::StrCat("only operators and services may name another address than the one they call from, ", origin.ToString()));
}

}  // namespace fairlead
