// The kinds that filld owns: the catalogue, the plans, how far the boxes are.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "fairlead/content/v1/catalog_service.grpc.pb.h"
#include "fairlead/fill/v1/fill_service.grpc.pb.h"
#include "libs/base/status_macros.h"
#include "services/cli/describe_text.h"
#include "services/cli/kinds.h"
#include "services/cli/units.h"

namespace fairlead::cli {
namespace {

using content::v1::CatalogService;
using fill::v1::FillService;

constexpr Align kRight = Align::kRight;

Row TitleRow(const content::v1::Title& title) {
  const content::v1::TitleVersion* current = nullptr;
  for (const content::v1::TitleVersion& version : title.versions()) {
    if (version.version() == title.current_version()) current = &version;
  }
  int64_t bytes = 0;
  double seconds = 0;
  if (current != nullptr) {
    for (const content::v1::Rendition& rendition : current->renditions()) {
      bytes += rendition.file().size_bytes();
      seconds = std::max(seconds, rendition.file().duration_seconds());
    }
  }
  return {ShortName(title.name()),
          title.display_name(),
          title.current_version(),
          absl::StrCat(title.versions_size()),
          absl::StrCat(current == nullptr ? 0 : current->renditions_size()),
          HumanBytes(bytes),
          HumanAge(absl::Seconds(seconds)),
          absl::StrFormat("%.3g", title.popularity())};
}

Row PlanRow(const fill::v1::Plan& plan) {
  int boxes = 0;
  int64_t files = 0, bytes = 0, added = 0, removed = 0, cut = 0;
  for (const fill::v1::ClusterPlan& cluster : plan.clusters()) {
    cut += cluster.short_files_size();
    for (const fill::v1::AppliancePlan& box : cluster.appliances()) {
      ++boxes;
      files += box.files();
      bytes += box.bytes();
      added += box.files_added();
      removed += box.files_removed();
    }
  }
  return {ShortName(plan.name()),   HumanTime(plan.create_time()), absl::StrCat(plan.clusters_size()),
          absl::StrCat(boxes),      absl::StrCat(files),           HumanBytes(bytes),
          absl::StrCat("+", added), absl::StrCat("-", removed),    absl::StrCat(cut)};
}

Row ProgressRow(const fill::v1::ApplianceProgress& p) {
  const bool current = p.manifest_generation() == p.reported_generation();
  const std::string share =
      p.bytes_wanted() == 0 ? "" : HumanShare(static_cast<double>(p.bytes_held()) / static_cast<double>(p.bytes_wanted()));
  std::string left;
  for (const fill::v1::SourceFault& fault : p.source_faults()) {
    absl::StrAppend(&left, left.empty() ? "" : ", ", ShortName(fault.source()), " ",
                    absl::StripPrefix(fill::v1::SourceFault::Reason_Name(fault.reason()), "REASON_"));
  }
  return {ShortName(p.appliance()),
          current ? "yes" : "behind",
          absl::StrCat(p.files_held(), "/", p.files_wanted()),
          HumanBytes(p.bytes_held()),
          HumanBytes(p.bytes_wanted()),
          share,
          left};
}

absl::StatusOr<MessagePtr> ListTitles(Context& context, const ListOptions& options) {
  ASSIGN_OR_RETURN(content::v1::ListTitlesResponse response,
                   context.ListAll<CatalogService>(context.fill(), &CatalogService::StubInterface::ListTitles,
                                                   content::v1::ListTitlesRequest(), options.limit));
  return std::make_unique<content::v1::ListTitlesResponse>(std::move(response));
}

absl::StatusOr<MessagePtr> GetTitle(Context& context, const std::string& name) {
  content::v1::GetTitleRequest request;
  request.set_name(name);
  ASSIGN_OR_RETURN(content::v1::Title title,
                   context.Call<CatalogService>(context.fill(), &CatalogService::StubInterface::GetTitle, request));
  return std::make_unique<content::v1::Title>(std::move(title));
}

absl::StatusOr<MessagePtr> ListPlans(Context& context, const ListOptions& options) {
  ASSIGN_OR_RETURN(
      fill::v1::ListPlansResponse response,
      context.ListAll<FillService>(context.fill(), &FillService::StubInterface::ListPlans, fill::v1::ListPlansRequest(), options.limit));
  return std::make_unique<fill::v1::ListPlansResponse>(std::move(response));
}

absl::StatusOr<MessagePtr> GetPlan(Context& context, const std::string& name) {
  fill::v1::GetPlanRequest request;
  request.set_name(name);
  ASSIGN_OR_RETURN(fill::v1::Plan plan, context.Call<FillService>(context.fill(), &FillService::StubInterface::GetPlan, request));
  return std::make_unique<fill::v1::Plan>(std::move(plan));
}

absl::StatusOr<fill::v1::ListFillProgressResponse> AllProgress(Context& context, int64_t limit) {
  return context.ListAll<FillService>(context.fill(), &FillService::StubInterface::ListFillProgress, fill::v1::ListFillProgressRequest(),
                                      limit);
}

absl::StatusOr<MessagePtr> ListProgress(Context& context, const ListOptions& options) {
  ASSIGN_OR_RETURN(fill::v1::ListFillProgressResponse response, AllProgress(context, options.limit));
  return std::make_unique<fill::v1::ListFillProgressResponse>(std::move(response));
}

// There is no method for one box; the list has one short row a box.
absl::StatusOr<MessagePtr> GetProgress(Context& context, const std::string& name) {
  ASSIGN_OR_RETURN(const fill::v1::ListFillProgressResponse response, AllProgress(context, 0));
  for (const fill::v1::ApplianceProgress& progress : response.appliances()) {
    if (progress.appliance() == name) return std::make_unique<fill::v1::ApplianceProgress>(progress);
  }
  return absl::NotFoundError(absl::StrCat("filld at ", context.fill().target, ": no plan has '", name, "'"));
}

}  // namespace

std::vector<Kind> ContentKinds() {
  std::vector<Kind> kinds;
  kinds.push_back({.plural = "titles",
                   .singular = "title",
                   .collection = "titles",
                   .summary = "the catalogue",
                   .list = ListTitles,
                   .get = GetTitle,
                   .columns = {{"NAME"},
                               {"DISPLAY NAME"},
                               {"VERSION"},
                               {"VERSIONS", kRight},
                               {"FILES", kRight},
                               {"SIZE", kRight},
                               {"LENGTH", kRight},
                               {"POPULARITY", kRight}},
                   .row = RowOf(TitleRow)});
  kinds.push_back({.plural = "plans",
                   .singular = "plan",
                   .collection = "plans",
                   .summary = "who should hold what; 'current' is in force",
                   .list = ListPlans,
                   .get = GetPlan,
                   .columns = {{"NAME"},
                               {"CREATED"},
                               {"CLUSTERS", kRight},
                               {"BOXES", kRight},
                               {"FILES", kRight},
                               {"BYTES", kRight},
                               {"ADDED", kRight},
                               {"REMOVED", kRight},
                               {"SHORT", kRight}},
                   .row = RowOf(PlanRow)});
  kinds.push_back(
      {.plural = "progress",
       .singular = "progress",
       .collection = "appliances",
       .summary = "how far each box is with its fill",
       .list = ListProgress,
       .get = GetProgress,
       .columns =
           {{"APPLIANCE"}, {"HAS MANIFEST"}, {"FILES", kRight}, {"HELD", kRight}, {"WANTED", kRight}, {"SHARE", kRight}, {"SOURCES LEFT"}},
       .row = RowOf(ProgressRow)});
  return kinds;
}

}  // namespace fairlead::cli
