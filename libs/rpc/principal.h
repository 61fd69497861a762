// Who calls. Until certificates exist, only callers on loopback (the operator's shell, our own services, the NGINX front) may say who they
// are, with the metadata "x-fairlead-principal: operator/jane"; from anywhere else the caller is anonymous. A box shows its credential as
// "authorization: Bearer …"; whoever serves it checks that credential against the registry.
#ifndef FAIRLEAD_LIBS_RPC_PRINCIPAL_H_
#define FAIRLEAD_LIBS_RPC_PRINCIPAL_H_

#include <string>

#include "absl/strings/string_view.h"
#include "grpcpp/client_context.h"
#include "grpcpp/server_context.h"

namespace fairlead {

struct Principal {
  enum class Kind { kAnonymous, kOperator, kService, kAppliance };
  Kind kind = Kind::kAnonymous;
  // "jane", "steerd"; of an appliance empty until its credential is checked.
  std::string name;
  // Of an appliance: the bearer credential, unchecked. Never logged.
  std::string credential;

  // Whether it may do what an operator or one of our own services may.
  bool trusted() const { return kind == Kind::kOperator || kind == Kind::kService; }
  // "operator/jane", for the audit.
  std::string ToString() const;
};

// Works for unary, streaming, callback and async contexts.
Principal PrincipalOf(const grpc::ServerContextBase& context);

// "operator/jane" or "service/steerd" → the principal; anything else is anonymous.
Principal ParsePrincipal(absl::string_view text);

// Whether a gRPC peer ("ipv4:127.0.0.1:4000", "ipv6:%5B::1%5D:4000", "unix:…") is on this machine.
bool IsLoopbackPeer(absl::string_view peer);

// Sets the metadata by which a client says who it is.
void SetPrincipal(grpc::ClientContext& context, absl::string_view principal);
void SetBearer(grpc::ClientContext& context, absl::string_view credential);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_RPC_PRINCIPAL_H_
