// A fill cluster whose boxes start together and empty: real registryd, ingestd and filld (over stores in memory), real agents with their
// NGINX, and an origin whose access log tells how often each byte was sent.

#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "fairlead/content/v1/catalog_service.grpc.pb.h"
#include "fairlead/fill/v1/fill_service.grpc.pb.h"
#include "fairlead/registry/v1/registry_service.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/clock/system_clock.h"
#include "libs/metrics/metrics.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/status.h"
#include "services/agent/agent.h"
#include "services/agent/test_support.h"
#include "services/fill/fake_store.h"
#include "services/fill/server.h"
#include "services/ingest/server.h"
#include "services/registry/fake_store.h"
#include "services/registry/server.h"

namespace fairlead {
namespace {

using agent::FreePort;
using agent::RandomBytes;
using agent::Sha256;
using agent::WaitFor;

constexpr int kBoxes = 4;
constexpr int kTitles = 6;
constexpr int kFilesATitle = 4;
constexpr size_t kFileBytes = 500'000;
constexpr char kPlaylist[] = "#EXTM3U\n";

// One agent and its figures.
struct Box {
  std::string id;
  int port = 0;
  std::unique_ptr<Metrics> metrics = std::make_unique<Metrics>();
  std::unique_ptr<agent::Agent> agent;
};

class ClusterFillTest : public ::testing::Test {
 protected:
  ClusterFillTest() {
    const int fill_port = FreePort();
    for (const char* folder : {"/keys", "/ingest"}) EXPECT_TRUE(agent::MakeFolder(temp_.path() + folder, 0700).ok());
    registry_ = registry::Server::Start({.signing_key_dir = temp_.path() + "/keys",
                                         .fill_addresses = absl::StrCat("127.0.0.1:", fill_port),
                                         .config_poll_interval = absl::Milliseconds(20)},
                                        registry_store_, clock_, metrics_)
                    .value();
    fill::FillServerOptions fill;
    fill.listen = absl::StrCat("127.0.0.1:", fill_port);
    fill.subscriptions.registry = registry_->target();
    fill.signing_key_dir = temp_.path() + "/keys";
    fill.planner.quiet = absl::Milliseconds(200);
    filld_ = fill::FillServer::Start(fill, fill_store_, metrics_, clock_).value();
    ingest::IngestOptions ingest;
    ingest.listen = "127.0.0.1:0";
    ingest.cell = "cell-1";
    ingest.registry = registry_->target();
    ingest.fill = filld_->target();
    ingest.state_dir = temp_.path() + "/ingest";
    ingestd_ = ingest::IngestServer::Start(ingest).value();
    registry_stub_ = registry::v1::RegistryService::NewStub(MakeChannel(registry_->target()));
    catalog_stub_ = content::v1::CatalogService::NewStub(MakeChannel(filld_->target()));
    fill_stub_ = fill::v1::FillService::NewStub(MakeChannel(filld_->target()));
  }
  ~ClusterFillTest() override {
    for (Box& box : boxes_) box.agent.reset();
    origin_.agent.reset();
    ingestd_.reset();
    filld_.reset();
    registry_.reset();
  }

  template <typename Stub, typename Request, typename Response>
  absl::Status Call(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*), const Request& request,
                    Response& response) {
    grpc::ClientContext context;
    SetTimeout(context, absl::Seconds(20));
    SetPrincipal(context, "operator/test");
    return FromGrpcStatus((stub.*method)(&context, request, &response));
  }

  // One exchange with all boxes in one cluster that wants a copy everywhere, and an origin. `policy`: of the cluster, as in a fleet file.
  void ApplyFleet(const std::string& policy) {
    const auto appliance = [](const Box& box, const char* site, const char* kind, const char* rest) {
      return absl::StrCat("  - {id: ", box.id, ", serial: SN-", box.id, ", site: ", site, ", kind: ", kind,
                          ", capacity_bps: 10Gbps, endpoints: [{family: IPV4, scheme: http, host: 127.0.0.1, port: ", box.port, "}]", rest,
                          "}\n");
    };
    std::string yaml = absl::StrCat(
        "sites:\n  - {id: ix-1, kind: IX, open_to_unrouted: true}\n  - {id: origin-1, kind: ORIGIN}\n"
        "clusters:\n  - {id: c1, site: ix-1, content_region: all, popularity_feed: all, copies: ",
        kBoxes, policy, "}\ncells:\n  - {id: cell-1, address: \"", ingestd_->target(), "\", sites: [ix-1]}\nappliances:\n");
    for (const Box& box : boxes_) {
      absl::StrAppend(&yaml, appliance(box, "ix-1", "STORAGE", ", cluster: c1, tiers: [{tier: DISK, capacity_bytes: 1GB}]"));
    }
    absl::StrAppend(&yaml, appliance(origin_, "origin-1", "ORIGIN", ""));
    registry::v1::ApplyFleetRequest request;
    request.set_fleet_yaml(yaml);
    registry::v1::ApplyFleetResponse response;
    const absl::Status applied = Call(*registry_stub_, &registry::v1::RegistryService::Stub::ApplyFleet, request, response);
    ASSERT_TRUE(applied.ok()) << applied << "\n" << yaml;
    registry::v1::SigningKey key;
    ASSERT_TRUE(
        Call(*registry_stub_, &registry::v1::RegistryService::Stub::CreateSigningKey, registry::v1::CreateSigningKeyRequest(), key).ok());
  }
  void StartAgent(Box& box, agent::AgentRole role) {
    registry::v1::IssueEnrollmentTokenRequest request;
    request.set_appliance("appliances/" + box.id);
    registry::v1::IssueEnrollmentTokenResponse response;
    ASSERT_TRUE(Call(*registry_stub_, &registry::v1::RegistryService::Stub::IssueEnrollmentToken, request, response).ok());
    agent::AgentOptions options;
    options.role = role;
    options.state_dir = absl::StrCat(temp_.path(), "/", box.id, "/state");
    options.disk_dir = absl::StrCat(temp_.path(), "/", box.id, "/disk");
    options.registry_targets = {registry_->target()};
    options.serial = "SN-" + box.id;
    options.enrollment_token = response.token();
    options.shared_host = true;
    auto started = agent::Agent::Start(std::move(options), clock_, *box.metrics);
    ASSERT_TRUE(started.ok()) << started.status();
    box.agent = *std::move(started);
  }
  void SetLive(const Box& box) {
    registry::v1::SetAdminStateRequest request;
    request.set_name("appliances/" + box.id);
    request.set_admin_state(common::v1::ADMIN_STATE_LIVE);
    request.set_reason("test");
    registry::v1::Appliance response;
    ASSERT_TRUE(Call(*registry_stub_, &registry::v1::RegistryService::Stub::SetAdminState, request, response).ok());
  }
  // The files in the origin's folder, and in the catalogue.
  void Import() {
    for (int title = 0; title < kTitles; ++title) {
      content::v1::ImportTitleVersionRequest request;
      const std::string id = absl::StrCat("film-", title);
      request.set_title("titles/" + id);
      request.set_display_name(id);
      request.set_popularity(kTitles - title);
      request.mutable_version()->set_version("v1");
      for (int i = 0; i < kFilesATitle; ++i) {
        const std::string folder = absl::StrCat(id, "/v1/video-", i, "/");
        const std::string content = RandomBytes(kFileBytes, static_cast<unsigned>(title * 100 + i));
        temp_.Write(absl::StrCat(origin_.id, "/disk/", folder, "media.mp4"), content);
        temp_.Write(absl::StrCat(origin_.id, "/disk/", folder, "media.m3u8"), kPlaylist);
        content::v1::Rendition& rendition = *request.mutable_version()->add_renditions();
        rendition.set_rendition(absl::StrCat("video-", i));
        rendition.set_kind(content::v1::Rendition::KIND_VIDEO);
        content::v1::File& file = *rendition.mutable_file();
        file.set_path(folder + "media.mp4");
        file.set_size_bytes(kFileBytes);
        file.set_sha256(Sha256(content));
        file.set_duration_seconds(60);
        file.set_segment_count(30);
        file.mutable_playlist()->set_path(folder + "media.m3u8");
        file.mutable_playlist()->set_size_bytes(sizeof(kPlaylist) - 1);
        file.mutable_playlist()->set_sha256(Sha256(kPlaylist));
        distinct_bytes_ += kFileBytes + sizeof(kPlaylist) - 1;
      }
      content::v1::ImportTitleVersionResponse response;
      const absl::Status imported = Call(*catalog_stub_, &content::v1::CatalogService::Stub::ImportTitleVersion, request, response);
      ASSERT_TRUE(imported.ok()) << imported;
    }
  }
  static double Figure(const Metrics& metrics, const std::string& name) {
    const std::string text = metrics.Text();
    const size_t at = text.find("\n" + name + " ");
    double value = -1;
    return at != std::string::npos &&
                   absl::SimpleAtod(text.substr(at + name.size() + 2, text.find('\n', at + 1) - at - name.size() - 2), &value)
               ? value
               : -1;
  }
  bool AllFull() {
    for (const Box& box : boxes_) {
      if (Figure(*box.metrics, "fairlead_agent_files_held") < kTitles * kFilesATitle) return false;
    }
    return true;
  }
  // How many times the distinct bytes origin has sent once all boxes hold everything; -1 if they never do.
  double OriginShare(const std::string& policy) {
    for (int i = 0; i < kBoxes; ++i) boxes_.push_back({.id = absl::StrCat("box-", i), .port = FreePort(), .agent = nullptr});
    origin_ = {.id = "origin-a", .port = FreePort(), .agent = nullptr};
    ApplyFleet(policy);
    StartAgent(origin_, agent::AgentRole::kOrigin);
    for (Box& box : boxes_) StartAgent(box, agent::AgentRole::kAppliance);
    for (const Box& box : boxes_) SetLive(box);
    // All report before there is anything to fetch: they start together.
    EXPECT_TRUE(WaitFor(
        [&] { return std::all_of(boxes_.begin(), boxes_.end(), [](const Box& box) { return box.agent->link_status().connected; }); }));
    Import();
    const absl::Time start = absl::Now();
    if (!WaitFor([&] { return AllFull(); }, absl::Minutes(3))) return -1;
    const absl::Duration took = absl::Now() - start;
    // NGINX logs a response when it has ended.
    double sent = 0;
    EXPECT_TRUE(WaitFor([&] {
      const double before = std::exchange(sent, Figure(*origin_.metrics, "fairlead_agent_served_bytes"));
      return sent >= static_cast<double>(distinct_bytes_) && sent == before;
    }));
    const double share = sent / static_cast<double>(distinct_bytes_);
    std::cout << kBoxes << " boxes, " << kTitles * kFilesATitle << " files, " << distinct_bytes_ << " distinct bytes; origin sent " << sent
              << " = " << share << " times, in " << absl::FormatDuration(absl::Trunc(took, absl::Milliseconds(100))) << "\n";
    return share;
  }

  agent::TempFolder temp_;
  SystemClock clock_;
  Metrics metrics_;
  registry::FakeStore registry_store_;
  fill::FakeStore fill_store_;
  std::unique_ptr<registry::Server> registry_;
  std::unique_ptr<fill::FillServer> filld_;
  std::unique_ptr<ingest::IngestServer> ingestd_;
  std::unique_ptr<registry::v1::RegistryService::Stub> registry_stub_;
  std::unique_ptr<content::v1::CatalogService::Stub> catalog_stub_;
  std::unique_ptr<fill::v1::FillService::Stub> fill_stub_;
  std::vector<Box> boxes_;
  Box origin_;
  int64_t distinct_bytes_ = 0;
};

TEST_F(ClusterFillTest, OriginSendsEachByteAboutOnceToAClusterThatStartsEmpty) {
  const double share = OriginShare("");
  EXPECT_GE(share, 1.0);
  EXPECT_LE(share, 1.3);
}

TEST_F(ClusterFillTest, WhereAllBoxesAreFillMastersEachGoesToOrigin) {
  const double share = OriginShare(", fill_policy: {fill_masters: 0}");
  EXPECT_GE(share, 2.0) << "the measure tells the difference";
}

}  // namespace
}  // namespace fairlead
