// Small files that must survive a power cut: written aside, synced, renamed. Errors name the path and the system's reason. Stateless.
//
//   RETURN_IF_ERROR(WriteFileAtomically(state_dir + "/credential", credential, 0600));
#ifndef FAIRLEAD_SERVICES_AGENT_FILES_H_
#define FAIRLEAD_SERVICES_AGENT_FILES_H_

#include <sys/types.h>

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace fairlead::agent {

// NOT_FOUND if there is no such file; RESOURCE_EXHAUSTED if it is larger than `most`.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t most = size_t{64} << 20);

// The last `most` bytes of a file, which may begin in the middle of a line.
absl::StatusOr<std::string> ReadTail(const std::string& path, size_t most);

// After it returns OK the new content is on the disk; a reader sees the old or the new content, never a part.
absl::Status WriteFileAtomically(const std::string& path, absl::string_view content, mode_t mode = 0644);

// Makes the folder and those above it; those made get `mode`.
absl::Status MakeFolder(const std::string& path, mode_t mode = 0755);

// Makes renames inside the folder durable.
absl::Status SyncFolder(const std::string& path);

// The system's reason for the last failed call: "open '/x': Permission denied".
absl::Status SystemError(absl::string_view what, absl::string_view path);

// An open file descriptor, closed at the end of its scope.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.Release()) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void Reset();

 private:
  int fd_ = -1;
};

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_FILES_H_
