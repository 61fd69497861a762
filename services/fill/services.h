// The RPC shells of filld: CatalogService, CatalogFeedService and FillService. They parse, call and render; nothing more.
//
// Who may do what: writes, plans and progress are for operators and our own services; a box's manifest and sources are for that box (by
// its credential) or those; the catalogue and its feed are for whoever reaches the port, they hold no secret.
// Thread-safe. What reads memory runs on gRPC's thread, what may wait for the database on the pool.
#ifndef FAIRLEAD_SERVICES_FILL_SERVICES_H_
#define FAIRLEAD_SERVICES_FILL_SERVICES_H_

#include "absl/status/status.h"
#include "fairlead/content/v1/catalog_service.grpc.pb.h"
#include "fairlead/fill/v1/fill_service.grpc.pb.h"
#include "libs/base/clock.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/worker_pool.h"
#include "services/fill/catalogue.h"
#include "services/fill/fleet_state.h"
#include "services/fill/metrics.h"
#include "services/fill/planner.h"
#include "services/fill/source_resolver.h"
#include "services/fill/store.h"

namespace fairlead::fill {

// What the services work with; all outlive them.
struct ServiceParts {
  Store& store;
  Catalogue& catalogue;
  FleetState& fleet;
  Planner& planner;
  SourceResolver& resolver;
  WorkerPool& pool;
  const Clock& clock;
  FillMetrics& metrics;
};

class CatalogServiceImpl final : public content::v1::CatalogService::CallbackService {
 public:
  explicit CatalogServiceImpl(const ServiceParts& parts) : parts_(parts) {}

  grpc::ServerUnaryReactor* ImportTitleVersion(grpc::CallbackServerContext* context, const content::v1::ImportTitleVersionRequest* request,
                                               content::v1::ImportTitleVersionResponse* response) override;
  grpc::ServerUnaryReactor* GetTitle(grpc::CallbackServerContext* context, const content::v1::GetTitleRequest* request,
                                     content::v1::Title* response) override;
  grpc::ServerUnaryReactor* ListTitles(grpc::CallbackServerContext* context, const content::v1::ListTitlesRequest* request,
                                       content::v1::ListTitlesResponse* response) override;

 private:
  absl::Status DoImport(const Principal& caller, const content::v1::ImportTitleVersionRequest& request,
                        content::v1::ImportTitleVersionResponse& response);
  absl::Status DoGetTitle(const content::v1::GetTitleRequest& request, content::v1::Title& response) const;
  absl::Status DoListTitles(const content::v1::ListTitlesRequest& request, content::v1::ListTitlesResponse& response) const;

  const ServiceParts parts_;
};

class CatalogFeedServiceImpl final
    : public content::v1::CatalogFeedService::WithRawCallbackMethod_WatchCatalog<content::v1::CatalogFeedService::Service> {
 public:
  explicit CatalogFeedServiceImpl(Catalogue& catalogue) : catalogue_(catalogue) {}
  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchCatalog(grpc::CallbackServerContext* context, const grpc::ByteBuffer* raw) override;

 private:
  Catalogue& catalogue_;
};

class FillServiceImpl final : public v1::FillService::CallbackService {
 public:
  explicit FillServiceImpl(const ServiceParts& parts) : parts_(parts) {}

  grpc::ServerUnaryReactor* CreatePlan(grpc::CallbackServerContext* context, const v1::CreatePlanRequest* request,
                                       v1::Plan* response) override;
  grpc::ServerUnaryReactor* GetPlan(grpc::CallbackServerContext* context, const v1::GetPlanRequest* request, v1::Plan* response) override;
  grpc::ServerUnaryReactor* ListPlans(grpc::CallbackServerContext* context, const v1::ListPlansRequest* request,
                                      v1::ListPlansResponse* response) override;
  grpc::ServerUnaryReactor* GetManifest(grpc::CallbackServerContext* context, const v1::GetManifestRequest* request,
                                        v1::Manifest* response) override;
  grpc::ServerUnaryReactor* ResolveSources(grpc::CallbackServerContext* context, const v1::ResolveSourcesRequest* request,
                                           v1::ResolveSourcesResponse* response) override;
  grpc::ServerUnaryReactor* ListFillProgress(grpc::CallbackServerContext* context, const v1::ListFillProgressRequest* request,
                                             v1::ListFillProgressResponse* response) override;

 private:
  absl::Status DoCreatePlan(const Principal& caller, const v1::CreatePlanRequest& request, v1::Plan& response);
  absl::Status DoGetPlan(const Principal& caller, const v1::GetPlanRequest& request, v1::Plan& response);
  absl::Status DoListPlans(const Principal& caller, const v1::ListPlansRequest& request, v1::ListPlansResponse& response);
  absl::Status DoGetManifest(const Principal& caller, const v1::GetManifestRequest& request, v1::Manifest& response);
  absl::Status DoResolveSources(const Principal& caller, const v1::ResolveSourcesRequest& request, v1::ResolveSourcesResponse& response);
  // Takes in what a box reported of its sources.
  absl::Status Record(const ApplianceId& asker, const std::vector<SourceFault>& faults, const FleetSnapshot& fleet, absl::Duration now);
  absl::Status DoListFillProgress(const Principal& caller, const v1::ListFillProgressRequest& request,
                                  v1::ListFillProgressResponse& response);

  const ServiceParts parts_;
};

}  // namespace fairlead::fill

#endif  // FAIRLEAD_SERVICES_FILL_SERVICES_H_
