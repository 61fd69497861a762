// The RPC shell of RegistryService: who may call, on which thread, and translation of statuses. No thought here.
#ifndef FAIRLEAD_SERVICES_REGISTRY_REGISTRY_SERVICE_H_
#define FAIRLEAD_SERVICES_REGISTRY_REGISTRY_SERVICE_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "fairlead/registry/v1/registry_service.grpc.pb.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/unary.h"
#include "libs/rpc/worker_pool.h"
#include "services/registry/drain_methods.h"
#include "services/registry/metrics.h"
#include "services/registry/special_methods.h"
#include "services/registry/standard_methods.h"

namespace fairlead::registry {

// OK for operators and our own services; UNAUTHENTICATED or PERMISSION_DENIED for others.
absl::Status CheckTrusted(const Principal& caller);

class RegistryService final : public v1::RegistryService::CallbackService {
 public:
  // All must outlive the service.
  RegistryService(StandardMethods& standard, SpecialMethods& special, DrainMethods& drains, WorkerPool& pool, RegistryMetrics& metrics)
      : standard_(standard), special_(special), drains_(drains), pool_(pool), metrics_(metrics) {}

  using Reactor = grpc::ServerUnaryReactor*;
  using Context = grpc::CallbackServerContext*;

// The five methods of a kind; `member` is its field in requests, `Plural` names its list.
#define FAIRLEAD_STANDARD_METHODS(T, Plural, member)                                                                                     \
  Reactor Create##T(Context context, const v1::Create##T##Request* request, v1::T* response) override {                                  \
    return Run(context, "Create" #T, [=, this](const std::string& caller) {                                                              \
      return standard_.Create<T>(caller, *request, request->member(), request->member##_id(), *response);                                \
    });                                                                                                                                  \
  }                                                                                                                                      \
  Reactor Get##T(Context context, const v1::Get##T##Request* request, v1::T* response) override {                                        \
    return Run(context, "Get" #T, [=, this](const std::string&) { return standard_.Get<T>(*request, *response); });                      \
  }                                                                                                                                      \
  Reactor List##Plural(Context context, const v1::List##Plural##Request* request, v1::List##Plural##Response* response) override {       \
    return Run(context, "List" #Plural, [=, this](const std::string&) { return standard_.List<T>(*request, *response); });               \
  }                                                                                                                                      \
  Reactor Update##T(Context context, const v1::Update##T##Request* request, v1::T* response) override {                                  \
    return Run(context, "Update" #T,                                                                                                     \
               [=, this](const std::string& caller) { return standard_.Update<T>(caller, *request, request->member(), *response); });    \
  }                                                                                                                                      \
  Reactor Delete##T(Context context, const v1::Delete##T##Request* request, google::protobuf::Empty* response) override {                \
    return Run(context, "Delete" #T, [=, this](const std::string& caller) { return standard_.Delete<T>(caller, *request, *response); }); \
  }
  FAIRLEAD_STANDARD_METHODS(Partner, Partners, partner)
  FAIRLEAD_STANDARD_METHODS(Site, Sites, site)
  FAIRLEAD_STANDARD_METHODS(Link, Links, link)
  FAIRLEAD_STANDARD_METHODS(Cluster, Clusters, cluster)
  FAIRLEAD_STANDARD_METHODS(Appliance, Appliances, appliance)
  FAIRLEAD_STANDARD_METHODS(BgpSession, BgpSessions, bgp_session)
  FAIRLEAD_STANDARD_METHODS(Cell, Cells, cell)
  FAIRLEAD_STANDARD_METHODS(Policy, Policies, policy)
#undef FAIRLEAD_STANDARD_METHODS

  Reactor ApplyFleet(Context context, const v1::ApplyFleetRequest* request, v1::ApplyFleetResponse* response) override;
  Reactor SetAdminState(Context context, const v1::SetAdminStateRequest* request, v1::Appliance* response) override;
  Reactor IssueEnrollmentToken(Context context, const v1::IssueEnrollmentTokenRequest* request,
                               v1::IssueEnrollmentTokenResponse* response) override;
  Reactor Enroll(Context context, const v1::EnrollRequest* request, v1::EnrollResponse* response) override;
  Reactor CreateSigningKey(Context context, const v1::CreateSigningKeyRequest* request, v1::SigningKey* response) override;
  Reactor ListSigningKeys(Context context, const v1::ListSigningKeysRequest* request, v1::ListSigningKeysResponse* response) override;
  Reactor RevokeSigningKey(Context context, const v1::RevokeSigningKeyRequest* request, v1::SigningKey* response) override;
  Reactor ListAuditRecords(Context context, const v1::ListAuditRecordsRequest* request, v1::ListAuditRecordsResponse* response) override;
  Reactor CreateDrain(Context context, const v1::CreateDrainRequest* request, v1::Drain* response) override;
  Reactor GetDrain(Context context, const v1::GetDrainRequest* request, v1::Drain* response) override;
  Reactor ListDrains(Context context, const v1::ListDrainsRequest* request, v1::ListDrainsResponse* response) override;
  Reactor CancelDrain(Context context, const v1::CancelDrainRequest* request, v1::Drain* response) override;

 private:
  // Runs `work` (caller's name → status) on the pool if the caller is trusted.
  template <typename Work>
  Reactor Run(Context context, const char* method, Work work) {
    return RunUnary(*context, pool_, [this, method, work = std::move(work)](const Principal& caller) -> absl::Status {
      absl::Status status = CheckTrusted(caller);
      if (status.ok()) status = work(caller.ToString());
      metrics_.CountRequest(method, status);
      return status;
    });
  }

  StandardMethods& standard_;
  SpecialMethods& special_;
  DrainMethods& drains_;
  WorkerPool& pool_;
  RegistryMetrics& metrics_;
};

}  // namespace fairlead::registry

#endif  // FAIRLEAD_SERVICES_REGISTRY_REGISTRY_SERVICE_H_
