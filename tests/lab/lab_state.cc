#include "tests/lab/lab_state.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status_macros.h"
#include "libs/signing/digest.h"
#include "tests/lab/http_client.h"

namespace fairlead {
namespace {

std::string ShortName(const std::string& name) {
  return name.substr(name.find('/') + 1);
}

std::string Hash(const std::string& text) {
  return Sha256Hex(text).substr(0, 16);
}

// A box that comes back takes its share slowly, a minute long: it is well again before that.
std::string Health(const ingest::v1::ApplianceState& box) {
  const bool slow_start = box.health() == common::v1::HEALTH_STATE_DEGRADED && box.health_reason() == "starting slowly";
  return common::v1::HealthState_Name(slow_start ? common::v1::HEALTH_STATE_OK : box.health());
}

absl::Status ReadBoxes(ControlPlane& plane, LabState& state) {
  ASSIGN_OR_RETURN(const std::vector<ingest::v1::ApplianceState> boxes, plane.ListApplianceStates());
  for (const ingest::v1::ApplianceState& box : boxes) {
    state[absl::StrCat("box ", ShortName(box.appliance()))] =
        absl::StrCat(Health(box), ", configuration ", box.config_generation(), ", manifest ", box.manifest_generation());
    ASSIGN_OR_RETURN(const std::vector<ingest::v1::ReportedRoute> routes, plane.ListRoutes(box.appliance()));
    std::vector<std::string> lines;
    for (const ingest::v1::ReportedRoute& route : routes) {
      // How a route is identified on its session may change when the session comes anew.
      ingest::v1::AdmittedRoute facts = route.route();
      facts.clear_path_id();
      lines.push_back(absl::StrCat(facts.SerializeAsString(), route.admitted(), route.drop_reason()));
    }
    std::sort(lines.begin(), lines.end());
    state[absl::StrCat("routes ", ShortName(box.appliance()))] = absl::StrCat(lines.size(), ", ", Hash(absl::StrJoin(lines, "\n")));
  }
  return absl::OkStatus();
}

// Whether each box's NGINX answers; it refuses, because no token is shown.
void ReadServers(const Layout& layout, LabState& state) {
  HttpClient http({.connect = absl::Seconds(1), .total = absl::Seconds(1)});
  for (const LabBox& box : layout.boxes) {
    if (box.kind == ApplianceKind::kCollector) continue;
    for (const std::string& url : {absl::StrCat("http://", box.address, ":", kHttpPort), absl::StrCat("http://[::1]:", box.port_v6)}) {
      const absl::StatusOr<HttpReply> reply = http.Get(url + "/");
      state[absl::StrCat("server ", box.id, ", ", url)] = reply.ok() ? absl::StrCat("status ", reply->status) : "doesn't answer";
    }
  }
}

absl::Status ReadFill(ControlPlane& plane, LabState& state) {
  ASSIGN_OR_RETURN(const std::vector<fill::v1::ApplianceProgress> boxes, plane.ListFillProgress());
  for (const fill::v1::ApplianceProgress& box : boxes) {
    state[absl::StrCat("files ", ShortName(box.appliance()))] =
        absl::StrCat(box.files_held(), " of ", box.files_wanted(), ", ", box.bytes_held(), " bytes");
  }
  ASSIGN_OR_RETURN(const std::vector<content::v1::Title> titles, plane.ListTitles());
  std::string all;
  for (const content::v1::Title& title : titles) absl::StrAppend(&all, title.SerializeAsString());
  state["titles"] = absl::StrCat(titles.size(), ", ", Hash(all));
  return absl::OkStatus();
}

absl::Status ReadRegistry(ControlPlane& plane, LabState& state) {
  ASSIGN_OR_RETURN(const std::vector<registry::v1::Appliance> appliances, plane.ListAppliances());
  for (registry::v1::Appliance appliance : appliances) {
    appliance.clear_etag();  // What was written and undone leaves these behind.
    appliance.clear_update_time();
    state[absl::StrCat("registry ", appliance.name())] =
        absl::StrCat(common::v1::AdminState_Name(appliance.admin_state()), ", ", Hash(appliance.SerializeAsString()));
  }
  return absl::OkStatus();
}

absl::Status ReadAnswers(ControlPlane& plane, const std::vector<LabViewer>& viewers, LabState& state) {
  ASSIGN_OR_RETURN(const std::vector<content::v1::Title> titles, plane.ListTitles());
  for (const LabViewer& viewer : viewers) {
    for (const content::v1::Title& title : titles) {
      steering::v1::SteerRequest request;
      request.set_client_address(viewer.address.ToString());
      request.set_title(title.name());
      ASSIGN_OR_RETURN(const steering::v1::SteerResponse answer, plane.Steer(request));
      std::set<std::pair<int, std::string>> sites;
      for (const steering::v1::FileAnswer& file : answer.files()) {
        for (const steering::v1::RankedUrl& url : file.urls()) sites.insert({url.rank(), ShortName(url.site())});
      }
      state[absl::StrCat("viewer ", viewer.label, " ", viewer.address.ToString(), ", ", title.name())] = absl::StrCat(
          answer.matched_prefix(), " → ",
          absl::StrJoin(sites, " ", [](std::string* out, const auto& site) { absl::StrAppend(out, site.first, ":", site.second); }));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LabState> ReadLabState(const Layout& layout, ControlPlane& plane, const std::vector<LabViewer>& viewers) {
  LabState state;
  ReadServers(layout, state);
  RETURN_IF_ERROR(ReadBoxes(plane, state));
  RETURN_IF_ERROR(ReadFill(plane, state));
  RETURN_IF_ERROR(ReadRegistry(plane, state));
  RETURN_IF_ERROR(ReadAnswers(plane, viewers, state));
  return state;
}

std::string Differences(const LabState& before, const LabState& now) {
  std::string text;
  std::set<std::string> names;
  for (const auto& [name, fact] : before) names.insert(name);
  for (const auto& [name, fact] : now) names.insert(name);
  for (const std::string& name : names) {
    const auto was = before.find(name), is = now.find(name);
    const std::string old = was == before.end() ? "nothing" : was->second, fresh = is == now.end() ? "nothing" : is->second;
    if (old != fresh) absl::StrAppend(&text, name, ": was ", old, "; is ", fresh, "\n");
  }
  return text;
}

std::string NotAsBefore(const LabState& before, const Layout& layout, ControlPlane& plane, const std::vector<LabViewer>& viewers) {
  const absl::StatusOr<LabState> now = ReadLabState(layout, plane, viewers);
  return now.ok() ? Differences(before, *now) : std::string(now.status().message());
}

}  // namespace fairlead
