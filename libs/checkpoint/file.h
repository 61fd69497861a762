// The few things that a durable file needs of the system, with errors that name the file and the system's reason (UNAVAILABLE; NOT_FOUND
// where a file to be read isn't there).
#ifndef FAIRLEAD_LIBS_CHECKPOINT_FILE_H_
#define FAIRLEAD_LIBS_CHECKPOINT_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace fairlead {

// Of errno: "write /x/y: No space left on device".
absl::Status FileError(absl::string_view action, const std::string& path);

// A file descriptor, closed with its owner.
class OpenFile {
 public:
  OpenFile() = default;
  // `flags` and `mode` as of open(2); O_CLOEXEC is added.
  static absl::StatusOr<OpenFile> Open(const std::string& path, int flags, unsigned mode = 0640);
  ~OpenFile() { Close(); }
  OpenFile(OpenFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}
  OpenFile& operator=(OpenFile&& other) noexcept;

  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  const std::string& path() const { return path_; }

  // All of it, or an error.
  absl::Status Write(absl::string_view bytes);
  absl::Status Sync();
  absl::Status Truncate(uint64_t size);
  // Until it is closed, by whatever end of the process. FAILED_PRECONDITION if somebody else has it.
  absl::Status Lock();
  absl::StatusOr<uint64_t> Size() const;
  void Close();

 private:
  OpenFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  int fd_ = -1;
  std::string path_;
};

// Reads a file from its start, in large steps. Not mapped: a disk that fails must be an error, not a signal.
class FileReader {
 public:
  static absl::StatusOr<FileReader> Open(const std::string& path);

  // The next bytes, at most `count`: fewer only at the end of the file. They stay valid until the next call.
  absl::StatusOr<absl::string_view> Read(size_t count);
  // Up to the next line feed, which is taken and not returned; nothing if there is none within `most` bytes.
  absl::StatusOr<absl::string_view> ReadLine(size_t most);

 private:
  explicit FileReader(OpenFile file) : file_(std::move(file)) {}
  // Makes `count` bytes available behind begin_, or as many as there are.
  absl::Status Fill(size_t count);

  OpenFile file_;
  std::string buffer_;
  size_t begin_ = 0;
  bool at_end_ = false;
};

// RESOURCE_EXHAUSTED beyond `most_bytes`.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t most_bytes);
// Creates or empties it; on disk when this returns.
absl::Status WriteFileDurably(const std::string& path, absl::string_view bytes);
// Makes the names in a folder durable.
absl::Status SyncFolder(const std::string& folder);
absl::Status RenameFile(const std::string& from, const std::string& to);
// OK if there is none.
absl::Status RemoveFile(const std::string& path);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_CHECKPOINT_FILE_H_
