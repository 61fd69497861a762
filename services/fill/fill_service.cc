#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/log/log.h"
#include "libs/rpc/unary.h"
#include "services/fill/access.h"
#include "services/fill/codec.h"
#include "services/fill/services.h"

namespace fairlead::fill {
namespace {

// "17" → 17.
absl::StatusOr<uint64_t> ParsePlanNumber(absl::string_view text, absl::string_view field) {
  uint64_t number = 0;
  if (!absl::SimpleAtoi(text, &number) || number == 0 || number > 1'000'000'000'000)
    return InvalidField(field, text, "must be a plan's number");
  return number;
}

struct Held {
  int32_t files = 0;
  int64_t bytes = 0;
};

v1::ApplianceProgress ProgressOf(const BoxManifest& manifest, const FleetBox* box, const CatalogueView& view) {
  v1::ApplianceProgress progress;
  progress.set_appliance(manifest.appliance.name());
  progress.set_manifest_generation(manifest.generation);
  if (box != nullptr) progress.set_reported_generation(box->reported_generation);
  progress.set_files_wanted(static_cast<int32_t>(manifest.files.size()));
  progress.set_bytes_wanted(manifest.bytes);
  Held held;
  for (const PlacedFile& file : manifest.files) {
    if (box == nullptr || box->held == nullptr || !box->held->Contains(file.number)) continue;
    const CatalogueView::FileRef ref = view.FindFile(file.number);
    ++held.files;
    held.bytes += ref.rendition == nullptr ? 0 : ref.rendition->file.stored_bytes();
  }
  progress.set_files_held(held.files);
  progress.set_bytes_held(held.bytes);
  return progress;
}

}  // namespace

grpc::ServerUnaryReactor* FillServiceImpl::CreatePlan(grpc::CallbackServerContext* context, const v1::CreatePlanRequest* request,
                                                      v1::Plan* response) {
  return RunUnary(*context, parts_.pool, [=, this](const Principal& caller) { return DoCreatePlan(caller, *request, *response); });
}

absl::Status FillServiceImpl::DoCreatePlan(const Principal& caller, const v1::CreatePlanRequest& request, v1::Plan& response) {
  RETURN_IF_ERROR(RequireTrusted(caller));
  if (request.request_id().size() > Store::kMaxRequestId) {
    return InvalidField("request_id", request.request_id(), absl::StrCat("at most ", Store::kMaxRequestId, " bytes"));
  }
  // What was imported or configured a moment ago counts.
  RETURN_IF_ERROR(parts_.catalogue.Refresh());
  parts_.fleet.Rebuild();
  ASSIGN_OR_RETURN(const PlanSummary plan, parts_.planner.Create(request.validate_only(), {request.request_id(), "plan"}));
  response = PlanToProto(plan, *parts_.catalogue.View());
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* FillServiceImpl::GetPlan(grpc::CallbackServerContext* context, const v1::GetPlanRequest* request,
                                                   v1::Plan* response) {
  return RunUnary(*context, parts_.pool, [=, this](const Principal& caller) { return DoGetPlan(caller, *request, *response); });
}

absl::Status FillServiceImpl::DoGetPlan(const Principal& caller, const v1::GetPlanRequest& request, v1::Plan& response) {
  RETURN_IF_ERROR(RequireTrusted(caller));
  absl::string_view id = request.name();
  if (!absl::ConsumePrefix(&id, "plans/")) return InvalidField("name", request.name(), "must be 'plans/current' or 'plans/<number>'");
  const std::shared_ptr<const CatalogueView> view = parts_.catalogue.View();
  if (id == "current") {
    // From memory: it is shown while the database is down, too.
    if (!view->loaded()) return absl::UnavailableError("the plan hasn't been read from the database yet");
    if (view->plan() == nullptr) return FieldError(absl::StatusCode::kNotFound, "name", request.name(), "no plan was made yet");
    response = PlanToProto(Summarise(view->plan()->plan()), *view);
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const uint64_t number, ParsePlanNumber(id, "name"));
  ASSIGN_OR_RETURN(const PlanSummary plan, parts_.store.GetPlan(number));
  response = PlanToProto(plan, *view);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* FillServiceImpl::ListPlans(grpc::CallbackServerContext* context, const v1::ListPlansRequest* request,
                                                     v1::ListPlansResponse* response) {
  return RunUnary(*context, parts_.pool, [=, this](const Principal& caller) { return DoListPlans(caller, *request, *response); });
}

absl::Status FillServiceImpl::DoListPlans(const Principal& caller, const v1::ListPlansRequest& request, v1::ListPlansResponse& response) {
  RETURN_IF_ERROR(RequireTrusted(caller));
  ASSIGN_OR_RETURN(const int page_size, PageSize(request.page_size()));
  uint64_t before = 0;
  if (!request.page_token().empty()) {
    ASSIGN_OR_RETURN(before, ParsePlanNumber(request.page_token(), "page_token"));
  }
  ASSIGN_OR_RETURN(const std::vector<PlanSummary> plans, parts_.store.ListPlans(before, page_size + 1));
  const std::shared_ptr<const CatalogueView> view = parts_.catalogue.View();
  for (const PlanSummary& plan : plans) {
    if (response.plans_size() == page_size) {
      response.set_next_page_token(response.plans(page_size - 1).name().substr(absl::string_view("plans/").size()));
      break;
    }
    *response.add_plans() = PlanToProto(plan, *view);
  }
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* FillServiceImpl::GetManifest(grpc::CallbackServerContext* context, const v1::GetManifestRequest* request,
                                                       v1::Manifest* response) {
  return RunUnaryInline(*context, [=, this](const Principal& caller) { return DoGetManifest(caller, *request, *response); });
}

absl::Status FillServiceImpl::DoGetManifest(const Principal& caller, const v1::GetManifestRequest& request, v1::Manifest& response) {
  ASSIGN_OR_RETURN(const ApplianceId id, ApplianceId::ParseName(request.appliance(), "appliance"));
  RETURN_IF_ERROR(RequireBoxOrTrusted(caller, *parts_.fleet.Get(), id));
  const std::shared_ptr<const CatalogueView> view = parts_.catalogue.View();
  if (!view->loaded()) return absl::UnavailableError("the plan hasn't been read from the database yet");
  const PlanIndex::Box* box = view->plan() == nullptr ? nullptr : view->plan()->Find(id);
  // Not an empty manifest: that would make the box delete all it has.
  if (box == nullptr)
    return FieldError(absl::StatusCode::kNotFound, "appliance", request.appliance(), "the plan in force has no manifest for it");
  response.set_appliance(id.name());
  response.set_generation(box->manifest->generation);
  if (request.if_generation() == box->manifest->generation) {
    parts_.metrics.manifests_unchanged.Increment();
    response.set_unchanged(true);
    return absl::OkStatus();
  }
  for (const PlacedFile& file : box->manifest->files) {
    const CatalogueView::FileRef ref = view->FindFile(file.number);
    if (ref.rendition == nullptr)
      return absl::InternalError(absl::StrCat("the plan names file ", file.number, ", which the catalogue doesn't have"));
    v1::ManifestEntry& entry = *response.add_entries();
    *entry.mutable_file() = FileToProto(ref.rendition->file);
    entry.set_tier(static_cast<common::v1::Tier>(file.tier));
  }
  parts_.metrics.manifests_sent.Increment();
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* FillServiceImpl::ResolveSources(grpc::CallbackServerContext* context, const v1::ResolveSourcesRequest* request,
                                                          v1::ResolveSourcesResponse* response) {
  return RunUnaryInline(*context, [=, this](const Principal& caller) {
    const absl::Duration start = parts_.clock.Monotonic();
    absl::Status status = DoResolveSources(caller, *request, *response);
    parts_.metrics.resolve_seconds.Observe(absl::ToDoubleSeconds(parts_.clock.Monotonic() - start));
    return status;
  });
}

absl::Status FillServiceImpl::Record(const ApplianceId& asker, const std::vector<SourceFault>& faults, const FleetSnapshot& fleet,
                                     absl::Duration now) {
  if (fleet.FindBox(asker) == nullptr) return FieldError(absl::StatusCode::kNotFound, "appliance", asker.name(), "no such appliance");
  std::vector<SourceFault> known;
  for (const SourceFault& fault : faults) {
    if (fleet.FindBox(fault.source) == nullptr) continue;  // Retired meanwhile.
    known.push_back(fault);
    parts_.metrics.CountFault(fault.reason);
    LogWarning("a box left a source", {{"appliance", asker.value()},
                                       {"source", fault.source.value()},
                                       {"reason", std::string(ToString(fault.reason))},
                                       {"file", fault.file},
                                       {"why", fault.detail}});
  }
  parts_.resolver.reported().Record(asker, known, now);
  return absl::OkStatus();
}

absl::Status FillServiceImpl::DoResolveSources(const Principal& caller, const v1::ResolveSourcesRequest& request,
                                               v1::ResolveSourcesResponse& response) {
  ASSIGN_OR_RETURN(const ApplianceId id, ApplianceId::ParseName(request.appliance(), "appliance"));
  const std::shared_ptr<const FleetSnapshot> fleet = parts_.fleet.Get();
  RETURN_IF_ERROR(RequireBoxOrTrusted(caller, *fleet, id));
  const std::shared_ptr<const CatalogueView> view = parts_.catalogue.View();
  if (!view->loaded()) return absl::UnavailableError("the catalogue hasn't been read from the database yet");
  const std::vector<uint32_t> numbers(request.file_numbers().begin(), request.file_numbers().end());
  const absl::Duration now = parts_.clock.Monotonic();
  ASSIGN_OR_RETURN(const std::vector<SourceFault> faults, FaultsFromProto(request));
  RETURN_IF_ERROR(Record(id, faults, *fleet, now));
  ASSIGN_OR_RETURN(const std::vector<ResolvedFile> files, parts_.resolver.Resolve(*fleet, *view, id, numbers, parts_.clock.Now(), now));
  for (const ResolvedFile& file : files) {
    (file.sources.empty() ? parts_.metrics.files_without_source : parts_.metrics.files_resolved).Increment();
    v1::FileSources& to = *response.add_files();
    to.set_file_number(file.number);
    for (const ResolvedSource& from : file.sources) {
      v1::Source& source = *to.add_sources();
      source.set_class_(static_cast<v1::Source::Class>(from.source.source_class));
      source.set_appliance(from.source.appliance.name());
      source.set_base_url(from.base_url);
      *source.mutable_wait() = DurationToProto(from.source.wait);
    }
  }
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* FillServiceImpl::ListFillProgress(grpc::CallbackServerContext* context,
                                                            const v1::ListFillProgressRequest* request,
                                                            v1::ListFillProgressResponse* response) {
  return RunUnary(*context, parts_.pool, [=, this](const Principal& caller) { return DoListFillProgress(caller, *request, *response); });
}

absl::Status FillServiceImpl::DoListFillProgress(const Principal& caller, const v1::ListFillProgressRequest& request,
                                                 v1::ListFillProgressResponse& response) {
  RETURN_IF_ERROR(RequireTrusted(caller));
  ASSIGN_OR_RETURN(const int page_size, PageSize(request.page_size()));
  ApplianceId after;
  if (!request.page_token().empty()) {
    ASSIGN_OR_RETURN(after, ApplianceId::Parse(request.page_token(), "page_token"));
  }
  const std::shared_ptr<const CatalogueView> view = parts_.catalogue.View();
  if (!view->loaded()) return absl::UnavailableError("the plan hasn't been read from the database yet");
  if (view->plan() == nullptr) return absl::OkStatus();
  std::vector<const BoxManifest*> manifests;
  for (const ClusterFillPlan& cluster : view->plan()->plan().clusters) {
    for (const BoxManifest& manifest : cluster.boxes) {
      if (manifest.appliance > after) manifests.push_back(&manifest);
    }
  }
  std::sort(manifests.begin(), manifests.end(), [](const BoxManifest* a, const BoxManifest* b) { return a->appliance < b->appliance; });
  const std::shared_ptr<const FleetSnapshot> fleet = parts_.fleet.Get();
  for (const BoxManifest* manifest : manifests) {
    if (response.appliances_size() == page_size) {
      response.set_next_page_token(response.appliances(page_size - 1).appliance().substr(absl::string_view("appliances/").size()));
      break;
    }
    v1::ApplianceProgress& progress = *response.add_appliances();
    progress = ProgressOf(*manifest, fleet->FindBox(manifest->appliance), *view);
    for (const SourceFaultBook::Met& met : parts_.resolver.reported().MetBy(manifest->appliance, parts_.clock.Monotonic())) {
      *progress.add_source_faults() = FaultToProto(met);
    }
  }
  return absl::OkStatus();
}

}  // namespace fairlead::fill
