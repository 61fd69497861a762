// The fault matrix: every process of a lab × {killed, frozen, restarted}, and every pair that talks through the relay × {partitioned}, each
// at several moments, one after the other in a seeded order, while viewers play, others begin to, and an operator writes. After each fault
// the lab must be as before within two minutes, the viewers must not have stalled, new plays must not have failed (where the fault wasn't
// the way to steerd itself), and the invariants must hold.
//
//   FaultMatrix matrix(installation, report, stop, {.moments = 1});
//   RETURN_IF_ERROR(matrix.Run());
#ifndef FAIRLEAD_TESTS_LAB_FAULT_MATRIX_H_
#define FAIRLEAD_TESTS_LAB_FAULT_MATRIX_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "tests/lab/installation.h"
#include "tests/lab/invariants.h"
#include "tests/lab/lab_state.h"
#include "tests/lab/report.h"

namespace fairlead {

enum class FaultKind { kKill, kFreeze, kRestart, kPartition };
absl::string_view ToString(FaultKind kind);

struct FaultMatrixOptions {
  int moments = 10;                           // Of each process and kind.
  absl::Duration frozen = absl::Seconds(20);  // How long a frozen process stays so.
  uint64_t seed = 1;
  int most = 0;            // Stop after so many faults; 0: all.
  bool partitions = true;  // Without them: what befalls processes only.
  std::string json;        // Where the results are written, as JSON; empty: nowhere.
};

// A fault and what was seen of it.
struct FaultResult {
  std::string target;  // As Supervisor::Signal takes it; of a partition "process service".
  FaultKind kind = FaultKind::kKill;
  absl::Duration healed = {};  // From the end of the fault until all was as before; infinite: never.
  int64_t new_plays = 0;
  int64_t failed_plays = 0;
  int64_t failed_requests = 0;  // Of running viewers, who went on by their next URL.
  absl::Duration stalled = {};
  std::vector<std::string> broken = {};  // Promises and invariants.
};

class FaultMatrix {
 public:
  // All must outlive it.
  FaultMatrix(Installation& installation, Report& report, const absl::Notification& stop, FaultMatrixOptions options);

  // Everything, with a line for each fault and a table at the end. Broken promises are failed checks of the report. CANCELLED, with the
  // table of what was done, if it is stopped before its end.
  absl::Status Run();

 private:
  struct Planned {
    std::string target;
    FaultKind kind;
  };
  struct Load;

  std::vector<std::string> Targets() const;
  std::vector<std::string> Pairs() const;
  std::vector<Planned> Plan() const;
  absl::StatusOr<FaultResult> Inflict(const Planned& fault, Load& load);
  absl::Status Break(const Planned& fault);
  absl::Status Restart(const std::string& name);
  void ShowResults(const std::vector<FaultResult>& results, int64_t writes);
  absl::Status WriteJson(const std::vector<FaultResult>& results) const;

  Installation& installation_;
  Report& report_;
  const absl::Notification& stop_;
  const FaultMatrixOptions options_;
  LabState before_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_FAULT_MATRIX_H_
