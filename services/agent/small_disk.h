// A folder whose room can be taken and given back, for tests of full disks.
//
// Where mounting is allowed (root) it is a tmpfs that a ballast file fills: write() fails with ENOSPC, and statvfs sees it. Elsewhere it is
// RLIMIT_FSIZE with SIGXFSZ ignored: write() fails with EFBIG for this process and for what lies beyond the limit, and statvfs sees
// nothing. It prints which.
#ifndef FAIRLEAD_SERVICES_AGENT_SMALL_DISK_H_
#define FAIRLEAD_SERVICES_AGENT_SMALL_DISK_H_

#include <sys/resource.h>

#include <cstdint>
#include <string>

namespace fairlead::agent {

class SmallDisk {
 public:
  // `size` as tmpfs takes it: "1m".
  SmallDisk(std::string folder, const std::string& size);
  ~SmallDisk();

  // Leaves at most `bytes` of room; 0 = none.
  void Fill(int64_t bytes = 0);
  void Free();
  bool mounted() const { return mounted_; }

 private:
  std::string Ballast() const { return folder_ + "/ballast"; }

  const std::string folder_;
  bool mounted_ = false;
  rlimit before_{};
};

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_SMALL_DISK_H_
