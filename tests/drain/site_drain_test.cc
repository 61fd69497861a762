// A whole site drained by `fairlead drain`, through all phases and back: real registryd and ingestd (over a store in memory), real agents
// with their NGINX, and what a viewer meets at each box. A box of another site has nothing to do with it.

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fairlead/registry/v1/registry_service.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/clock/system_clock.h"
#include "libs/metrics/metrics.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/status.h"
#include "services/agent/agent.h"
#include "services/agent/child_process.h"
#include "services/agent/test_support.h"
#include "services/ingest/server.h"
#include "services/registry/fake_store.h"
#include "services/registry/server.h"

namespace fairlead {
namespace {

namespace rv1 = registry::v1;
using agent::WaitFor;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(60);

struct Box {
  std::string id;
  std::string site;
  int port = 0;
  std::unique_ptr<Metrics> metrics = std::make_unique<Metrics>();
  std::unique_ptr<agent::Agent> agent = nullptr;
  std::vector<std::string> seen = {};  // What a viewer met there, in the order of the first time: NGINX's workers of two configurations
                                       // answer side by side for a moment.
};

class SiteDrainTest : public ::testing::Test {
 protected:
  SiteDrainTest() {
    for (const char* folder : {"/keys", "/ingest"}) EXPECT_TRUE(agent::MakeFolder(temp_.path() + folder, 0700).ok());
    registry_ = registry::Server::Start({.signing_key_dir = temp_.path() + "/keys", .config_poll_interval = absl::Milliseconds(20)},
                                        registry_store_, clock_, metrics_)
                    .value();
    ingest::IngestOptions ingest;
    ingest.listen = "127.0.0.1:0";
    ingest.cell = "cell-1";
    ingest.registry = registry_->target();
    ingest.state_dir = temp_.path() + "/ingest";
    ingestd_ = ingest::IngestServer::Start(ingest).value();
    stub_ = rv1::RegistryService::NewStub(MakeChannel(registry_->target()));
    for (const auto& [id, site] : {std::pair("box-1", "ix-1"), {"box-2", "ix-1"}, {"box-3", "ix-2"}}) {
      boxes_.push_back({.id = id, .site = site, .port = agent::FreePort()});
    }
  }
  ~SiteDrainTest() override {
    for (Box& box : boxes_) box.agent.reset();
    ingestd_.reset();
    registry_.reset();
  }

  template <typename Request, typename Response>
  absl::Status Call(grpc::Status (rv1::RegistryService::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response& response) {
    grpc::ClientContext context;
    SetTimeout(context, absl::Seconds(20));
    SetPrincipal(context, "operator/test");
    return FromGrpcStatus((stub_.get()->*method)(&context, request, &response));
  }

  void ApplyFleet() {
    std::string yaml = absl::StrCat(
        "sites:\n  - {id: ix-1, kind: IX, open_to_unrouted: true}\n  - {id: ix-2, kind: IX, open_to_unrouted: true}\n"
        "clusters:\n  - {id: ix-1, site: ix-1, content_region: all, popularity_feed: all, copies: 1}\n"
        "  - {id: ix-2, site: ix-2, content_region: all, popularity_feed: all, copies: 1}\ncells:\n  - {id: cell-1, address: \"",
        ingestd_->target(),
        "\", sites: [ix-1, ix-2]}\npolicies:\n  - {id: health, health: {heartbeat_interval: 200ms}}\n"
        "  - {id: drain, drain: {draining_for: 2s, evacuating_for: 3s, quiet_for: 2s, overdue_after: 60s}}\nappliances:\n");
    for (const Box& box : boxes_) {
      absl::StrAppend(&yaml, "  - {id: ", box.id, ", serial: SN-", box.id, ", site: ", box.site, ", cluster: ", box.site,
                      ", kind: STORAGE, capacity_bps: 10Gbps, ",
                      "tiers: [{tier: DISK, capacity_bytes: 1GB}], endpoints: [{family: IPV4, scheme: http, host: 127.0.0.1, port: ",
                      box.port, "}]}\n");
    }
    rv1::ApplyFleetRequest request;
    request.set_fleet_yaml(yaml);
    rv1::ApplyFleetResponse response;
    const absl::Status applied = Call(&rv1::RegistryService::Stub::ApplyFleet, request, response);
    ASSERT_TRUE(applied.ok()) << applied << "\n" << yaml;
    rv1::SigningKey key;  // Without one a box has nothing to check tokens with, and doesn't open.
    ASSERT_TRUE(Call(&rv1::RegistryService::Stub::CreateSigningKey, rv1::CreateSigningKeyRequest(), key).ok());
  }
  void StartAgent(Box& box) {
    rv1::IssueEnrollmentTokenRequest request;
    request.set_appliance("appliances/" + box.id);
    rv1::IssueEnrollmentTokenResponse response;
    ASSERT_TRUE(Call(&rv1::RegistryService::Stub::IssueEnrollmentToken, request, response).ok());
    agent::AgentOptions options;
    options.state_dir = absl::StrCat(temp_.path(), "/", box.id, "/state");
    options.disk_dir = absl::StrCat(temp_.path(), "/", box.id, "/disk");
    options.registry_targets = {registry_->target()};
    options.serial = "SN-" + box.id;
    options.enrollment_token = response.token();
    options.shared_host = true;
    auto started = agent::Agent::Start(std::move(options), clock_, *box.metrics);
    ASSERT_TRUE(started.ok()) << started.status();
    box.agent = *std::move(started);
    rv1::SetAdminStateRequest live;
    live.set_name("appliances/" + box.id);
    live.set_admin_state(common::v1::ADMIN_STATE_LIVE);
    live.set_reason("test");
    rv1::Appliance appliance;
    ASSERT_TRUE(Call(&rv1::RegistryService::Stub::SetAdminState, live, appliance).ok());
  }
  common::v1::AdminState AdminOf(const Box& box) {
    rv1::GetApplianceRequest request;
    request.set_name("appliances/" + box.id);
    rv1::Appliance appliance;
    EXPECT_TRUE(Call(&rv1::RegistryService::Stub::GetAppliance, request, appliance).ok());
    return appliance.admin_state();
  }

  // A viewer without a token is refused by an open box too, with 403: how it is refused tells the phase.
  static std::string Meet(const Box& box) {
    agent::HttpAnswer answer = agent::Fetch({.url = absl::StrCat("http://127.0.0.1:", box.port, "/")});
    if (answer.status == 410) return "refuses";
    if (answer.status != 403) return absl::StrCat("status ", answer.status);
    return answer.headers["connection"] == "close" ? "sends away" : "open";
  }
  void LookAtBoxes() {
    for (Box& box : boxes_) {
      const std::string met = Meet(box);
      if (std::find(box.seen.begin(), box.seen.end(), met) == box.seen.end()) box.seen.push_back(met);
    }
  }
  bool AllOpen() const {
    return std::all_of(boxes_.begin(), boxes_.end(), [](const Box& box) { return Meet(box) == "open"; });
  }
  // The command line, run to its end while a viewer looks at the boxes; its output.
  std::string Fairlead(std::vector<std::string> words, const std::string& ends) {
    const std::string output = absl::StrCat(temp_.path(), "/fairlead-", ++runs_, ".log");
    std::vector<std::string> argv = {"services/cli/fairlead", "--registry", registry_->target()};
    argv.insert(argv.end(), words.begin(), words.end());
    auto cli = agent::ChildProcess::Start({.argv = argv, .output = output});
    EXPECT_TRUE(cli.ok()) << cli.status();
    if (!cli.ok()) return "";
    EXPECT_TRUE(WaitFor(
        [&] {
          LookAtBoxes();
          return !(*cli)->Running();
        },
        2 * kPatience));
    const std::string text = agent::ReadFile(output).value_or("");
    EXPECT_EQ((*cli)->end_reason(), ends) << text;
    return text;
  }

  agent::TempFolder temp_;
  SystemClock clock_;
  Metrics metrics_;
  registry::FakeStore registry_store_;
  std::unique_ptr<registry::Server> registry_;
  std::unique_ptr<ingest::IngestServer> ingestd_;
  std::unique_ptr<rv1::RegistryService::Stub> stub_;
  std::vector<Box> boxes_;
  int runs_ = 0;
};

TEST_F(SiteDrainTest, EveryBoxOfTheSiteGoesThroughAllPhasesAndComesBackAndNoOtherIsTouched) {
  ApplyFleet();
  for (Box& box : boxes_) StartAgent(box);
  ASSERT_TRUE(WaitFor([&] { return AllOpen(); }, kPatience)) << Meet(boxes_[0]);
  for (Box& box : boxes_) box.seen = {"open"};

  const std::string told = Fairlead({"drain", "sites/ix-1", "--reason", "power work", "--wait"}, "exit status 0");
  for (const char* phase : {"DRAINING", "EVACUATING", "LAME_DUCK", "DRAINED"}) EXPECT_THAT(told, HasSubstr(phase));
  for (const Box& box : boxes_) {
    if (box.site == "ix-1") {
      EXPECT_THAT(box.seen, ElementsAre("open", "sends away", "refuses")) << box.id;
      EXPECT_EQ(Meet(box), "refuses") << box.id;
      EXPECT_EQ(AdminOf(box), common::v1::ADMIN_STATE_DRAINED) << box.id;
    } else {
      EXPECT_THAT(box.seen, ElementsAre("open")) << box.id;
      EXPECT_EQ(AdminOf(box), common::v1::ADMIN_STATE_LIVE) << box.id;
    }
  }

  rv1::ListDrainsResponse drains;
  ASSERT_TRUE(Call(&rv1::RegistryService::Stub::ListDrains, rv1::ListDrainsRequest(), drains).ok());
  ASSERT_EQ(drains.drains_size(), 1);
  EXPECT_EQ(drains.drains(0).target(), "sites/ix-1");
  EXPECT_EQ(drains.drains(0).boxes_size(), 2);
  EXPECT_THAT(Fairlead({"drain", "cancel", drains.drains(0).name()}, "exit status 0"), HasSubstr("CANCELLED"));
  EXPECT_TRUE(WaitFor([&] { return AllOpen(); }, kPatience));
  for (const Box& box : boxes_) EXPECT_EQ(AdminOf(box), common::v1::ADMIN_STATE_LIVE) << box.id;
}

}  // namespace
}  // namespace fairlead
