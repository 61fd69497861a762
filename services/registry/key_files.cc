#include "services/registry/key_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/signing/digest.h"
#include "libs/signing/ec_key.h"
#include "services/registry/secrets.h"

namespace fairlead::registry {
namespace {

absl::Status FileError(const std::string& what, const std::string& path) {
  const absl::StatusCode code = errno == EEXIST ? absl::StatusCode::kAlreadyExists : absl::StatusCode::kFailedPrecondition;
  return absl::Status(code, absl::StrCat("signing key: ", what, " '", path, "': ", std::strerror(errno)));
}

std::string PathOf(const std::string& folder, const SigningKeyId& id) {
  return absl::StrCat(folder, "/", id.value(), ".pem");
}

// Whether all of it is on the disk.
bool WriteAndSync(int fd, const std::string& text) {
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t count = write(fd, text.data() + written, text.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    written += static_cast<size_t>(count);
  }
  return fsync(fd) == 0;
}

}  // namespace

absl::StatusOr<KeyPair> NewKeyPair() {
  ASSIGN_OR_RETURN(EcKeyPair made, GenerateEcKeyPair());
  SigningKeyId id(absl::StrCat("k-", Sha256Hex(made.public_pem).substr(0, 12)));
  return KeyPair{.private_pem = std::move(made.private_pem), .public_pem = std::move(made.public_pem), .derived_id = std::move(id)};
}

absl::Status WritePrivateKey(const std::string& folder, const SigningKeyId& id, const std::string& private_pem) {
  if (folder.empty()) return absl::FailedPreconditionError("signing keys can't be made: registryd runs without --signing_key_dir");
  // Under another name first: signers that watch the folder must never read half a key.
  const std::string path = PathOf(folder, id);
  const std::string unfinished = absl::StrCat(path, ".", NewUid());
  const int fd = open(unfinished.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return FileError("can't make", unfinished);
  const bool complete = WriteAndSync(fd, private_pem);
  close(fd);
  // link() refuses to replace another key's file.
  const bool placed = complete && link(unfinished.c_str(), path.c_str()) == 0;
  const absl::Status status = placed ? absl::OkStatus() : FileError("can't write", path);
  unlink(unfinished.c_str());
  RETURN_IF_ERROR(status);
  const int directory = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    fsync(directory);
    close(directory);
  }
  return absl::OkStatus();
}

absl::Status RemovePrivateKey(const std::string& folder, const SigningKeyId& id) {
  const std::string path = PathOf(folder, id);
  if (folder.empty() || unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return FileError("can't remove", path);
}

}  // namespace fairlead::registry
