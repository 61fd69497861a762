#include "services/agent/report/host_stats.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/errors.h"
#include "services/agent/files.h"

namespace fairlead::agent {
namespace {

constexpr int kMaxThermalZones = 16;

std::vector<absl::string_view> Words(absl::string_view line) {
  return absl::StrSplit(line, ' ', absl::SkipEmpty());
}

std::string ReadProc(const std::string& path) {
  return ReadFile(path, 1 << 20).value_or("");
}

std::optional<double> HottestZone() {
  std::optional<double> hottest;
  for (int zone = 0; zone < kMaxThermalZones; ++zone) {
    int64_t millidegrees = 0;
    if (!absl::SimpleAtoi(ReadProc(absl::StrCat("/sys/class/thermal/thermal_zone", zone, "/temp")), &millidegrees)) continue;
    hottest = std::max(hottest.value_or(-273), static_cast<double>(millidegrees) / 1000);
  }
  return hottest;
}

}  // namespace

absl::StatusOr<CpuTimes> ParseProcStat(absl::string_view text) {
  CpuTimes times;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::StartsWith(line, "cpu")) continue;
    const std::vector<absl::string_view> words = Words(line);
    if (words[0] != "cpu") {
      ++times.cores;
      continue;
    }
    // user nice system idle iowait irq softirq steal; guest times are inside user and nice.
    for (size_t i = 1; i < words.size() && i <= 8; ++i) {
      int64_t ticks = 0;
      if (!absl::SimpleAtoi(words[i], &ticks)) return InvalidField("/proc/stat", line, "is not numbers");
      times.total += ticks;
      if (i != 4 && i != 5) times.busy += ticks;
    }
  }
  if (times.total == 0) return InvalidField("/proc/stat", text, "has no cpu line");
  return times;
}

absl::StatusOr<MemoryFigures> ParseMemInfo(absl::string_view text) {
  MemoryFigures figures;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> words = Words(line);
    int64_t kib = 0;
    if (words.size() < 2 || !absl::SimpleAtoi(words[1], &kib)) continue;
    if (words[0] == "MemTotal:") figures.total_bytes = kib * 1024;
    if (words[0] == "MemAvailable:") figures.available_bytes = kib * 1024;
  }
  if (figures.total_bytes == 0) return InvalidField("/proc/meminfo", text, "has no MemTotal");
  return figures;
}

std::optional<DiskTimes> ParseDiskStats(absl::string_view text, unsigned major, unsigned minor) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    // major minor name reads merged sectors read_ms writes merged sectors write_ms in_flight busy_ms …
    const std::vector<absl::string_view> words = Words(line);
    unsigned line_major = 0, line_minor = 0;
    DiskTimes times;
    if (words.size() >= 13 && absl::SimpleAtoi(words[0], &line_major) && absl::SimpleAtoi(words[1], &line_minor) && line_major == major &&
        line_minor == minor && absl::SimpleAtoi(words[3], &times.reads) && absl::SimpleAtoi(words[6], &times.read_millis) &&
        absl::SimpleAtoi(words[12], &times.busy_millis)) {
      return times;
    }
  }
  return std::nullopt;
}

HostSample HostSampler::Sample() {
  HostSample sample;
  const auto cpu = ParseProcStat(ReadProc("/proc/stat"));
  if (cpu.ok()) {
    sample.cores = cpu->cores;
    const int64_t total = cpu->total - last_cpu_.total;
    if (total > 0)
      sample.cpu_utilisation = std::clamp(static_cast<double>(cpu->busy - last_cpu_.busy) / static_cast<double>(total), 0.0, 1.0);
    last_cpu_ = *cpu;
  }
  const std::string load = ReadProc("/proc/loadavg");
  if (!absl::SimpleAtod(load.substr(0, load.find(' ')), &sample.load_average)) sample.load_average = 0;
  sample.memory = ParseMemInfo(ReadProc("/proc/meminfo")).value_or(MemoryFigures());
  sample.temperature_celsius = HottestZone();
  return sample;
}

FolderSample HostSampler::SampleFolder(const std::string& folder, absl::Duration now) {
  FolderSample sample;
  struct statvfs space;
  struct stat info;
  if (statvfs(folder.c_str(), &space) != 0 || stat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    sample.failed = true;
    return sample;
  }
  sample.failed = (space.f_flag & ST_RDONLY) != 0 || access(folder.c_str(), W_OK) != 0;
  sample.free_bytes = static_cast<int64_t>(space.f_bavail) * static_cast<int64_t>(space.f_frsize);
  const std::optional<DiskTimes> times = ParseDiskStats(ReadProc("/proc/diskstats"), major(info.st_dev), minor(info.st_dev));
  if (!times) return sample;
  const auto last = last_disks_.find(folder);
  if (last != last_disks_.end() && now > last->second.at) {
    const double millis = absl::ToDoubleMilliseconds(now - last->second.at);
    sample.utilisation = std::clamp(static_cast<double>(times->busy_millis - last->second.times.busy_millis) / millis, 0.0, 1.0);
    const int64_t reads = times->reads - last->second.times.reads;
    if (reads > 0) sample.read_latency = absl::Milliseconds(times->read_millis - last->second.times.read_millis) / reads;
  }
  last_disks_[folder] = {*times, now};
  return sample;
}

}  // namespace fairlead::agent
