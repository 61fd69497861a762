// The lab's view of the running services: one blocking call each, as an operator, with a deadline. What reads as a list is read to
// its end. Thread-safe.
//
//   ControlPlane plane(layout);
//   ASSIGN_OR_RETURN(const std::string token, plane.IssueEnrollmentToken("appliances/ix-1-storage-1"));
#ifndef FAIRLEAD_TESTS_LAB_CONTROL_PLANE_H_
#define FAIRLEAD_TESTS_LAB_CONTROL_PLANE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "fairlead/content/v1/catalog_service.grpc.pb.h"
#include "fairlead/fill/v1/fill_service.grpc.pb.h"
#include "fairlead/ingest/v1/fleet_service.grpc.pb.h"
#include "fairlead/registry/v1/registry_service.grpc.pb.h"
#include "fairlead/steering/v1/steering_service.grpc.pb.h"
#include "tests/lab/layout.h"

namespace fairlead {

class ControlPlane {
 public:
  explicit ControlPlane(const Layout& layout);

  // Waits until a server takes connections at host:port; UNAVAILABLE if none does in time.
  static absl::Status AwaitServer(const std::string& target, absl::Duration timeout);

  absl::StatusOr<registry::v1::SigningKey> CreateSigningKey();
  absl::StatusOr<std::string> IssueEnrollmentToken(const std::string& appliance);
  absl::Status SetAdminState(const std::string& appliance, common::v1::AdminState state, const std::string& reason);
  absl::StatusOr<std::vector<registry::v1::Appliance>> ListAppliances();
  // Of a box or site, from now on; its name.
  absl::StatusOr<std::string> CreateDrain(const std::string& target, const std::string& reason);
  absl::StatusOr<registry::v1::Drain> GetDrain(const std::string& name);
  absl::Status CancelDrain(const std::string& name);
  // A link's display name alone. Fails in seconds, so that it can be repeated with the same request id.
  absl::Status SetDisplayName(const std::string& link, const std::string& display_name, const std::string& request_id);
  // Of one resource, newest first.
  absl::StatusOr<std::vector<registry::v1::AuditRecord>> ListAuditRecords(const std::string& resource);
  // Of the link's fields only the contract cap; 0 = none.
  absl::Status SetContractCap(const std::string& link, int64_t contract_cap_bps);
  absl::StatusOr<std::vector<ingest::v1::ApplianceState>> ListApplianceStates();
  // Admitted and dropped.
  absl::StatusOr<std::vector<ingest::v1::ReportedRoute>> ListRoutes(const std::string& appliance);
  absl::StatusOr<std::vector<content::v1::Title>> ListTitles();
  absl::StatusOr<fill::v1::Plan> CreatePlan();
  absl::StatusOr<std::vector<fill::v1::ApplianceProgress>> ListFillProgress();
  // Through the NGINX in front of steerd, as a playback service would.
  absl::StatusOr<steering::v1::SteerResponse> Steer(const steering::v1::SteerRequest& request, absl::Duration timeout = absl::Seconds(20));

 private:
  std::unique_ptr<registry::v1::RegistryService::Stub> registry_;
  std::unique_ptr<ingest::v1::FleetQueryService::Stub> fleet_;
  std::unique_ptr<content::v1::CatalogService::Stub> catalog_;
  std::unique_ptr<fill::v1::FillService::Stub> fill_;
  std::unique_ptr<steering::v1::SteeringService::Stub> steering_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_CONTROL_PLANE_H_
