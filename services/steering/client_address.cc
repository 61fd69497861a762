#include "services/steering/client_address.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/net/written_address.h"

namespace fairlead {
namespace {

constexpr char kForwardedFor[] = "x-forwarded-for";
constexpr char kForwarded[] = "forwarded";
constexpr char kPrincipalHeader[] = "x-fairlead-principal";
constexpr char kField[] = "client_address";

bool IsLoopback(const IpAddress& address) {
  return address.is_v4() ? (address.v4() >> 24) == 127 : address == IpAddress::V6(0, 1);
}

// One that can't be read answers nobody: see ClientAddress.
IpAddress PeerAddress(absl::string_view peer) {
  return ParseWritten(peer, AddressForm::kPeer, "peer").value_or(IpAddress());
}

// The values of a header that may come several times, joined by commas.
std::string Joined(const grpc::ServerContextBase& context, const char* key) {
  std::string joined;
  const auto [first, last] = context.client_metadata().equal_range(key);
  for (auto value = first; value != last; ++value) {
    absl::StrAppend(&joined, joined.empty() ? "" : ",", absl::string_view(value->second.data(), value->second.size()));
  }
  return joined;
}

// The elements of a list header, split at commas outside quotes; false if a quote doesn't end.
bool SplitList(absl::string_view text, std::vector<absl::string_view>& elements) {
  bool quoted = false;
  size_t begin = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '"') quoted = !quoted;
    if (quoted && text[at] == '\\') return false;  // No address needs one.
    if (quoted || text[at] != ',') continue;
    elements.push_back(text.substr(begin, at - begin));
    begin = at + 1;
  }
  elements.push_back(text.substr(begin));
  return !quoted;
}

// The value of "for" in an element of Forwarded: for=192.0.2.60;proto=http;by=203.0.113.43.
absl::StatusOr<absl::string_view> ForOf(absl::string_view element) {
  absl::string_view found;
  int count = 0;
  for (const absl::string_view pair : absl::StrSplit(element, ';')) {
    absl::string_view rest = absl::StripAsciiWhitespace(pair);
    if (!absl::StartsWithIgnoreCase(rest, "for=")) continue;
    found = rest.substr(4);
    ++count;
  }
  if (count != 1) return InvalidField(kForwarded, element, "each element must have one 'for'");
  return found;
}

// The hops that the believed header tells, the nearest last, each still a text.
absl::StatusOr<std::vector<absl::string_view>> Hops(absl::string_view field, absl::string_view header) {
  std::vector<absl::string_view> hops;
  if (header.empty()) return hops;
  if (header.size() > kMaxForwardedBytes) return InvalidField(field, header, absl::StrCat("is longer than ", kMaxForwardedBytes, " bytes"));
  if (field == kForwarded) {
    if (!SplitList(header, hops)) return InvalidField(field, header, "holds a quote that doesn't end, or a backslash");
  } else {
    hops = absl::StrSplit(header, ',');
  }
  if (hops.size() > kMaxForwardedHops) return InvalidField(field, header, absl::StrCat("has more than ", kMaxForwardedHops, " hops"));
  return hops;
}

// The address that the request comes from, behind the proxies that are ours.
absl::StatusOr<IpAddress> Origin(const Caller& caller, const ClientAddressPolicy& policy) {
  IpAddress origin = caller.peer;
  if (origin == IpAddress()) return InvalidField("peer", origin.ToString(), "it can't be told from where this call comes");
  using Header = ClientAddressPolicy::Header;
  if (policy.header() == Header::kNone) return origin;
  const bool is_standard = policy.header() == Header::kForwarded;
  const absl::string_view field = is_standard ? kForwarded : kForwardedFor;
  ASSIGN_OR_RETURN(const std::vector<absl::string_view> hops, Hops(field, is_standard ? caller.forwarded : caller.forwarded_for));
  int passed = 0;
  for (auto hop = hops.rbegin(); hop != hops.rend() && passed < policy.proxy_hops() && policy.proxies().Contains(origin); ++hop, ++passed) {
    absl::string_view text = *hop;
    if (is_standard) {
      ASSIGN_OR_RETURN(text, ForOf(*hop));
    }
    ASSIGN_OR_RETURN(origin, ParseWritten(text, is_standard ? AddressForm::kNode : AddressForm::kListed, field));
  }
  return origin;
}

// "operator/jane", "service/*"; nothing else.
absl::Status CheckSetter(absl::string_view setter) {
  absl::string_view name = setter;
  const bool known = absl::ConsumePrefix(&name, "operator/") || absl::ConsumePrefix(&name, "service/");
  if (known && !name.empty() && (name == "*" || !absl::StrContains(name, '*'))) return absl::OkStatus();
  return InvalidField("address_setters", setter, "must be operator/NAME or service/NAME, NAME may be *");
}

}  // namespace

Caller CallerOf(const grpc::ServerContextBase& context) {
  Caller caller{.principal = PrincipalOf(context), .peer = PeerAddress(context.peer()), .forwarded_for = Joined(context, kForwardedFor)};
  caller.forwarded = Joined(context, kForwarded);
  if (context.client_metadata().count(kPrincipalHeader) > 1) caller.principal = {};
  return caller;
}

Caller CallerOf(const HttpRequest& request) {
  Caller caller{.principal = {}, .peer = request.peer, .forwarded_for = request.Header(kForwardedFor)};
  caller.forwarded = request.Header(kForwarded);
  const std::string authorization = request.Header("authorization");
  const auto principals = std::count_if(request.headers.begin(), request.headers.end(),
                                        [](const auto& header) { return absl::EqualsIgnoreCase(header.first, kPrincipalHeader); });
  if (absl::StartsWith(authorization, "Bearer ")) {
    caller.principal.kind = Principal::Kind::kAppliance;
  } else if (IsLoopback(request.peer) && principals == 1) {
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

absl::StatusOr<ClientAddressPolicy> ClientAddressPolicy::Parse(const ClientAddressOptions& options) {
  ClientAddressPolicy policy;
  ASSIGN_OR_RETURN(policy.proxies_, TrustedProxies::Parse(options.trusted_proxies));
  if (options.forwarded_header == kForwarded) {
    policy.header_ = Header::kForwarded;
  } else if (options.forwarded_header == "none") {
    policy.header_ = Header::kNone;
  } else if (options.forwarded_header != kForwardedFor) {
    return InvalidField("forwarded_header", options.forwarded_header, "must be x-forwarded-for, forwarded or none");
  }
  if (options.proxy_hops < 0 || options.proxy_hops > kMaxForwardedHops) {
    return InvalidField("proxy_hops", absl::StrCat(options.proxy_hops), absl::StrCat("must be in [0, ", kMaxForwardedHops, "]"));
  }
  policy.proxy_hops_ = options.proxy_hops;
  policy.setters_.clear();
  for (const absl::string_view part : absl::StrSplit(options.address_setters, ',', absl::SkipWhitespace())) {
    const absl::string_view setter = absl::StripAsciiWhitespace(part);
    RETURN_IF_ERROR(CheckSetter(setter));
    policy.setters_.emplace_back(setter);
  }
  if (policy.setters_.size() > kMaxAddressSetters) {
    return InvalidField("address_setters", options.address_setters, absl::StrCat("at most ", kMaxAddressSetters, " of them"));
  }
  return policy;
}

bool ClientAddressPolicy::MaySetAddress(const Principal& principal) const {
  if (!principal.trusted()) return false;
  const absl::string_view kind = principal.kind == Principal::Kind::kOperator ? "operator/" : "service/";
  return std::any_of(setters_.begin(), setters_.end(), [&](absl::string_view setter) {
    return absl::ConsumePrefix(&setter, kind) && (setter == "*" || setter == principal.name);
  });
}

absl::StatusOr<IpAddress> ClientAddress(const Caller& caller, const ClientAddressPolicy& policy, absl::string_view named) {
  if (policy.MaySetAddress(caller.principal)) {
    if (named.empty()) return InvalidField(kField, named, "a caller that acts for viewers must say for which");
    return ParseWritten(named, AddressForm::kPlain, kField);
  }
  ASSIGN_OR_RETURN(const IpAddress origin, Origin(caller, policy));
  if (named.empty()) return origin;
  ASSIGN_OR_RETURN(const IpAddress address, ParseWritten(named, AddressForm::kPlain, kField));
  if (address == origin) return origin;
  return FieldError(
      absl::StatusCode::kPermissionDenied, kField, named,
      absl::StrCat("only callers that may act for viewers may name another address than the one they call from, ", origin.ToString()));
}

}  // namespace fairlead
