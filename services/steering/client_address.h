// Whose address a request is answered for: the one place that decides it, for gRPC and HTTP alike.
//
// A trusted caller (an operator, one of our services, a playback service behind the front) names its viewer in `client_address`, and
// must: its own address would steer the viewer by the data centre. Anybody else is answered for the address it calls from, and may name
// that one only. Where the peer is a trusted proxy, the address it calls from is the last one in X-Forwarded-For that isn't one too: each
// proxy appends the address it saw, so what stands further left is only the client's own word.
//
//   const Caller caller{.principal = PrincipalOf(context), .peer = …, .forwarded_for = …};
//   ASSIGN_OR_RETURN(const IpAddress client, ClientAddress(caller, proxies, request.client_address()));
#ifndef FAIRLEAD_SERVICES_STEERING_CLIENT_ADDRESS_H_
#define FAIRLEAD_SERVICES_STEERING_CLIENT_ADDRESS_H_

#include <string>
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
  IpAddress peer;             // The other end of the connection.
  std::string forwarded_for;  // X-Forwarded-For as received; all values, joined by commas.
};

// Who calls by gRPC (metadata "x-forwarded-for") and by HTTP (X-Forwarded-For, X-Fairlead-Principal on loopback as in libs/rpc).
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

// Proxies a request may have passed; a longer X-Forwarded-For is refused.
inline constexpr size_t kMaxForwardedHops = 16;

// INVALID_ARGUMENT for an address that can't be read, PERMISSION_DENIED for one that the caller may not name.
absl::StatusOr<IpAddress> ClientAddress(const Caller& caller, const TrustedProxies& proxies, absl::string_view named);

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_CLIENT_ADDRESS_H_
