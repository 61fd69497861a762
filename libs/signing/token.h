// The claims of a signed URL and their one exact text form: RFC 9246 (URI signing), as a JWT with ES256.
//
// README.md has the format and why it is so. Here: values ↔ JSON; no keys, no clock. Pure functions; any thread.
//
//   TokenClaims claims{.title = "big-film", .version = "v1", .rank = 1, .cause = MissCause::kContent, ...};
//   ASSIGN_OR_RETURN(const std::string input, EncodeSigningInput("k-1", claims));  // base64url(header).base64url(claims)
#ifndef FAIRLEAD_LIBS_SIGNING_TOKEN_H_
#define FAIRLEAD_LIBS_SIGNING_TOKEN_H_

#include <cstdint>
#include <ostream>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/vocabulary.h"

namespace fairlead {

// Who may use the URL: a viewer, or a box that fills.
enum class TokenScope : uint8_t { kPlay, kFill };
absl::string_view ToString(TokenScope scope);  // "play", "fill"

struct TokenClaims {
  static constexpr uint32_t kMaxRank = 3;       // A higher rank is written as this one.
  static constexpr uint32_t kMaxPosition = 31;  // A higher position is refused.

  std::string title;    // Its id.
  std::string version;  // Of the title.
  uint32_t rank = 0;
  uint32_t position = 0;
  MissCause cause = MissCause::kNone;
  TokenScope scope = TokenScope::kPlay;
  // Binds the URL to one session, [A-Za-z0-9_-]{1,64}; empty: shared by all (the default). Never an address: viewers change theirs.
  std::string session;
  // Whole seconds; also the time of issue.
  absl::Time not_before;
  absl::Time expires;

  friend bool operator==(const TokenClaims&, const TokenClaims&) = default;
};

// Whether a token can be bound to it: [A-Za-z0-9_-]{1,64}.
bool IsTokenSession(absl::string_view session);

// How a cause stands in a token: "none", "content", "health", "capacity", "route", "admin".
absl::string_view CauseWord(MissCause cause);

// The URI container: "regex:https?://[^/]+/<title>/<version>/.*". Ids have no character that means anything in a regex.
std::string UriContainer(absl::string_view title, absl::string_view version);

// What is signed: base64url(header) "." base64url(claims). INVALID_ARGUMENT naming the field if a claim can't be written.
absl::StatusOr<std::string> EncodeSigningInput(absl::string_view key_id, const TokenClaims& claims);

// Reads claims JSON strictly: every claim present, of its type and in its range; unknown claims are ignored.
absl::StatusOr<TokenClaims> DecodeClaims(absl::string_view json);

// Whether the token opens "<title>/<version>/<rendition>/<file>" (no leading slash). A path with an empty, "." or ".." segment, a
// percent sign, a backslash or a query never matches: the box would resolve it to something else than what was signed.
bool TokenCovers(const TokenClaims& claims, absl::string_view path);

std::ostream& operator<<(std::ostream& out, const TokenClaims& claims);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_SIGNING_TOKEN_H_
