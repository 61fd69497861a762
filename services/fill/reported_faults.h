// What boxes reported of their sources, in memory: after a restart sources are sound until told otherwise. Thread-safe.
//
//   reported.Record(asker, faults, clock.Monotonic());
#ifndef FAIRLEAD_SERVICES_FILL_REPORTED_FAULTS_H_
#define FAIRLEAD_SERVICES_FILL_REPORTED_FAULTS_H_

#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/fill/source_faults.h"

namespace fairlead::fill {

class ReportedFaults {
 public:
  // Of one box, in an answer.
  static constexpr size_t kMaxShown = 20;

  void Record(const ApplianceId& asker, const std::vector<SourceFault>& faults, absl::Duration now) ABSL_LOCKS_EXCLUDED(mu_) {
    if (faults.empty()) return;
    absl::MutexLock lock(&mu_);
    for (const SourceFault& fault : faults) book_.Record(asker, fault, now);
  }
  bool IsBehind(const ApplianceId& source, const ApplianceId& asker, uint32_t file, absl::Duration now) const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return book_.IsBehind(source, asker, file, now);
  }
  std::vector<SourceFaultBook::Met> MetBy(const ApplianceId& asker, absl::Duration now) const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return book_.MetBy(asker, now, kMaxShown);
  }
  // Forgets what no longer counts; sources against which something is held still.
  size_t Expire(absl::Duration now) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    book_.Expire(now);
    return book_.sources();
  }

 private:
  mutable absl::Mutex mu_;
  SourceFaultBook book_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fairlead::fill

#endif  // FAIRLEAD_SERVICES_FILL_REPORTED_FAULTS_H_
