// The demo's last two steps: parts of a running lab break one after the other while viewers play and others begin to, and each time it
// is shown how long new answers still named what is gone, what the viewers saw, and how long it took until all was as before.
//
//   Resilience resilience(installation, report, stop);
//   RETURN_IF_ERROR(resilience.ShowFaults());
//   RETURN_IF_ERROR(resilience.ShowOutages());
#ifndef FAIRLEAD_TESTS_LAB_RESILIENCE_H_
#define FAIRLEAD_TESTS_LAB_RESILIENCE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "tests/lab/installation.h"
#include "tests/lab/lab_state.h"
#include "tests/lab/players.h"
#include "tests/lab/prober.h"
#include "tests/lab/report.h"

namespace fairlead {

class Resilience {
 public:
  // All three must outlive it.
  Resilience(Installation& installation, Report& report, const absl::Notification& stop);

  // Begins to play and to ask; from here on everything is counted.
  absl::Status Start();
  // A box killed whole, an NGINX that hangs, a prefix withdrawn, a router killed, a link at its cap.
  absl::Status ShowFaults();
  // The whole control plane, then its parts one by one.
  absl::Status ShowOutages();

 private:
  struct Fault {
    std::string what = {};
    std::function<absl::Status()> inflict = {};
    std::function<absl::Status()> heal = {};
    std::function<std::string()> under_way = {};          // What isn't done yet, "" when it is: for faults that take their time.
    Prober::Who gone = {};                                // Who must not be named any more; no name: nobody may change.
    std::function<std::string()> gone_name = {};          // Where `gone.name` is known only once it broke.
    std::function<void(const PlayerTotals&)> judge = {};  // More to check of what the players saw.
  };
  struct Outage {
    std::string what;
    std::vector<std::string> processes;
    absl::Duration lasts;
    bool restart_steerd = false;  // Killed too, but started again at once: from its disk, with nobody to ask.
  };

  std::vector<Fault> Faults();
  Fault DrainFault();
  // Of a drain: what isn't done yet, "" when the box is DRAINED; notes when its phases began.
  std::string DrainUnderWay();
  // Content steering must have moved every player before the box refused them.
  void JudgeDrain(const PlayerTotals& seen);
  absl::Status Show(const Fault& fault, Table& table);
  absl::Status Show(const Outage& outage, Table& table);
  // How long it takes until a new play is answered again.
  absl::StatusOr<absl::Duration> AwaitAnswer();
  // How long it takes until everything is as it was at the start.
  absl::StatusOr<absl::Duration> AwaitAsBefore();
  // Takes back, or announces again, every prefix that covers the viewer.
  absl::Status Withdraw(size_t partner, const LabViewer& viewer);
  const LabViewer& ViewerAt(const std::string& site) const;

  Installation& installation_;
  Report& report_;
  const absl::Notification& stop_;
  LabState before_;
  struct ShownDrain {
    std::string name = {};                  // "drains/x"
    std::string box = {};                   // Its id.
    std::vector<std::string> servers = {};  // "127.42.1.11:8080", "[::1]:21685"
    absl::Time evacuating = absl::InfiniteFuture();
    absl::Time refusing = absl::InfiniteFuture();
  };
  ShownDrain drain_;
  std::unique_ptr<Players> players_;
  std::unique_ptr<Prober> prober_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_RESILIENCE_H_
