#include "tests/lab/refusals.h"

#include <filesystem>
#include <fstream>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/content/paths.h"
#include "libs/signing/ec_key.h"
#include "libs/signing/token_signer.h"

namespace fairlead {
namespace {

namespace fs = std::filesystem;

TokenClaims ClaimsFor(const ContentPath& path, absl::Time expires) {
  TokenClaims claims;
  claims.title = path.title;
  claims.version = path.version;
  claims.not_before = absl::FromUnixSeconds(absl::ToUnixSeconds(expires - absl::Hours(1)));
  claims.expires = absl::FromUnixSeconds(absl::ToUnixSeconds(expires));
  return claims;
}

// A key of the right kind that no registry ever saw.
absl::StatusOr<std::unique_ptr<TokenSigner>> ForeignSigner(const std::string& folder, const std::string& id) {
  ASSIGN_OR_RETURN(const EcKeyPair pair, GenerateEcKeyPair());
  std::error_code error;
  fs::create_directories(folder, error);
  const std::string path = absl::StrCat(folder, "/", id, ".pem");
  std::ofstream(path) << pair.private_pem;
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write, error);
  return TokenSigner::Open(folder);
}

}  // namespace

absl::StatusOr<std::vector<BadUrl>> MakeBadUrls(const Layout& layout, const std::string& good, const std::string& other_title) {
  const size_t slash = good.find('/', good.find("://") + 3);
  if (slash == std::string::npos) return absl::InternalError("a URL without a path");
  const std::string host = good.substr(0, slash);
  ASSIGN_OR_RETURN(const SignedPath parts, ParseSignedPath(good.substr(slash)));
  const std::string path = parts.path.ToString();
  const auto with_token = [&](const std::string& token) { return host + MakeSignedPath(token, path); };

  std::string tampered = parts.token;
  char& letter = tampered[tampered.size() - 10];
  letter = letter == 'A' ? 'B' : 'A';
  ContentPath elsewhere = parts.path;
  elsewhere.title = other_title;

  ASSIGN_OR_RETURN(const auto signer, TokenSigner::Open(layout.Run("signing-keys")));
  if (signer->key_ids().empty()) return absl::InternalError("no signing key in the lab's folder");
  const std::string key = signer->key_ids().front();
  ASSIGN_OR_RETURN(const std::string expired, signer->Sign(key, ClaimsFor(parts.path, absl::Now() - absl::Minutes(5))));
  ASSIGN_OR_RETURN(const auto foreign, ForeignSigner(layout.Run("foreign-keys"), "k-foreign"));
  ASSIGN_OR_RETURN(const std::string unknown, foreign->Sign("k-foreign", ClaimsFor(parts.path, absl::Now() + absl::Minutes(5))));
  ASSIGN_OR_RETURN(const auto forger, ForeignSigner(layout.Run("forged-keys"), key));
  ASSIGN_OR_RETURN(const std::string forged, forger->Sign(key, ClaimsFor(parts.path, absl::Now() + absl::Minutes(5))));

  std::vector<BadUrl> urls = {
      {"no token", absl::StrCat(host, "/", path)},
      {"a tampered token", with_token(tampered)},
      {"an expired token", with_token(expired)},
      {"a token of another title", host + MakeSignedPath(parts.token, elsewhere.ToString())},
      {"a token signed with an unknown key", with_token(unknown)},
      {"a token signed with another key under a known name", with_token(forged)},
  };
  for (const LabBox& box : layout.boxes) {
    if (box.kind != ApplianceKind::kOrigin) continue;
    urls.push_back({"a viewer's token at origin", absl::StrCat("http://", box.address, ":", kHttpPort, MakeSignedPath(parts.token, path))});
  }
  return urls;
}

}  // namespace fairlead
