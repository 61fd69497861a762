#include "tests/lab/text_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

namespace fairlead {
namespace {

// Whether the file ended, as opposed to failed.
bool ReadOn(int fd, std::string& text) {
  char chunk[65536];
  while (text.size() <= kMostTextBytes) {
    const ssize_t count = read(fd, chunk, sizeof chunk);
    if (count == 0) return true;
    if (count > 0) text.append(chunk, static_cast<size_t>(count));
    if (count < 0 && errno != EINTR) return false;
  }
  return false;
}

}  // namespace

std::string ReadText(const std::string& path, size_t from) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "";
  std::string text;
  // A file of /proc has no place to seek to but its start.
  const bool whole = (from == 0 || lseek(fd, static_cast<off_t>(from), SEEK_SET) >= 0) && ReadOn(fd, text);
  close(fd);
  return whole ? text : "";
}

// By hand, folder by folder: a recursive iterator ends at the first folder that went away, and all behind it would be passed over.
std::vector<std::string> FilesBelow(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code gone;
  for (std::filesystem::directory_iterator entry(folder, gone), end; !gone && entry != end; entry.increment(gone)) {
    std::error_code unknown;
    const std::filesystem::file_status status = entry->symlink_status(unknown);
    if (std::filesystem::is_regular_file(status)) files.push_back(entry->path());
    if (!std::filesystem::is_directory(status)) continue;
    for (std::string& file : FilesBelow(entry->path())) files.push_back(std::move(file));
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace fairlead
