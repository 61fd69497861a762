// Asks for new plays without a pause, for every viewer and title in turn, and remembers who was named when: so that after a fault it can
// be told when the last answer that names a box was given. Nothing is fetched.
//
// It also watches that no source of an answer goes back in its version (an answer rests on what is newer, or the same).
// One thread, from construction to destruction. Thread-safe.
//
//   Prober prober(viewers, titles, plane);
//   supervisor.Signal("ocad-north-1-flash-1/**", SIGKILL);
//   prober.AwaitGone({.name = "appliances/north-1-flash-1", .first = true}, absl::Seconds(30));  // When it was last named first.
#ifndef FAIRLEAD_TESTS_LAB_PROBER_H_
#define FAIRLEAD_TESTS_LAB_PROBER_H_

#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "tests/lab/control_plane.h"
#include "tests/lab/routes.h"

namespace fairlead {

struct ProbeTotals {
  int64_t answers = 0;
  int64_t unanswered = 0;    // Calls that failed.
  int64_t not_servable = 0;  // Answers with a file that has no URL.
  int64_t went_back = 0;     // Sources whose version went back.
  std::string last_problem = {};
};
ProbeTotals operator-(const ProbeTotals& now, const ProbeTotals& before);

class Prober {
 public:
  // `plane` must outlive it.
  Prober(std::vector<LabViewer> viewers, const std::vector<content::v1::Title>& titles, ControlPlane& plane);
  ~Prober();
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;

  ProbeTotals Totals() const ABSL_LOCKS_EXCLUDED(mu_);

  // Waits until a whole round of questions was answered without naming the box or site ("appliances/x", "sites/x") for any viewer, or for
  // the viewer at that address alone; returns when the last question whose answer named it was asked (infinite past: none since the start).
  // With `first`, only first URLs count. DEADLINE_EXCEEDED if it is still named.
  struct Who {
    std::string name;
    std::string viewer = {};  // An address; empty: anybody.
    bool first = false;
  };
  absl::StatusOr<absl::Time> AwaitGone(const Who& who, absl::Duration patience) const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Named {
    absl::Time at_all = absl::InfinitePast();
    absl::Time first = absl::InfinitePast();
  };

  void Run();
  void Ask(const LabViewer& viewer, const std::string& title);
  void Note(const LabViewer& viewer, const steering::v1::SteerResponse& answer, absl::Time asked) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Time LastNamed(const Who& who) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::vector<LabViewer> viewers_;
  std::vector<std::string> titles_;
  ControlPlane& plane_;
  mutable absl::Mutex mu_;
  ProbeTotals totals_ ABSL_GUARDED_BY(mu_);
  // By name and address of the viewer.
  std::map<std::pair<std::string, std::string>, Named> named_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, std::pair<uint64_t, uint64_t>> positions_ ABSL_GUARDED_BY(mu_);
  // When the newest round that was answered throughout began.
  absl::Time answered_round_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  absl::Notification stop_;
  std::thread thread_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_PROBER_H_
