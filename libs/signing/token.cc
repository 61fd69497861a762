#include "libs/signing/token.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/ids.h"
#include "libs/base/status_macros.h"
#include "libs/signing/base64url.h"
#include "nlohmann/json.hpp"

namespace fairlead {
namespace {

constexpr absl::string_view kIssuer = "fairlead";
constexpr absl::string_view kContainerHead = "regex:https?://[^/]+/";
constexpr absl::string_view kContainerTail = "/.*";
constexpr size_t kMaxSessionLength = 64;
// 9999-12-31: beyond it a JSON number is still exact, but no clock means it.
constexpr int64_t kMaxSeconds = 253402300799;

absl::Status ValidateSession(absl::string_view session) {
  if (session.empty() || IsTokenSession(session)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("session '", session.substr(0, kMaxSessionLength), "': want [A-Za-z0-9_-]{1,64}"));
}

absl::Status ValidateClaims(const TokenClaims& claims) {
  RETURN_IF_ERROR(ValidateId(claims.title, "title"));
  RETURN_IF_ERROR(ValidateId(claims.version, "version"));
  RETURN_IF_ERROR(ValidateSession(claims.session));
  if (claims.position > TokenClaims::kMaxPosition) {
    return absl::InvalidArgumentError(absl::StrCat("position ", claims.position, ": at most ", TokenClaims::kMaxPosition));
  }
  if (CauseWord(claims.cause).empty()) return absl::InvalidArgumentError("cause UNSPECIFIED");
  if (claims.expires <= claims.not_before) {
    return absl::InvalidArgumentError(
        absl::StrCat("expires ", absl::FormatTime(claims.expires, absl::UTCTimeZone()), ": not after not_before"));
  }
  return absl::OkStatus();
}

absl::Status BadClaim(absl::string_view name, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("claim '", name, "': ", why));
}

absl::StatusOr<std::string> StringClaim(const nlohmann::json& claims, const char* name) {
  const auto at = claims.find(name);
  if (at == claims.end()) return BadClaim(name, "missing");
  if (!at->is_string()) return BadClaim(name, "not a string");
  return at->get<std::string>();
}

absl::StatusOr<int64_t> NumberClaim(const nlohmann::json& claims, const char* name, int64_t most) {
  const auto at = claims.find(name);
  if (at == claims.end()) return BadClaim(name, "missing");
  if (!at->is_number_unsigned() || at->get<uint64_t>() > static_cast<uint64_t>(most)) {
    return BadClaim(name, absl::StrCat("not a whole number in [0, ", most, "]"));
  }
  return at->get<int64_t>();
}

absl::Status ReadContainer(const std::string& container, TokenClaims& claims) {
  absl::string_view middle = container;
  if (absl::ConsumePrefix(&middle, kContainerHead) && absl::ConsumeSuffix(&middle, kContainerTail)) {
    const std::vector<std::string> ids = absl::StrSplit(middle, '/');
    if (ids.size() == 2 && ValidateId(ids[0], "title").ok() && ValidateId(ids[1], "version").ok()) {
      claims.title = ids[0];
      claims.version = ids[1];
      return absl::OkStatus();
    }
  }
  return BadClaim("cdniuc", "not 'regex:https?://[^/]+/<title>/<version>/.*'");
}

std::optional<MissCause> CauseFromWord(absl::string_view word) {
  for (const MissCause cause :
       {MissCause::kNone, MissCause::kContent, MissCause::kHealth, MissCause::kCapacity, MissCause::kRoute, MissCause::kAdmin}) {
    if (CauseWord(cause) == word) return cause;
  }
  return std::nullopt;
}

absl::Status ReadPrivateClaims(const nlohmann::json& json, TokenClaims& claims) {
  ASSIGN_OR_RETURN(const int64_t rank, NumberClaim(json, "rk", TokenClaims::kMaxRank));
  ASSIGN_OR_RETURN(const int64_t position, NumberClaim(json, "ps", TokenClaims::kMaxPosition));
  ASSIGN_OR_RETURN(const std::string cause_word, StringClaim(json, "mc"));
  ASSIGN_OR_RETURN(const std::string scope_word, StringClaim(json, "sc"));
  const std::optional<MissCause> cause = CauseFromWord(cause_word);
  if (!cause.has_value()) return BadClaim("mc", "not a known cause");
  if (scope_word != "play" && scope_word != "fill") return BadClaim("sc", "neither 'play' nor 'fill'");
  claims.rank = static_cast<uint32_t>(rank);
  claims.position = static_cast<uint32_t>(position);
  claims.cause = *cause;
  claims.scope = scope_word == "fill" ? TokenScope::kFill : TokenScope::kPlay;
  if (json.contains("sb")) {
    ASSIGN_OR_RETURN(claims.session, StringClaim(json, "sb"));
    if (claims.session.empty()) return BadClaim("sb", "empty");
    RETURN_IF_ERROR(ValidateSession(claims.session));
  }
  return absl::OkStatus();
}

}  // namespace

bool IsTokenSession(absl::string_view session) {
  return !session.empty() && session.size() <= kMaxSessionLength &&
         std::all_of(session.begin(), session.end(), [](char c) { return absl::ascii_isalnum(c) || c == '_' || c == '-'; });
}

absl::string_view ToString(TokenScope scope) {
  return scope == TokenScope::kFill ? "fill" : "play";
}

absl::string_view CauseWord(MissCause cause) {
  switch (cause) {
    case MissCause::kNone:
      return "none";
    case MissCause::kContent:
      return "content";
    case MissCause::kHealth:
      return "health";
    case MissCause::kCapacity:
      return "capacity";
    case MissCause::kRoute:
      return "route";
    case MissCause::kAdmin:
      return "admin";
    case MissCause::kUnspecified:
      break;
  }
  return "";
}

std::string UriContainer(absl::string_view title, absl::string_view version) {
  return absl::StrCat(kContainerHead, title, "/", version, kContainerTail);
}

absl::StatusOr<std::string> EncodeSigningInput(absl::string_view key_id, const TokenClaims& claims) {
  RETURN_IF_ERROR(ValidateId(key_id, "key id"));
  RETURN_IF_ERROR(ValidateClaims(claims));
  // Every value is an id, a number or a word of ours: nothing needs escaping, and the order of the keys is always the same.
  const std::string header = absl::StrCat(R"({"alg":"ES256","kid":")", key_id, R"("})");
  std::string body = absl::StrCat(R"({"iss":")", kIssuer, R"(","iat":)", absl::ToUnixSeconds(claims.not_before), R"(,"nbf":)",
                                  absl::ToUnixSeconds(claims.not_before), R"(,"exp":)", absl::ToUnixSeconds(claims.expires));
  absl::StrAppend(&body, R"(,"cdniv":1,"cdniuc":")", UriContainer(claims.title, claims.version), R"(","rk":)",
                  std::min(claims.rank, TokenClaims::kMaxRank), R"(,"ps":)", claims.position, R"(,"mc":")", CauseWord(claims.cause),
                  R"(","sc":")", ToString(claims.scope), "\"");
  if (!claims.session.empty()) absl::StrAppend(&body, R"(,"sb":")", claims.session, "\"");
  absl::StrAppend(&body, "}");
  return absl::StrCat(Base64UrlEncode(header), ".", Base64UrlEncode(body));
}

absl::StatusOr<TokenClaims> DecodeClaims(absl::string_view text) {
  const nlohmann::json json = nlohmann::json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::InvalidArgumentError("claims: not a JSON object");
  ASSIGN_OR_RETURN(const std::string issuer, StringClaim(json, "iss"));
  if (issuer != kIssuer) return BadClaim("iss", "not 'fairlead'");
  ASSIGN_OR_RETURN(const int64_t signing_version, NumberClaim(json, "cdniv", kMaxSeconds));
  if (signing_version != 1) return BadClaim("cdniv", "not 1");
  TokenClaims claims;
  ASSIGN_OR_RETURN(const std::string container, StringClaim(json, "cdniuc"));
  RETURN_IF_ERROR(ReadContainer(container, claims));
  ASSIGN_OR_RETURN(const int64_t not_before, NumberClaim(json, "nbf", kMaxSeconds));
  ASSIGN_OR_RETURN(const int64_t expires, NumberClaim(json, "exp", kMaxSeconds));
  claims.not_before = absl::FromUnixSeconds(not_before);
  claims.expires = absl::FromUnixSeconds(expires);
  RETURN_IF_ERROR(ReadPrivateClaims(json, claims));
  return claims;
}

bool TokenCovers(const TokenClaims& claims, absl::string_view path) {
  if (path.find_first_of("%\\?#") != absl::string_view::npos) return false;
  const std::vector<absl::string_view> segments = absl::StrSplit(path, '/');
  if (segments.size() < 3 || segments[0] != claims.title || segments[1] != claims.version) return false;
  return std::none_of(segments.begin(), segments.end(), [](absl::string_view s) { return s.empty() || s == "." || s == ".."; });
}

std::ostream& operator<<(std::ostream& out, const TokenClaims& claims) {
  return out << claims.title << "/" << claims.version << " rank " << claims.rank << " position " << claims.position << " "
             << CauseWord(claims.cause) << " " << ToString(claims.scope) << " until "
             << absl::FormatTime(claims.expires, absl::UTCTimeZone());
}

}  // namespace fairlead
