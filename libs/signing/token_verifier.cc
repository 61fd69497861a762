#include "libs/signing/token_verifier.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/status_macros.h"
#include "libs/signing/base64url.h"
#include "nlohmann/json.hpp"

namespace fairlead {
namespace {

TokenVerdict Refused(TokenFault fault, std::string detail) {
  TokenVerdict verdict;
  verdict.fault = fault;
  verdict.detail = std::move(detail);
  return verdict;
}

std::string HeaderMember(const nlohmann::json& header, const char* name) {
  const auto at = header.find(name);
  return at != header.end() && at->is_string() ? at->get<std::string>() : std::string();
}

}  // namespace

absl::string_view ToString(TokenFault fault) {
  switch (fault) {
    case TokenFault::kNone:
      return "NONE";
    case TokenFault::kMalformed:
      return "MALFORMED";
    case TokenFault::kBadAlgorithm:
      return "BAD_ALGORITHM";
    case TokenFault::kUnknownKey:
      return "UNKNOWN_KEY";
    case TokenFault::kBadSignature:
      return "BAD_SIGNATURE";
    case TokenFault::kBadClaims:
      return "BAD_CLAIMS";
    case TokenFault::kNotYetValid:
      return "NOT_YET_VALID";
    case TokenFault::kExpired:
      return "EXPIRED";
  }
  return "UNKNOWN";
}

std::ostream& operator<<(std::ostream& out, TokenFault fault) {
  return out << ToString(fault);
}

absl::Status TokenVerifier::AddKey(std::string key_id, absl::string_view public_pem) {
  ASSIGN_OR_RETURN(EcPublicKey key, EcPublicKey::FromPem(public_pem));
  keys_.insert_or_assign(std::move(key_id), std::move(key));
  return absl::OkStatus();
}

TokenVerdict TokenVerifier::Verify(absl::string_view token, absl::Time now) const {
  if (token.size() > kMaxTokenSize) return Refused(TokenFault::kMalformed, absl::StrCat(token.size(), " bytes"));
  const std::vector<absl::string_view> parts = absl::StrSplit(token, '.');
  if (parts.size() != 3) return Refused(TokenFault::kMalformed, absl::StrCat(parts.size(), " parts, want 3"));
  const std::optional<std::string> header_text = Base64UrlDecode(parts[0]);
  const std::optional<std::string> claims_text = Base64UrlDecode(parts[1]);
  const std::optional<std::string> signature = Base64UrlDecode(parts[2]);
  if (!header_text || !claims_text || !signature) return Refused(TokenFault::kMalformed, "not base64url without padding");
  const nlohmann::json header = nlohmann::json::parse(*header_text, nullptr, /*allow_exceptions=*/false);
  if (!header.is_object()) return Refused(TokenFault::kMalformed, "the header is not a JSON object");
  if (HeaderMember(header, "alg") != "ES256") return Refused(TokenFault::kBadAlgorithm, "alg is not ES256");
  const std::string key_id = HeaderMember(header, "kid");
  const auto key = keys_.find(key_id);
  if (key == keys_.end()) return Refused(TokenFault::kUnknownKey, absl::StrCat("key id '", key_id.substr(0, 63), "'"));
  // The signed text is what was sent, not what we made of it.
  if (!key->second.Verify(token.substr(0, parts[0].size() + 1 + parts[1].size()), *signature)) {
    return Refused(TokenFault::kBadSignature, absl::StrCat("key id '", key_id, "'"));
  }
  absl::StatusOr<TokenClaims> claims = DecodeClaims(*claims_text);
  if (!claims.ok()) return Refused(TokenFault::kBadClaims, std::string(claims.status().message()));
  TokenVerdict verdict;
  verdict.key_id = key_id;
  verdict.claims = *std::move(claims);
  if (now < verdict.claims.not_before - skew_) {
    verdict.fault = TokenFault::kNotYetValid;
    verdict.detail = absl::StrCat("valid in ", absl::FormatDuration(verdict.claims.not_before - now));
  } else if (now >= verdict.claims.expires + skew_) {
    verdict.fault = TokenFault::kExpired;
    verdict.detail = absl::StrCat("expired ", absl::FormatDuration(now - verdict.claims.expires), " ago");
  }
  return verdict;
}

}  // namespace fairlead
