// A whole Fairlead on one machine, brought up step by step: the control plane, the boxes with their neighbours, a filled catalogue.
//
// Each function reports its steps as it goes and returns the first that failed; what already runs keeps running. To be called in
// their order, from one thread; `stop` may be notified from any.
//
//   Installation installation(layout, plan, supervisor, report, stop);
//   RETURN_IF_ERROR(installation.StartControlPlane());
#ifndef FAIRLEAD_TESTS_LAB_INSTALLATION_H_
#define FAIRLEAD_TESTS_LAB_INSTALLATION_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "tests/lab/control_plane.h"
#include "tests/lab/fill_watch.h"
#include "tests/lab/layout.h"
#include "tests/lab/relay.h"
#include "tests/lab/report.h"
#include "tests/lab/routes.h"
#include "tests/lab/supervisor.h"

namespace fairlead {

class Installation {
 public:
  Installation(const Layout& layout, const RoutePlan& plan, Supervisor& supervisor, Relay& relay, Report& report,
               const absl::Notification& stop);

  // PostgreSQL, registryd, ingestd, filld, steerd and the NGINX in front of it; a signing key; the fleet file.
  absl::Status StartControlPlane();
  // Every box, and the routers around them; waits until each route is admitted or dropped as planned, then sets the boxes LIVE.
  absl::Status StartNetwork();
  // Makes the titles, imports them, plans, and waits until every box holds what it should.
  absl::Status FillCatalogue();

  // Waits until steerd answers every viewer of the plan as planned; right after a fill it may still be a moment behind.
  absl::StatusOr<std::string> AwaitSteering();

  ControlPlane& plane() { return plane_; }
  Supervisor& supervisor() { return supervisor_; }
  Relay& relay() { return relay_; }
  const RoutePlan& plan() const { return plan_; }
  const Layout& layout() const { return layout_; }
  // The operators' command line against this installation: its output.
  absl::StatusOr<std::string> Fairlead(const std::vector<std::string>& arguments);

 private:
  absl::StatusOr<std::string> StartServices();
  absl::StatusOr<std::string> StartFront();
  absl::StatusOr<std::string> ApplyFleet();
  absl::StatusOr<std::string> StartBoxes();
  absl::StatusOr<std::string> AwaitRoutes();
  absl::StatusOr<std::string> SetLive();
  absl::StatusOr<std::string> MakeTitles();
  absl::StatusOr<std::string> Import();
  absl::StatusOr<std::string> AwaitFill(const FillWatch& watch);
  // What is not yet as planned; "" when all is.
  std::string MissingReports();
  std::string MissingRoutes();
  std::string MissingFill(const FillWatch& watch);
  std::string MissingAnswers(const std::vector<content::v1::Title>& titles);
  void PrintBoxes();
  void PrintFill(const FillWatch& watch);

  const Layout& layout_;
  const RoutePlan& plan_;
  Supervisor& supervisor_;
  Relay& relay_;
  Report& report_;
  const absl::Notification& stop_;
  ControlPlane plane_;
  std::string database_;
  int commands_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_INSTALLATION_H_
