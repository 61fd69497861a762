#include "tests/lab/demo.h"

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/status_macros.h"
#include "tests/lab/resilience.h"
#include "tests/lab/viewers.h"

namespace fairlead {
namespace {

using content::v1::Title;

std::string ShortName(const std::string& name) {
  return name.substr(name.find('/') + 1);
}

// Every viewer plays one title, in turn, so that each title is played.
void PlayAll(Viewers& viewers, const RoutePlan& plan, const std::vector<Title>& titles, Report& report) {
  Table table = {{"CLIENT", "ADDRESS", "MATCHED PREFIX", "RANK", "SITE", "APPLIANCE", "CAUSE", "TITLE", "BYTES", "VERIFIED"}, {}};
  std::vector<std::string> failures;
  int64_t bytes = 0;
  int ranges = 0;
  for (size_t i = 0; i < plan.viewers.size(); ++i) {
    const LabViewer& viewer = plan.viewers[i];
    const Title& title = titles[i % titles.size()];
    const absl::StatusOr<Playback> playback = viewers.Play(viewer, title);
    if (!playback.ok()) {
      failures.push_back(std::string(playback.status().message()));
      table.rows.push_back({viewer.label, viewer.address.ToString(), "–", "–", "–", "–", "–", ShortName(title.name()), "–", "✗"});
      continue;
    }
    bytes += playback->bytes;
    ranges += playback->ranges;
    table.rows.push_back({viewer.label, viewer.address.ToString(), playback->matched_prefix.empty() ? "none" : playback->matched_prefix,
                          absl::StrCat(playback->rank), playback->site, absl::StrJoin(playback->appliances, " "), playback->cause,
                          ShortName(title.name()), FormatBytes(static_cast<double>(playback->bytes)), "✓"});
  }
  report.Print(table);
  for (const std::string& failure : failures) report.Line(absl::StrCat("     ", failure));
  report.Check(failures.empty(),
               absl::StrCat(plan.viewers.size() - failures.size(), " of ", plan.viewers.size(),
                            " viewers got the same answer by JSON and gRPC, from the site they should; ", ranges, " byte ranges, ",
                            FormatBytes(static_cast<double>(bytes)), ", every SHA-256 equal to the catalogue's"));
}

}  // namespace

absl::Status BringUp(Installation& installation) {
  RETURN_IF_ERROR(installation.StartControlPlane());
  RETURN_IF_ERROR(installation.StartNetwork());
  return installation.FillCatalogue();
}

absl::Status ShowViewers(Installation& installation, const RoutePlan& plan, Report& report) {
  report.Section("Viewers");
  ASSIGN_OR_RETURN(const std::vector<Title> titles, installation.plane().ListTitles());
  if (titles.size() < 2) return absl::InternalError("the catalogue is empty");
  RETURN_IF_ERROR(report.Step("steerd knows routes, boxes and holdings", [&] { return installation.AwaitSteering(); }));
  Viewers viewers(installation.layout(), installation.plane());
  PlayAll(viewers, plan, titles, report);

  report.Section("URLs that must be refused (403)");
  RETURN_IF_ERROR(viewers.CheckRefusals(plan.viewers.front(), titles, report));

  report.Section("One decision, explained");
  const std::string client = plan.viewers.front().address.ToString();
  RETURN_IF_ERROR(report.Step(
      absl::StrCat("fairlead explain --client ", client, " --title ", ShortName(titles[0].name()), " --renditions video-720p"),
      [&]() -> absl::StatusOr<std::string> {
        ASSIGN_OR_RETURN(const std::string story, installation.Fairlead({"explain", "--client", client, "--title",
                                                                         ShortName(titles[0].name()), "--renditions", "video-720p"}));
        for (const absl::string_view line : absl::StrSplit(story, '\n')) report.Line(absl::StrCat("     ", line));
        return std::string("told");
      }));
  return absl::OkStatus();
}

absl::Status ShowResilience(Installation& installation, Report& report, const absl::Notification& stop) {
  Resilience resilience(installation, report, stop);
  RETURN_IF_ERROR(resilience.ShowFaults());
  return resilience.ShowOutages();
}

absl::Status ShowSummary(Installation& installation, const RoutePlan& plan, Report& report) {
  const Layout& layout = installation.layout();
  report.Section("To try");
  const std::string env = layout.Run("env");
  std::ofstream(env) << "export FAIRLEAD_REGISTRY=" << layout.registryd << " FAIRLEAD_INGEST=" << layout.ingestd
                     << " FAIRLEAD_FILL=" << layout.filld << " FAIRLEAD_STEERING=" << layout.steerd
                     << "\nexport PATH=" << layout.folders.bin_dir << "/services/cli:$PATH\n";
  const std::string client = plan.viewers.front().address.ToString();
  for (const std::string& command : std::vector<std::string>{
           absl::StrCat(". ", env),
           "fairlead get appliances",
           "fairlead get sessions",
           "fairlead get routes ix-1-collector --dropped",
           "fairlead describe appliance north-1-flash-1",
           absl::StrCat("fairlead steer --client ", client, " --title harbour-lights"),
           absl::StrCat("fairlead explain --client ", client, " --title harbour-lights"),
           absl::StrCat("curl -s -H 'X-Fairlead-Principal: service/playback' 'http://", layout.front_http,
                        "/v1/steer?title=titles/harbour-lights&client_address=", client, "'"),
       }) {
    report.Line(absl::StrCat("     ", command));
  }
  report.Line(absl::StrCat("   Logs: ", layout.Run("logs")));
  return absl::OkStatus();
}

}  // namespace fairlead
