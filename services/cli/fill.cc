// `fairlead fill plan`: what the new plan gives each box.
#include <string>

#include "absl/strings/str_cat.h"
#include "fairlead/fill/v1/fill_service.grpc.pb.h"
#include "libs/base/status_macros.h"
#include "services/cli/commands.h"
#include "services/cli/fill_text.h"
#include "services/cli/names.h"
#include "services/cli/table.h"
#include "services/cli/units.h"

namespace fairlead::cli {
namespace {

using fill::v1::FillService;

// Lines of files that did not fit, a cluster; the rest is counted.
constexpr int kMaxShortFiles = 10;

}  // namespace

std::string PlanText(const fill::v1::Plan& plan) {
  Table table({{"CLUSTER"},
               {"COPIES", Align::kRight},
               {"APPLIANCE"},
               {"FILES", Align::kRight},
               {"ADDED", Align::kRight},
               {"REMOVED", Align::kRight},
               {"BYTES", Align::kRight},
               {"CAPACITY", Align::kRight},
               {"FULL", Align::kRight}});
  for (const fill::v1::ClusterPlan& cluster : plan.clusters()) {
    for (const fill::v1::AppliancePlan& box : cluster.appliances()) {
      const double share = box.capacity_bytes() == 0 ? 0 : static_cast<double>(box.bytes()) / static_cast<double>(box.capacity_bytes());
      table.Add({ShortName(cluster.cluster()), absl::StrCat(cluster.copies()), ShortName(box.appliance()), absl::StrCat(box.files()),
                 absl::StrCat("+", box.files_added()), absl::StrCat("-", box.files_removed()), HumanBytes(box.bytes()),
                 HumanBytes(box.capacity_bytes()), HumanShare(share)});
    }
  }
  std::string text = table.size() == 0 ? "no boxes to fill\n" : table.Render();
  for (const fill::v1::ClusterPlan& cluster : plan.clusters()) {
    if (cluster.short_files().empty()) continue;
    absl::StrAppend(&text, "\n", ShortName(cluster.cluster()), ": ", cluster.short_files_size(), " files without all their copies\n");
    Table files({{"FILE"}, {"COPIES", Align::kRight}, {"WHY"}});
    for (int i = 0; i < cluster.short_files_size() && i < kMaxShortFiles; ++i) {
      const fill::v1::ShortFile& file = cluster.short_files(i);
      files.Add({file.path(), absl::StrCat(file.copies_placed(), " of ", cluster.copies()), file.reason()});
    }
    absl::StrAppend(&text, files.Render(2));
    if (cluster.short_files_size() > kMaxShortFiles) {
      absl::StrAppend(&text, "  … and ", cluster.short_files_size() - kMaxShortFiles, " more\n");
    }
  }
  return text;
}

absl::Status MakePlan(Context& context, bool dry_run) {
  fill::v1::CreatePlanRequest request;
  request.set_validate_only(dry_run);
  if (!dry_run) request.set_request_id(NewRequestId());
  ASSIGN_OR_RETURN(const fill::v1::Plan plan, context.Call<FillService>(context.fill(), &FillService::StubInterface::CreatePlan, request));
  context.PrintJson(plan);
  if (context.json()) return absl::OkStatus();
  context.out() << (dry_run ? "dry run, the plan in force stays\n" : absl::StrCat(plan.name(), " is in force\n"));
  context.out() << PlanText(plan);
  return absl::OkStatus();
}

}  // namespace fairlead::cli
