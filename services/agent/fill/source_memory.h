// What a box remembers of its sources, so that it never runs in a circle with a bad one: not asked again for the same file for a while,
// asked last for other files (libs/fill/source_faults.h), and reported to filld.
//
// Not thread-safe; `now` is the time since any start, never back. At most kMaxReports wait for filld; beyond it the oldest goes.
//
//   memory.Blame({.source = ApplianceId("oca-7"), .file = 12, .reason = SourceFaultReason::kSlow, .detail = "…"}, now);
//   if (memory.MayAsk(12, id, now)) …
#ifndef FAIRLEAD_SERVICES_AGENT_FILL_SOURCE_MEMORY_H_
#define FAIRLEAD_SERVICES_AGENT_FILL_SOURCE_MEMORY_H_

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "libs/fill/source_faults.h"

namespace fairlead::agent {

struct SourceMemoryOptions {
  // How long the source isn't asked for that file again: after wrong bytes, which it will have again, and after any other fault.
  absl::Duration corrupt_for = absl::Minutes(5);
  absl::Duration other_for = absl::Seconds(5);
  // How long it is asked last for other files.
  SourceFaultLimits behind = {};
};

class SourceMemory {
 public:
  static constexpr size_t kMaxReports = 100;
  using Counts = std::array<int64_t, kSourceFaultReasons>;  // By reason.

  explicit SourceMemory(SourceMemoryOptions options) : options_(options), book_(options.behind) {}

  void Blame(SourceFault fault, absl::Duration now);
  bool MayAsk(uint32_t file, const ApplianceId& source, absl::Duration now) const;
  bool IsBehind(uint32_t file, const ApplianceId& source, absl::Duration now) const;
  // The file is held or not wanted any more.
  void Forget(uint32_t file) { not_before_.erase(file); }
  // All files: the manifest is another. What sources did stays known.
  void ForgetFiles() { not_before_.clear(); }

  bool has_reports() const { return !reports_.empty(); }
  // What filld wasn't told yet; Return gives back what couldn't be told.
  std::vector<SourceFault> TakeReports();
  void Return(std::vector<SourceFault> reports);
  // Since the start.
  const Counts& counts() const { return counts_; }

 private:
  const SourceMemoryOptions options_;
  SourceFaultBook book_;
  std::map<uint32_t, std::map<ApplianceId, absl::Duration>> not_before_;  // By file.
  std::deque<SourceFault> reports_;
  Counts counts_ = {};
};

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_FILL_SOURCE_MEMORY_H_
