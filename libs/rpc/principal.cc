#include "libs/rpc/principal.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace fairlead {
namespace {

constexpr char kPrincipalKey[] = "x-fairlead-principal";
constexpr char kAuthorizationKey[] = "authorization";
constexpr size_t kMaxPrincipal = 128;

absl::string_view Metadata(const grpc::ServerContextBase& context, const char* key) {
  const auto found = context.client_metadata().find(key);
  if (found == context.client_metadata().end()) return "";
  return absl::string_view(found->second.data(), found->second.size());
}

}  // namespace

std::string Principal::ToString() const {
  switch (kind) {
    case Kind::kAnonymous:
      return "anonymous";
    case Kind::kOperator:
      return absl::StrCat("operator/", name);
    case Kind::kService:
      return absl::StrCat("service/", name);
    case Kind::kAppliance:
      return absl::StrCat("appliance/", name);
  }
  return "anonymous";
}

Principal ParsePrincipal(absl::string_view text) {
  if (text.size() > kMaxPrincipal) return {};
  if (absl::ConsumePrefix(&text, "operator/")) return {.kind = Principal::Kind::kOperator, .name = std::string(text), .credential = ""};
  if (absl::ConsumePrefix(&text, "service/")) return {.kind = Principal::Kind::kService, .name = std::string(text), .credential = ""};
  return {};
}

bool IsLoopbackPeer(absl::string_view peer) {
  return absl::StartsWith(peer, "ipv4:127.") || absl::StartsWith(peer, "ipv6:[::1]") || absl::StartsWith(peer, "ipv6:%5B::1%5D") ||
         absl::StartsWith(peer, "ipv6:[::ffff:127.") || absl::StartsWith(peer, "ipv6:%5B::ffff:127.") || absl::StartsWith(peer, "unix:");
}

Principal PrincipalOf(const grpc::ServerContextBase& context) {
  absl::string_view authorization = Metadata(context, kAuthorizationKey);
  if (absl::ConsumePrefix(&authorization, "Bearer ")) {
    return {.kind = Principal::Kind::kAppliance, .name = "", .credential = std::string(authorization)};
  }
  if (!IsLoopbackPeer(context.peer())) return {};
  return ParsePrincipal(Metadata(context, kPrincipalKey));
}

void SetPrincipal(grpc::ClientContext& context, absl::string_view principal) {
  context.AddMetadata(kPrincipalKey, std::string(principal));
}

void SetBearer(grpc::ClientContext& context, absl::string_view credential) {
  context.AddMetadata(kAuthorizationKey, absl::StrCat("Bearer ", credential));
}

}  // namespace fairlead
