// How busy the machine is: figures of /proc, as values. The parsers are pure; HostSampler reads the files and keeps the last sample.
//
//   HostSampler sampler;
//   const HostSample sample = sampler.Sample(clock.Monotonic());   // Shares are since the call before.
#ifndef FAIRLEAD_SERVICES_AGENT_REPORT_HOST_STATS_H_
#define FAIRLEAD_SERVICES_AGENT_REPORT_HOST_STATS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace fairlead::agent {

struct CpuTimes {
  int64_t busy = 0;
  int64_t total = 0;
  int cores = 0;
};
// /proc/stat. Waiting for I/O and time stolen by the host count as idle and busy.
absl::StatusOr<CpuTimes> ParseProcStat(absl::string_view text);

struct MemoryFigures {
  int64_t total_bytes = 0;
  int64_t available_bytes = 0;
};
absl::StatusOr<MemoryFigures> ParseMemInfo(absl::string_view text);

struct DiskTimes {
  int64_t reads = 0;
  int64_t read_millis = 0;
  int64_t busy_millis = 0;
};
// The line of a device in /proc/diskstats; none if it isn't there.
std::optional<DiskTimes> ParseDiskStats(absl::string_view text, unsigned major, unsigned minor);

struct FolderSample {
  int64_t free_bytes = 0;
  bool failed = false;                         // Missing, read-only or not a folder.
  std::optional<double> utilisation;           // Of the device; unset = the device can't be told.
  std::optional<absl::Duration> read_latency;  // Unset = no reads since the last sample.
};

struct HostSample {
  int cores = 0;
  double cpu_utilisation = 0;
  double load_average = 0;
  MemoryFigures memory;
  std::optional<double> temperature_celsius;
};

// Not thread-safe.
class HostSampler {
 public:
  HostSample Sample();
  FolderSample SampleFolder(const std::string& folder, absl::Duration now);

 private:
  struct LastDisk {
    DiskTimes times;
    absl::Duration at;
  };
  CpuTimes last_cpu_;
  std::map<std::string, LastDisk> last_disks_;
};

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_REPORT_HOST_STATS_H_
