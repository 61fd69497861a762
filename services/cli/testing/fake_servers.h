// Servers of every program in one, for tests of the command line: each RPC answers from public fields, and remembers what it was asked.
// Answers of a list come in pages of at most `page_size` items, whatever the request asks for, so that paging is always exercised.
#ifndef FAIRLEAD_SERVICES_CLI_TESTING_FAKE_SERVERS_H_
#define FAIRLEAD_SERVICES_CLI_TESTING_FAKE_SERVERS_H_

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "fairlead/content/v1/catalog_service.grpc.pb.h"
#include "fairlead/fill/v1/fill_service.grpc.pb.h"
#include "fairlead/ingest/v1/fleet_service.grpc.pb.h"
#include "fairlead/registry/v1/registry_service.grpc.pb.h"
#include "fairlead/steering/v1/steering_service.grpc.pb.h"
#include "grpcpp/server_context.h"
#include "libs/base/errors.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/server.h"
#include "libs/rpc/status.h"

namespace fairlead::cli {

// One page of `all` after `token`; returns the next token.
template <typename Item, typename Field>
std::string Page(const std::vector<Item>& all, const std::string& token, int page_size, Field* page) {
  size_t at = 0;
  if (!token.empty() && !absl::SimpleAtoi(token, &at)) at = all.size();
  const size_t end = std::min(all.size(), at + static_cast<size_t>(page_size));
  for (; at < end; ++at) *page->Add() = all[at];
  return end < all.size() ? absl::StrCat(end) : "";
}

inline grpc::Status NotFound(const std::string& field, const std::string& value) {
  return ToGrpcStatus(FieldError(absl::StatusCode::kNotFound, field, value, "no such resource"));
}

class FakeRegistry : public registry::v1::RegistryService::Service {
 public:
  grpc::Status ListSites(grpc::ServerContext* context, const registry::v1::ListSitesRequest* request,
                         registry::v1::ListSitesResponse* response) override {
    principal = PrincipalOf(*context).ToString();
    ++pages_served;
    const int size = request->page_size() < page_size ? request->page_size() : page_size;
    response->set_next_page_token(Page(sites, request->page_token(), size, response->mutable_sites()));
    return grpc::Status::OK;
  }
  grpc::Status GetSite(grpc::ServerContext*, const registry::v1::GetSiteRequest* request, registry::v1::Site* response) override {
    for (const auto& site : sites) {
      if (site.name() == request->name()) return *response = site, grpc::Status::OK;
    }
    return NotFound("name", request->name());
  }
  grpc::Status ListAppliances(grpc::ServerContext*, const registry::v1::ListAppliancesRequest* request,
                              registry::v1::ListAppliancesResponse* response) override {
    std::vector<registry::v1::Appliance> found;
    for (const auto& box : appliances) {
      if (request->site().empty() || box.site() == request->site()) found.push_back(box);
    }
    response->set_next_page_token(Page(found, request->page_token(), page_size, response->mutable_appliances()));
    return grpc::Status::OK;
  }
  grpc::Status GetAppliance(grpc::ServerContext*, const registry::v1::GetApplianceRequest* request,
                            registry::v1::Appliance* response) override {
    for (const auto& box : appliances) {
      if (box.name() == request->name()) return *response = box, grpc::Status::OK;
    }
    return NotFound("name", request->name());
  }
  grpc::Status ListLinks(grpc::ServerContext*, const registry::v1::ListLinksRequest*, registry::v1::ListLinksResponse*) override {
    return grpc::Status::OK;
  }
  grpc::Status ListClusters(grpc::ServerContext*, const registry::v1::ListClustersRequest*, registry::v1::ListClustersResponse*) override {
    return grpc::Status::OK;
  }
  grpc::Status ListBgpSessions(grpc::ServerContext*, const registry::v1::ListBgpSessionsRequest* request,
                               registry::v1::ListBgpSessionsResponse* response) override {
    for (const auto& session : sessions) {
      if (request->appliance().empty() || session.appliance() == request->appliance()) *response->add_bgp_sessions() = session;
    }
    return grpc::Status::OK;
  }
  grpc::Status ApplyFleet(grpc::ServerContext*, const registry::v1::ApplyFleetRequest* request,
                          registry::v1::ApplyFleetResponse* response) override {
    applied = *request;
    if (!refusal.ok()) return ToGrpcStatus(refusal);
    *response = apply_response;
    return grpc::Status::OK;
  }
  grpc::Status SetAdminState(grpc::ServerContext* context, const registry::v1::SetAdminStateRequest* request,
                             registry::v1::Appliance* response) override {
    principal = PrincipalOf(*context).ToString();
    state_set = *request;
    if (!refusal.ok()) return ToGrpcStatus(refusal);
    response->set_name(request->name());
    response->set_admin_state(request->admin_state());
    return grpc::Status::OK;
  }
  grpc::Status IssueEnrollmentToken(grpc::ServerContext*, const registry::v1::IssueEnrollmentTokenRequest* request,
                                    registry::v1::IssueEnrollmentTokenResponse* response) override {
    response->set_token(absl::StrCat("token-for-", request->appliance()));
    return grpc::Status::OK;
  }
  grpc::Status CreateSigningKey(grpc::ServerContext*, const registry::v1::CreateSigningKeyRequest* request,
                                registry::v1::SigningKey* response) override {
    response->set_name(absl::StrCat("signingKeys/", request->signing_key_id().empty() ? "k-new" : request->signing_key_id()));
    response->set_state(registry::v1::SigningKey::STATE_ACTIVE);
    keys.push_back(*response);
    return grpc::Status::OK;
  }
  grpc::Status ListSigningKeys(grpc::ServerContext*, const registry::v1::ListSigningKeysRequest*,
                               registry::v1::ListSigningKeysResponse* response) override {
    for (const auto& key : keys) *response->add_signing_keys() = key;
    return grpc::Status::OK;
  }
  grpc::Status RevokeSigningKey(grpc::ServerContext*, const registry::v1::RevokeSigningKeyRequest* request,
                                registry::v1::SigningKey* response) override {
    for (auto& key : keys) {
      if (key.name() != request->name()) continue;
      key.set_state(registry::v1::SigningKey::STATE_REVOKED);
      return *response = key, grpc::Status::OK;
    }
    return NotFound("name", request->name());
  }
  grpc::Status CreateDrain(grpc::ServerContext*, const registry::v1::CreateDrainRequest* request, registry::v1::Drain* response) override {
    drain_asked = *request;
    if (!refusal.ok()) return ToGrpcStatus(refusal);
    *response = drains.at(0);
    return grpc::Status::OK;
  }
  // The next of `drains` at each call; the last one stays.
  grpc::Status GetDrain(grpc::ServerContext*, const registry::v1::GetDrainRequest* request, registry::v1::Drain* response) override {
    if (drains.empty() || drains.front().name() != request->name()) return NotFound("name", request->name());
    if (drains.size() > 1) drains.erase(drains.begin());
    *response = drains.front();
    return grpc::Status::OK;
  }
  grpc::Status ListDrains(grpc::ServerContext*, const registry::v1::ListDrainsRequest* request,
                          registry::v1::ListDrainsResponse* response) override {
    response->set_next_page_token(Page(drains, request->page_token(), page_size, response->mutable_drains()));
    return grpc::Status::OK;
  }
  grpc::Status CancelDrain(grpc::ServerContext*, const registry::v1::CancelDrainRequest* request, registry::v1::Drain* response) override {
    if (drains.empty() || drains.front().name() != request->name()) return NotFound("name", request->name());
    *response = drains.front();
    response->set_phase(registry::v1::Drain::PHASE_CANCELLED);
    return grpc::Status::OK;
  }
  grpc::Status ListAuditRecords(grpc::ServerContext*, const registry::v1::ListAuditRecordsRequest* request,
                                registry::v1::ListAuditRecordsResponse* response) override {
    audit_resource = request->resource();
    response->set_next_page_token(
        Page(audit, request->page_token(), std::min(page_size, request->page_size()), response->mutable_audit_records()));
    return grpc::Status::OK;
  }

  // Written by the test before a command, by the server during it; a command runs in the test's thread, so they never overlap.
  int page_size = 2;
  std::vector<registry::v1::Site> sites;
  std::vector<registry::v1::Appliance> appliances;
  std::vector<registry::v1::BgpSession> sessions;
  std::vector<registry::v1::SigningKey> keys;
  std::vector<registry::v1::AuditRecord> audit;
  std::vector<registry::v1::Drain> drains;
  registry::v1::CreateDrainRequest drain_asked;
  registry::v1::ApplyFleetResponse apply_response;
  absl::Status refusal;
  registry::v1::ApplyFleetRequest applied;
  registry::v1::SetAdminStateRequest state_set;
  std::string principal;
  std::string audit_resource;
  int pages_served = 0;
};

class FakeCell : public ingest::v1::FleetQueryService::Service {
 public:
  grpc::Status GetApplianceState(grpc::ServerContext*, const ingest::v1::GetApplianceStateRequest* request,
                                 ingest::v1::ApplianceState* response) override {
    for (const auto& state : states) {
      if (state.appliance() == request->name()) return *response = state, grpc::Status::OK;
    }
    return NotFound("name", request->name());
  }
  grpc::Status ListApplianceStates(grpc::ServerContext*, const ingest::v1::ListApplianceStatesRequest* request,
                                   ingest::v1::ListApplianceStatesResponse* response) override {
    response->set_next_page_token(Page(states, request->page_token(), 2, response->mutable_appliance_states()));
    return grpc::Status::OK;
  }
  grpc::Status ListRoutes(grpc::ServerContext*, const ingest::v1::ListRoutesRequest* request,
                          ingest::v1::ListRoutesResponse* response) override {
    routes_asked = *request;
    std::vector<ingest::v1::ReportedRoute> found;
    for (const auto& route : routes) {
      if (request->filter() == ingest::v1::ListRoutesRequest::FILTER_DROPPED && route.admitted()) continue;
      found.push_back(route);
    }
    response->set_next_page_token(Page(found, request->page_token(), std::min(2, request->page_size()), response->mutable_routes()));
    return grpc::Status::OK;
  }

  std::vector<ingest::v1::ApplianceState> states;
  std::vector<ingest::v1::ReportedRoute> routes;
  ingest::v1::ListRoutesRequest routes_asked;
};

class FakeCatalog : public content::v1::CatalogService::Service {
 public:
  grpc::Status ImportTitleVersion(grpc::ServerContext*, const content::v1::ImportTitleVersionRequest* request,
                                  content::v1::ImportTitleVersionResponse* response) override {
    if (!refusal.ok()) return ToGrpcStatus(refusal);
    imports.push_back(*request);
    response->mutable_title()->set_name(request->title());
    response->set_created(true);
    return grpc::Status::OK;
  }
  grpc::Status ListTitles(grpc::ServerContext*, const content::v1::ListTitlesRequest* request,
                          content::v1::ListTitlesResponse* response) override {
    response->set_next_page_token(Page(titles, request->page_token(), 2, response->mutable_titles()));
    return grpc::Status::OK;
  }
  grpc::Status GetTitle(grpc::ServerContext*, const content::v1::GetTitleRequest* request, content::v1::Title* response) override {
    for (const auto& title : titles) {
      if (title.name() == request->name()) return *response = title, grpc::Status::OK;
    }
    return NotFound("name", request->name());
  }

  std::vector<content::v1::Title> titles;
  std::vector<content::v1::ImportTitleVersionRequest> imports;
  absl::Status refusal;
};

class FakeFill : public fill::v1::FillService::Service {
 public:
  grpc::Status CreatePlan(grpc::ServerContext*, const fill::v1::CreatePlanRequest* request, fill::v1::Plan* response) override {
    asked = *request;
    *response = plan;
    return grpc::Status::OK;
  }
  grpc::Status GetPlan(grpc::ServerContext*, const fill::v1::GetPlanRequest* request, fill::v1::Plan* response) override {
    if (request->name() != "plans/current") return NotFound("name", request->name());
    return *response = plan, grpc::Status::OK;
  }
  grpc::Status ListFillProgress(grpc::ServerContext*, const fill::v1::ListFillProgressRequest* request,
                                fill::v1::ListFillProgressResponse* response) override {
    response->set_next_page_token(Page(progress, request->page_token(), 1, response->mutable_appliances()));
    return grpc::Status::OK;
  }

  fill::v1::Plan plan;
  std::vector<fill::v1::ApplianceProgress> progress;
  fill::v1::CreatePlanRequest asked;
};

class FakeSteering : public steering::v1::SteeringService::Service {
 public:
  grpc::Status Steer(grpc::ServerContext*, const steering::v1::SteerRequest* request, steering::v1::SteerResponse* response) override {
    asked = *request;
    *response = answer;
    return grpc::Status::OK;
  }
  // Each by itself, its client as the matched prefix; clients of `refused_once` are refused here, and not by Steer.
  grpc::Status SteerStream(grpc::ServerContext*,
                           grpc::ServerReaderWriter<steering::v1::SteerStreamResponse, steering::v1::SteerStreamRequest>* stream) override {
    steering::v1::SteerStreamRequest batch;
    for (; stream->Read(&batch); batches.push_back(batch.requests_size())) {
      steering::v1::SteerStreamResponse response;
      response.set_id(batch.id());
      for (const steering::v1::SteerRequest& request : batch.requests()) {
        asked = request;
        steering::v1::SteerResult& result = *response.add_results();
        if (request.client_address() == refused_once) {
          result.mutable_error()->set_code(grpc::StatusCode::RESOURCE_EXHAUSTED);
        } else {
          *result.mutable_response() = answer;
          result.mutable_response()->set_matched_prefix(request.client_address());
        }
      }
      if (!stream->Write(response)) break;
    }
    return stream_status;
  }
  grpc::Status Explain(grpc::ServerContext*, const steering::v1::ExplainRequest* request,
                       steering::v1::ExplainResponse* response) override {
    asked = request->request();
    *response = explanation;
    *response->mutable_answer() = answer;
    return grpc::Status::OK;
  }

  steering::v1::SteerRequest asked;
  steering::v1::SteerResponse answer;
  steering::v1::ExplainResponse explanation;
  std::vector<int> batches;
  std::string refused_once;
  grpc::Status stream_status;
};

}  // namespace fairlead::cli

#endif  // FAIRLEAD_SERVICES_CLI_TESTING_FAKE_SERVERS_H_
