#include "tests/lab/installation.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/status_macros.h"
#include "tests/lab/database.h"
#include "tests/lab/fleet.h"
#include "tests/lab/front.h"
#include "tests/lab/media.h"
#include "tests/lab/routers.h"
#include "tests/lab/text_file.h"
#include "tests/lab/wait.h"

namespace fairlead {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kReady = absl::Seconds(30);

// Stages of StopAll: what others need stops last.
enum Stage { kDatabaseStage = 0, kRouterStage = 1, kServiceStage = 2, kFrontStage = 3, kBoxStage = 4 };

absl::Status WriteFile(const std::string& path, const std::string& text) {
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  std::ofstream file(path, std::ios::trunc);
  file << text;
  file.close();
  if (!file) return absl::InternalError(absl::StrCat("can't write '", path, "'"));
  return absl::OkStatus();
}

std::string Role(ApplianceKind kind) {
  return kind == ApplianceKind::kCollector ? "collector" : kind == ApplianceKind::kOrigin ? "origin" : "appliance";
}

std::string ShortName(const std::string& name) {
  return name.substr(name.find('/') + 1);
}

// What admission must make of the routes that one box or collector hears.
struct ExpectedRoutes {
  size_t admitted = 0;
  size_t dropped = 0;
};

ExpectedRoutes Expect(const Layout& layout, const RoutePlan& plan, const LabBox& box) {
  ExpectedRoutes expected;
  for (size_t i = 0; i < layout.partners.size(); ++i) {
    const bool collector = box.kind == ApplianceKind::kCollector;
    if (!collector && (box.site != layout.partners[i].embedded_site || box.site.empty())) continue;
    for (const PlannedRoute& route : plan.partners[i].routes) {
      if (!route.admissible) {
        ++expected.dropped;
      } else if (collector || !route.peering_only) {
        ++expected.admitted;
      }
    }
  }
  return expected;
}

}  // namespace

Installation::Installation(const Layout& layout, const RoutePlan& plan, Supervisor& supervisor, Relay& relay, Report& report,
                           const absl::Notification& stop)
    : layout_(layout), plan_(plan), supervisor_(supervisor), relay_(relay), report_(report), stop_(stop), plane_(layout) {}

absl::StatusOr<std::string> Installation::Fairlead(const std::vector<std::string>& arguments) {
  ProcessSpec spec = {.name = absl::StrCat("fairlead-", ++commands_), .argv = {layout_.Program("services/cli/fairlead")}};
  for (const std::string& argument : arguments) spec.argv.push_back(argument);
  spec.environment = {{"FAIRLEAD_REGISTRY", layout_.registryd},
                      {"FAIRLEAD_INGEST", layout_.ingestd},
                      {"FAIRLEAD_FILL", layout_.filld},
                      {"FAIRLEAD_STEERING", layout_.steerd},
                      {"FAIRLEAD_AS", "lab"}};
  RETURN_IF_ERROR(supervisor_.Run(spec, absl::Minutes(1)));
  return ReadText(supervisor_.LogPath(spec.name));
}

absl::Status Installation::StartControlPlane() {
  report_.Section("The control plane");
  RETURN_IF_ERROR(report_.Step("PostgreSQL, with the schemas of its three owners", [&]() -> absl::StatusOr<std::string> {
    ASSIGN_OR_RETURN(database_, StartDatabase(supervisor_, layout_));
    return std::string();
  }));
  RETURN_IF_ERROR(report_.Step("registryd, ingestd, filld and steerd answer", [&] { return StartServices(); }));
  RETURN_IF_ERROR(report_.Step("NGINX in front of steerd", [&] { return StartFront(); }));
  RETURN_IF_ERROR(report_.Step("a key to sign URLs with", [&]() -> absl::StatusOr<std::string> {
    ASSIGN_OR_RETURN(const registry::v1::SigningKey key, plane_.CreateSigningKey());
    return key.name();
  }));
  return report_.Step("fairlead apply -f fleet.yaml", [&] { return ApplyFleet(); });
}

absl::StatusOr<std::string> Installation::StartServices() {
  const std::string keys = layout_.Run("signing-keys");
  std::error_code error;
  fs::create_directories(keys, error);
  fs::permissions(keys, fs::perms::owner_all, error);
  const auto start = [&](const std::string& name, const std::string& program, const std::string& listen, int metrics,
                         std::vector<std::string> flags) -> absl::Status {
    ProcessSpec spec = {.name = name, .argv = {layout_.Program(program)}, .stage = kServiceStage};
    spec.argv.push_back(absl::StrCat("--listen=", listen));
    spec.argv.push_back(absl::StrCat("--metrics_listen=", layout_.Metrics(metrics)));
    spec.argv.insert(spec.argv.end(), flags.begin(), flags.end());
    RETURN_IF_ERROR(supervisor_.Start(spec));
    absl::Status ready = ControlPlane::AwaitServer(listen, kReady);
    if (!ready.ok()) return absl::UnavailableError(absl::StrCat(name, ": ", ready.message(), "; see ", supervisor_.LogPath(name)));
    return ready;
  };
  const auto state = [&](const char* name) {
    fs::create_directories(layout_.Run(absl::StrCat("state/", name)), error);
    return absl::StrCat("--state_dir=", layout_.Run(absl::StrCat("state/", name)));
  };
  RETURN_IF_ERROR(relay_.Carry("registryd", layout_.Relayed(layout_.registryd), layout_.registryd));
  RETURN_IF_ERROR(relay_.Carry("ingestd", layout_.Relayed(layout_.ingestd), layout_.ingestd));
  RETURN_IF_ERROR(relay_.Carry("filld", layout_.Relayed(layout_.filld), layout_.filld));
  const std::string database = absl::StrCat("--database=", database_), key_dir = absl::StrCat("--signing_key_dir=", keys);
  const std::string registry = absl::StrCat("--registry=", layout_.Relayed(layout_.registryd));
  const std::string fill = absl::StrCat("--fill=", layout_.Relayed(layout_.filld));
  RETURN_IF_ERROR(start("registryd", "services/registry/registryd", layout_.registryd, 0,
                        {database, key_dir, absl::StrCat("--fill_addresses=", layout_.Relayed(layout_.filld))}));
  RETURN_IF_ERROR(start("filld", "services/fill/filld", layout_.filld, 2, {database, registry, key_dir}));
  RETURN_IF_ERROR(
      start("ingestd", "services/ingest/ingestd", layout_.ingestd, 1, {"--cell=cell-1", database, registry, fill, state("ingestd")}));
  // A whole CDN and its viewers share a few cores here: a wait of milliseconds says nothing of steerd.
  RETURN_IF_ERROR(start("steerd", "services/steering/steerd", layout_.steerd, 3,
                        {absl::StrCat("--http_listen=", layout_.steerd_http), "--trusted_proxies=127.0.0.0/8", "--manifest_ttl=1s",
                         "--overload_target=250ms", "--overload_most=1s", registry, fill, key_dir, state("steerd")}));
  return std::string();
}

absl::StatusOr<std::string> Installation::StartFront() {
  ASSIGN_OR_RETURN(ProcessSpec spec, PrepareFront(layout_));
  spec.stage = kFrontStage;
  RETURN_IF_ERROR(supervisor_.Start(spec));
  RETURN_IF_ERROR(ControlPlane::AwaitServer(layout_.front_grpc, kReady));
  return absl::StrCat("http://", layout_.front_http, ", gRPC at ", layout_.front_grpc);
}

absl::StatusOr<std::string> Installation::ApplyFleet() {
  const std::string file = layout_.Run("fleet.yaml");
  RETURN_IF_ERROR(WriteFile(file, RenderFleet(layout_, plan_)));
  ASSIGN_OR_RETURN(const std::string output, Fairlead({"apply", "-f", file}));
  // Its last line that counts: "42 created, 0 updated, …".
  for (const absl::string_view line : absl::StrSplit(output, '\n')) {
    if (absl::StrContains(line, " created, ")) return std::string(line);
  }
  return output;
}

absl::Status Installation::StartNetwork() {
  report_.Section("The boxes and their neighbours");
  RETURN_IF_ERROR(report_.Step("boxes enrol and report", [&] { return StartBoxes(); }));
  RETURN_IF_ERROR(report_.Step("routes", [&] { return AwaitRoutes(); }));
  RETURN_IF_ERROR(report_.Step("burn-in passed", [&] { return SetLive(); }));
  PrintBoxes();
  return absl::OkStatus();
}

absl::StatusOr<std::string> Installation::StartBoxes() {
  for (const LabBox& box : layout_.boxes) {
    const std::string folder = layout_.Run(absl::StrCat("boxes/", box.id));
    ASSIGN_OR_RETURN(const std::string token, plane_.IssueEnrollmentToken(absl::StrCat("appliances/", box.id)));
    RETURN_IF_ERROR(WriteFile(folder + "/enrollment-token", token));
    std::error_code error;
    fs::permissions(folder + "/enrollment-token", fs::perms::owner_read | fs::perms::owner_write, error);
    ProcessSpec spec = {.name = absl::StrCat("ocad-", box.id), .argv = {layout_.Program("services/agent/ocad")}, .stage = kBoxStage};
    const auto flag = [&spec](absl::string_view name, absl::string_view value) {
      spec.argv.push_back(absl::StrCat("--", name, "=", value));
    };
    flag("role", Role(box.kind));
    flag("shared_host", "true");
    flag("serial", absl::StrCat("SN-", box.id));
    flag("registry", layout_.Relayed(layout_.registryd));
    flag("enrollment_token_file", folder + "/enrollment-token");
    flag("metrics_listen", absl::StrCat(box.address, ":9100"));
    for (const char* part : {"state", "disk", "flash"}) {
      if (std::string(part) != "state" && box.kind == ApplianceKind::kCollector) continue;
      if (std::string(part) == "flash" && box.kind != ApplianceKind::kFlash) continue;
      fs::create_directories(absl::StrCat(folder, "/", part), error);
      flag(absl::StrCat(part, "_dir"), absl::StrCat(folder, "/", part));
    }
    RETURN_IF_ERROR(supervisor_.Start(spec));
  }
  RETURN_IF_ERROR(AwaitNothing([&] { return MissingReports(); }, absl::Seconds(60), stop_));
  return absl::StrCat(layout_.boxes.size(), " of ", layout_.boxes.size());
}

std::string Installation::MissingReports() {
  const auto states = plane_.ListApplianceStates();
  if (!states.ok()) return states.status().ToString();
  std::vector<std::string> missing;
  for (const LabBox& box : layout_.boxes) {
    const auto state = std::find_if(states->begin(), states->end(), [&](const auto& s) { return ShortName(s.appliance()) == box.id; });
    if (state == states->end()) {
      missing.push_back(absl::StrCat(box.id, " has not reported"));
    } else if (state->health() != common::v1::HEALTH_STATE_OK) {
      missing.push_back(absl::StrCat(box.id, " is ", common::v1::HealthState_Name(state->health()), ": ", state->health_reason()));
    }
  }
  return absl::StrJoin(missing, "\n");
}

absl::StatusOr<std::string> Installation::AwaitRoutes() {
  RETURN_IF_ERROR(StartRouters(supervisor_, layout_, plan_));
  RETURN_IF_ERROR(AwaitNothing([&] { return MissingRoutes(); }, absl::Seconds(60), stop_));
  size_t admitted = 0, dropped = 0;
  for (const LabBox& box : layout_.boxes) {
    admitted += Expect(layout_, plan_, box).admitted;
    dropped += Expect(layout_, plan_, box).dropped;
  }
  return absl::StrCat(admitted, " admitted, ", dropped, " dropped, each as planned");
}

std::string Installation::MissingRoutes() {
  std::vector<std::string> missing;
  for (const LabBox& box : layout_.boxes) {
    const ExpectedRoutes expected = Expect(layout_, plan_, box);
    if (expected.admitted == 0) continue;
    const auto routes = plane_.ListRoutes(absl::StrCat("appliances/", box.id));
    if (!routes.ok()) return routes.status().ToString();
    const size_t admitted =
        static_cast<size_t>(std::count_if(routes->begin(), routes->end(), [](const auto& route) { return route.admitted(); }));
    if (admitted == expected.admitted && routes->size() - admitted == expected.dropped) continue;
    missing.push_back(absl::StrCat(box.id, ": ", admitted, " of ", expected.admitted, " routes admitted, ", routes->size() - admitted,
                                   " of ", expected.dropped, " dropped"));
  }
  return absl::StrJoin(missing, "\n");
}

absl::StatusOr<std::string> Installation::SetLive() {
  for (const LabBox& box : layout_.boxes) {
    RETURN_IF_ERROR(plane_.SetAdminState(absl::StrCat("appliances/", box.id), common::v1::ADMIN_STATE_LIVE, "burn-in passed"));
  }
  return absl::StrCat(layout_.boxes.size(), " boxes are LIVE");
}

void Installation::PrintBoxes() {
  Table table = {{"BOX", "SITE", "KIND", "ADDRESS", "BGP UP", "ADMITTED", "DROPPED"}, {}};
  const auto states = plane_.ListApplianceStates();
  if (!states.ok()) return;
  for (const LabBox& box : layout_.boxes) {
    const auto state = std::find_if(states->begin(), states->end(), [&](const auto& s) { return ShortName(s.appliance()) == box.id; });
    if (state == states->end()) continue;
    const auto& sessions = state->last_heartbeat().bgp_sessions();
    const auto up = std::count_if(sessions.begin(), sessions.end(), [](const auto& session) { return session.established(); });
    std::vector<std::string> reasons;
    for (const auto& dropped : state->dropped_routes()) reasons.push_back(absl::StrCat(dropped.count(), " ", dropped.reason()));
    table.rows.push_back({box.id, box.site, std::string(ToString(box.kind)), box.address, sessions.empty() ? "–" : absl::StrCat(up),
                          absl::StrCat(Expect(layout_, plan_, box).admitted), absl::StrJoin(reasons, ", ")});
  }
  report_.Print(table);
}

absl::Status Installation::FillCatalogue() {
  report_.Section("The catalogue, from origin to the boxes");
  RETURN_IF_ERROR(report_.Step("ffmpeg makes titles", [&] { return MakeTitles(); }));
  const FillWatch watch(plane_);
  RETURN_IF_ERROR(report_.Step("fairlead catalog import", [&] { return Import(); }));
  RETURN_IF_ERROR(report_.Step("the boxes hold what the plan gives them", [&] { return AwaitFill(watch); }));
  PrintFill(watch);
  return absl::OkStatus();
}

absl::StatusOr<std::string> Installation::MakeTitles() {
  for (const LabTitle& title : LabTitles()) {
    if (stop_.HasBeenNotified()) return absl::CancelledError("stopped");
    RETURN_IF_ERROR(MakeTitle(supervisor_, title, layout_.Run("media")));
  }
  int files = 0;
  uintmax_t bytes = 0;
  for (const std::string& path : FilesBelow(layout_.Run("media"))) {
    if (!absl::EndsWith(path, ".mp4")) continue;
    ++files;
    bytes += fs::file_size(path);
  }
  return absl::StrCat(LabTitles().size(), " titles in three qualities, ", files, " files, ", FormatBytes(static_cast<double>(bytes)));
}

absl::StatusOr<std::string> Installation::Import() {
  std::string origin;
  for (const LabBox& box : layout_.boxes) {
    if (box.kind == ApplianceKind::kOrigin) origin = layout_.Run(absl::StrCat("boxes/", box.id, "/disk"));
  }
  RETURN_IF_ERROR(Fairlead({"catalog", "import", layout_.Run("media"), "--origin-root", origin}).status());
  ASSIGN_OR_RETURN(const std::vector<content::v1::Title> titles, plane_.ListTitles());
  return absl::StrCat(titles.size(), " titles in the catalogue");
}

absl::StatusOr<std::string> Installation::AwaitFill(const FillWatch& watch) {
  ASSIGN_OR_RETURN(const fill::v1::Plan plan, plane_.CreatePlan());
  for (const fill::v1::ClusterPlan& cluster : plan.clusters()) {
    if (!cluster.short_files().empty()) return absl::InternalError(absl::StrCat(cluster.cluster(), ": ", cluster.short_files(0).reason()));
  }
  RETURN_IF_ERROR(AwaitNothing([&] { return MissingFill(watch); }, absl::Seconds(60), stop_));
  return plan.name();
}

std::string Installation::MissingFill(const FillWatch& watch) {
  const auto progress = plane_.ListFillProgress();
  if (!progress.ok()) return progress.status().ToString();
  std::vector<std::string> missing;
  int64_t wanted = 0;
  for (const fill::v1::ApplianceProgress& box : *progress) {
    wanted += box.files_wanted();
    if (box.files_held() >= box.files_wanted() && watch.FilesDone(box.appliance()) >= box.files_wanted()) continue;
    missing.push_back(absl::StrCat(box.appliance(), " holds ", box.files_held(), " of ", box.files_wanted(),
                                   " files and has told the source of ", watch.FilesDone(box.appliance())));
  }
  if (wanted == 0) return "no box wants a file";
  return absl::StrJoin(missing, "\n");
}

absl::StatusOr<std::string> Installation::AwaitSteering() {
  ASSIGN_OR_RETURN(const std::vector<content::v1::Title> titles, plane_.ListTitles());
  RETURN_IF_ERROR(AwaitNothing([&] { return MissingAnswers(titles); }, absl::Seconds(30), stop_));
  return std::string();
}

std::string Installation::MissingAnswers(const std::vector<content::v1::Title>& titles) {
  for (const LabViewer& viewer : plan_.viewers) {
    for (const content::v1::Title& title : titles) {
      steering::v1::SteerRequest request;
      request.set_client_address(viewer.address.ToString());
      request.set_title(title.name());
      const auto answer = plane_.Steer(request);
      const std::string who = absl::StrCat(viewer.address.ToString(), " for ", title.name(), ": ");
      if (!answer.ok()) return absl::StrCat(who, answer.status().ToString());
      if (answer->verdict() != steering::v1::SteerResponse::VERDICT_OK)
        return absl::StrCat(who, answer->reason(), ", ", answer->reason_detail());
      if (answer->matched_prefix() != viewer.matched_prefix) return absl::StrCat(who, "matched '", answer->matched_prefix(), "'");
      for (const steering::v1::FileAnswer& file : answer->files()) {
        if (file.urls().empty() || ShortName(file.urls(0).site()) != viewer.site)
          return absl::StrCat(who, file.path(), " does not come from ", viewer.site);
      }
    }
  }
  return "";
}

void Installation::PrintFill(const FillWatch& watch) {
  const auto progress = plane_.ListFillProgress();
  if (!progress.ok()) return;
  Table table = {{"BOX", "FILES", "BYTES", "FROM PEERS", "FROM SITES", "FROM ORIGIN"}, {}};
  for (const fill::v1::ApplianceProgress& box : *progress) {
    const auto from = [&](const char* name) {
      const int64_t bytes = watch.BytesFrom(box.appliance(), name);
      return bytes == 0 ? std::string("–") : FormatBytes(static_cast<double>(bytes));
    };
    table.rows.push_back({ShortName(box.appliance()), absl::StrCat(box.files_held(), "/", box.files_wanted()),
                          FormatBytes(static_cast<double>(box.bytes_held())), from("PEER"), from("TIER"), from("ORIGIN")});
  }
  report_.Print(table);
}

}  // namespace fairlead
