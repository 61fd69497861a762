#include "services/agent/small_disk.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <iostream>
#include <utility>

#include "services/agent/files.h"

namespace fairlead::agent {
namespace {

// What a file may still have under the limit: logs go on.
constexpr rlim_t kLimit = 100'000;
constexpr size_t kBlock = 4096;

}  // namespace

SmallDisk::SmallDisk(std::string folder, const std::string& size) : folder_(std::move(folder)) {
  MakeFolder(folder_).IgnoreError();
  mounted_ = mount("tmpfs", folder_.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
  signal(SIGXFSZ, SIG_IGN);
  getrlimit(RLIMIT_FSIZE, &before_);
  std::cout << "the full disk is " << (mounted_ ? "a tmpfs of " + size + " (ENOSPC)" : "RLIMIT_FSIZE (EFBIG)") << "\n";
}

SmallDisk::~SmallDisk() {
  Free();
  if (mounted_) umount2(folder_.c_str(), MNT_DETACH);
}

void SmallDisk::Fill(int64_t bytes) {
  if (!mounted_) {
    const rlimit limit = {.rlim_cur = kLimit, .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
    return;
  }
  const Fd fd(open(Ballast().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  const std::string block(kBlock, 'x');
  struct statvfs info;
  while (statvfs(folder_.c_str(), &info) == 0 &&
         (bytes == 0 || static_cast<int64_t>(info.f_bavail) * static_cast<int64_t>(info.f_frsize) > bytes) &&
         write(fd.get(), block.data(), block.size()) > 0) {
  }
}

void SmallDisk::Free() {
  if (mounted_) {
    unlink(Ballast().c_str());
  } else {
    setrlimit(RLIMIT_FSIZE, &before_);
  }
}

}  // namespace fairlead::agent
