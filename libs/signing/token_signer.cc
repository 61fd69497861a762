#include "libs/signing/token_signer.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "libs/base/ids.h"
#include "libs/base/status_macros.h"
#include "libs/signing/base64url.h"

namespace fairlead {
namespace {

// A P-256 key in PEM has ~240 bytes.
constexpr size_t kMaxKeyFileSize = 4096;

absl::StatusOr<std::vector<std::string>> ListKeyFiles(const std::string& folder) {
  DIR* dir = opendir(folder.c_str());
  if (dir == nullptr) {
    const std::string message = absl::StrCat("signing key folder '", folder, "': ", std::strerror(errno));
    return errno == ENOENT ? absl::NotFoundError(message) : absl::FailedPreconditionError(message);
  }
  const absl::Cleanup close_dir = [dir] { closedir(dir); };
  std::vector<std::string> names;
  while (const dirent* entry = readdir(dir)) {
    const absl::string_view name = entry->d_name;
    // Others (a temporary file before its rename, a README) are none of our business.
    if (!absl::StartsWith(name, ".") && absl::EndsWith(name, ".pem")) names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::string> ReadPrivateFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return absl::FailedPreconditionError(std::strerror(errno));
  const absl::Cleanup close_fd = [fd] { close(fd); };
  struct stat info = {};
  if (fstat(fd, &info) != 0) return absl::FailedPreconditionError(std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return absl::FailedPreconditionError("not a regular file");
  if ((info.st_mode & 077) != 0) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "mode %04o lets others at a private key, want 0600 (chmod 600 it, and think about revoking the key)", info.st_mode & 07777));
  }
  std::string text(kMaxKeyFileSize + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = read(fd, text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::FailedPreconditionError(std::strerror(errno));
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  if (size > kMaxKeyFileSize) return absl::InvalidArgumentError(absl::StrCat("more than ", kMaxKeyFileSize, " bytes"));
  text.resize(size);
  return text;
}

absl::StatusOr<EcPrivateKey> LoadKey(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string pem, ReadPrivateFile(path));
  return EcPrivateKey::FromPem(pem);
}

}  // namespace

absl::StatusOr<std::unique_ptr<TokenSigner>> TokenSigner::Open(std::string folder) {
  std::unique_ptr<TokenSigner> signer(new TokenSigner(std::move(folder)));
  RETURN_IF_ERROR(signer->Rescan());
  return signer;
}

absl::Status TokenSigner::Rescan() {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListKeyFiles(folder_));
  if (names.size() > kMaxKeys) {
    return absl::FailedPreconditionError(absl::StrCat("signing key folder '", folder_, "': ", names.size(), " keys, at most ", kMaxKeys));
  }
  auto keys = std::make_shared<Keys>();
  for (const std::string& name : names) {
    const std::string path = absl::StrCat(folder_, "/", name);
    const std::string key_id(absl::StripSuffix(name, ".pem"));
    RETURN_IF_ERROR(ValidateId(key_id, absl::StrCat("signing key file ", path, ": key id")));
    absl::StatusOr<EcPrivateKey> key = LoadKey(path);
    if (!key.ok()) return absl::Status(key.status().code(), absl::StrCat("signing key file ", path, ": ", key.status().message()));
    keys->emplace(key_id, *std::move(key));
  }
  keys_.Set(std::move(keys));
  return absl::OkStatus();
}

std::vector<std::string> TokenSigner::key_ids() const {
  std::vector<std::string> ids;
  for (const auto& [id, key] : *keys_.Get()) ids.push_back(id);
  return ids;
}

absl::StatusOr<std::string> TokenSigner::Choose(absl::Span<const std::string> wanted) const {
  const std::shared_ptr<const Keys> keys = keys_.Get();
  for (const std::string& id : wanted) {
    if (keys->contains(id)) return id;
  }
  if (wanted.empty()) return absl::FailedPreconditionError("no signing key is active");
  return absl::FailedPreconditionError(
      absl::StrCat("no private key in '", folder_, "' for the active signing keys ", absl::StrJoin(wanted, ", ")));
}

absl::StatusOr<std::string> TokenSigner::Sign(absl::string_view key_id, const TokenClaims& claims) const {
  const std::shared_ptr<const Keys> keys = keys_.Get();
  const auto key = keys->find(key_id);
  if (key == keys->end()) return absl::FailedPreconditionError(absl::StrCat("no private key '", key_id, "' in '", folder_, "'"));
  ASSIGN_OR_RETURN(std::string token, EncodeSigningInput(key_id, claims));
  ASSIGN_OR_RETURN(const std::string signature, key->second.Sign(token));
  absl::StrAppend(&token, ".", Base64UrlEncode(signature));
  return token;
}

}  // namespace fairlead
