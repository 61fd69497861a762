// Whose address a request is answered for: the one place that decides it, for gRPC and HTTP alike.
//
// A trusted caller (an operator, one of our services, a playback service behind the front) names its viewer in `client_address`, and
// must: its own address would steer the viewer by the data centre. Anybody else is answered for the address it calls from, and may name
// that one only. Where the peer is a trusted proxy, the address it calls from is the last one in the proxies' header that isn't one too:
// each proxy appends the address it saw, so what stands further left is only the client's own word. All texts pass
// libs/net/written_address.h.
//
// Who is trusted, how many proxies there are and which header they write is policy, with flags of steerd. One header is believed and the
// other ignored: a proxy that writes one passes the other on as the client sent it.
//
//   ASSIGN_OR_RETURN(const ClientAddressPolicy policy, ClientAddressPolicy::Parse({.trusted_proxies = "10.0.0.0/24", .proxy_hops = 2}));
//   const Caller caller{.principal = PrincipalOf(context), .peer = …, .forwarded_for = …};
//   ASSIGN_OR_RETURN(const IpAddress client, ClientAddress(caller, policy, request.client_address()));
#ifndef FAIRLEAD_SERVICES_STEERING_CLIENT_ADDRESS_H_
#define FAIRLEAD_SERVICES_STEERING_CLIENT_ADDRESS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "grpcpp/server_context.h"
#include "libs/http/message.h"
#include "libs/net/ip_address.h"
#include "libs/net/prefix.h"
#include "libs/rpc/principal.h"

namespace fairlead {

struct Caller {
  Principal principal;
  IpAddress peer;              // The other end of the connection; 0.0.0.0 if it can't be told.
  std::string forwarded_for;   // X-Forwarded-For as received; all values, joined by commas.
  std::string forwarded = {};  // Forwarded (RFC 7239), likewise.
};

// Who calls by gRPC (metadata "x-forwarded-for", "forwarded") and by HTTP (X-Forwarded-For, Forwarded; X-Fairlead-Principal on loopback as
// in libs/rpc). Two principals are none.
Caller CallerOf(const grpc::ServerContextBase& context);
Caller CallerOf(const HttpRequest& request);

class TrustedProxies {
 public:
  TrustedProxies() = default;
  // "127.0.0.0/8,::1/128": addresses or prefixes; empty: none. INVALID_ARGUMENT naming the flag.
  static absl::StatusOr<TrustedProxies> Parse(absl::string_view text);
  bool Contains(const IpAddress& address) const;

 private:
  std::vector<Prefix> prefixes_;
};

// Proxies that a request may have passed, and bytes of their header; more is refused.
inline constexpr int kMaxForwardedHops = 16;
inline constexpr size_t kMaxForwardedBytes = 2048;
inline constexpr size_t kMaxAddressSetters = 64;

// As flags give it.
struct ClientAddressOptions {
  std::string trusted_proxies = {};
  // Which header of theirs is believed: "x-forwarded-for", "forwarded" (RFC 7239) or "none".
  std::string forwarded_header = "x-forwarded-for";
  // At most so many of them stand in a row, [0, kMaxForwardedHops]: with n the n-th address from the right is the client, even if it is
  // that of a trusted proxy; 0 = the peer always.
  int proxy_hops = kMaxForwardedHops;
  // Who may name a viewer: "operator/jane", "service/*"; empty = nobody.
  std::string address_setters = "operator/*,service/*";
};

class ClientAddressPolicy {
 public:
  enum class Header : uint8_t { kNone, kXForwardedFor, kForwarded };

  // The defaults of ClientAddressOptions, with these proxies.
  ClientAddressPolicy(TrustedProxies proxies = {}) : proxies_(std::move(proxies)) {}  // NOLINT: implicit on purpose.
  // INVALID_ARGUMENT naming the flag.
  static absl::StatusOr<ClientAddressPolicy> Parse(const ClientAddressOptions& options);

  const TrustedProxies& proxies() const { return proxies_; }
  Header header() const { return header_; }
  int proxy_hops() const { return proxy_hops_; }
  bool MaySetAddress(const Principal& principal) const;

 private:
  TrustedProxies proxies_;
  Header header_ = Header::kXForwardedFor;
  int proxy_hops_ = kMaxForwardedHops;
  std::vector<std::string> setters_ = {"operator/*", "service/*"};
};

// INVALID_ARGUMENT for an address that can't be read, PERMISSION_DENIED for one that the caller may not name.
absl::StatusOr<IpAddress> ClientAddress(const Caller& caller, const ClientAddressPolicy& policy, absl::string_view named);

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_CLIENT_ADDRESS_H_
